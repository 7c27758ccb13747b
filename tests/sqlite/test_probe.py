"""What can be seen from outside."""

from __future__ import annotations

import os
import sqlite3
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tests.makers import databases
from toolkit.errors import (
    DatabaseDamagedError,
    LifeboatError,
    NotADatabaseError,
    SourceError,
    SourceTimeoutError,
    SpaceError,
)
from toolkit.sqlite import header, probe
from toolkit.sqlite.holders import holders
from toolkit.sqlite.translate import translate

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page_size", [512, 4096, 65536])
def test_the_header_says_what_sqlite_says(tmp_path: Path, page_size: int) -> None:
    path = databases.shop(tmp_path / "a.db", encoding="UTF-16be", page_size=page_size)
    found = header.parse(path.read_bytes()[:100])
    with databases.opened(path) as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
    assert (found.page_size, found.page_count, found.encoding) == (page_size, pages, "UTF-16be")
    assert (found.user_version, found.application_id, found.wal) == (7, 0x5109, False)
    assert found.expected_size == path.stat().st_size
    assert found.library_version == int("{}{:03}{:03}".format(*map(int, sqlite3.sqlite_version.split("."))))


def test_the_page_count_counts_only_when_the_change_counters_agree(tmp_path: Path) -> None:
    data = bytearray(databases.shop(tmp_path / "a.db").read_bytes()[:100])
    struct.pack_into(">I", data, 92, 999_999)
    assert header.parse(bytes(data)).page_count is None


def test_no_header(tmp_path: Path) -> None:
    good = databases.shop(tmp_path / "a.db").read_bytes()[:100]
    assert header.is_database(good)
    assert not header.is_database(b"SQLite format 2\0")
    for data in (b"", good[:99], b"x" * 100, good[:16] + b"\0\3" + good[18:]):
        with pytest.raises(NotADatabaseError):
            header.parse(data)


def test_sidecars_and_size(tmp_path: Path) -> None:
    look = probe.look(databases.wal(tmp_path / "wal.db"))
    wal = look.sidecar("-wal")
    assert wal is not None
    assert (wal.state, wal.size) == ("frames", 32 + wal.frames * (4096 + 24))
    assert wal.frames >= 300
    assert (look.journal_mode, look.fits) == ("wal", None)
    hot = probe.look(databases.hot_journal(tmp_path / "hot.db")).sidecar("-journal")
    assert hot is not None
    assert hot.state == "hot"
    cold = probe.look(databases.zeroed_journal(tmp_path / "cold.db")).sidecar("-journal")
    assert cold is not None
    assert cold.state == "zeroed"
    assert probe.look(databases.truncated(tmp_path / "cut.db")).fits is False
    sound = probe.look(databases.shop(tmp_path / "sound.db"))
    assert sound.fits is True
    assert sound.sidecars == ()
    assert (sound.uid, sound.mode) == (os.geteuid(), (tmp_path / "sound.db").stat().st_mode & 0o7777)


def test_a_wal_with_a_broken_header_is_invalid(tmp_path: Path) -> None:
    databases.wal(tmp_path / "a.db")
    with (tmp_path / "a.db-wal").open("r+b") as file:
        file.seek(16)
        file.write(b"\0\1\2\3")
    assert probe.wal_frames(tmp_path / "a.db-wal") == ("invalid", 0)
    (tmp_path / "a.db-wal").write_bytes(b"")
    assert probe.wal_frames(tmp_path / "a.db-wal") == ("empty", 0)


def test_holders_are_found_by_any_name(tmp_path: Path) -> None:
    with databases.Writer(tmp_path / "a.db") as writer:
        os.link(tmp_path / "a.db", tmp_path / "other name")
        found = holders([tmp_path / "other name"]).found
        assert [(holder.pid, holder.path) for holder in found] == [(writer.pid, str(tmp_path / "other name"))]
        assert "python" in found[0].command
        looked = probe.look(tmp_path / "a.db").holders
        assert {holder.pid for holder in looked.found} == {writer.pid}
        assert len(looked.found) > 1
    assert holders([tmp_path / "a.db", tmp_path / "absent"]).found == ()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root sees all")
def test_root_sees_all(tmp_path: Path) -> None:
    assert holders([databases.shop(tmp_path / "a.db")]).complete


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_CORRUPT, DatabaseDamagedError),
        (sqlite3.SQLITE_CORRUPT_VTAB, DatabaseDamagedError),
        (sqlite3.SQLITE_NOTADB, DatabaseDamagedError),
        (sqlite3.SQLITE_BUSY_RECOVERY, SourceTimeoutError),
        (sqlite3.SQLITE_FULL, SpaceError),
        (sqlite3.SQLITE_CANTOPEN, SourceError),
        (sqlite3.SQLITE_IOERR_READ, SourceError),
    ],
)
def test_errors_are_translated_at_one_seam(code: int, kind: type[LifeboatError]) -> None:
    error = sqlite3.OperationalError("text of SQLite")
    error.sqlite_errorcode = code
    found = translate(error, subject="/a/path")
    assert type(found) is kind
    assert found.subject == "/a/path"
    assert "/a/path" not in found.message


def test_the_package_is_cheap_to_import() -> None:
    code = (
        "import sys, toolkit.sqlite.hotcopy, toolkit.sqlite.check, toolkit.sqlite.swap, toolkit.sqlite.probe\n"
        "print(sorted({'subprocess', 'asyncio', 'sqlite_utils', 'tempfile', 'ctypes'} & set(sys.modules)))"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_worker_does_not_trust_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from toolkit.sqlite import hotcopy

    source = databases.shop(tmp_path / "a.db")
    (tmp_path / "sqlite3.py").write_text("raise SystemExit('hijacked')")
    monkeypatch.chdir(tmp_path)
    assert hotcopy.copy(source, tmp_path / "copy.db").pages > 0
