"""Who keeps a database locked is found by the locks that SQLite takes, in both journal modes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.makers import databases
from tests.makers.holding import locked
from toolkit.errors import SourceTimeoutError
from toolkit.sqlite import hotcopy, locks

WRITE = "INSERT INTO audit(what) VALUES ('held')"


@pytest.mark.parametrize(
    ("journal", "statements", "everybody"),
    [
        ("delete", ("BEGIN EXCLUSIVE",), [True]),
        ("delete", ("BEGIN IMMEDIATE", WRITE), [False]),
        ("wal", ("BEGIN IMMEDIATE", WRITE), [False]),
        ("delete", ("BEGIN", "SELECT count(*) FROM audit"), []),
        ("wal", ("BEGIN", "SELECT count(*) FROM audit"), []),
    ],
)
def test_who_keeps_others_out(journal: str, statements: tuple[str, ...], everybody: list[bool], tmp_path: Path) -> None:
    path = databases.shop(tmp_path / "a.db", orders=5, journal=journal)
    assert locks.stuck(path, 0.3) == ()
    with locked(path, *statements) as pid:
        found = locks.stuck(path, 0.3)
        assert [(one.pid, one.everybody) for one in found] == [(pid, whole) for whole in everybody]
        assert all("python" in one.text for one in found)
    assert locks.keepers(path) == ()


def test_who_waits_for_a_lock_keeps_nobody_out(tmp_path: Path) -> None:
    path = databases.shop(tmp_path / "a.db", orders=5)
    with locked(path, "BEGIN IMMEDIATE", WRITE) as first, closing(sqlite3.connect(path, timeout=0)) as second:
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            second.execute("BEGIN IMMEDIATE")
        assert [one.pid for one in locks.keepers(path)] == [first]


def test_who_writes_is_not_stuck(tmp_path: Path) -> None:
    with databases.Writer(tmp_path / "a.db", journal="delete") as writer:
        writer.wait(2)
        assert locks.stuck(writer.path, 5.0) == ()


def test_a_copy_that_waited_in_vain_says_for_whom(tmp_path: Path) -> None:
    path = databases.shop(tmp_path / "a.db", orders=5)
    with locked(path, "BEGIN EXCLUSIVE") as pid, pytest.raises(SourceTimeoutError, match=f"process {pid}"):
        hotcopy.copy(path, tmp_path / "copy.db", timeout=0.5)
