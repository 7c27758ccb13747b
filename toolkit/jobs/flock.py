"""Advisory locks of whole files (flock(2)): they end with the process, so that none is ever stale."""

from __future__ import annotations

import fcntl
import os
import weakref
from pathlib import Path


class HeldFile:
    """An open file or directory that can be locked; closing it, or the end of the process, frees the lock.

    The descriptor is closed on exec, and in forked children too, which would keep the lock alive otherwise.
    """

    __slots__ = ("__weakref__", "fd")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        _open.add(self)

    def take(self, *, exclusive: bool = True) -> bool:
        """Try to lock, without waiting; answer whether it worked."""
        try:
            fcntl.flock(self.fd, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Free the lock and close; doing it twice is no error."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


_open: weakref.WeakSet[HeldFile] = weakref.WeakSet()


def _forget_in_child() -> None:
    for held in tuple(_open):
        held.close()


os.register_at_fork(after_in_child=_forget_in_child)


def is_held(path: Path) -> bool:
    """Answer whether any process holds the lock of `path`; an absent file is held by nobody.

    Looks by taking a shared lock for a moment: who wants it exclusively must be ready to try again.
    """
    try:
        held = HeldFile(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW))
    except FileNotFoundError:
        return False
    try:
        return not held.take(exclusive=False)
    finally:
        held.close()
