"""One consistent view of a live database, whatever state it is in. Runs in `toolkit.sqlite.worker` only.

Four ways, by what is found:

- rollback mode: SHARED lock held by a read transaction, or by this process itself beside a finished -journal, which
  SQLite run by root would give to the owner of the database. The main file is whole by itself; writers wait.
- a -wal whose -shm somebody has open: a held read transaction. Writers go on.
- WAL mode without a -wal, or with an empty one: nobody uses it. Opening it would leave a -wal and -shm behind,
  so it is read as immutable, and again if it changed meanwhile.
- a hot journal, a -wal that nobody has open, a file system where SQLite may not lock: the files are copied to a
  private folder, again if they changed meanwhile, and recovered there. The first to open a -wal makes its -shm
  anew, and SQLite opens one that holds anything, whatever the header of the database says.

A shared lock on the main file, of the open file description and so independent of SQLite's own, keeps the
last application from removing the -wal between the look and the open: nothing is ever created beside the source.
"""

from __future__ import annotations

import contextlib
import enum
import errno
import os
import sqlite3
import stat
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from toolkit.errors import (
    DatabaseDamagedError,
    NotADatabaseError,
    SourceChangedError,
    SourceError,
    SourceMissingError,
)
from toolkit.sqlite import blocks, locks
from toolkit.sqlite import header as headers
from toolkit.sqlite.connect import SIDECARS, connect, connect_private
from toolkit.sqlite.translate import primary_code, translate

Result = TypeVar("Result")

SHARED_FIRST, SHARED_SIZE = 0x40000002, 510
"""The bytes whose locks mean SHARED and EXCLUSIVE (SQLite's os.h, fixed as part of the file format's protocol)."""

RESERVED = 0x40000001
"""The byte that a writer holds from its first change on."""

SHM_IN_USE = 128
"""The byte of a -shm that everyone who has it open holds a shared lock of (SQLite's os_unix.c, UNIX_SHM_DMS)."""

_FLOCK = "hhqqi4x"

ATTEMPTS = 4
_NO_LOCKS = (errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
_PRIVATE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)


class Method(enum.StrEnum):
    """How the view was made; see the module."""

    LOCKED = "locked"
    TRANSACTION = "transaction"
    RESTING = "resting"
    PRIVATE = "private"


@dataclass(slots=True)
class View:
    """A consistent view: a connection to read from, and for `LOCKED` and `RESTING` the open main file.

    `path` is the file that `connection` reads: the source, or for `PRIVATE` the recovered copy. `immutable` tells that
    SQLite itself holds no lock of it.
    """

    connection: sqlite3.Connection
    descriptor: int
    path: str
    method: Method
    journal_mode: str
    immutable: bool = False


class _UnsettledError(Exception):
    """The files changed while they were read without locks."""


def _open(path: str) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise SourceMissingError("there is no such database", subject=path, hint="check the path") from error
    except OSError as error:
        raise SourceError(f"the database cannot be opened ({error.strerror})", subject=path) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotADatabaseError("this is not a regular file", subject=path)
    return descriptor


def _header(descriptor: int, path: str) -> headers.Header:
    try:
        data = os.pread(descriptor, headers.SIZE, 0)
    except OSError as error:
        raise SourceError(f"the database cannot be read ({error.strerror})", subject=path) from error
    try:
        return headers.parse(data)
    except NotADatabaseError as error:
        if data and any(_size(path + suffix) for suffix in ("-wal", "-journal")):
            raise DatabaseDamagedError(
                "the header is no database's, but a journal lies beside it", subject=path, hint="run: lifeboat diagnose"
            ) from None
        raise NotADatabaseError(error.message, subject=path, hint=error.hint) from None


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size
    except OSError:
        return None


def _hold(descriptor: int, path: str, deadline: float) -> bool:
    """Take the shared lock, waiting until `deadline`; False where the platform has no such locks."""
    import fcntl

    wanted = struct.pack(_FLOCK, fcntl.F_RDLCK, os.SEEK_SET, SHARED_FIRST, SHARED_SIZE, 0)
    while True:
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, wanted)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return False
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise SourceError(f"the database cannot be locked ({error.strerror})", subject=path) from error
        else:
            return True
        if time.monotonic() > deadline:
            raise locks.stayed_locked(path)
        time.sleep(0.02)


def _release(descriptor: int) -> None:
    import fcntl

    wanted = struct.pack(_FLOCK, fcntl.F_UNLCK, os.SEEK_SET, SHARED_FIRST, SHARED_SIZE, 0)
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, wanted)


def _locked(descriptor: int, at: int) -> bool:
    """Say whether somebody else holds a lock of the byte `at`; also where the platform cannot tell."""
    import fcntl

    asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, at, 1, 0)
    try:
        held: int = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, asked))[0]
    except OSError:
        return True
    return held != fcntl.F_UNLCK


