"""Walking a tree: what is there, in a fixed order, one entry at a time.

A walk opens folders and never files: closing a file that this process also holds through SQLite would drop
its locks (DESIGN.md, promise 9). What only an open file can tell (extended attributes, holes) is therefore
read by `toolkit.tree.read`, with the content; folders have their attributes here.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from toolkit import durable
from toolkit.errors import SourceError, SourceMissingError
from toolkit.filelist import FileEntry, FileType, Section
from toolkit.tree.attributes import group_names, read_xattrs, user_names
from toolkit.tree.filters import Filters

STAGING_PREFIX = ".lifeboat-"
"""Folders that begin so hold a restore that is not finished; walks leave them out."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEEP = 64  # descriptors that a walk holds at most; below, folders are reached by their whole path
_OTHERS = {
    stat.S_IFIFO: "a FIFO has no content to keep",
    stat.S_IFSOCK: "a socket has no content to keep",
    stat.S_IFCHR: "devices are not kept",
    stat.S_IFBLK: "devices are not kept",
}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A path that is not in the walk, and why. `error` says whether it should have been (exit 3)."""

    path: str
    reason: str
    error: bool


OnLeftOut = Callable[[LeftOut], None]


class _Folder:
    """A folder that is being walked: its names still to come, last first, and how to reach them."""

    __slots__ = ("fd", "names", "path", "relative")

    def __init__(self, path: str, relative: str, fd: int, names: list[str]) -> None:
        self.path = path
        self.relative = relative
        self.fd = fd
        self.names = names

    def stat(self, name: str, path: str) -> os.stat_result:
        if self.fd >= 0:
            return os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        return os.lstat(path)

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class _Inode:
    """An inode with several names: its group, its first path, and how many names are still to come."""

    __slots__ = ("first", "group", "to_come")

    def __init__(self, group: int, first: str, to_come: int) -> None:
        self.group = group
        self.first = first
        self.to_come = to_come


class Scanner:
    """Walks the roots of one backup; hard links are recognised over all of them.

    Only inodes with several names are remembered, and only until their last name was seen. Not for use in
    several threads at once.
    """

    def __init__(self, on_left_out: OnLeftOut) -> None:
        self._on_left_out = on_left_out
        self._users = user_names()
        self._groups = group_names()
        self._inodes: dict[tuple[int, int], _Inode] = {}
        self._link_groups = 0

    def walk(self, section: Section, root: Path | bytes | str, filters: Filters | None = None) -> Iterator[FileEntry]:
        """Return the entries of `root`, lazily: a folder before its content, siblings in the order of their bytes.

        A root that is a file is its only entry. A root that is a symbolic link is recorded as the link that it
        is, and then what it points to is walked under its own path, so that no entry lies behind a link.
        Links inside are recorded and never followed. Files come without `digest`, `xattrs` and `holes`
        (`toolkit.tree.read.load` adds them). FIFOs, sockets, devices, unreadable folders, other file systems
        that are not to be entered, and what vanishes meanwhile go to `on_left_out`; only what could not be read
        is an error there. Raises `SourceMissingError` or `SourceError`, at once, when the root itself is
        absent or cannot be looked at.
        """
        path = os.path.abspath(os.fsdecode(root))
        path = f"/{path.lstrip('/')}"
        with durable.translated(path):
            try:
                status = os.lstat(path)
            except PermissionError as error:
                raise SourceError("permission denied", subject=path, hint="run it as root") from error
            except NotADirectoryError as error:
                raise SourceMissingError("no such file or directory", subject=path) from error
        return self._walk_root(section, path, status, filters or Filters())

    def _walk_root(self, section: Section, path: str, status: os.stat_result, filters: Filters) -> Iterator[FileEntry]:
        seen: set[str] = set()
        while stat.S_ISLNK(status.st_mode):
            link = self._entry(section, path, status)
            if link is not None:
                yield link
            seen.add(path)
            try:
                path = _pointed_to(path)
                status = os.lstat(path)
            except OSError:
                self._on_left_out(LeftOut(path, "the link of the root points to nothing", error=True))
                return
            if path in seen:
                self._on_left_out(LeftOut(path, "the link of the root leads back to itself", error=True))
                return
        entry = self._entry(section, path, status)
        if entry is None:
            return
        yield entry
        if entry.type is FileType.DIRECTORY:
            yield from self._walk_folders(section, path, status.st_dev, filters)

    def _walk_folders(self, section: Section, root: str, device: int, filters: Filters) -> Iterator[FileEntry]:
        stack: list[_Folder] = []
        self._enter(stack, root.rstrip("/"), root, "")
        filtering = filters != Filters()
        try:
            while stack:
                folder = stack[-1]
                if not folder.names:
                    stack.pop().close()
                    continue
                name = folder.names.pop()
                path = f"{folder.path}/{name}"
                try:
                    status = folder.stat(name, path)
                except OSError as error:
                    self._report(path, error)
                    continue
                if name.startswith(STAGING_PREFIX) and stat.S_ISDIR(status.st_mode):
                    self._on_left_out(LeftOut(path, "belongs to a restore that is not finished", error=False))
                    continue
                if filtering and self._filtered(filters, folder, name, path, status):
                    continue
                entry = self._entry(section, path, status)
                if entry is None:
                    continue
                yield entry
                if entry.type is not FileType.DIRECTORY:
                    continue
                if status.st_dev != device and not filters.cross_mounts:
                    self._on_left_out(LeftOut(path, "another file system is mounted here", error=False))
                else:
                    self._enter(stack, path, name, f"{folder.relative}{name}/")
        finally:
            for folder in stack:
                folder.close()

    def _enter(self, stack: list[_Folder], path: str, name: str, relative: str) -> None:
        """Open and list a folder and put it on the stack, or report why that cannot be."""
        above = stack[-1].fd if stack else -1
        try:
            fd = os.open(name, _FOLDER, dir_fd=above) if above >= 0 else os.open(path or "/", _FOLDER)
            try:
                names = os.listdir(fd)
            except OSError:
                os.close(fd)
                raise
        except OSError as error:
            self._report(path, error)
            return
        names.sort(key=None if "".join(names).isascii() else os.fsencode, reverse=True)
        if len(stack) >= _DEEP:
            os.close(fd)
            fd = -1
        stack.append(_Folder(path, relative, fd, names))

    def _filtered(self, filters: Filters, folder: _Folder, name: str, path: str, status: os.stat_result) -> bool:
        directory = stat.S_ISDIR(status.st_mode)
        if filters.exclude and filters.exclude.matches(folder.relative + name, name, directory=directory):
            return True
        if path in filters.skip:
            return True
        if not stat.S_ISREG(status.st_mode):
            return False
        if filters.newer_than_ns is not None and status.st_mtime_ns < filters.newer_than_ns:
            return True
        if filters.max_size is not None and status.st_size > filters.max_size:
            self._on_left_out(LeftOut(path, f"larger than {filters.max_size:,} bytes", error=False))
            return True
        return False

    def _entry(self, section: Section, path: str, status: os.stat_result) -> FileEntry | None:
        """Return the entry of `path`, or None when it is reported as left out."""
        mode, size, target, group, first = status.st_mode, 0, "", 0, ""
        xattrs: dict[str, str] = {}
        kind = mode & 0o170000
        try:
            if kind == stat.S_IFREG:
                type_, size = FileType.FILE, status.st_size
                if status.st_nlink > 1:
                    group, first = self._linked(path, status)
            elif kind == stat.S_IFDIR:
                type_, xattrs = FileType.DIRECTORY, read_xattrs(path)
            elif kind == stat.S_IFLNK:
                type_, target = FileType.SYMLINK, os.readlink(path)
            else:
                self._on_left_out(LeftOut(path, _OTHERS.get(kind, "of an unknown type"), error=False))
                return None
        except OSError as error:
            self._report(path, error)
            return None
        return FileEntry(
            section=section,
            path=path,
            type=type_,
            mode=mode & 0o7777,
            uid=status.st_uid,
            gid=status.st_gid,
            mtime_ns=status.st_mtime_ns,
            user=self._users[status.st_uid],
            group=self._groups[status.st_gid],
            size=size,
            target=target,
            link_group=group,
            link_to=first,
            xattrs=xattrs,
        )

    def _linked(self, path: str, status: os.stat_result) -> tuple[int, str]:
        """Return the link group of an inode with several names, and its first path ("" for the first itself)."""
        key = (status.st_dev, status.st_ino)
        known = self._inodes.get(key)
        if known is None:
            self._link_groups += 1
            self._inodes[key] = _Inode(self._link_groups, path, status.st_nlink - 1)
            return self._link_groups, ""
        known.to_come -= 1
        if known.to_come <= 0:
            del self._inodes[key]
        return known.group, known.first

    def _report(self, path: str, error: OSError) -> None:
        """Report a path that cannot be looked at; that it vanished is no error in a living tree."""
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            self._on_left_out(LeftOut(path, "vanished while the tree was read", error=False))
        elif error.errno == errno.ENAMETOOLONG:
            self._on_left_out(LeftOut(path, "the path is longer than the system takes", error=True))
        elif error.errno in (errno.EACCES, errno.EPERM):
            self._on_left_out(LeftOut(path, "permission denied", error=True))
        else:
            self._on_left_out(LeftOut(path, error.strerror or "input/output error", error=True))


def _pointed_to(link: str) -> str:
    """Return the path that a link points to, one step, with no link among its folders. Raises `OSError`."""
    target = os.path.join(os.path.dirname(link), os.readlink(link))
    folder, name = os.path.split(target)
    if name in ("", ".", ".."):
        return os.path.realpath(target)
    return os.path.join(os.path.realpath(folder), name)
