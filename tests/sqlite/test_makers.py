"""The makers make what they say."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.makers import databases


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_shop_is_sound_in_both_encodings(tmp_path: Path) -> None:
    for encoding in ("UTF-8", "UTF-16le", "UTF-16be"):
        path = databases.shop(tmp_path / f"{encoding}.db", encoding=encoding)
        assert databases.row_counts(path)["orders"] == 500
        with databases.opened(path) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_wal_holds_what_the_main_file_lacks(tmp_path: Path) -> None:
    databases.wal(tmp_path / "a.db")
    assert names(tmp_path) == ["a.db", "a.db-shm", "a.db-wal"]
    (tmp_path / "alone.db").write_bytes((tmp_path / "a.db").read_bytes())
    assert databases.row_counts(tmp_path / "a.db")["orders"] == 800
    assert databases.row_counts(tmp_path / "alone.db")["orders"] == 500


def test_hot_journal_rolls_back_a_mixture(tmp_path: Path) -> None:
    databases.hot_journal(tmp_path / "a.db")
    assert names(tmp_path) == ["a.db", "a.db-journal"]
    (tmp_path / "alone.db").write_bytes((tmp_path / "a.db").read_bytes())
    with databases.opened(tmp_path / "alone.db") as connection:
        try:
            verdict = connection.execute("PRAGMA integrity_check").fetchall()
        except sqlite3.DatabaseError:
            verdict = []
        assert verdict != [("ok",)]
    with databases.opened(tmp_path / "a.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT count(*) FROM orders WHERE note LIKE '%half done'").fetchone() == (0,)


def test_broken_ones_are_broken(tmp_path: Path) -> None:
    for maker in (databases.truncated, databases.flipped_page):
        path = maker(tmp_path / maker.__name__)
        with databases.opened(path) as connection, pytest.raises(sqlite3.DatabaseError):
            connection.execute("SELECT count(*), sum(length(note)) FROM orders NOT INDEXED").fetchone()


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_writer_commits_until_the_block_ends(tmp_path: Path, journal: str) -> None:
    with databases.Writer(tmp_path / "a.db", journal=journal) as writer:
        writer.wait(20)
    assert writer.commits >= 20
    assert databases.consistent(tmp_path / "a.db") == writer.commits
