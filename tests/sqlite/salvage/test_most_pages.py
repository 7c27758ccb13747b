"""A table most of whose pages are another table's, as after a copy that mixes two states of a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.makers import databases
from tests.makers.damaged import pages_of
from tests.sqlite.salvage.conftest import Repaired
from tests.sqlite.salvage.test_cures import span
from toolkit.sqlite.salvage import repair

Repair = Callable[..., Repaired]


def test_rows_of_another_table_are_none_of_it_though_they_are_most(tmp_path: Path, repaired: Repair) -> None:
    original = tmp_path / "a.db"
    with databases.opened(original) as connection:
        connection.execute("CREATE TABLE files(id INTEGER PRIMARY KEY, message INT, kind TEXT, name TEXT, hash TEXT)")
        connection.execute(
            "CREATE TABLE messages(id INTEGER PRIMARY KEY, sent INT, got INT, room INT, type INT, t TEXT)"
        )
        connection.execute("BEGIN")
        for n in range(500):
            values = (n, n * 3, "image/jpeg", f"/data/part{n}.mms", f"{n * 7919:032x}")
            connection.execute("INSERT INTO files VALUES (?, ?, ?, ?, ?)", values)
        for n in range(4000):
            values = (n, 1_600_000_000_000 + n, 1_600_000_000_003 + n, n % 60, 10_485_783, f"a text {n} " * 4)
            connection.execute("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?)", values)
        connection.execute("COMMIT")
    files, messages = pages_of(original, "files"), pages_of(original, "messages")

    def damage(data: bytearray) -> None:
        for at, page in enumerate(files[2:]):
            data[span(page)] = data[span(messages[20 + at])]

    result = repaired(original, damage)
    assert set(result.extra) <= {"lost_and_found"}
    assert list(result.missing) == ["files"]
    assert result.account.tables["files"].read > 100
    assert result.account.tables["files"].gaps


def test_rows_of_a_type_that_was_declared_later_stay(tmp_path: Path, repaired: Repair) -> None:
    original = tmp_path / "a.db"
    with databases.opened(original) as connection:
        connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, code INT, text TEXT)")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", ((n, n, f"text {n} " * 9) for n in range(400)))
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("UPDATE sqlite_master SET sql=replace(sql, 'code INT', 'code TEXT') WHERE name='t'")
    with databases.opened(original) as connection:
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", ((n, n, f"text {n} " * 9) for n in range(400, 600)))
    source, output, scratch = tmp_path / "damaged.db", tmp_path / "output.db", tmp_path / "scratch"
    scratch.mkdir()
    data = bytearray(original.read_bytes())
    data[span(pages_of(original, "t")[-1])] = bytes(4096)
    source.write_bytes(data)
    repair(source, output, scratch=scratch)
    with databases.opened(output) as connection:
        assert connection.execute("SELECT count(*) FROM t WHERE id < 400").fetchone()[0] == 400
