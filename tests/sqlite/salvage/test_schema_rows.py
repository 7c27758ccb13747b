"""Rows of the schema that are damaged while the tables are whole: what the row, the file and a backup still tell."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.makers import databases
from tests.sqlite.salvage.conftest import Repaired

Repair = Callable[..., Repaired]


def make(path: Path) -> Path:
    with databases.opened(path) as connection:
        connection.executescript(
            "BEGIN; CREATE TABLE first(id INTEGER PRIMARY KEY AUTOINCREMENT, parent_id INT, name TEXT);"
            "CREATE TABLE second(a TEXT, b TEXT); CREATE INDEX second_a ON second(a);"
            "CREATE INDEX first_n ON first(name);"
            "WITH n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 900)"
            "INSERT INTO first(parent_id, name) SELECT i / 3, 'name ' || i FROM n;"
            "INSERT INTO second SELECT name, parent_id FROM first; COMMIT;"
        )
    return path


def change(old: bytes, new: bytes) -> Callable[[bytearray], None]:
    def damage(data: bytearray) -> None:
        assert len(old) == len(new)
        assert data.count(old) == 1
        at = data.index(old)
        data[at : at + len(old)] = new

    return damage


def without_index(original: Path) -> Callable[[bytearray], None]:
    """Return a damage that SQLite notices and that costs no row: the root of an index is gone."""
    root = databases.root_page(original, "second_a")

    def damage(data: bytearray) -> None:
        data[(root - 1) * 4096 : root * 4096] = bytes(4096)

    return damage


def expect_whole(result: Repaired) -> None:
    assert (result.missing, result.extra, result.objects) == ({}, {}, set())
    assert result.account.lost_objects == ()


def test_the_name_of_its_table_in_the_row_of_a_table_is_not_needed(tmp_path: Path, repaired: Repair) -> None:
    names = b"tablesqlite_sequencesqlite_sequence"
    expect_whole(repaired(make(tmp_path / "a.db"), change(names, names[:20] + bytes(6) + names[26:])))


def test_a_table_whose_statement_is_gone_has_that_of_a_backup_and_its_own_root(
    tmp_path: Path, repaired: Repair
) -> None:
    original = make(tmp_path / "a.db")
    with databases.opened(tmp_path / "backup.db") as connection:
        connection.execute("CREATE TABLE second(a TEXT, b TEXT)")
    words = b"CREATE TABLE second(a TEXT, b TEXT)"
    expect_whole(repaired(original, change(words, b"-" * len(words)), tmp_path / "backup.db"))


def test_a_name_that_was_damaged_into_another_is_told_by_a_backup_of_the_same_schema_version(
    tmp_path: Path, repaired: Repair
) -> None:
    original = make(tmp_path / "a.db")
    with databases.opened(original) as connection:
        connection.execute("VACUUM INTO ?", (str(tmp_path / "backup.db"),))
    lose = without_index(original)

    def damage(data: bytearray) -> None:
        change(b"parent_id INT", b"pavent_id INT")(data)
        lose(data)

    expect_whole(repaired(original, damage, tmp_path / "backup.db"))


def test_a_column_that_was_renamed_since_the_backup_keeps_its_new_name(tmp_path: Path, repaired: Repair) -> None:
    original = make(tmp_path / "a.db")
    shutil.copyfile(original, tmp_path / "backup.db")
    with databases.opened(original) as connection:
        connection.execute("ALTER TABLE first RENAME COLUMN parent_id TO pavent_id")
    expect_whole(repaired(original, without_index(original), tmp_path / "backup.db"))


def test_a_column_that_was_added_since_a_backup_by_vacuum_stays(tmp_path: Path, repaired: Repair) -> None:
    original = make(tmp_path / "a.db")
    with databases.opened(original) as connection:
        connection.execute("VACUUM INTO ?", (str(tmp_path / "backup.db"),))
        connection.execute("ALTER TABLE second ADD COLUMN added TEXT DEFAULT 'none'")
        connection.execute("INSERT INTO second VALUES ('new', 'row', 'with a value')")
    expect_whole(repaired(original, without_index(original), tmp_path / "backup.db"))


def test_an_empty_statement_takes_no_other_table_along(tmp_path: Path, repaired: Repair) -> None:
    words = b"CREATE TABLE second(a TEXT, b TEXT)"
    result = repaired(make(tmp_path / "a.db"), change(words, b" " * len(words)))
    assert "first" not in result.missing
    assert not {name for kind, name, *_ in result.objects if name.startswith("first")}


def test_a_table_whose_row_is_gone_is_missed_and_comes_from_a_backup(tmp_path: Path, repaired: Repair) -> None:
    original, lessened = make(tmp_path / "a.db"), tmp_path / "b.db"
    shutil.copyfile(original, lessened)
    with databases.opened(lessened) as connection:
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("DELETE FROM sqlite_schema WHERE tbl_name='second'")

    def damage(data: bytearray) -> None:
        data[:] = lessened.read_bytes()

    expect_whole(repaired(original, damage, original))


def test_a_table_whose_row_is_gone_is_missed(tmp_path: Path, repaired: Repair) -> None:
    original = make(tmp_path / "a.db")
    with databases.opened(original) as connection:
        connection.execute("CREATE TABLE pairs(a INT, b INT, PRIMARY KEY(a, b)) WITHOUT ROWID")
        connection.execute("INSERT INTO pairs SELECT id, parent_id FROM first")
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("DELETE FROM sqlite_schema WHERE name='pairs'")
    result = repaired(original, lambda data: None)
    assert not result.missing
    assert not result.account.whole


def test_pages_of_the_schema_that_are_gone_are_said(tmp_path: Path, repaired: Repair) -> None:
    """No row tells of tables that were empty: a backup of this schema has them, or they may be missing."""
    path = tmp_path / "a.db"
    with databases.opened(path) as connection:
        for number in range(90):
            connection.execute(f"CREATE TABLE table_{number}(id INTEGER PRIMARY KEY, note TEXT DEFAULT '{'x' * 300}')")
    backup = tmp_path / "backup.db"
    shutil.copyfile(path, backup)

    def cut(data: bytearray) -> None:
        del data[len(data) * 2 // 3 // 4096 * 4096 :]

    assert "pages of the schema are gone" in " ".join(repaired(path, cut).account.doubts)
    shutil.rmtree(tmp_path / "private")
    shutil.rmtree(tmp_path / "scratch")
    (tmp_path / "output.db").unlink()
    result = repaired(path, cut, backup)
    assert (result.missing, result.objects, result.account.doubts) == ({}, set(), ())
