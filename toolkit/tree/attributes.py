"""Owners, extended attributes and ACLs: read from files, and set on what is put back.

ACLs are the extended attributes `system.posix_acl_access` and `system.posix_acl_default` (acl(5)), so
they travel as any other. Kept are `user.*`, these two and `security.capability`; labels of SELinux and
`trusted.*` belong to the machine, not to the application, and names that are no text are passed over.
"""

from __future__ import annotations

import base64
import errno
import grp
import os
import pwd
import stat
from collections.abc import Callable

from toolkit.filelist import FileEntry, FileType

_KEPT = ("system.posix_acl_access", "system.posix_acl_default", "security.capability")
_ABSENT = (errno.ENOTSUP, errno.ENODATA, errno.ENOSYS, errno.EPERM, errno.EACCES)
_REFUSED = (*_ABSENT, errno.ENOSPC, errno.E2BIG, errno.ERANGE, errno.EINVAL)


class Names(dict[int, str]):
    """Names by id, looked up once each; an id without a name has the empty one."""

    def __init__(self, look_up: Callable[[int], str]) -> None:
        super().__init__()
        self._look_up = look_up

    def __missing__(self, number: int) -> str:
        try:
            name = self._look_up(number)
        except (KeyError, OverflowError):
            name = ""
        self[number] = name
        return name


class Ids(dict[tuple[str, int], int]):
    """Ids by (name, id): the id that the name has here, else the id itself; looked up once each."""

    def __init__(self, look_up: Callable[[str], int]) -> None:
        super().__init__()
        self._look_up = look_up

    def __missing__(self, key: tuple[str, int]) -> int:
        name, number = key
        try:
            found = self._look_up(name) if name else number
        except (KeyError, UnicodeEncodeError, ValueError):
            found = number
        self[key] = found
        return found


def user_names() -> Names:
    """Return the names of users by their ids."""
    return Names(lambda uid: pwd.getpwuid(uid).pw_name)


def group_names() -> Names:
    """Return the names of groups by their ids."""
    return Names(lambda gid: grp.getgrgid(gid).gr_name)


def _xattr_names(where: int | str | bytes, *, follow: bool) -> list[str]:
    try:
        names = os.listxattr(where, follow_symlinks=follow)
    except OSError as error:
        if error.errno in _ABSENT:
            return []
        raise
    return [name for name in names if name in _KEPT or (name.startswith("user.") and name.isprintable())]


def read_xattrs(where: int | str) -> dict[str, str]:
    """Return the kept attributes of a descriptor, or of a path without following a link, in base64.

    One system call when there are none. Raises `OSError`.
    """
    follow = isinstance(where, int)
    found = {}
    for name in _xattr_names(where, follow=follow):
        try:
            found[name] = base64.b64encode(os.getxattr(where, name, follow_symlinks=follow)).decode()
        except OSError as error:
            if error.errno not in _ABSENT:
                raise
    return found


class Attributes:
    """Sets what an entry says of owner, mode, attributes and time, and counts what could not be set.

    With `owners` the owner is set by name first, else by id. `unowned` counts entries that now belong to
    another than recorded (their setuid and setgid bits are not set then), `bare` those that miss extended
    attributes because the file system or the kernel refused them.
    """

    def __init__(self, *, owners: bool) -> None:
        self._owners = owners
        self._uids = Ids(lambda name: pwd.getpwnam(name).pw_uid)
        self._gids = Ids(lambda name: grp.getgrnam(name).gr_gid)
        self.unowned = 0
        self.bare = 0

    def owner(self, entry: FileEntry) -> tuple[int, int]:
        """Return the (uid, gid) that `entry` is to have on this machine."""
        if not self._owners:
            return entry.uid, entry.gid
        return self._uids[entry.user, entry.uid], self._gids[entry.group, entry.gid]

    def apply(self, fd: int, entry: FileEntry, *, keep: int = 0) -> None:
        """Set owner, attributes, mode and mtime of the open file or folder, in the order that loses none of them.

        `keep` are mode bits that stay on. Nothing is called that would change nothing. Raises `OSError`.
        """
        wanted, status = self.owner(entry), os.fstat(fd)
        mode = entry.mode
        if wanted != (status.st_uid, status.st_gid) and not self._own(lambda: os.fchown(fd, *wanted)):
            mode = self._without_set_id(os.fstat(fd), entry, wanted)
        self._set_xattrs(fd, entry)
        if mode | keep != stat.S_IMODE(status.st_mode) or entry.xattrs or mode & 0o6000:
            os.fchmod(fd, mode | keep)
        os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))

    def apply_link(self, folder: int, name: str, entry: FileEntry) -> None:
        """Set owner and mtime of a symbolic link itself. Raises `OSError`."""
        wanted, status = self.owner(entry), os.lstat(name, dir_fd=folder)
        if wanted != (status.st_uid, status.st_gid):
            self._own(lambda: os.chown(name, *wanted, dir_fd=folder, follow_symlinks=False))
        os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=folder, follow_symlinks=False)

    def _own(self, change: Callable[[], None]) -> bool:
        try:
            if self._owners:
                change()
                return True
        except PermissionError:
            pass
        self.unowned += 1
        return False

    @staticmethod
    def _without_set_id(status: os.stat_result, entry: FileEntry, wanted: tuple[int, int]) -> int:
        mode = entry.mode
        if status.st_uid != wanted[0]:
            mode &= ~stat.S_ISUID
        if status.st_gid != wanted[1] and entry.type is FileType.FILE:
            mode &= ~stat.S_ISGID
        return mode

    def _set_xattrs(self, fd: int, entry: FileEntry) -> None:
        if entry.type is FileType.DIRECTORY:
            for name in _xattr_names(fd, follow=True):
                if name not in entry.xattrs:
                    os.removexattr(fd, name)
        bare = False
        for name, value in entry.xattrs.items():
            try:
                os.setxattr(fd, name, base64.b64decode(value))
            except OSError as error:
                if error.errno not in _REFUSED:
                    raise
                bare = True
        self.bare += bare
