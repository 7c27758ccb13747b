"""The only writer: what it says is written survives a power cut, and nobody ever sees half a file.

Every step that changes what a later run would find on disk goes through here and is announced to
`on_step` first, so that tests can stop the machine before each of them. Foreign `OSError`s become
Lifeboat's errors at `translate`, the one seam for the operating system.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from toolkit.errors import (
    ForbiddenError,
    LifeboatError,
    SourceMissingError,
    SpaceError,
    StorageError,
    Subject,
)

RESERVE = 16 * 1024 * 1024
"""Bytes that are left free on a file system: metadata and journals need room too."""

LEAST_RESERVE = 1024 * 1024
"""Bytes that are left free where a damaged database is replaced: a disk that is full is often why it is damaged."""

FREE_OR_ELSEWHERE = "free some space, or use another vault with --vault"
"""The hint where the vault has no room."""

FREE_THERE = "free some space there: what comes is written beside what it replaces"
"""The hint where another vault is of no help."""


def _ignore_step(_name: str, _path: str) -> None:
    """Do nothing; tests put their own here."""


on_step: Callable[[str, str], None] = _ignore_step
"""Called with (step, path) just before a durable change: create, sync, rename, link, unlink, mkdir, rmdir."""


def translate(error: OSError, *, subject: Subject = None) -> LifeboatError:
    """Return the error of ours that says what `error` means for `subject`."""
    where = subject if subject is not None else error.filename
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SpaceError("no space left on the file system", subject=where, hint="free some space, then run it again")
    if error.errno == errno.EROFS:
        return StorageError("the file system is mounted read-only", subject=where, hint="remount it read-write")
    if error.errno in (errno.EACCES, errno.EPERM):
        return ForbiddenError("permission denied", subject=where, hint="run it as root or as the owner")
    if error.errno == errno.ENOENT:
        return SourceMissingError("no such file or directory", subject=where)
    return StorageError(error.strerror or "input/output error", subject=where)


@contextlib.contextmanager
def translated(subject: Subject = None) -> Iterator[None]:
    """Turn an `OSError` raised inside into one of ours, chained."""
    try:
        yield
    except OSError as error:
        raise translate(error, subject=subject) from error


def sync_directory(path: Path) -> None:
    """Make the names in `path` durable (fsync of the directory)."""
    on_step("sync", str(path))
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that cannot sync a directory
            raise
    finally:
        os.close(fd)


def sync_file(file: IO[bytes]) -> None:
    """Flush `file` and make its content durable."""
    on_step("sync", str(file.name))
    file.flush()
    os.fsync(file.fileno())


def make_directory(path: Path, *, mode: int = 0o700) -> None:
    """Create `path` and its missing parents with `mode`, durably; an existing directory is left as it is."""
    if path.is_dir():
        return
    make_directory(path.parent, mode=mode)
    on_step("mkdir", str(path))
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=mode)
    sync_directory(path.parent)


def rename(source: Path, target: Path) -> None:
    """Give `source` the name `target`, replacing what is there, durably."""
    on_step("rename", str(target))
    os.rename(source, target)
    sync_directory(target.parent)
    if source.parent != target.parent:
        sync_directory(source.parent)


def remove(path: Path) -> None:
    """Remove the file `path`, durably; an absent one is no error."""
    on_step("unlink", str(path))
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
        sync_directory(path.parent)


def sibling(path: Path) -> Path:
    """Return an unused hidden name beside `path` for a file that is not finished."""
    return path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.partial")


def create_file(path: Path, *, mode: int = 0o600) -> io.BufferedRandom:
    """Create the file `path` for writing and reading back; it must not be there.

    For files that are too long-lived for `atomic_file`: the caller gives it a hidden name ending in
    `.partial`, calls `sync_file` and `rename`, and removes it when that does not happen.
    """
    on_step("create", str(path))
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    os.fchmod(fd, mode)
    return os.fdopen(fd, "w+b")


@contextlib.contextmanager
def atomic_file(path: Path, *, mode: int = 0o600) -> Iterator[IO[bytes]]:
    """Open a file that takes the name `path` when the block ends well, and leaves nothing when it does not."""
    temporary = sibling(path)
    on_step("create", str(path))
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(fd, "wb") as file:
            os.fchmod(fd, mode)
            yield file
            sync_file(file)
        rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def write_file(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write `data` as `path`: the old content or the new is there at any moment."""
    with atomic_file(path, mode=mode) as file:
        file.write(data)


def free_bytes(path: Path) -> int:
    """Return the bytes that this user may still write at `path`, or at its nearest existing parent."""
    probe = path
    while not probe.exists() and probe != probe.parent:
        probe = probe.parent
    status = os.statvfs(probe)
    return status.f_bavail * status.f_frsize


def require_space(
    path: Path,
    needed: int,
    *,
    reserve: int | None = None,
    hint: str = FREE_OR_ELSEWHERE,
) -> None:
    """Raise `SpaceError`, before anything is written, when `needed` bytes would not fit at `path`.

    `reserve` bytes (16 MiB where nobody says) must stay free; they are among those that the error calls needed.
    """
    free, needed = free_bytes(path), needed + (RESERVE if reserve is None else reserve)
    if needed > free:
        text = f"too little space: {needed:,} bytes needed, {free:,} free"
        raise SpaceError(text, subject=path, hint=hint, needed=needed, free=free)
