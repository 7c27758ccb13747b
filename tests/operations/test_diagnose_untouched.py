"""`diagnose` leaves a folder as it found it, whatever lies beside the database: no file more, none changed."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.makers import databases, sidecars
from tests.makers.applications import Shop, shop
from toolkit.operations import diagnose
from toolkit.operations.diagnose import DiagnosedTarget, DiagnoseRequest

Make = Callable[[Path], object]


@pytest.fixture
def made(tmp_path: Path) -> Shop:
    return shop(tmp_path, orders=5)


def look(made: Shop, path: Path, *, quick: bool) -> DiagnosedTarget:
    named = diagnose.named(made.session(), [str(path)])
    request = DiagnoseRequest(profiles=named, quick=quick)
    (target,) = made.job("diagnose", lambda session, job: diagnose.run(session, request, job)).targets
    return target


def fingerprint(folder: Path) -> dict[str, tuple[int, int, int, int, bytes]]:
    """Return mode, inode, times and bytes of each file in `folder`, and when a name in it changed last."""
    found = {".": (0, 0, folder.stat().st_mtime_ns, 0, b"")}
    for one in folder.iterdir():
        seen = one.stat()
        found[one.name] = (seen.st_mode, seen.st_ino, seen.st_mtime_ns, seen.st_ctime_ns, one.read_bytes())
    return found


def beside(suffix: str, content: bytes = b"") -> Make:
    def make(path: Path) -> None:
        databases.shop(path, orders=20)
        Path(f"{path}{suffix}").write_bytes(content)

    return make


def at_rest(path: Path) -> None:
    databases.shop(path, orders=20, journal="wal")


def empty_wal(path: Path, *, shm: bytes | None = None) -> None:
    at_rest(path)
    Path(f"{path}-wal").touch()
    if shm is not None:
        Path(f"{path}-shm").write_bytes(shm)


def rollback_header(path: Path, *, shm: bool) -> None:
    """A -wal beside a database whose header knows of none: SQLite replays it all the same."""
    databases.wal(path, orders=20, extra=20, shm=shm)
    with path.open("r+b") as file:
        file.seek(18)
        file.write(b"\x01\x01")


def foreign_wal(path: Path, *, shm: bool) -> None:
    other = databases.wal(path.with_name("other.db"), orders=40, extra=30, shm=shm)
    databases.shop(path, orders=20)
    for suffix in ("-wal", "-shm"):
        if os.path.exists(f"{other}{suffix}"):
            shutil.copyfile(f"{other}{suffix}", f"{path}{suffix}")


def wal_and_journal(path: Path) -> None:
    sidecars.hot_journal_of(path)
    foreign = databases.wal(path.with_name("other.db"), orders=5, extra=5)
    shutil.copyfile(f"{foreign}-wal", f"{path}-wal")


STATES: dict[str, Make] = {
    "wal with shm": lambda path: databases.wal(path, orders=20, extra=20),
    "wal without shm": lambda path: databases.wal_without_shm(path, orders=20, extra=20),
    "at rest": at_rest,
    "empty wal": empty_wal,
    "empty wal and shm": lambda path: empty_wal(path, shm=bytes(32768)),
    "rollback header, wal": lambda path: rollback_header(path, shm=False),
    "rollback header, wal and shm": lambda path: rollback_header(path, shm=True),
    "rollback header, foreign wal": lambda path: foreign_wal(path, shm=False),
    "rollback header, foreign wal and shm": lambda path: foreign_wal(path, shm=True),
    "rollback header, empty wal": beside("-wal"),
    "rollback header, junk as wal": beside("-wal", b"junk" * 2000),
    "rollback header, shm alone": beside("-shm", bytes(32768)),
    "no journal": lambda path: databases.shop(path, orders=20),
    "hot journal": sidecars.hot_journal_of,
    "persisted journal": sidecars.persisted_journal_of,
    "zeroed journal": databases.zeroed_journal,
    "empty journal": beside("-journal"),
    "junk as journal": beside("-journal", b"junk" * 2000),
    "hot journal and wal": wal_and_journal,
}


@pytest.fixture
def sealed(made: Shop) -> Iterator[Path]:
    """Give a folder of its own for the database; it can be written again afterwards."""
    folder = made.root / "sealed"
    folder.mkdir()
    yield folder
    folder.chmod(0o700)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("quick", [False, True], ids=["full", "quick"])
def test_nothing_is_left_beside_it(made: Shop, sealed: Path, state: str, quick: bool) -> None:
    path = sealed / "odd.db"
    STATES[state](path)
    before = fingerprint(sealed)
    look(made, path, quick=quick)
    assert fingerprint(sealed) == before


@pytest.mark.parametrize("state", ["wal with shm", "rollback header, foreign wal", "hot journal"])
def test_nothing_is_changed_where_nothing_may_be_written(made: Shop, sealed: Path, state: str) -> None:
    path = sealed / "odd.db"
    STATES[state](path)
    for one in sealed.iterdir():
        one.chmod(0o400)
    sealed.chmod(0o500)
    before = fingerprint(sealed)
    look(made, path, quick=True)
    assert fingerprint(sealed) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
@pytest.mark.parametrize("make", [sidecars.persisted_journal_of, databases.wal], ids=["journal", "wal"])
def test_the_owner_of_a_sidecar_stays(made: Shop, sealed: Path, make: Make) -> None:
    path = sealed / "odd.db"
    make(path)
    beside = [one for one in sealed.iterdir() if one != path]
    for one in beside:
        os.chown(one, 1, 1)
    assert "sidecar-owner" in [one.code for one in look(made, path, quick=True).findings]
    assert [one.stat().st_uid for one in beside] == [1] * len(beside)


def test_what_somebody_has_open_stays_open(made: Shop, sealed: Path) -> None:
    path = sealed / "live.db"
    with databases.Writer(path, journal="wal") as writer:
        writer.wait(5)
        target = look(made, path, quick=True)
        assert target.healthy, target.findings
        writer.wait(5)
        assert sorted(os.listdir(sealed)) == ["live.db", "live.db-shm", "live.db-wal"]
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
