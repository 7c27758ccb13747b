"""Folders by descriptor: reached part by part without following a link, removed without crossing a mount.

A path that is looked up again can have been swapped for a link meanwhile by whoever owns one of its
folders; a descriptor cannot. All placing below a target goes through here.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable
from contextlib import suppress

OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_HELD = 64


class Folders:
    """Descriptors of the folders below `top`, by relative path ("" for `top` itself, which stays the caller's).

    `create(parent, name, relative)` makes one that is missing; without it a missing one is an error. The
    newest 64 stay open: a descriptor holds until the next but 64 `open`s.
    """

    __slots__ = ("_create", "_open", "_top")

    def __init__(self, top: int, *, create: Callable[[int, str, str], None] | None = None) -> None:
        self._top = top
        self._create = create
        self._open: dict[str, int] = {}

    def open(self, relative: str) -> int:
        """Return the descriptor of `relative`; raises `OSError`, ENOTDIR or ELOOP where a link stands in the way."""
        fd = self._open.get(relative)
        if fd is not None:
            return fd
        at, missing = relative, []
        while at and at not in self._open:
            at, _, name = at.rpartition("/")
            missing.append(name)
        fd = self._open[at] if at else self._top
        for name in reversed(missing):
            at = f"{at}/{name}" if at else name
            fd = self._step(fd, name, at)
            self._open[at] = fd
            if len(self._open) > _HELD:
                os.close(self._open.pop(next(iter(self._open))))
        return fd

    def forget(self, relative: str) -> None:
        """Close `relative` and what is below it: the name means another folder now."""
        for name in [name for name in self._open if name == relative or name.startswith(f"{relative}/")]:
            os.close(self._open.pop(name))

    def close(self) -> None:
        """Close all descriptors that are held."""
        while self._open:
            os.close(self._open.popitem()[1])

    def _step(self, parent: int, name: str, relative: str) -> int:
        try:
            return os.open(name, OPEN_FOLDER, dir_fd=parent)
        except FileNotFoundError:
            if self._create is None:
                raise
            self._create(parent, name, relative)
            return os.open(name, OPEN_FOLDER, dir_fd=parent)


def remove_tree(parent: int, name: str) -> None:
    """Remove `name` in the folder `parent` with all below it, however deep.

    Links are removed, never followed; an absent name is no error. Raises `OSError`: EBUSY, with what is on
    another file system untouched, where one is mounted inside.
    """
    try:
        top = os.open(name, OPEN_FOLDER, dir_fd=parent)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise
        os.unlink(name, dir_fd=parent)
        return
    try:
        device = os.fstat(top).st_dev
        pending = _empty(top, top, device)
        while pending:
            below = pending.pop()
            fd = os.open(below, OPEN_FOLDER, dir_fd=top)
            try:
                pending += _empty(fd, top, device)
            finally:
                os.close(fd)
            os.rmdir(below, dir_fd=top)
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=parent)


def _empty(fd: int, top: int, device: int) -> list[str]:
    """Remove the files in `fd`, move its folders up into `top`, and return their names there."""
    if os.fstat(fd).st_dev != device:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
    with suppress(PermissionError):
        os.fchmod(fd, 0o700)
    moved = []
    with os.scandir(fd) as listing:
        entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in listing]
    for name, folder in entries:
        if not folder:
            os.unlink(name, dir_fd=fd)
            continue
        new = name
        if fd != top:
            new = secrets.token_hex(12)
            _own_folder(name, fd)
            os.rename(name, new, src_dir_fd=fd, dst_dir_fd=top)
        moved.append(new)
    return moved


def _own_folder(name: str, parent: int) -> None:
    """Make a folder one that its owner may move: root may anyway, others need to write in it."""
    with suppress(OSError):
        fd = os.open(name, OPEN_FOLDER, dir_fd=parent)
        try:
            os.fchmod(fd, 0o700)
        finally:
            os.close(fd)


def mount_points() -> tuple[str, ...]:
    """Return the paths where file systems are mounted, from /proc/self/mountinfo (proc(5)); none where it is absent."""
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            fields = [line.split(b" ")[4] for line in file]
    except (OSError, IndexError):
        return ()
    return tuple(os.fsdecode(_unescape(field)) for field in fields)


def _unescape(field: bytes) -> bytes:
    for code, character in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        field = field.replace(code, character)
    return field


def sync_file_system(fd: int) -> None:
    """Make all that was written on the file system of `fd` durable: syncfs(2), else sync(2). Raises `OSError`."""
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "syncfs"):
        os.sync()
    elif library.syncfs(fd) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
