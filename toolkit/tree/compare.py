"""Comparing a backup with what is on disk: clashes before a restore, and what only one side has.

Nothing here changes anything. The order of every list is that of a walk (`walk_key`), so that lists of any
length are compared as they stream by.
"""

from __future__ import annotations

import enum
import hashlib
import os
import stat
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from toolkit.filelist import FileEntry, FileType

_PIECE = 1024 * 1024
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class ClashKind(enum.StrEnum):
    """How an entry of a backup stands to what is at its target; only the first two need no decision."""

    MISSING = "missing"
    SAME = "same"
    DIFFERS = "differs"
    NEWER = "newer"
    OTHER_TYPE = "other-type"
    LINK = "link"
    DIRECTORY = "directory"
    IN_USE = "in-use"
    NO_PERMISSION = "no-permission"


@dataclass(frozen=True, slots=True)
class Clash:
    """What stands at the target of an entry: its size in bytes and mtime in ns (0 when missing).

    `attributes` is True when mode, owner and time are those of the entry as well.
    """

    kind: ClashKind
    size: int = 0
    mtime_ns: int = 0
    attributes: bool = False


_MISSING = Clash(ClashKind.MISSING)


class Target:
    """A folder that entries are compared with; `busy` holds the (device, inode) of files that must not be replaced.

    Folders of the last path are remembered, so entries should come in their order. A link among the folders
    below `root` is never followed.
    """

    def __init__(self, root: bytes | str, *, busy: Container[tuple[int, int]] = ()) -> None:
        self._root = os.fsdecode(root).rstrip("/") or "/"
        self._busy = busy
        self._parent = ""
        self._obstacle: ClashKind | None = None
        self._writable = self._absent = False

    def clash(self, entry: FileEntry, target: bytes | str, *, digest: bool = True) -> Clash:
        """Return how `entry` clashes with what is at `target`, a path below the root.

        Equal size and SHA-256 are the same content; without `digest`, equal size and mtime are enough. What
        differs and is younger than the entry is `newer`. What could not be replaced is `no-permission`; what
        is the same is never anything else.
        """
        path = os.fsdecode(target)
        obstacle, writable = self._look_at_parent(path.rpartition("/")[0] or "/")
        if obstacle is not None:
            return Clash(obstacle)
        if self._absent:  # a restore elsewhere would ask for every file in vain
            return _MISSING if writable else Clash(ClashKind.NO_PERMISSION)
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return Clash(ClashKind.MISSING if writable else ClashKind.NO_PERMISSION)
        except NotADirectoryError:
            return Clash(ClashKind.OTHER_TYPE)
        except PermissionError:
            return Clash(ClashKind.NO_PERMISSION)
        kind = _kind(entry, path, status, digest=digest)
        if kind in (ClashKind.DIFFERS, ClashKind.NEWER) and (status.st_dev, status.st_ino) in self._busy:
            kind = ClashKind.IN_USE
        elif kind is not ClashKind.SAME and not writable:
            kind = ClashKind.NO_PERMISSION
        same = (
            stat.S_IMODE(status.st_mode) == entry.mode
            and (status.st_uid, status.st_gid) == (entry.uid, entry.gid)
            and status.st_mtime_ns == entry.mtime_ns
        )
        return Clash(kind, status.st_size, status.st_mtime_ns, same)

    def _look_at_parent(self, parent: str) -> tuple[ClashKind | None, bool]:
        if parent != self._parent:
            self._parent, self._obstacle = parent, None
            at = parent
            while len(at) > len(self._root):
                if os.path.islink(at):
                    self._obstacle = ClashKind.LINK
                at = os.path.dirname(at)
            self._absent = not os.path.lexists(parent)
            while not os.path.lexists(parent):
                parent = os.path.dirname(parent)
            self._writable = os.access(parent, os.W_OK | os.X_OK, effective_ids=True)
        return self._obstacle, self._writable


def clash(entry: FileEntry, target: bytes | str, *, digest: bool = True) -> Clash:
    """Return how `entry` clashes with what is at the path `target`, as `Target.clash` does for a single one."""
    return Target(os.path.dirname(os.fsdecode(target))).clash(entry, target, digest=digest)


