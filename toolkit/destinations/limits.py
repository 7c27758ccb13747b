"""A destination whose transfers keep to a speed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from toolkit.destinations.base import Bookmark, Destination, Properties, RemoteObject
from toolkit.destinations.wrapper import Wrapper
from toolkit.errors import CancelledError
from toolkit.events import Progress, ShouldStop, never_stop, no_progress


class Pace:
    """Makes whoever says how many bytes moved wait until they may have moved at `rate` bytes a second."""

    def __init__(
        self,
        rate: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._pause = pause
        self._free_at = clock()

    def moved(self, count: int, should_stop: ShouldStop = never_stop) -> None:
        """Take `count` more bytes; raises `CancelledError` while it waits."""
        self._free_at = max(self._free_at, self._clock() - 1.0) + count / self._rate
        while (wait := self._free_at - self._clock()) > 0:
            if should_stop():
                raise CancelledError("the transfer was cancelled")
            self._pause(min(wait, 0.5))


class Limited(Wrapper):
    """`inner` at no more than `pace` allows: on average, with one chunk ahead and one second of grace after a stall."""

    def __init__(self, inner: Destination, pace: Pace) -> None:
        super().__init__(inner)
        self._pace = pace

    def put(
        self,
        source: Path,
        properties: Properties,
        *,
        bookmark: Bookmark,
        on_progress: Progress = no_progress,
        should_stop: ShouldStop = never_stop,
    ) -> RemoteObject:
        """Store `source`; what a resumed put finds there already costs no time."""
        last: int | None = None

        def slow(done: int, total: int | None) -> None:
            nonlocal last
            count = done - last if last is not None and done > last else 0
            last = done
            on_progress(done, total)
            self._pace.moved(count, should_stop)

        return self.inner.put(source, properties, bookmark=bookmark, on_progress=slow, should_stop=should_stop)

    def read(self, object_id: str, *, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes of an object, slowly."""
        for piece in self.inner.read(object_id, start=start):
            self._pace.moved(len(piece))
            yield piece
