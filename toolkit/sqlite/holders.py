"""Which processes have a file open, as `/proc` tells: no file is opened for it."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that has `path` open: its id, command name and user (a name, or the number)."""

    pid: int
    command: str
    user: str
    path: str


@dataclass(frozen=True, slots=True)
class Holders:
    """The processes found; `complete` is False when some processes could not be looked into (not root)."""

    found: tuple[Holder, ...]
    complete: bool


def user_name(uid: int) -> str:
    """Return the name of the user `uid`, or the number as text."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _command(pid: str) -> str:
    try:
        with open(f"/proc/{pid}/comm", "rb") as file:
            return os.fsdecode(file.read().rstrip(b"\n"))
    except OSError:
        return "?"


def _held(pid: str, wanted: dict[tuple[int, int], str]) -> set[str]:
    held = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            status = os.stat(f"/proc/{pid}/fd/{name}")
        except OSError:  # closed meanwhile, or a descriptor of something that is gone
            continue
        path = wanted.get((status.st_dev, status.st_ino))
        if path is not None and stat.S_ISREG(status.st_mode):
            held.add(path)
    return held


def holders(paths: Iterable[str | os.PathLike[str]]) -> Holders:
    """Return who has one of `paths` open, by device and inode, so that links and other names are found too.

    Absent paths are held by nobody. Processes of other PID namespaces cannot be seen and are not reported.
    """
    wanted = {}
    for path in paths:
        with contextlib.suppress(OSError):
            status = os.stat(path)
            wanted[status.st_dev, status.st_ino] = os.fspath(path)
    if not wanted:
        return Holders((), complete=True)
    found = []
    complete = os.path.isdir("/proc/1")  # absent under hidepid=2, where others cannot be seen
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            held = _held(pid, wanted)
            if held:
                user = user_name(os.stat(f"/proc/{pid}").st_uid)
                command = _command(pid)
                found += [Holder(int(pid), command, user, path) for path in sorted(held)]
        except PermissionError:
            complete = False
        except OSError:  # the process ended
            continue
    return Holders(tuple(found), complete=complete)