def _kind(entry: FileEntry, path: str, status: os.stat_result, *, digest: bool) -> ClashKind:
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        return ClashKind.SAME if entry.type is FileType.DIRECTORY else ClashKind.DIRECTORY
    if stat.S_ISLNK(mode) and entry.type is not FileType.SYMLINK:
        return ClashKind.LINK
    if stat.S_ISLNK(mode):
        same: bool | None = os.readlink(path) == entry.target
    elif stat.S_ISREG(mode) and entry.type is FileType.FILE:
        same = _same_content(entry, path, status, digest=digest)
    else:
        return ClashKind.OTHER_TYPE
    if same is None:
        return ClashKind.NO_PERMISSION
    if same:
        return ClashKind.SAME
    return ClashKind.NEWER if status.st_mtime_ns > entry.mtime_ns else ClashKind.DIFFERS


def _same_content(entry: FileEntry, path: str, status: os.stat_result, *, digest: bool) -> bool | None:
    """Answer whether the file holds what the entry does; None when it cannot be read."""
    if status.st_size != entry.size:
        return False
    if not entry.digest or not digest:
        return status.st_mtime_ns == entry.mtime_ns
    found = hashlib.sha256()
    try:
        fd = os.open(path, _READ)
    except OSError:
        return None
    try:
        while piece := os.read(fd, _PIECE):
            found.update(piece)
    except OSError:
        return None
    finally:
        os.close(fd)
    return found.hexdigest() == entry.digest


def open_for_writing() -> frozenset[tuple[int, int]]:
    """Return (device, inode) of the files that any process holds open for writing, as far as /proc shows it."""
    found = set()
    for process in os.listdir("/proc"):
        if not process.isdecimal():
            continue
        folder = f"/proc/{process}/fd"
        with suppress(OSError):  # processes end, and those of others cannot be seen
            for fd in os.listdir(folder):
                with suppress(OSError):
                    if os.lstat(f"{folder}/{fd}").st_mode & stat.S_IWUSR:  # proc(5): the link shows the access
                        status = os.stat(f"{folder}/{fd}")
                        found.add((status.st_dev, status.st_ino))
    return frozenset(found)


def walk_key(path: str) -> bytes:
    """Return what sorts paths as a walk yields them: a folder before its content, siblings by their bytes."""
    return os.fsencode(path).replace(b"/", b"\0")


def join(left: Iterable[FileEntry], right: Iterable[FileEntry]) -> Iterator[tuple[FileEntry | None, FileEntry | None]]:
    """Yield the entries of two lists side by side, by path; None where one of them has none.

    Both are in the order of a walk, and neither is held. Raises `ValueError` where one is out of order.
    """
    ones, others = _ordered(left), _ordered(right)
    one, other = next(ones, None), next(others, None)
    while one is not None and other is not None:
        if one[0] < other[0]:
            yield one[1], None
            one = next(ones, None)
        elif other[0] < one[0]:
            yield None, other[1]
            other = next(others, None)
        else:
            yield one[1], other[1]
            one, other = next(ones, None), next(others, None)
    while one is not None:
        yield one[1], None
        one = next(ones, None)
    while other is not None:
        yield None, other[1]
        other = next(others, None)


def _ordered(entries: Iterable[FileEntry]) -> Iterator[tuple[bytes, FileEntry]]:
    last = b""
    for entry in entries:
        key = walk_key(entry.path)
        if key < last:
            raise ValueError("the list is not in the order of a walk")
        last = key
        yield key, entry


def extras(
    entries: Iterable[FileEntry], live: Iterable[FileEntry], *, known: Container[str] = ()
) -> Iterator[FileEntry]:
    """Yield what `live` (a walk of the root) has and the backup's `entries` of the same root do not.

    `known` are paths that the backup has elsewhere, such as databases. Raises `ValueError` as `join` does.
    """
    for ours, theirs in join(entries, live):
        if ours is None and theirs is not None and theirs.path not in known:
            yield theirs
