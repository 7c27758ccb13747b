"""Watching jobs: the journals of a user, each line read once, for a screen that looks again and again."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from toolkit.errors import LifeboatError
from toolkit.events import Event, decode
from toolkit.jobs.journal import EVENTS, SPEC, read_spec, runner_alive
from toolkit.jobs.state import JobStatus, Replay, job_status
from toolkit.operations.jobs import JobRow, row_of

MOST = 500
"""Jobs that are looked at, the newest; no more are kept."""


class Tail:
    """The events of one job as they come; a half-written last line waits until it is whole.

    With `last` it begins at the first line within so many bytes of the end: enough for a look at a long journal.
    """

    def __init__(self, directory: Path, *, last: int | None = None) -> None:
        self._path = directory / EVENTS
        self._last = last
        self._at = 0

    def more(self) -> Iterator[Event]:
        """Yield the events written since the last call, reading line by line; none where that cannot be done."""
        try:
            with open(self._path, "rb") as file:
                self._go_on(file)
                for line in file:
                    if not line.endswith(b"\n"):
                        return
                    self._at += len(line)
                    event = decode(line)
                    if event is not None:
                        yield event
        except OSError:
            return

    def left(self) -> int:
        """Return how many bytes were written since; 0 where that cannot be seen."""
        try:
            return max(0, self._path.stat().st_size - self._at)
        except OSError:
            return 0

    def _go_on(self, file: IO[bytes]) -> None:
        if self._last is not None:
            begin = file.seek(0, os.SEEK_END) - self._last
            self._last = None
            if begin > 0:
                file.seek(begin - 1)
                self._at = begin - 1 + len(file.readline())
        file.seek(self._at)


class _Seen:
    """A job that is not over yet, as far as it was read."""

    def __init__(self, directory: Path) -> None:
        self.spec = read_spec(directory)
        self.directory = directory
        self.tail = Tail(directory)
        self.replay = Replay()

    def look(self) -> JobStatus:
        """Read what is new and return where the job stands."""
        alive = runner_alive(self.directory)  # before the events: a job that ends meanwhile has said so there
        for event in self.tail.more():
            self.replay.take(event)
        return self.replay.status(self.spec, alive=alive)


class JobWatch:
    """All jobs of a store. Those that are over are read once; of the others only what they have said since."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._over: dict[str, JobRow] = {}
        self._going: dict[str, _Seen] = {}
        self._last: list[JobRow] | None = None

    def look(self) -> list[JobRow] | None:
        """Return the jobs, newest first, or None when nothing changed since the last look."""
        names = self._names()
        there = frozenset(names)
        self._over = {name: row for name, row in self._over.items() if name in there}
        self._going = {name: seen for name, seen in self._going.items() if name in there}
        rows = [row for name in names if (row := self._row(name)) is not None]
        rows.sort(key=lambda row: (row.created, row.id), reverse=True)
        if rows == self._last:
            return None
        self._last = rows
        return rows

    def _names(self) -> list[str]:
        try:
            with os.scandir(self._store) as found:
                names = [one.name for one in found if not one.name.startswith(".")]
        except OSError:
            return []
        if len(names) <= MOST:
            return names
        return sorted(names, key=self._made, reverse=True)[:MOST]

    def _made(self, name: str) -> int:
        with contextlib.suppress(OSError):
            return (self._store / name / SPEC).stat().st_mtime_ns
        return 0

    def _row(self, name: str) -> JobRow | None:
        if name in self._over:
            return self._over[name]
        directory = self._store / name
        try:
            if name not in self._going and runner_alive(directory):
                self._going[name] = _Seen(directory)
            seen = self._going.get(name)
            status = seen.look() if seen is not None else job_status(directory, brief=True)
        except LifeboatError:
            return None
        row = row_of(status)
        if status.over:
            self._going.pop(name, None)
            self._over[name] = row
        return row
