"""Rows whose page was lost come back from indexes that hold all of them, and from no others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.makers import databases
from tests.makers.damaged import pages_of
from tests.sqlite.salvage.conftest import Repaired

Repair = Callable[..., Repaired]
PAGE = 4096
LINKS = {
    "one index": "CREATE TABLE links(id INTEGER PRIMARY KEY, a INT, b TEXT, UNIQUE(a, b));"
    "CREATE INDEX by_b ON links(b)",
    "two indexes": "CREATE TABLE links(a INT, b TEXT COLLATE NOCASE); CREATE INDEX by_a ON links(a DESC);"
    "CREATE INDEX by_b ON links(b)",
    "a real": "CREATE TABLE links(a REAL, b, UNIQUE(b, a))",
}


def make(path: Path, statements: str) -> Path:
    with databases.opened(path) as connection:
        connection.executescript(f"{statements}; CREATE TABLE other(x INT, y TEXT, UNIQUE(x, y))")
        connection.execute("BEGIN")
        pairs = [(n % 97, f"Name {n}" if n % 5 else None) for n in range(3000)]
        connection.executemany("INSERT INTO links(a, b) VALUES (?, ?)", pairs)
        connection.executemany("INSERT INTO other VALUES (?, ?)", ((n % 89, f"other {n}") for n in range(3000)))
        connection.execute("COMMIT")
    return path


def lose(data: bytearray, page: int) -> None:
    data[(page - 1) * PAGE : page * PAGE] = bytes(PAGE)


@pytest.mark.parametrize("statements", LINKS.values(), ids=LINKS)
def test_rows_that_indexes_hold_whole_come_back(tmp_path: Path, repaired: Repair, statements: str) -> None:
    original = make(tmp_path / "a.db", statements)
    result = repaired(original, lambda data: lose(data, pages_of(original, "links")[2]))
    assert (result.missing, result.extra, result.objects) == ({}, {}, set())
    assert result.account.whole
    assert any("put together from its indexes" in said for said in result.account.said)


def test_rows_of_which_a_column_is_in_no_index_stay_lost(tmp_path: Path, repaired: Repair) -> None:
    original = make(tmp_path / "a.db", "CREATE TABLE links(a INT, b TEXT); CREATE INDEX by_a ON links(a)")
    result = repaired(original, lambda data: lose(data, pages_of(original, "links")[2]))
    assert result.account.tables["links"].lost == result.missing["links"] > 0
    assert not result.extra


def test_an_index_that_holds_a_page_of_another_is_not_heard(tmp_path: Path, repaired: Repair) -> None:
    original = make(tmp_path / "a.db", "CREATE TABLE links(a INT, b TEXT, UNIQUE(a, b))")
    one, other = (pages_of(original, f"sqlite_autoindex_{name}_1")[3] for name in ("links", "other"))

    def damage(data: bytearray) -> None:
        lose(data, pages_of(original, "links")[2])
        data[(one - 1) * PAGE : one * PAGE] = data[(other - 1) * PAGE : other * PAGE]

    result = repaired(original, damage)
    assert result.missing
    assert not result.extra
