"""Copying one staged name to another file system, where a rename does not reach: beside its place, then renamed."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from toolkit import durable

_PIECE = 8 * 1024 * 1024


def copy_across(source: int, target: int, name: str, temporary: str, *, link: tuple[int, str] | None = None) -> None:
    """Copy the file or link `name` from folder `source` to folder `target`, replacing what is no folder there.

    It is complete and durable under the name `temporary` before it takes its own; a `temporary` that an
    earlier run left is removed. `link` (folder, name) is another name of the same file that was copied
    already. Owner, mode, attributes, time and holes are kept. Raises `OSError`.
    """
    with suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=target)
    status = os.stat(name, dir_fd=source, follow_symlinks=False)
    if link is not None:
        os.link(link[1], temporary, src_dir_fd=link[0], dst_dir_fd=target, follow_symlinks=False)
    elif stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(name, dir_fd=source), temporary, dir_fd=target)
        if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(temporary, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
        times = (status.st_atime_ns, status.st_mtime_ns)
        os.utime(temporary, ns=times, dir_fd=target, follow_symlinks=False)
    else:
        _copy_file(source, target, name, temporary)
    durable.on_step("rename", name)
    os.rename(temporary, name, src_dir_fd=target, dst_dir_fd=target)
    os.fsync(target)


def _copy_file(source: int, target: int, name: str, temporary: str) -> None:
    read = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        write = os.open(temporary, flags, 0o600, dir_fd=target)
        try:
            _copy_data(read, write)
            _copy_attributes(read, write)
            os.fsync(write)
        finally:
            os.close(write)
    finally:
        os.close(read)


def _copy_data(read: int, write: int) -> None:
    size, position = os.fstat(read).st_size, 0
    os.ftruncate(write, size)
    while position < size:
        try:
            start = os.lseek(read, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        end = os.lseek(read, start, os.SEEK_HOLE)
        while start < end:
            data = memoryview(os.pread(read, min(_PIECE, end - start), start))
            start += os.pwrite(write, data, start)
        position = end


def _copy_attributes(read: int, write: int) -> None:
    status = os.fstat(read)
    if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
        os.fchown(write, status.st_uid, status.st_gid)
    for name in os.listxattr(read):
        with suppress(OSError):  # a file system without attributes still takes the content
            os.setxattr(write, name, os.getxattr(read, name))
    os.fchmod(write, stat.S_IMODE(status.st_mode))
    os.utime(write, ns=(status.st_atime_ns, status.st_mtime_ns))
