"""A gap is told where rows may be missing, and nowhere else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.makers import databases
from tests.sqlite.salvage.conftest import Repaired
from tests.sqlite.salvage.test_cures import PAGE, page_of, span
from toolkit.sqlite.account import Gap, Remains
from toolkit.sqlite.order import sort_key
from toolkit.sqlite.refill import refill

Repair = Callable[..., Repaired]


@pytest.fixture
def keyed(tmp_path: Path) -> Path:
    """A table WITHOUT ROWID, half of whose rows are from before a column was added."""
    path = tmp_path / "a.db"
    with databases.opened(path) as connection:
        connection.execute("CREATE TABLE plain(id INTEGER PRIMARY KEY, text TEXT)")
        connection.execute("CREATE TABLE keyed(word TEXT, n INT, text TEXT, PRIMARY KEY(word, n)) WITHOUT ROWID")
        rows = [(f"word {n % 10}", n, f"text {n} " * 9) for n in range(1000)]
        connection.executemany("INSERT INTO keyed VALUES (?, ?, ?)", rows[:700])
        connection.execute("ALTER TABLE keyed ADD added INT DEFAULT 7")
        connection.executemany("INSERT INTO keyed VALUES (?, ?, ?, 8)", rows[700:])
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO plain VALUES (?, ?)", ((n, f"text {n}") for n in range(500)))
        connection.execute("COMMIT")
    return path


def _deleted(original: Path, path: Path, condition: str) -> Path:
    """Copy a database and delete rows in it."""
    shutil.copyfile(original, path)
    with databases.opened(path) as connection:
        connection.execute(f"DELETE FROM keyed WHERE {condition}")
    return path


def test_a_lost_root_of_a_keyed_table_lacks_one_row_between_two_leaves(
    tmp_path: Path, keyed: Path, repaired: Repair
) -> None:
    now = _deleted(keyed, tmp_path / "now.db", "n % 100 = 55")
    root = page_of(now, "keyed")

    def damage(data: bytearray) -> None:
        data[span(root)] = b"\xa5" * PAGE

    result = repaired(now, damage, reference=keyed)
    gaps = result.account.tables["keyed"].gaps
    assert len(gaps) == result.missing["keyed"] > 3
    assert {gap.rows for gap in gaps} == {1}
    filled = refill(result.output, keyed, result.account.tables, scratch=tmp_path / "scratch")
    with databases.opened(result.output) as connection:
        assert not connection.execute("SELECT * FROM keyed WHERE n % 100 = 55").fetchall()
    left = len(filled["keyed"].gaps)  # where a deleted row lay beside the lost one, nobody can tell which is which
    assert left <= 1
    assert filled["keyed"].refilled == result.missing["keyed"] - left


def test_a_lost_leaf_of_a_keyed_table_is_a_gap_between_its_neighbours(
    tmp_path: Path, keyed: Path, repaired: Repair
) -> None:
    now = _deleted(keyed, tmp_path / "now.db", "n % 100 = 55")
    leaf = page_of(now, "keyed", 3)

    def damage(data: bytearray) -> None:
        data[span(leaf)] = b"\xa5" * PAGE

    result = repaired(now, damage, reference=keyed)
    (gap,) = result.account.tables["keyed"].gaps
    assert isinstance(gap.after, tuple)
    assert isinstance(gap.before, tuple)
    assert gap.after[0] <= gap.before[0]
    assert gap.rows is None
    with databases.opened(keyed) as connection:
        inside = connection.execute(
            "SELECT count(*) FROM keyed WHERE (word, n) > (?, ?) AND (word, n) < (?, ?) AND n % 100 <> 55",
            (*gap.after, *gap.before),
        ).fetchone()[0]
    assert inside == result.missing["keyed"] > 5


def test_of_too_many_rows_for_a_counted_gap_none_is_put(tmp_path: Path, keyed: Path, repaired: Repair) -> None:
    now = _deleted(keyed, tmp_path / "now.db", "n = 55")
    result = repaired(now, lambda data: None)
    tables = dict(result.account.tables)
    with databases.opened(result.output) as connection:
        connection.execute("DELETE FROM keyed WHERE n = 65")
    gap = Gap(("word 5", 45), ("word 5", 75), 1)
    tables["keyed"] = type(tables["keyed"])(read=998, gaps=(gap,))
    filled = refill(result.output, keyed, tables, scratch=tmp_path / "scratch")
    assert (filled["keyed"].refilled, filled["keyed"].doubtful, filled["keyed"].gaps) == (0, 2, (gap,))


def test_nothing_is_missing_where_only_page_1_is_lost(tmp_path: Path, keyed: Path, repaired: Repair) -> None:
    now = _deleted(keyed, tmp_path / "now.db", "n % 100 = 55")

    def damage(data: bytearray) -> None:
        data[span(1)] = b"\xa5" * PAGE

    result = repaired(now, damage, reference=keyed)
    assert (result.missing, result.extra) == ({}, {})
    assert [table.gaps for table in result.account.tables.values()] == [(), ()]


def test_cells_that_the_count_of_a_page_leaves_out_are_found(tmp_path: Path, repaired: Repair) -> None:
    original = databases.shop(tmp_path / "a.db", orders=900)
    leaf = page_of(original, "orders", 2)

    def damage(data: bytearray) -> None:
        begin = (leaf - 1) * PAGE
        data[begin + 3 : begin + 5] = b"\0\5"

    result = repaired(original, damage)
    assert (result.missing, result.extra) == ({}, {})


def test_a_row_that_was_kept_apart_comes_back_from_the_backup(tmp_path: Path, repaired: Repair) -> None:
    backup, now = tmp_path / "backup.db", tmp_path / "now.db"
    with databases.opened(backup) as connection:
        connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT NOT NULL, at INT)")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", ((n, f"name {n}", n) for n in range(1, 300)))
    shutil.copyfile(backup, now)
    with databases.opened(now) as connection:
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'NOT NULL', '        ')")
        connection.execute("PRAGMA writable_schema=RESET")
        connection.execute("UPDATE t SET name = NULL WHERE id = 70")
        connection.execute("DELETE FROM t WHERE id = 71")
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'TEXT         ', 'TEXT NOT NULL')")
    result = repaired(now, lambda data: None, reference=backup)
    assert result.account.tables["t"].gaps == (Gap(69, 71, 1),)
    filled = refill(result.output, backup, result.account.tables, scratch=tmp_path / "scratch")
    assert (filled["t"].refilled, filled["t"].gaps) == (1, ())
    with databases.opened(result.output) as connection:
        found = connection.execute("SELECT id, name FROM t WHERE id BETWEEN 69 AND 72 ORDER BY id").fetchall()
    assert found == [(69, "name 69"), (70, "name 70"), (72, "name 72")]


def test_the_entries_that_an_r_tree_lost_are_named(tmp_path: Path, repaired: Repair) -> None:
    backup, now = tmp_path / "backup.db", tmp_path / "now.db"
    with databases.opened(backup) as connection:
        connection.execute("CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1, +name)")
        connection.executemany("INSERT INTO boxes VALUES (?, ?, ?, ?)", ((n, n, n + 0.5, f"b{n}") for n in range(500)))
    shutil.copyfile(backup, now)
    with databases.opened(now) as connection:
        connection.execute("DELETE FROM boxes WHERE id IN (10, 11, 390)")
        rows = connection.execute("SELECT * FROM boxes ORDER BY id").fetchall()
        node = connection.execute("SELECT nodeno FROM boxes_rowid WHERE rowid = 12").fetchone()[0]
        inside = {row[0] for row in connection.execute("SELECT rowid FROM boxes_rowid WHERE nodeno = ?", (node,))}
        connection.execute("UPDATE boxes_node SET data = zeroblob(length(data)) WHERE nodeno = ?", (node,))
    result = repaired(now, lambda data: None, reference=backup)
    assert result.account.tables["boxes"].named == inside
    filled = refill(result.output, backup, result.account.tables, scratch=tmp_path / "scratch")
    with databases.opened(result.output) as connection:
        assert connection.execute("SELECT * FROM boxes ORDER BY id").fetchall() == rows
    assert filled["boxes"].whole


def test_a_broken_page_gives_no_text_that_is_none(tmp_path: Path, repaired: Repair) -> None:
    original = databases.shop(tmp_path / "a.db", orders=900)
    leaf = page_of(original, "audit", 1)

    def damage(data: bytearray) -> None:
        begin = (leaf - 1) * PAGE
        data[begin + 1 : begin + 3] = b"\x7f\xff"
        data[begin + PAGE - 12 : begin + PAGE - 6] = b"\xff\xfe\xfd\xfc\xfb\xfa"

    result = repaired(original, damage)
    assert result.extra == {}
    assert result.account.tables["audit"].doubtful == result.missing["audit"] == 1


def test_what_is_left_of_an_index_speaks_of_the_rows_in_a_gap(tmp_path: Path, repaired: Repair) -> None:
    backup, now = tmp_path / "backup.db", tmp_path / "now.db"
    with databases.opened(backup) as connection:
        connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, at INT, filler TEXT)")
        connection.execute("CREATE INDEX by_name ON t(name, at)")
        rows = ((n, f"name {n * 37 % 2000:04}", n, "x" * 40) for n in range(1, 2001))
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", rows)
    shutil.copyfile(backup, now)
    with databases.opened(now) as connection:
        connection.execute("DELETE FROM t WHERE id % 31 = 3")
        connection.execute("UPDATE t SET name = name || ' new' WHERE id % 31 = 4")
    leaves = [page_of(now, "t", child) for child in (5, 6, 7)]
    index = page_of(now, "by_name", 2)

    def damage(data: bytearray) -> None:
        for page in (*leaves, index):
            data[span(page)] = b"\xa5" * PAGE

    result = repaired(now, damage, reference=backup)
    account = result.account.tables["t"]
    assert account.gaps
    assert account.remains
    filled = refill(result.output, backup, result.account.tables, scratch=tmp_path / "scratch")
    with databases.opened(result.output) as connection, databases.opened(now) as truth:
        kept = {row[0] for row in truth.execute("SELECT id FROM t")}
        rows = connection.execute("SELECT id, name FROM t").fetchall()
        old = [(key, name) for key, name in rows if key not in kept or (key % 31 == 4 and "new" not in name)]
    told = [row for row in old if not _hidden(account.remains[0], row)]
    assert told == []
    assert filled["t"].refilled > result.missing["t"] * 0.9


def _hidden(left: Remains, row: tuple[int, str]) -> bool:
    """Answer whether nothing that is left of the index tells of a row."""
    return not left.covers(sort_key([row[1], row[0], row[0]], left.orders, left.encoding))


def test_entries_of_an_index_are_not_taken_for_rows_with_columns_missing(tmp_path: Path, repaired: Repair) -> None:
    original = tmp_path / "a.db"
    with databases.opened(original) as connection:
        connection.execute("CREATE TABLE keyed(a INT, b INT, c INT DEFAULT 0, PRIMARY KEY(a, b)) WITHOUT ROWID")
        connection.execute("CREATE INDEX by_b ON keyed(b)")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO keyed VALUES (?, ?, 0)", ((n, n * 7 % 4001) for n in range(4000)))
        connection.execute("COMMIT")
    roots = [databases.root_page(original, name) for name in ("keyed", "by_b")]

    def damage(data: bytearray) -> None:
        for page in roots:
            data[span(page)] = b"\xa5" * PAGE

    result = repaired(original, damage)
    assert result.extra == {}


def test_a_lost_root_of_a_keyed_table_with_a_column_added_since_costs_no_page(tmp_path: Path, repaired: Repair) -> None:
    """Without a backup: entries of its index are as wide as its old rows, but never of two widths on one page."""
    path = tmp_path / "a.db"
    with databases.opened(path) as connection:
        connection.execute("CREATE TABLE keyed(word TEXT, n INT, text TEXT, PRIMARY KEY(word, n)) WITHOUT ROWID")
        connection.execute("CREATE INDEX by_text ON keyed(text)")
        rows = [(f"word {n * 7919 % 1000}", n, f"text {n} " * 9) for n in range(1000)]
        connection.executemany("INSERT INTO keyed VALUES (?, ?, ?)", rows[:700])
        connection.execute("ALTER TABLE keyed ADD added INT DEFAULT 7")
        connection.executemany("INSERT INTO keyed VALUES (?, ?, ?, 8)", rows[700:])
    root = page_of(path, "keyed")

    def damage(data: bytearray) -> None:
        data[span(root)] = b"\xa5" * PAGE

    result = repaired(path, damage)
    assert result.extra == {}
    assert result.missing["keyed"] < 50  # one between each two leaves


def test_a_leaf_that_another_tables_leaf_lies_on_is_a_gap_and_no_row_of_an_empty_table(
    tmp_path: Path, repaired: Repair
) -> None:
    original = tmp_path / "a.db"
    with databases.opened(original) as connection:
        connection.execute("CREATE TABLE map(zoom INT, x INT, y INT, tile TEXT)")
        connection.execute("CREATE UNIQUE INDEX places ON map(zoom, x, y)")
        connection.execute("CREATE TABLE images(data BLOB, tile TEXT)")
        connection.execute("CREATE TABLE grids(id TEXT, grid TEXT)")
        for n in range(900):
            connection.execute("INSERT INTO map VALUES (?, ?, ?, ?)", (n % 9, n, n * 7, f"tile {n:028}"))
            connection.execute("INSERT INTO images VALUES (?, ?)", (bytes(range(n % 250)), f"tile {n:028}"))
    first, other = page_of(original, "map", 0), page_of(original, "images", 5)

    def damage(data: bytearray) -> None:
        data[span(first)] = data[span(other)]

    result = repaired(original, damage)
    assert set(result.extra) <= {"lost_and_found"}
    assert list(result.missing) == ["map"]
    assert result.account.tables["map"].lost == result.missing["map"]
    assert not result.account.whole