def _shared(path: str) -> bool:
    """Say whether somebody has the -shm `path` open in SQLite."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return _locked(descriptor, SHM_IN_USE)
    finally:
        os.close(descriptor)


def read(path: str, scratch: str, wait: float, use: Callable[[View], Result]) -> Result:
    """Call `use` with a consistent view of the database `path` and return its result.

    `use` is called again with a new view when the database changed while it was read without locks.
    `scratch` is a folder that may be created and filled; the caller removes it. Locks are waited for
    `wait` seconds. Raises `SourceMissingError`, `NotADatabaseError`, `SourceTimeoutError`,
    `SourceChangedError`, `SourceError`, `DatabaseDamagedError`, and what `use` raises.
    """
    deadline = time.monotonic() + wait
    for _ in range(ATTEMPTS):
        descriptor = _open(path)
        try:
            return _attempt(path, scratch, descriptor, deadline, use)
        except _UnsettledError:
            continue
        finally:
            os.close(descriptor)
    raise SourceChangedError(
        "the database went on changing while it was read without locks", subject=path, hint="try again later"
    )


def _attempt(path: str, scratch: str, descriptor: int, deadline: float, use: Callable[[View], Result]) -> Result:
    header = _header(descriptor, path)
    wal = header.wal or bool(_size(path + "-wal"))
    if wal:
        _hold(descriptor, path, deadline)
        if not _shared(path + "-shm"):
            if _size(path + "-wal"):
                return _private(path, scratch, header, use)
            return _resting(path, descriptor, use)
    elif _size(path + "-journal") and _hold(descriptor, path, deadline):
        if not _locked(descriptor, RESERVED):
            return _beside_journal(path, scratch, descriptor, header, use)
        _release(descriptor)
    connection = _begin(path, deadline)
    if connection is None:
        return _private(path, scratch, header, use)
    with contextlib.closing(connection):
        method = Method.TRANSACTION if wal else Method.LOCKED
        return use(View(connection, descriptor, path, method, header.journal_mode))


def _begin(path: str, deadline: float) -> sqlite3.Connection | None:
    """Return a connection in a read transaction, or None where SQLite cannot read it in place."""
    connection = None
    try:
        connection = connect(path, "mode=ro", timeout=max(0.0, deadline - time.monotonic()))
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        if primary_code(error) in _PRIVATE:
            return None
        raise translate(error, subject=path) from error
    return connection


@contextlib.contextmanager
def beside(view: View, wait: float = 1.0) -> Iterator[sqlite3.Connection | None]:
    """Give a second connection to what `view` reads, in a state as consistent (perhaps a later one); None without.

    So two checks run at once, on two processors.
    """
    connection: sqlite3.Connection | None
    try:
        if view.immutable or view.method in (Method.RESTING, Method.PRIVATE):
            connection = connect_private(view.path)
        else:
            connection = _begin(view.path, time.monotonic() + wait)
    except (sqlite3.Error, SourceError, DatabaseDamagedError):
        connection = None
    try:
        yield connection
    finally:
        if connection is not None:
            connection.close()


@contextlib.contextmanager
def _settled(path: str, *, resting: bool) -> Iterator[None]:
    """Turn every result and failure of the block into `_UnsettledError` when the files changed meanwhile."""

    def settled() -> bool:
        return blocks.state(path) == before and not (resting and _size(path + "-wal"))

    before = blocks.state(path)
    try:
        yield
    except (sqlite3.Error, DatabaseDamagedError, FileNotFoundError):
        if settled():
            raise
    if not settled():
        raise _UnsettledError


def _beside_journal(
    path: str, scratch: str, descriptor: int, header: headers.Header, use: Callable[[View], Result]
) -> Result:
    """Read a database whose -journal nobody writes, under the shared lock that is held: as it is when that is over."""
    if _first_byte(path + "-journal"):
        return _private(path, scratch, header, use)
    with contextlib.closing(connect_private(path)) as connection:
        return use(View(connection, descriptor, path, Method.LOCKED, header.journal_mode, immutable=True))


def _first_byte(path: str) -> int:
    """Return the first byte of a -journal, which is zero once its transaction has ended; zero where there is none."""
    try:
        with open(path, "rb") as file:
            return (file.read(1) or b"\0")[0]
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise SourceError(f"the journal cannot be read ({error.strerror})", subject=path) from error


def _resting(path: str, descriptor: int, use: Callable[[View], Result]) -> Result:
    with _settled(path, resting=True), contextlib.closing(connect_private(path)) as connection:
        return use(View(connection, descriptor, path, Method.RESTING, "wal"))
    raise AssertionError  # pragma: no cover


def _private(path: str, scratch: str, header: headers.Header, use: Callable[[View], Result]) -> Result:
    os.makedirs(scratch, mode=0o700, exist_ok=True)
    copy = os.path.join(scratch, "main.db")
    with _settled(path, resting=False):
        for suffix in ("", *SIDECARS):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(copy + suffix)
        blocks.copy_set(path, copy, ("-wal", "-journal"))
    try:
        with contextlib.closing(connect(copy, "mode=rw")) as connection:
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            connection.execute("PRAGMA journal_mode=DELETE").fetchone()
        with contextlib.closing(connect_private(copy)) as connection:
            return use(View(connection, -1, copy, Method.PRIVATE, header.journal_mode))
    except sqlite3.Error as error:
        raise translate(error, subject=path) from error
