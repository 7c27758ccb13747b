"""Reading files that may change meanwhile: what was promised when a file was opened is what comes.

Small files are read whole, with a look at the file before and after, and read again when it changed; large
ones come in pieces of exactly the promised length. Everything said of a file (size, times, owner, mode,
attributes, holes) is from the descriptor that its bytes are read from, never from an earlier look.
"""

from __future__ import annotations

import errno
import functools
import os
import stat
from collections.abc import Callable, Iterator

import msgspec

from toolkit.errors import LifeboatError, SourceChangedError, SourceError, SourceMissingError
from toolkit.filelist import Content, FileEntry, FileType, Item
from toolkit.tree.attributes import group_names, read_xattrs, user_names

PIECE = 1024 * 1024
"""Bytes: files up to here are read whole, larger ones come in pieces of at most this size."""

TRIES = 3
"""How often a small file that changes is read before it is taken as it is."""

_SAFE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_ZEROS = bytes(PIECE)
_users, _groups = user_names(), group_names()


def _ignore(_path: str) -> None:
    """Do nothing; tests put their own here."""


on_read: Callable[[str], None] = _ignore
"""Called with the path after each read of a small file, before it is checked for changes."""


def _error(error: OSError, path: str) -> LifeboatError:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return SourceMissingError("vanished before it was read", subject=path)
    if error.errno in (errno.ELOOP, errno.ENXIO, errno.ENODEV):
        return SourceChangedError("was replaced by something that is no file", subject=path)
    if error.errno in (errno.EACCES, errno.EPERM):
        return SourceError("permission denied", subject=path, hint="run it as root or as the owner")
    return SourceError(error.strerror or "input/output error", subject=path)


def _open(entry: FileEntry) -> int:
    """Open the file of `entry` without following a link, waiting for a FIFO or touching its access time."""
    try:
        return os.open(entry.path, _SAFE | os.O_NOATIME)
    except PermissionError:
        return os.open(entry.path, _SAFE)


