"""Copies of live databases: consistent under any writer, and nothing beside the source is touched."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.makers import databases
from toolkit import durable
from toolkit.errors import (
    CancelledError,
    DatabaseDamagedError,
    NotADatabaseError,
    SourceMissingError,
    SourceTimeoutError,
    SpaceError,
    StorageError,
)
from toolkit.sqlite import check, hotcopy, probe, raw, session

HOSTILE = [
    b"a[/b].db".replace(b"/", b"\\"),
    b"what?mode=rwc.db",
    b"hash#tag.db",
    b"50%25.db",
    b"new\nline.db",
    b"\xff\xfe\x1b[31m.db",
    b" file:x.db",
]


def listing(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {entry.name: (entry.stat().st_mode, entry.read_bytes()) for entry in folder.iterdir()}


def resting_wal(path: Path) -> Path:
    return databases.shop(path, journal="wal")


SOURCES: list[tuple[Callable[[Path], Path], str, int]] = [
    (databases.shop, "locked", 500),
    (databases.zeroed_journal, "locked", 501),
    (resting_wal, "resting", 500),
    (databases.wal, "private", 800),
    (databases.wal_without_shm, "private", 800),
    (databases.hot_journal, "private", 500),
]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "stage").mkdir()
    return tmp_path / "stage" / "copy.db"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.mark.parametrize(("maker", "method", "orders"), SOURCES)
def test_every_state_is_copied_and_left_as_it_was(
    home: Path, target: Path, maker: Callable[[Path], Path], method: str, orders: int
) -> None:
    source = maker(home / "a.db")
    before = listing(home)
    report = hotcopy.copy(source, target)
    assert report.method == method
    assert listing(home) == before
    assert [entry.name for entry in target.parent.iterdir()] == ["copy.db"]
    assert target.stat().st_mode & 0o777 == 0o600
    assert probe.look(target).journal_mode == "delete"
    assert report.bytes == target.stat().st_size == report.pages * 4096
    checkup = check.check(target, level="full")
    assert checkup.ok, checkup.checks
    assert checkup.tables["orders"] == orders
    before = listing(home)
    assert check.check_live(source, level="full", scratch=target.parent).tables == checkup.tables
    assert listing(home) == before


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_consistent_under_a_writer_that_never_pauses(home: Path, target: Path, journal: str) -> None:
    with databases.Writer(home / "a.db", journal=journal) as first:
        first.wait(5)
    databases.big(home / "a.db", 24, journal=journal)  # now the pages of one transaction lie far apart
    with databases.Writer(home / "a.db", journal=journal) as writer:
        for number in range(4):
            writer.wait(10)
            copy = target.with_name(f"{number}.db")
            seen: list[str] = []
            hotcopy.copy(writer.path, copy, timeout=30, on_snapshot=lambda seen=seen: seen.append("snapshot"))
            assert seen == ["snapshot"]
            assert databases.consistent(copy) > 10 * number
        assert check.check_live(writer.path, level="quick", scratch=target.parent).ok
    assert databases.consistent(writer.path) == first.commits + writer.commits


def test_the_writer_goes_on_while_a_wal_database_is_copied(home: Path, target: Path) -> None:
    databases.big(home / "a.db", 40)
    with databases.Writer(home / "a.db") as writer:
        report = hotcopy.copy(writer.path, target, on_snapshot=lambda: writer.wait(20))
        assert report.method == "transaction"
        assert report.blocked == 0
    held = databases.consistent(target)
    assert held < writer.commits


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(home: Path, target: Path, name: bytes) -> None:
    source = home / os.fsdecode(name)
    databases.wal(source)
    before = listing(home)
    copy = target.with_name(source.name)
    hotcopy.copy(source, copy)
    assert check.check(copy, level="quick").tables["orders"] == 800
    assert listing(home) == before
    (home / f"{source.name}-shm").unlink()
    copy.unlink()
    hotcopy.copy(source, copy)
    assert check.check(copy, level="quick").tables["orders"] == 800


def test_a_name_that_reads_as_a_folder(home: Path, target: Path) -> None:
    (home / "a[").mkdir()
    source = databases.shop(home / "a[" / "b].db")
    hotcopy.copy(source, target)
    assert check.check(target, level="quick").ok


def test_a_mistyped_path_is_refused_and_not_created(home: Path, target: Path) -> None:
    for task in (
        lambda: hotcopy.copy(home / "typo.db", target),
        lambda: probe.look(home / "typo.db"),
        lambda: check.check(home / "typo.db", level="quick"),
        lambda: check.check_live(home / "typo.db", level="quick", scratch=target.parent),
        lambda: raw.raw_copy(home / "typo.db", target.parent),
    ):
        with pytest.raises(SourceMissingError):
            task()
    assert list(home.iterdir()) == list(target.parent.iterdir()) == []


def test_what_is_no_database_is_refused(home: Path, target: Path) -> None:
    os.mkfifo(home / "fifo")
    (home / "folder").mkdir()
    for source in (
        databases.zero_bytes(home / "zero.db"),
        databases.not_a_database(home / "text.db"),
        home / "fifo",
        home / "folder",
    ):
        with pytest.raises(NotADatabaseError):
            hotcopy.copy(source, target)
        with pytest.raises(NotADatabaseError):
            probe.look(source)
    assert list(target.parent.iterdir()) == []


def test_a_database_that_sqlite_cannot_open_is_damaged_and_taken_raw(home: Path, target: Path) -> None:
    source = databases.truncated(home / "a.db")
    with pytest.raises(DatabaseDamagedError):
        hotcopy.copy(source, target)
    assert list(target.parent.iterdir()) == []
    copied = raw.raw_copy(source, target.parent)
    assert copied.stable
    assert copied.files[0].read_bytes() == source.read_bytes()


def test_a_lost_header_beside_a_wal_is_damage(home: Path, target: Path) -> None:
    source = databases.wal(home / "a.db")
    with source.open("r+b") as file:
        file.write(bytes(100))
    with pytest.raises(DatabaseDamagedError):
        hotcopy.copy(source, target)


def test_raw_copies_take_the_sidecars_and_keep_holes(home: Path, target: Path) -> None:
    source = databases.wal(home / "a.db")
    with (home / "a.db").open("r+b") as file:
        file.truncate(64 * 1024 * 1024)
    copied = raw.raw_copy(source, target.parent)
    assert [path.name for path in copied.files] == ["a.db", "a.db-wal", "a.db-shm"]
    for path in copied.files:
        assert path.read_bytes() == (home / path.name).read_bytes()
        assert path.stat().st_mode & 0o777 == 0o600
    assert copied.files[0].stat().st_blocks * 512 < 2 * 1024 * 1024


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_cancelled_leaves_nothing(home: Path, target: Path, journal: str) -> None:
    source = databases.big(home / "a.db", 30, journal=journal)
    with databases.opened(source) as connection:
        connection.execute("INSERT INTO blobs VALUES (-1, 'open', NULL)")
        before = listing(home)
        stop = threading.Event()
        with pytest.raises(CancelledError):
            hotcopy.copy(source, target, on_snapshot=stop.set, should_stop=stop.is_set)
        assert listing(home) == before
    assert list(target.parent.iterdir()) == []
    with pytest.raises(CancelledError):
        raw.raw_copy(source, target.parent, should_stop=lambda: True)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_a_database_that_stays_locked_ends_in_time(home: Path, target: Path, journal: str) -> None:
    source = databases.shop(home / "a.db", journal=journal)
    with databases.opened(source) as connection:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("INSERT INTO orders(user_id) VALUES (1)")
        before = sorted(os.listdir(home))
        with pytest.raises(SourceTimeoutError):
            hotcopy.copy(source, target, timeout=0.3)
        assert sorted(os.listdir(home)) == before
        connection.execute("COMMIT")
    assert list(target.parent.iterdir()) == []


def test_writers_are_not_blocked_beyond_the_limit(home: Path, target: Path) -> None:
    source = databases.big(home / "a.db", 20, journal="delete")
    with pytest.raises(SourceTimeoutError, match="block"):
        hotcopy.copy(source, target, busy_limit=0)
    assert list(target.parent.iterdir()) == []
    assert hotcopy.copy(source, target).blocked > 0


def test_too_little_space_is_said_before_anything_is_written(
    home: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = databases.shop(home / "a.db")
    monkeypatch.setattr(durable, "RESERVE", 1 << 60)
    with pytest.raises(SpaceError) as caught:
        hotcopy.copy(source, target)
    assert caught.value.needed == source.stat().st_size + (1 << 60)
    assert list(target.parent.iterdir()) == []


def test_an_existing_target_is_kept(home: Path, target: Path) -> None:
    source = databases.shop(home / "a.db")
    target.write_bytes(b"precious")
    with pytest.raises(StorageError):
        hotcopy.copy(source, target)
    assert target.read_bytes() == b"precious"


HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
connection.execute("INSERT INTO orders(user_id) VALUES (1)")
print("held", flush=True)
sys.stdin.readline()
connection.execute("COMMIT")
connection.close()
"""


@pytest.fixture
def holder(home: Path) -> Iterator[Path]:
    """A shop on which another process holds a write lock."""
    source = databases.shop(home / "a.db")
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield source
    process.communicate("\n")
    assert process.returncode == 0


def locked(source: Path) -> bool:
    with databases.opened(source, timeout=0) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
    return False


def test_the_applications_locks_survive(holder: Path, target: Path) -> None:
    assert locked(holder)
    look = probe.look(holder)
    assert [entry.command for entry in look.holders.found][:1] != []
    hotcopy.copy(holder, target)
    check.check_live(holder, level="quick", scratch=target.parent)
    raw.raw_copy(holder, target.parent)
    assert locked(holder)


def test_reading_a_live_database_opens_it_in_another_process_only(home: Path, target: Path) -> None:
    """Our own connection keeps its lock: this process never opens and closes the file."""
    source = databases.shop(home / "a.db")
    opened: list[str] = []
    watching = True

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event in ("open", "sqlite3.connect") and str(source) in str(arguments[0]):
            opened.append(str(arguments[0]))

    sys.addaudithook(watch)
    hotcopy.copy(source, target)
    check.check_live(source, level="quick", scratch=target.parent)
    watching = False
    assert opened == []


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.parametrize(("maker", "method", "orders"), SOURCES)
def test_a_read_only_file_system(
    home: Path, target: Path, maker: Callable[[Path], Path], method: str, orders: int
) -> None:
    maker(home / "a.db")
    if subprocess.run(["mount", "-t", "tmpfs", "none", home], check=False).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        maker(home / "a.db")
        subprocess.run(["mount", "-o", "remount,ro", home], check=True)
        hotcopy.copy(home / "a.db", target)
        assert check.check(target, level="quick").tables["orders"] == orders
        live = check.check_live(home / "a.db", level="quick", scratch=target.parent)
        assert live.tables["orders"] == orders
    finally:
        subprocess.run(["umount", home], check=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(home: Path, target: Path) -> None:
    source = databases.wal_without_shm(home / "a.db")
    home.chmod(0o500)
    try:
        hotcopy.copy(source, target)
    finally:
        home.chmod(0o700)
    assert check.check(target, level="quick").tables["orders"] == 800


CLOSER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("INSERT INTO orders(user_id) VALUES (1)")
print("open", flush=True)
sys.stdin.readline()
connection.close()
"""


def test_an_application_that_closes_between_look_and_open(
    home: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The -wal that was seen is the one that is read: no new one is made in its place."""
    source = databases.shop(home / "a.db", journal="wal")
    process = subprocess.Popen(
        [sys.executable, "-c", CLOSER, source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    before = {entry.name: entry.stat().st_ino for entry in home.iterdir()}
    begin = session._begin

    def closed_first(path: str, deadline: float) -> sqlite3.Connection | None:
        process.communicate("\n")
        return begin(path, deadline)

    monkeypatch.setattr(session, "_begin", closed_first)

    def count(view: session.View) -> int:
        return int(view.connection.execute("SELECT count(*) FROM orders").fetchone()[0])

    assert session.read(str(source), str(target), 5, count) == 501
    assert {entry.name: entry.stat().st_ino for entry in home.iterdir()} == before


def test_a_resting_database_that_wakes_up_is_read_again(home: Path, target: Path) -> None:
    source = databases.shop(home / "a.db", journal="wal")
    calls: list[str] = []

    def use(view: session.View) -> int:
        calls.append(view.method.value)
        if len(calls) == 1:
            with databases.opened(source) as connection:
                connection.execute("INSERT INTO orders(user_id) VALUES (1)")
            raise sqlite3.DatabaseError("database disk image is malformed")
        return int(view.connection.execute("SELECT count(*) FROM orders").fetchone()[0])

    assert session.read(str(source), str(target), 5, use) == 501
    assert calls[0] == "resting"
    assert len(calls) == 2
