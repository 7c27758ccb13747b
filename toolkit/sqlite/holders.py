"""Which processes have a file open, as `/proc` tells: no file is opened for it."""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_DELETED = " (deleted)"
"""What the kernel appends to the former name of an open file (proc(5), /proc/PID/fd)."""


def process_text(pid: int, command: str, *belongs: str) -> str:
    """Return a process in words; `belongs` are its user and its unit."""
    return f"{command} ({', '.join((f'process {pid}', *belongs))})"


def is_lone(path: str, *, deleted: bool) -> bool:
    """Say whether nothing else keeps an open file that was `deleted` from `path`: there is none of that name."""
    return deleted and not os.path.lexists(path)


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that has `path` open: its id, command name and user (a name, or the number).

    `deleted`: the file that it has open was at `path`, and has no name any more.
    """

    pid: int
    command: str
    user: str
    path: str
    deleted: bool = False

    @property
    def lone(self) -> bool:
        """Whether nothing else keeps what it has open."""
        return is_lone(self.path, deleted=self.deleted)

    @property
    def text(self) -> str:
        """The process in words."""
        return process_text(self.pid, self.command, self.user)


def rescue_first(path: str) -> str:
    """Return the hint for a database whose only copy is in processes that have it open: these must not be ended yet."""
    return f"what it wrote would go with it; this keeps it first: lifeboat rescue {shlex.quote(path)} --stop-holders"


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


def user_of(pid: int) -> str:
    """Return the user that a process belongs to, "?" when it has ended."""
    try:
        return user_name(os.stat(f"/proc/{pid}").st_uid)
    except OSError:
        return "?"


def command_of(pid: int) -> str:
    """Return the command name of a process, "?" when it has ended."""
    try:
        with open(f"/proc/{pid}/comm", "rb") as file:
            return os.fsdecode(file.read().rstrip(b"\n"))
    except OSError:
        return "?"


def descriptors(pid: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield each open file of a process: how it can be opened again (proc(5)), and its status. Raises `OSError`."""
    for name in os.listdir(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{name}"
        try:
            status = os.stat(path)
        except OSError:  # closed meanwhile
            continue
        if stat.S_ISREG(status.st_mode):
            yield path, status


def name_before(descriptor: str, status: os.stat_result) -> str | None:
    """Return the path that the open file had when it was deleted; None where it has a name still, or none is known."""
    if status.st_nlink:
        return None
    try:
        target = os.readlink(descriptor)
    except OSError:
        return None
    return target.removesuffix(_DELETED) if target.endswith(_DELETED) else None


def _held(pid: str, wanted: dict[tuple[int, int], str], names: dict[str, str]) -> set[tuple[str, bool]]:
    held = set()
    for descriptor, status in descriptors(pid):
        path = wanted.get((status.st_dev, status.st_ino))
        if path is not None:
            held.add((path, False))
            continue
        former = names.get(name_before(descriptor, status) or "")
        if former is not None:
            held.add((former, True))
    return held


def holders(paths: Iterable[str | os.PathLike[str]]) -> Holders:
    """Return who has one of `paths` open, by device and inode, so that links and other names are found too.

    Who has a file open that was at one of `paths` before it was deleted, or replaced by another, is found by that name.
    Processes of other PID namespaces cannot be seen and are not reported; `complete` speaks of files that are there.
    """
    wanted, names = {}, {}
    for path in paths:
        names[os.path.realpath(path)] = os.fspath(path)
        with contextlib.suppress(OSError):
            status = os.stat(path)
            wanted[status.st_dev, status.st_ino] = os.fspath(path)
    found = []
    complete = not wanted or os.path.isdir("/proc/1")  # absent under hidepid=2, where others cannot be seen
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            held = _held(pid, wanted, names)
            if held:
                user = user_name(os.stat(f"/proc/{pid}").st_uid)
                command = command_of(int(pid))
                found += [Holder(int(pid), command, user, path, deleted) for path, deleted in sorted(held)]
        except PermissionError:
            complete = complete and not wanted
        except OSError:  # the process ended
            continue
    return Holders(tuple(found), complete=complete)
