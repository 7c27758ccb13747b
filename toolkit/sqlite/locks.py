"""Who keeps a database locked, as `/proc/locks` tells (proc(5)): no file is opened for it.

The bytes are those of SQLite's "File Locking And Concurrency" (pending, reserved, shared) and, in WAL mode, of the -shm
("WAL-mode File Format", section 2.3.1: the first lock is the writer's).
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from toolkit.errors import SourceTimeoutError, Subject
from toolkit.events import ShouldStop, never_stop
from toolkit.sqlite.blocks import state
from toolkit.sqlite.holders import command_of, process_text, user_of

PENDING, RESERVED, SHARED = 0x40000000, 0x40000001, 0x40000002
WAL_WRITE = 120

_LOOK = 0.1


@dataclass(frozen=True, slots=True)
class Lock:
    """A process that keeps others out: with `everybody` nobody may read, else nobody else may write."""

    pid: int
    command: str
    user: str
    everybody: bool

    @property
    def text(self) -> str:
        """The process in words."""
        return process_text(self.pid, self.command, self.user)


def keepers(path: str | os.PathLike[str]) -> tuple[Lock, ...]:
    """Return who holds a lock of `path` that keeps writers, or everybody, out; waiting for one is none.

    Locks of processes in other PID namespaces, and on file systems that number devices of their own, are not seen.
    """
    where = os.path.realpath(path)
    main, shm = _inode(where), _inode(f"{where}-shm")
    found: dict[int, bool] = {}
    for inode, pid, first, last in _write_locks():
        held = {
            one
            for one in ((main, PENDING), (main, RESERVED), (main, SHARED), (shm, WAL_WRITE))
            if inode == one[0] and first <= one[1] <= last
        }
        if held:
            found[pid] = found.get(pid, False) or not held.isdisjoint({(main, PENDING), (main, SHARED)})
    return tuple(Lock(pid, command_of(pid), user_of(pid), everybody) for pid, everybody in sorted(found.items()))


def stuck(path: str | os.PathLike[str], seconds: float, *, should_stop: ShouldStop = never_stop) -> tuple[Lock, ...]:
    """Return who keeps `path` locked for `seconds` while nothing of it is written; at once where nobody does."""
    deadline = time.monotonic() + seconds
    found, before = keepers(path), state(path)
    while found and time.monotonic() < deadline and not should_stop():
        time.sleep(_LOOK)
        found = tuple(one for one in keepers(path) if one in found) if state(path) == before else ()
    return found


def stayed_locked(path: Subject) -> SourceTimeoutError:
    """Return the error for a database that could not be read for its locks, with who keeps it locked now."""
    names = ", ".join(one.text for one in keepers(os.fsdecode(path))) if path is not None else ""
    return SourceTimeoutError(
        f"the database stayed locked by {names or 'another process'}",
        subject=path,
        hint="raise the profile's timeout, or stop the process that holds it",
    )


def _inode(path: str) -> str:
    """Return a file as `/proc/locks` names it, "" where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return ""
    return f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"


def _write_locks() -> list[tuple[str, int, int, float]]:
    """Return inode, process, first and last byte of each exclusive lock on a range of a file."""
    found = []
    try:
        with open("/proc/locks", encoding="ascii") as file:
            for line in file:
                fields = line.split()  # "1: POSIX  ADVISORY  WRITE 3568 fd:00:2531452 0 EOF"; "->" waits for one
                if fields[1] == "POSIX" and fields[3] == "WRITE":
                    last = float("inf") if fields[7] == "EOF" else int(fields[7])
                    found.append((fields[5], int(fields[4]), int(fields[6]), last))
    except (OSError, IndexError, ValueError):
        return []
    return found
