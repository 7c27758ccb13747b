"""A database that was repaired before has tables of the very names in which a repair keeps rows apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.makers import databases
from tests.sqlite.salvage.conftest import Repaired
from toolkit.sqlite.apart import free_name

PAGE = 4096


@pytest.mark.parametrize(
    ("taken", "of", "name"),
    [
        ((), "", "lost_and_found"),
        (("users",), "users", "lost_and_found_users"),
        (("Lost_And_Found",), "", "lost_and_found_2"),
        (("lost_and_found_t", "lost_and_found_t_2"), "t", "lost_and_found_t_3"),
    ],
)
def test_a_new_name_is_free(taken: tuple[str, ...], of: str, name: str) -> None:
    assert free_name(taken, of) == name


def test_a_table_that_is_there_is_one_like_all_others(tmp_path: Path, repaired: Callable[..., Repaired]) -> None:
    original = tmp_path / "a.db"
    with databases.opened(original) as connection:
        connection.executescript(
            "BEGIN; CREATE TABLE lost_and_found(id INTEGER PRIMARY KEY, c0); CREATE TABLE t(a TEXT, b);"
            "WITH n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 900)"
            "INSERT INTO lost_and_found SELECT i, 'found before ' || i FROM n;"
            "INSERT INTO t SELECT nullif(c0, 'found before 7'), id FROM lost_and_found; COMMIT;"
            "PRAGMA writable_schema=ON;"
            "UPDATE sqlite_master SET sql = 'CREATE TABLE t(a TEXT NOT NULL, b)' WHERE name='t'"
        )

    def damage(data: bytearray) -> None:
        page = data.index(b"found before 450") // PAGE
        data[page * PAGE : (page + 1) * PAGE] = bytes(PAGE)

    result = repaired(original, damage)
    assert (result.account.unplaced, result.account.unplaced_in) == (1, "lost_and_found_2")
    assert not result.account.tables["lost_and_found"].whole
    assert set(result.account.tables) == {"lost_and_found", "t"}
    assert "table lost_and_found" in result.account.kept_objects
    with databases.opened(result.output) as connection:
        assert connection.execute("SELECT mark FROM lost_and_found_2").fetchall() == [("t",)]
        (found,) = connection.execute("SELECT count(*) FROM lost_and_found WHERE c0 LIKE 'found before %'").fetchone()
    assert 500 < found < 900
