"""Looking at the jobs and the health file, beside the UI: a glance a second, and a word only when something is new."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from toolkit.operations.health import FILE_NAME, Overview, overview
from toolkit.operations.jobs import JobRow, store
from toolkit.operations.session import Session
from toolkit.operations.watch import JobWatch

INTERVAL = 1.0
"""Seconds between two looks; on the wire nothing but what changed."""


class Watching:
    """Looks until `end`; `tell` gets the jobs and the health where they changed, in the thread that looks."""

    def __init__(self, session: Session, tell: Callable[[list[JobRow] | None, Overview | None], object]) -> None:
        self._session = session
        self._tell = tell
        self._jobs = JobWatch(store(session))
        self._health = session.state / FILE_NAME
        self._stamp: tuple[int, int] | None = self._stamped()
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._mutex = threading.Lock()

    def begin(self) -> None:
        """Begin to look."""
        threading.Thread(target=self._run, name="watching", daemon=True).start()

    def end(self) -> None:
        """Stop looking; nothing is told any more."""
        self._ended.set()
        self._wake.set()

    def wake(self) -> None:
        """Look at once."""
        self._wake.set()

    def _run(self) -> None:
        while not self._ended.is_set():
            jobs, seen = self.look()
            if (jobs is not None or seen is not None) and not self._ended.is_set():
                self._tell(jobs, seen)
            self._wake.wait(INTERVAL)
            self._wake.clear()

    def look(self) -> tuple[list[JobRow] | None, Overview | None]:
        """Return the jobs and the health, each None where it is as it was."""
        with self._mutex:
            stamp = self._stamped()
            seen = None
            if stamp != self._stamp:
                self._stamp, seen = stamp, overview(self._session)
            return self._jobs.look(), seen

    def _stamped(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._health)
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns
