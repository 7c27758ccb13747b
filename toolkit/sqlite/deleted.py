"""A database that lost its name while a process has it open: until that one ends, all of it can still be read.

A file lives until its last descriptor is closed (unlink(2)), and `/proc/PID/fd` opens it once more (proc(5)). In WAL
mode SQLite goes on writing to it ("How To Corrupt An SQLite Database File", 2.4: unlinked or renamed while in use).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import TargetInUseError
from toolkit.sqlite.holders import Holder, descriptors, holders, name_before, rescue_first

_PARTS = ("", "-wal", "-journal")
_WRITES = os.O_WRONLY | os.O_RDWR


@dataclass(frozen=True, slots=True)
class Deleted:
    """The file that was at the real path `path`, and its sidecars, by suffix ("" is the database): how to open them.

    `holders` are all processes that have one of that name open; `written`: one may still write to it.
    """

    path: str
    parts: Mapping[str, str]
    holders: tuple[Holder, ...]
    written: bool


def find(where: str | os.PathLike[str]) -> Deleted | None:
    """Return the deleted database that was at this path; of several that which was written to last.

    None where no process is seen to have one open; without root those of other users are not seen.
    """
    path = os.path.realpath(where)
    held = tuple(one for one in holders([path]).found if one.deleted and one.pid != os.getpid())
    opened = [found for one in held if (found := _opened(one.pid, path)) is not None]
    if not opened:
        return None
    _, parts, written = max(opened, key=lambda one: one[0])
    return Deleted(path, parts, held, written)


@contextlib.contextmanager
def kept(found: Deleted, folder: Path) -> Iterator[Path]:
    """Give a path in the existing `folder` that reads as the database did, with its sidecars beside it.

    The files stay readable while the block runs, whatever becomes of the processes; what these write is seen.
    Raises `OSError` when the process has ended.
    """
    target = folder / os.path.basename(found.path)
    with contextlib.ExitStack() as opened:
        for suffix, descriptor in found.parts.items():
            own = os.open(descriptor, os.O_RDONLY | os.O_CLOEXEC)
            opened.callback(os.close, own)
            link = f"{target}{suffix}"
            os.symlink(f"/proc/{os.getpid()}/fd/{own}", link)
            opened.callback(os.unlink, link)
        yield target


def refuse_only_copy(path: str, used: Iterable[Holder]) -> None:
    """Raise `TargetInUseError` where one of `used` has the only copy of `path` open: to stop it would lose that."""
    for one in used:
        if one.lone and one.path == path:
            raise TargetInUseError(
                f"it was deleted, and {one.text} has the only copy open",
                subject=path,
                hint=rescue_first(path),
            )


def _opened(pid: int, path: str) -> tuple[int, dict[str, str], bool] | None:
    """Return when the deleted database that a process has open was written to last (ns), its parts, and who writes.

    A sidecar that has its name still is its own where the process does not have the new file of that name open too.
    """
    former: dict[str, list[tuple[int, str]]] = {suffix: [] for suffix in _PARTS}
    present: dict[str, list[tuple[int, str]]] = {suffix: [] for suffix in _PARTS}
    names = {path + suffix: suffix for suffix in _PARTS}
    try:
        for descriptor, status in descriptors(str(pid)):
            before = name_before(descriptor, status)
            suffix = names.get(before or _name(descriptor))
            if suffix is not None:
                (present if before is None else former)[suffix].append((status.st_mtime_ns, descriptor))
    except OSError:
        return None
    if not former[""]:
        return None
    parts = {suffix: max(former[suffix] or ([] if present[""] else present[suffix]), default=None) for suffix in _PARTS}
    there = {suffix: one for suffix, one in parts.items() if one is not None}
    when = max(since for since, _ in there.values())
    return when, {suffix: where for suffix, (_, where) in there.items()}, any(_writes(one) for _, one in former[""])


def _name(descriptor: str) -> str:
    try:
        return os.readlink(descriptor)
    except OSError:
        return ""


def _writes(descriptor: str) -> bool:
    """Say whether a process opened the file for writing (proc(5), fdinfo)."""
    try:
        with open(descriptor.replace("/fd/", "/fdinfo/"), encoding="ascii") as file:
            flags = next(int(line.split()[1], 8) for line in file if line.startswith("flags:"))
    except (OSError, StopIteration, ValueError):
        return True
    return bool(flags & _WRITES)