def _require_file(status: os.stat_result, path: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise SourceChangedError("was replaced by something that is no file", subject=path)


def _same(one: os.stat_result, other: os.stat_result) -> bool:
    return (
        one.st_size == other.st_size and one.st_mtime_ns == other.st_mtime_ns and one.st_ctime_ns == other.st_ctime_ns
    )


def _as_now(entry: FileEntry, status: os.stat_result, fd: int, *, changed: bool = False) -> FileEntry:
    """Return `entry` as the open file is now, with its attributes."""
    xattrs = read_xattrs(fd)
    mode = status.st_mode & 0o7777
    if (
        not xattrs
        and not changed
        and entry.size == status.st_size
        and entry.mtime_ns == status.st_mtime_ns
        and entry.mode == mode
        and entry.uid == status.st_uid
        and entry.gid == status.st_gid
        and not entry.holes
    ):
        return entry
    return msgspec.structs.replace(
        entry,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        mode=mode,
        uid=status.st_uid,
        gid=status.st_gid,
        user=_users[status.st_uid],
        group=_groups[status.st_gid],
        xattrs=xattrs,
        holes=(),
        changed=changed,
    )


def _holes(fd: int, status: os.stat_result) -> tuple[tuple[int, int], ...]:
    """Return (offset, length) of the holes, asked for only where fewer blocks are taken than the size needs."""
    size = status.st_size
    if status.st_blocks * 512 >= size:
        return ()
    found, position = [], 0
    while position < size:
        try:
            data = os.lseek(fd, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                return ()
            data = size
        data = min(data, size)
        if data > position:
            found.append((position, data - position))
        if data < size:
            data = os.lseek(fd, data, os.SEEK_HOLE)
        position = data
    return tuple(found)


def segments(entry: FileEntry) -> Iterator[tuple[int, int]]:
    """Yield (offset, length) of the parts of the file that hold data, in order."""
    position = 0
    for offset, length in entry.holes:
        if offset > position:
            yield position, offset - position
        position = offset + length
    if entry.size > position:
        yield position, entry.size - position


class _Pieces:
    """The data of an open file in pieces; closes it at the end, on an error and when it is thrown away."""

    __slots__ = ("_content", "_end", "_fd", "_position", "_segments", "_status")

    def __init__(self, fd: int, status: os.stat_result, entry: FileEntry) -> None:
        self._fd = fd
        self._status = status
        self._segments = segments(entry)
        self._position = self._end = 0
        self._content = Content(entry, pieces=self)

    def content(self) -> Content:
        """Return the content that these pieces belong to, and let go of it until the end is known."""
        return self._content

    def __iter__(self) -> _Pieces:
        return self

    def __next__(self) -> bytes:
        if self._fd < 0:
            raise StopIteration
        path = self._content.entry.path
        try:
            if self._position == self._end:
                part = next(self._segments, None)
                if part is None:
                    self._content.changed |= not _same(self._status, os.fstat(self._fd))
                    self.close()
                    raise StopIteration
                self._position, self._end = part[0], part[0] + part[1]
            wanted = min(PIECE, self._end - self._position)
            piece = os.pread(self._fd, wanted, self._position)
        except OSError as error:
            self.close()
            raise _error(error, path) from error
        if not piece:
            self._content.changed = True
            piece = _ZEROS[:wanted]
        self._position += len(piece)
        return piece

    def close(self) -> None:
        """Close the file; there are no more pieces then."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        self.close()


def _read_whole(fd: int, entry: FileEntry, status: os.stat_result) -> Content:
    """Read a small file, again when it changed meanwhile; closes `fd`."""
    try:
        for attempt in range(1, TRIES + 1):
            holes = _holes(fd, status)
            data = os.pread(fd, status.st_size + 1, 0)
            on_read(entry.path)
            after = os.fstat(fd)
            steady = len(data) == status.st_size and _same(status, after)
            if steady or attempt == TRIES or after.st_size > PIECE:
                break
            status = after
        if not steady and after.st_size > PIECE:
            fd, opened = -1, fd
            return _in_pieces(opened, entry, after, changed=False)
        now = _as_now(entry, status, fd, changed=not steady)
        if not steady:
            data = data[: status.st_size]
            return Content(msgspec.structs.replace(now, size=len(data)), data=data, changed=True)
        if not holes:
            return Content(now, data=data)
        now = msgspec.structs.replace(now, holes=holes)
        return Content(now, pieces=iter([data[start : start + length] for start, length in segments(now)]))
    finally:
        if fd >= 0:
            os.close(fd)


def _in_pieces(fd: int, entry: FileEntry, status: os.stat_result, *, changed: bool) -> Content:
    """Promise the content of a large file as it is now; `fd` belongs to the pieces then."""
    try:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        now = _as_now(entry, status, fd, changed=changed)
        holes = _holes(fd, status)
        if holes:
            now = msgspec.structs.replace(now, holes=holes)
        return _Pieces(fd, status, now).content()
    except BaseException:
        os.close(fd)
        raise


def load(entry: FileEntry) -> Content:
    """Open the file of `entry` and promise its content; may be called in any thread.

    The entry of the result is the file as it is now, with attributes and holes; only that one belongs in a
    file list. Up to 1 MiB come whole in `data` (in `pieces`, when there are holes): read again up to three
    times while the file changes, then taken as read and marked `changed`. More comes in `pieces` of at most
    1 MiB, which add up to `entry.data_size` whatever happens to the file; at their end `changed` says
    whether anything did. Raises `SourceMissingError` (vanished), `SourceChangedError` (no regular file any
    more), `SourceError` (unreadable); the pieces raise `SourceError` on an I/O error.
    """
    path = entry.path
    try:
        fd = _open(entry)
        try:
            status = os.fstat(fd)
            _require_file(status, path)
        except BaseException:
            os.close(fd)
            raise
        if status.st_size > PIECE:
            return _in_pieces(fd, entry, status, changed=False)
        return _read_whole(fd, entry, status)
    except OSError as error:
        raise _error(error, path) from error


def prefix(entry: FileEntry, length: int) -> bytes:
    """Return the first `length` bytes of a file (fewer when it is shorter), to recognise it by its header.

    Opens and closes the file: the caller must make sure that this process has no SQLite connection to it,
    whose locks would be lost (DESIGN.md, promise 9). Raises as `load` does.
    """
    try:
        fd = _open(entry)
        try:
            _require_file(os.fstat(fd), entry.path)
            return os.pread(fd, length, 0)
        finally:
            os.close(fd)
    except OSError as error:
        raise _error(error, entry.path) from error


def item(entry: FileEntry) -> Item:
    """Return `entry` ready for an archive: with a way to load it when it is a file.

    A further name of a hard link can be loaded too: formats without hard links store its content again.
    """
    if entry.type is FileType.FILE:
        return Item(entry, functools.partial(load, entry))
    return Item(entry)
