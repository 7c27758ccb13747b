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
    """Looks until `end`. `known` is what was seen last; `tell` is called, in the thread that looks, when that is new.

    What is told carries nothing: who hears of it late takes what is known then, never what was known before.
    """

    def __init__(self, session: Session, tell: Callable[[], object]) -> None:
        self._session = session
        self._tell = tell
        self._jobs = JobWatch(store(session))
        self._health = session.state / FILE_NAME
        self._stamp: tuple[int, int] | None = self._stamped()
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._mutex = threading.Lock()
        self.known: tuple[list[JobRow], Overview] = ([], overview(session))
        self.failed: Exception | None = None
        """The error that nobody foresaw and that ended the looking."""

    def begin(self) -> None:
        """Begin to look."""
        threading.Thread(target=self._run, name="watching", daemon=True).start()

    def end(self) -> None:
        """Stop looking."""
        self._ended.set()
        self._wake.set()

    def wake(self) -> None:
        """Look at once."""
        self._wake.set()

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                if self.look():
                    self._tell()
                self._wake.wait(INTERVAL)
                self._wake.clear()
        except Exception as error:  # noqa: BLE001 - screens that go on as if they looked would lie
            self.failed = error
            self._tell()

    def look(self) -> bool:
        """Look now, in whichever thread; say whether something is new since anybody looked."""
        with self._mutex:
            stamp = self._stamped()
            seen = None
            if stamp != self._stamp:
                self._stamp, seen = stamp, overview(self._session)
            jobs = self._jobs.look()
            before = self.known
            self.known = before[0] if jobs is None else jobs, seen or before[1]
            return jobs is not None or seen is not None

    def _stamped(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._health)
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns
