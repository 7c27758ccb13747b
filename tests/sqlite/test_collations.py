"""Databases whose texts are ordered by a collation that only their application has, as Anki's and Plex's are."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.makers import databases
from toolkit.sqlite import salvage
from toolkit.sqlite.account import Account, Gap, TableAccount
from toolkit.sqlite.check import check
from toolkit.sqlite.collations import foreign, ordered
from toolkit.sqlite.compare import compare
from toolkit.sqlite.export import Format, export
from toolkit.sqlite.refill import refill

SCHEMA = """
CREATE TABLE notes(id INTEGER PRIMARY KEY, guid TEXT NOT NULL, csum INTEGER NOT NULL, title TEXT);
CREATE INDEX notes_csum ON notes(csum);
CREATE INDEX notes_title ON notes(title COLLATE unicase);
CREATE TABLE fields(
  note INTEGER, ord INTEGER, name TEXT COLLATE unicase, data TEXT, PRIMARY KEY(note, ord)) WITHOUT ROWID;
CREATE UNIQUE INDEX fields_name ON fields(name, note);
CREATE TABLE tags(tag TEXT NOT NULL PRIMARY KEY COLLATE "uniCase", usn INTEGER NOT NULL) WITHOUT ROWID;
"""


@contextlib.contextmanager
def application(path: Path) -> Iterator[sqlite3.Connection]:
    """Open it as its application does."""
    with databases.opened(path) as connection:
        connection.create_collation("unicase", lambda one, other: _sign(one.casefold(), other.casefold()))
        yield connection


def _sign(one: str, other: str) -> int:
    return (one > other) - (one < other)


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    path = tmp_path / "collection.anki2"
    with application(path) as connection:
        connection.executescript(f"PRAGMA page_size=1024; {SCHEMA}")
        name = [f"{'Zz' if number % 3 else 'aA'} {number * 7919 % 997}" for number in range(900)]
        for number in range(300):
            connection.execute("INSERT INTO notes VALUES (?,?,?,?)", (number, f"g{number}", number * 31, name[number]))
            connection.execute("INSERT INTO fields VALUES (?,?,?,?)", (number // 4, number % 4, name[number], "x" * 40))
            connection.execute("INSERT INTO tags VALUES (?,?)", (f"{name[number]} tag", number))
    return path


def _rows(path: Path, table: str) -> set[tuple[object, ...]]:
    with application(path) as connection:
        return set(connection.execute(f"SELECT * FROM {table} NOT INDEXED"))


def _repair(source: Path, folder: Path, backup: Path | None = None) -> tuple[Path, Account]:
    scratch, output = folder / "scratch", folder / "output.db"
    scratch.mkdir()
    return output, salvage.repair(source, output, scratch=scratch, reference=backup)


def test_a_sound_one_is_checked_and_counted_but_for_the_order(collection: Path) -> None:
    found = check(collection, level="full", values=True)
    assert not found.damaged
    assert found.tables == {"notes": 300, "fields": 300, "tags": 300}
    assert {one.name for one in found.checks} >= {"integrity_check", "rows"}
    assert [line for line in found.skipped if "unicase" in line.lower() and "fields_name" in line]


def test_what_has_nothing_to_do_with_the_order_is_found(collection: Path) -> None:
    data = collection.read_bytes()
    begin = data.index(b"g117") + 4
    collection.write_bytes(data[:begin] + bytes([data[begin] ^ 1]) + data[begin + 1 :])  # the checksum of a note
    (integrity,) = [one for one in check(collection, level="full").checks if one.name == "integrity_check"]
    assert integrity.messages == ("row 118 missing from index notes_csum",)


def test_a_value_that_another_index_has_comes_back(collection: Path, tmp_path: Path) -> None:
    before = _rows(collection, "notes")
    data = collection.read_bytes()
    begin = data.index(b"g117") + 4
    collection.write_bytes(data[:begin] + bytes([data[begin] ^ 1]) + data[begin + 1 :])
    output, account = _repair(collection, tmp_path)
    assert account.strategy != "none"
    assert _rows(output, "notes") == before
    with application(output) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_rows_are_put_although_an_index_of_their_table_cannot_be_written(collection: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    backup.write_bytes(collection.read_bytes())
    before = _rows(collection, "fields")
    data = bytearray(collection.read_bytes())
    begin = data.index(b"x" * 40)
    page = begin // 1024 * 1024
    data[page : page + 1024] = bytes(1024)
    collection.write_bytes(data)
    output, account = _repair(collection, tmp_path, backup)
    left = _rows(output, "fields")
    assert len(before) * 0.8 < len(left) < len(before)
    assert left < before
    assert account.lost_objects == ("index fields_name",)
    filled = refill(output, backup, account.tables, scratch=tmp_path / "scratch")
    assert _rows(output, "fields") == before
    assert filled["fields"].refilled == len(before) - len(left)
    with application(output) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_table_that_has_the_order_itself_is_not_refilled_and_that_is_said(collection: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    backup.write_bytes(collection.read_bytes())
    with application(collection) as connection:
        connection.execute("DELETE FROM tags WHERE usn < 20")
    said: list[str] = []
    accounts = {"tags": TableAccount(read=280, lost=20, gaps=(Gap(None, None),))}
    found = refill(collection, backup, accounts, scratch=tmp_path, say=said.append)
    assert said == ["tags was not refilled: only its application has the collation uniCase"]
    assert found == accounts


def test_only_trees_with_such_an_order_are_named(collection: Path) -> None:
    with databases.opened(collection) as connection:
        names = foreign(connection)
        assert names == ["unicase"]
        assert set(ordered(connection, names)) == {"notes_title", "fields_name", "tags", "sqlite_autoindex_tags_1"}


@pytest.mark.parametrize("format", ["sql", "json", "csv"])
def test_it_is_exported_whole(collection: Path, tmp_path: Path, format: Format) -> None:  # noqa: A002
    report = export(collection, tmp_path / "exported", format)
    assert report.tables == {"notes": 300, "fields": 300, "tags": 300}


def test_what_differs_between_two_is_told_where_no_key_can_be_looked_up(collection: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    other.write_bytes(collection.read_bytes())
    assert compare(collection, other).equal
    with application(other) as connection:
        connection.execute("UPDATE tags SET usn = -1 WHERE usn IN (5, 6)")
        connection.execute("DELETE FROM fields WHERE note = 9")
    found = compare(collection, other)
    assert [(one.table, one.left_only, one.right_only) for one in found.tables] == [("fields", 4, 0), ("tags", 2, 2)]
