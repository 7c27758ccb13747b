"""A look at a database from outside: header, size, sidecars, owner, who has it open. SQLite is not involved.

The files are opened and closed here, which would drop the POSIX locks of a process that has them open
through SQLite (DESIGN.md, promise 9): a process that looks holds no such connection. Connections to users'
live databases exist in `toolkit.sqlite.worker` only.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import NotADatabaseError, SourceError, SourceMissingError
from toolkit.sqlite import header as headers
from toolkit.sqlite.connect import SIDECARS
from toolkit.sqlite.header import Header
from toolkit.sqlite.holders import Holders, holders, user_name

JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
_WAL_MAGIC = {0x377F0682: "<6I", 0x377F0683: ">6I"}


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A file that belongs to a database: `suffix` is `-wal`, `-shm` or `-journal`; `size` in bytes.

    `state` of a -wal: `empty`, `frames` (of which there are `frames`) or `invalid` (a header that SQLite
    ignores); of a -journal: `empty`, `zeroed` (finished) or `hot` (SQLite rolls it back unless its writer
    lives); of a -shm: `present`.
    """

    path: str
    suffix: str
    size: int
    state: str
    frames: int = 0


@dataclass(frozen=True, slots=True)
class Probe:
    """What can be seen of a database without opening it in SQLite.

    `fits` tells whether the file has the size that its header promises: None where the header does not say,
    a -wal with frames may explain the difference, or the file changed meanwhile. `links` counts its names.
    """

    path: str
    header: Header
    size: int
    fits: bool | None
    journal_mode: str
    sidecars: tuple[Sidecar, ...]
    mode: int
    links: int
    uid: int
    gid: int
    user: str
    mtime_ns: int
    holders: Holders

    def sidecar(self, suffix: str) -> Sidecar | None:
        """Return the sidecar with that suffix, None when it is absent."""
        return next((sidecar for sidecar in self.sidecars if sidecar.suffix == suffix), None)


def _read(path: str, length: int) -> tuple[os.stat_result, bytes]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NotADatabaseError("this is not a regular file", subject=path)
        return status, os.pread(descriptor, length, 0)
    finally:
        os.close(descriptor)


def read_header(path: str | os.PathLike[str]) -> tuple[os.stat_result, Header]:
    """Return the file's status and header.

    Raises `SourceMissingError`, `NotADatabaseError`, or `SourceError` when it may not be read.
    """
    where = os.fspath(path)
    try:
        status, data = _read(where, headers.SIZE)
    except FileNotFoundError as error:
        raise SourceMissingError("there is no such database", subject=where, hint="check the path") from error
    except OSError as error:
        raise SourceError(
            f"the database cannot be read ({error.strerror})", subject=where, hint="run it as root or as the owner"
        ) from error
    try:
        return status, headers.parse(data)
    except NotADatabaseError as error:
        raise NotADatabaseError(error.message, subject=where, hint=error.hint) from None


def _checksum(layout: str, data: bytes) -> tuple[int, int]:
    first = second = 0
    words = struct.unpack(layout, data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second


def wal_frames(path: str | os.PathLike[str]) -> tuple[str, int]:
    """Return the state of a -wal and how many frames carry its salt (SQLite file format, section 4.1).

    Frames are not summed up one by one: this tells what a WAL seems to hold, not whether it is sound.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.pread(descriptor, 32, 0)
        if not data:
            return "empty", 0
        magic = int.from_bytes(data[:4], "big")
        if len(data) < 32 or magic not in _WAL_MAGIC:
            return "invalid", 0
        if _checksum(_WAL_MAGIC[magic], data[:24]) != struct.unpack(">II", data[24:]):
            return "invalid", 0
        step = 24 + int.from_bytes(data[8:12], "big")
        size, frames, offset = os.fstat(descriptor).st_size, 0, 32
        while offset + step <= size and os.pread(descriptor, 8, offset + 8) == data[16:24]:
            frames, offset = frames + 1, offset + step
        return ("frames" if frames else "empty"), frames
    finally:
        os.close(descriptor)


def _sidecar(path: str, suffix: str) -> Sidecar | None:
    where = path + suffix
    try:
        size = os.stat(where).st_size
        if suffix == "-shm":
            return Sidecar(where, suffix, size, "present")
        if suffix == "-wal":
            state, frames = wal_frames(where)
            return Sidecar(where, suffix, size, state, frames)
        data = _read(where, 8)[1]
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENAMETOOLONG):  # a name of 255 bytes has no room for sidecars
            return None
        raise SourceError(f"a file beside the database cannot be read ({error.strerror})", subject=where) from error
    return Sidecar(where, suffix, size, "empty" if not data else "hot" if data == JOURNAL_MAGIC else "zeroed")


def sidecars(path: str) -> tuple[Sidecar, ...]:
    """Return the sidecars that lie beside the main file `path`. Raises `SourceError`."""
    return tuple(filter(None, (_sidecar(path, suffix) for suffix in SIDECARS)))


def look(path: Path) -> Probe:
    """Return what can be seen of the database `path`; symlinks are followed. Nothing is created or changed.

    Raises `SourceMissingError`, `NotADatabaseError` (empty, or no database), `SourceError`.
    """
    where = os.path.realpath(path)
    status, header = read_header(where)
    beside = sidecars(where)
    again, same = read_header(where)
    unchanged = (status.st_size, status.st_mtime_ns, header) == (again.st_size, again.st_mtime_ns, same)
    fits = None
    if unchanged and header.expected_size is not None and not any(sidecar.frames for sidecar in beside):
        fits = header.expected_size == status.st_size
    return Probe(
        path=os.fspath(path),
        header=header,
        size=status.st_size,
        fits=fits,
        journal_mode=header.journal_mode,
        sidecars=beside,
        mode=stat.S_IMODE(status.st_mode),
        links=status.st_nlink,
        uid=status.st_uid,
        gid=status.st_gid,
        user=user_name(status.st_uid),
        mtime_ns=status.st_mtime_ns,
        holders=holders([where, *(sidecar.path for sidecar in beside)]),
    )
