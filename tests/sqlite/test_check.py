"""Checks find what is broken, count what is there, and change nothing."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.makers import databases
from toolkit.errors import CancelledError, NotADatabaseError
from toolkit.sqlite import check
from toolkit.sqlite.check import Checkup, Level


def failed(checkup: Checkup) -> list[str]:
    return [result.name for result in checkup.checks if not result.ok]


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
def test_a_sound_database_is_described(tmp_path: Path, encoding: str) -> None:
    path = databases.shop(tmp_path / "a.db", encoding=encoding, page_size=8192)
    before = path.read_bytes()
    checkup = check.check(path, level="full")
    assert checkup.ok
    assert not checkup.damaged
    assert (checkup.encoding, checkup.page_size, checkup.user_version) == (encoding, 8192, 7)
    assert checkup.application_id == 0x5109
    assert checkup.size == checkup.page_size * checkup.page_count == path.stat().st_size
    assert checkup.journal_mode == "delete"
    assert checkup.sqlite_version == sqlite3.sqlite_version
    assert checkup.tables == databases.row_counts(path)
    assert checkup.foreign_key_violations == 0
    assert [result.name for result in checkup.checks] == ["size", "integrity_check", "foreign_key_check", "rows", "fts"]
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.db"]


def flipped_index(path: Path) -> Path:
    databases.shop(path)
    databases.flip_page(path, databases.root_page(path, "orders_by_user"))
    return path


def bytes_behind(path: Path) -> Path:
    with databases.shop(path).open("ab") as file:
        file.write(bytes(4096))
    return path


def cut_page(path: Path) -> Path:
    os.truncate(databases.shop(path), path.stat().st_size - 100)
    return path


def broken_fts4(path: Path) -> Path:
    with databases.opened(path) as connection:
        connection.execute("CREATE VIRTUAL TABLE [my notes] USING fts4(body)")
        connection.executemany("INSERT INTO [my notes](body) VALUES (?)", ((f"word{n}",) for n in range(100)))
        connection.execute("DELETE FROM [my notes_content] WHERE docid > 50")
    return path


def drifted_content(path: Path) -> Path:
    with databases.opened(path) as connection:
        connection.execute("CREATE TABLE posts(id INTEGER PRIMARY KEY, body)")
        connection.execute("CREATE VIRTUAL TABLE search USING fts5(body, content=posts, content_rowid=id)")
        connection.execute("INSERT INTO posts VALUES (1, 'one')")
        connection.execute("INSERT INTO search(rowid, body) VALUES (1, 'another')")
    return path


def broken_rtree(path: Path) -> Path:
    with databases.opened(path) as connection:
        connection.execute("CREATE VIRTUAL TABLE places USING rtree(id, x1, x2)")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO places VALUES (?, ?, ?)", ((n, n, n + 1) for n in range(500)))
        connection.execute("DELETE FROM places_rowid WHERE rowid > 490")
        connection.execute("COMMIT")
    return path


@pytest.mark.parametrize(
    ("maker", "name"),
    [
        (databases.truncated, "size"),
        (databases.flipped_page, "quick_check"),
        (flipped_index, "quick_check"),
        (bytes_behind, "size"),
        (cut_page, "size"),
        (databases.broken_fts, "fts"),
        (broken_fts4, "fts"),
        (drifted_content, "fts"),
        (broken_rtree, "rtree"),
        (databases.wal, "sidecars"),
        (databases.hot_journal, "sidecars"),
    ],
)
def test_damage_is_found_by_the_check_of_its_kind(tmp_path: Path, maker: Callable[[Path], Path], name: str) -> None:
    path = maker(tmp_path / "a.db")
    before = {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()}
    checkup = check.check(path, level="quick")
    assert name in failed(checkup), checkup.checks
    assert checkup.damaged
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == before


def test_rows_that_cannot_be_read_are_not_counted(tmp_path: Path) -> None:
    checkup = check.check(databases.flipped_page(tmp_path / "a.db"), level="quick")
    assert checkup.tables["orders"] is None
    assert checkup.tables["users"] == 50


def test_broken_keys_are_counted_and_are_no_damage(tmp_path: Path) -> None:
    checkup = check.check(databases.broken_keys(tmp_path / "a.db", orders=150), level="quick")
    assert checkup.foreign_key_violations == 150
    (result,) = (result for result in checkup.checks if not result.ok)
    assert result.name == "foreign_key_check"
    assert len(result.messages) == 100
    assert "users" in result.messages[0]
    assert not checkup.damaged


def test_no_database_has_no_checkup(tmp_path: Path) -> None:
    for maker in (databases.zero_bytes, databases.not_a_database):
        with pytest.raises(NotADatabaseError):
            check.check(maker(tmp_path / "a.db"), level="quick")


def test_a_wal_database_is_checked_without_sidecars(tmp_path: Path) -> None:
    path = databases.shop(tmp_path / "a.db", journal="wal")
    checkup = check.check(path, level="quick")
    assert checkup.ok
    assert "fts" in [result.name for result in checkup.checks]
    assert checkup.journal_mode == "wal"
    assert os.listdir(tmp_path) == ["a.db"]


def test_what_cannot_be_checked_here_is_said_and_is_no_damage(tmp_path: Path) -> None:
    path = databases.shop(tmp_path / "a.db")
    with databases.opened(path) as connection:
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("UPDATE sqlite_master SET sql=replace(sql, 'fts5(title', 'fts5(tokenize=foreign, title')")
    checkup = check.check(path, level="quick")
    assert not checkup.damaged
    assert any(text.startswith("notes:") for text in checkup.skipped)
    assert checkup.tables["notes"] is None
    assert checkup.tables["notes_data"] is not None


def test_the_schema_digest_follows_the_schema_only(tmp_path: Path) -> None:
    first = databases.shop(tmp_path / "a.db", orders=10)
    second = databases.shop(tmp_path / "b.db", orders=99, page_size=1024)
    digests = {check.check(path, level="quick").schema_digest for path in (first, second)}
    assert len(digests) == 1
    with databases.opened(second) as connection:
        connection.execute("ALTER TABLE users ADD COLUMN age")
    assert check.check(second, level="quick").schema_digest not in digests


def test_threads_check_at_once(tmp_path: Path) -> None:
    paths = [databases.shop(tmp_path / f"{n}.db", orders=100 * (n + 1)) for n in range(4)]
    found: dict[Path, Checkup] = {}
    threads = [
        threading.Thread(target=lambda path=path: found.update({path: check.check(path, level="full")}))
        for path in paths
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[path].tables["orders"] for path in paths] == [100, 200, 300, 400]


def test_cancelled(tmp_path: Path) -> None:
    path = databases.big(tmp_path / "a.db", 20)
    with pytest.raises(CancelledError):
        check.check(path, level="full", should_stop=lambda: True)


def test_a_live_check_says_that_it_left_out_the_index(tmp_path: Path) -> None:
    path = databases.broken_fts(tmp_path / "a.db")
    checkup = check.check_live(path, level="full", scratch=tmp_path)
    assert not checkup.damaged
    assert any("private copy" in text for text in checkup.skipped)


def test_a_live_check_finds_damage(tmp_path: Path) -> None:
    path = databases.flipped_page(tmp_path / "a.db")
    checkup = check.check_live(path, level="quick", scratch=tmp_path)
    assert checkup.damaged
    assert checkup.tables["orders"] is None


@pytest.mark.parametrize("level", ["quick", "full"])
def test_json_in_a_schema_is_no_damage(tmp_path: Path, level: Level) -> None:
    path = tmp_path / "json.db"
    with databases.opened(path) as connection:
        connection.executescript(
            """
            CREATE TABLE t(id INTEGER PRIMARY KEY, d TEXT CHECK (json_valid(d)),
                           n TEXT GENERATED ALWAYS AS (json_extract(d, '$.n')) VIRTUAL);
            CREATE INDEX by_key ON t(json_extract(d, '$.k'));
            CREATE INDEX valid ON t(id) WHERE json_valid(d);
            CREATE VIRTUAL TABLE words USING fts5(body);
            INSERT INTO t(d) VALUES ('{"n": 1, "k": 2}');
            """
        )
    found = check.check(path, level=level, values=True)
    assert found.ok
    assert found.skipped == ()
    assert {"integrity_check", "quick_check"} & {one.name for one in found.checks}
    assert "fts" in [one.name for one in found.checks]


@pytest.mark.parametrize("level", ["counts", "quick", "full"])
def test_a_large_database_is_counted_by_two_connections(
    tmp_path: Path, level: Level, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "many.db"
    with sqlite3.connect(path) as connection:
        for number in range(40):
            connection.execute(f"CREATE TABLE t{number:02}(a)")
            connection.executemany(f"INSERT INTO t{number:02} VALUES (?)", [(one,) for one in range(number)])
    connection.close()
    alone = check.check(path, level=level)
    monkeypatch.setattr(check, "LARGE", 1)
    both = check.check(path, level=level)
    assert both.tables == alone.tables == {f"t{number:02}": number for number in range(40)}
    assert list(both.tables) == list(alone.tables)
    assert failed(both) == []
