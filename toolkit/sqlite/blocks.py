"""Bytes of databases from file to file, inside the kernel where it can. Light: the worker imports it."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator

STEP = 8 * 1024 * 1024
_UNSUPPORTED = (errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM)

Progress = Callable[[int, int | None], None]
State = tuple[tuple[int, ...] | None, ...]


def _silent(_done: int, _total: int | None) -> None:
    """Take progress and say nothing."""


def state(path: str | os.PathLike[str]) -> State:
    """Return what tells that a database and its sidecars did not change: identity, size, times; None where absent."""
    found: list[tuple[int, ...] | None] = []
    for suffix in ("", "-wal", "-journal"):  # a -shm is scratch memory: readers write to it
        try:
            status = os.stat(os.fspath(path) + suffix)
        except FileNotFoundError:
            found.append(None)
            continue
        found.append((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    return tuple(found)


def extents(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield (offset, length) of the parts of a file that are not holes; the whole where that cannot be known."""
    offset = 0
    while offset < size:
        try:
            start = os.lseek(descriptor, offset, os.SEEK_DATA)
            end = os.lseek(descriptor, start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole up to the end
                return
            start, end = offset, size
        yield start, min(end, size) - start
        offset = end


def _move(source: int, target: int, offset: int, length: int) -> int:
    try:
        return os.copy_file_range(source, target, length, offset, offset)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    data = os.pread(source, min(length, 1024 * 1024), offset)
    return os.pwrite(target, data, offset)


def copy_descriptor(source: int, target: int, *, on_progress: Progress = _silent) -> int:
    """Copy all of `source` to the empty `target`, holes as holes, inside the kernel where it can; return the size.

    `on_progress` (bytes) may raise to stop it. Raises `OSError`.
    """
    size = os.fstat(source).st_size
    os.ftruncate(target, size)
    for start, length in extents(source, size):
        offset, end = start, start + length
        while offset < end:
            moved = _move(source, target, offset, min(STEP, end - offset))
            if not moved:  # it shrank
                break
            offset += moved
            on_progress(offset, size)
    return size


def copy_file(source: str, target: str, *, on_progress: Progress = _silent) -> int:
    """Copy the file `source` to the new file `target` (0600); return its size. Raises `OSError`."""
    read = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        write = os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            return copy_descriptor(read, write, on_progress=on_progress)
        finally:
            os.close(write)
    finally:
        os.close(read)


def copy_set(source: str, target: str, suffixes: tuple[str, ...], *, on_progress: Progress = _silent) -> list[str]:
    """Copy a database and those of its sidecars that exist; return the suffixes copied, the main file's (empty) first.

    The main file goes first: a transaction that begins meanwhile is then rolled back by its journal.
    Raises `OSError`; an absent main file raises `FileNotFoundError`.
    """
    copy_file(source, target, on_progress=on_progress)
    copied = [""]
    for suffix in suffixes:
        with contextlib.suppress(FileNotFoundError):
            copy_file(source + suffix, target + suffix)
            copied.append(suffix)
    return copied
