"""Times of folders that stay where they are while names in them come and go.

A folder gets its old time back only where it holds the names that it held then: otherwise what it shows is
true, it was changed now. Names are compared by a print that does not depend on their order.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress

import msgspec

from toolkit import durable
from toolkit.tree.folders import OPEN_FOLDER
from toolkit.tree.scan import STAGING_PREFIX

_SIDECARS = ("-wal", "-shm", "-journal")


class FolderTime(msgspec.Struct, frozen=True):
    """A folder, the time that it is to have in ns, and the print of the names with which it had it."""

    folder: str
    mtime_ns: int
    names: int


def names_print(names: Iterable[str], start: int = 0) -> int:
    """Return the print of a set of names, each given once; `start` is the print of those that came before.

    What comes and goes by itself does not count: sidecars of databases, and staging folders.
    """
    for name in names:
        if not name.endswith(_SIDECARS) and not name.startswith(STAGING_PREFIX):
            start ^= int.from_bytes(hashlib.blake2b(os.fsencode(name), digest_size=7).digest(), "big")
    return start


def time_of(folder: str, mtime_ns: int | None = None) -> FolderTime | None:
    """Return what `folder` shows now, or its names with the time `mtime_ns`; None when it is no folder."""
    with suppress(OSError):
        fd = os.open(folder, OPEN_FOLDER)
        try:
            there = os.fstat(fd).st_mtime_ns if mtime_ns is None else mtime_ns
            return FolderTime(folder, there, names_print(os.listdir(fd)))
        finally:
            os.close(fd)
    return None


def put_back(times: Iterable[FolderTime]) -> None:
    """Give each folder its time where it holds the names that go with it, the last of several; may be repeated.

    A folder that is gone, is a link now or belongs to somebody else is left alone. Raises `StorageError`.
    """
    for one in times:
        try:
            fd = os.open(one.folder, OPEN_FOLDER)
        except OSError:
            continue
        try:
            if names_print(os.listdir(fd)) == one.names:
                durable.on_step("times", one.folder)
                with durable.translated(one.folder), suppress(PermissionError):
                    os.utime(fd, ns=(one.mtime_ns, one.mtime_ns))
        finally:
            os.close(fd)
