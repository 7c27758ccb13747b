"""A consistent copy of a live database, whatever its writers do meanwhile (DESIGN.md section 2, facts 3 and 6)."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit import durable
from toolkit.errors import SourceError, SourceMissingError, StorageError
from toolkit.events import Progress, ShouldStop, never_stop, no_progress
from toolkit.sqlite import live
from toolkit.sqlite.connect import SIDECARS

TIMEOUT = 300.0
BUSY_LIMIT = 30.0


@dataclass(frozen=True, slots=True)
class CopyReport:
    """How the copy was made.

    `method`: `transaction` (WAL, a held read transaction), `locked` (rollback mode; writers waited `blocked`
    seconds), `resting` (WAL mode, nobody used it), `private` (recovered from a raw copy: a hot journal, a -wal
    without -shm, or a read-only file system). `journal_mode` is the source's; the copy is in rollback mode.
    """

    method: str
    journal_mode: str
    pages: int
    bytes: int
    seconds: float
    blocked: float

    @property
    def speed(self) -> float:
        """MB (10^6 bytes) per second."""
        return self.bytes / 1e6 / max(self.seconds, 1e-9)


def _nothing() -> None:
    """Ignore that the snapshot is there."""


def _remove_target(target: str) -> None:
    for suffix in ("", *SIDECARS):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(target + suffix)


def _needed(where: str, source: Path) -> int:
    try:
        size = os.stat(where).st_size
    except FileNotFoundError as error:
        raise SourceMissingError("there is no such database", subject=source, hint="check the path") from error
    except OSError as error:
        raise SourceError(f"the database cannot be read ({error.strerror})", subject=source) from error
    with contextlib.suppress(OSError):
        size += os.stat(where + "-wal").st_size
    return size


def copy(
    source: Path,
    target: Path,
    *,
    timeout: float = TIMEOUT,
    busy_limit: float = BUSY_LIMIT,
    on_progress: Progress = no_progress,
    should_stop: ShouldStop = never_stop,
    on_snapshot: Callable[[], None] = _nothing,
) -> CopyReport:
    """Copy the database `source` to the new private file `target` (0600, rollback mode, no sidecars, not yet synced).

    The copy is one committed state, fixed when `on_snapshot` is called (read without locks: a state at or
    soon after it); nothing is created or changed beside the source. `on_progress` counts bytes. The copy
    runs in a process of its own, so another thread can work meanwhile. In rollback mode writers are blocked
    while it runs, `busy_limit` seconds at most.

    Raises `SourceMissingError`, `NotADatabaseError` (empty, or no database), `SourceTimeoutError` (locked or slow
    for `timeout` seconds, or writers blocked too long), `SourceChangedError`, `SourceError`,
    `DatabaseDamagedError` (take it raw then), `SpaceError` (before anything is written), `StorageError`,
    `CancelledError`. Then nothing is left of the target. A damaged page that SQLite need not read is copied as it
    is: check the copy.
    """
    where = os.path.realpath(source)
    began = time.monotonic()
    durable.require_space(target.parent, _needed(where, source))
    if os.path.lexists(target):
        raise StorageError("the copy's name is taken", subject=target)
    scratch = os.fspath(durable.sibling(target))
    request: dict[str, Any] = {
        "task": "copy",
        "path": where,
        "target": os.fspath(target),
        "scratch": scratch,
        "wait": timeout,
        "limit": busy_limit,
    }

    def follow(event: dict[str, Any]) -> None:
        if event["event"] == "snapshot":
            on_snapshot()
        else:
            on_progress(event["done"], event["total"])

    try:
        result = live.run(request, timeout=timeout, should_stop=should_stop, on_event=follow)
    except BaseException:
        _remove_target(os.fspath(target))
        raise
    finally:
        live.remove_scratch(scratch)
    return CopyReport(
        method=result["method"],
        journal_mode=result["journal_mode"],
        pages=result["pages"],
        bytes=result["bytes"],
        seconds=time.monotonic() - began,
        blocked=result["blocked"],
    )
