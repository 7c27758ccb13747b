"""A destination that tries again when trying again can help, with growing pauses, and gives up clearly."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from toolkit.destinations.base import (
    EVERYTHING,
    Bookmark,
    Destination,
    Properties,
    Query,
    RemoteObject,
    Removal,
    Usage,
)
from toolkit.destinations.wrapper import Wrapper
from toolkit.errors import (
    CancelledError,
    DestinationError,
    DestinationTransientError,
    ObjectNotFoundError,
    TransferDamagedError,
)
from toolkit.events import Progress, ShouldStop, never_stop, no_progress

ATTEMPTS = 10
"""Tries in a row of a transfer in which no byte moves; their pauses make about five minutes."""
QUICK_ATTEMPTS = 5
"""Tries of a call that moves no file: about ten seconds, since somebody may be waiting."""
DAMAGED_ATTEMPTS = 2
"""How often something may arrive damaged, each time from its beginning, before it is the source that is suspected."""
LONGEST = 60.0
"""The longest pause, in seconds, whatever a server asks for: `sync` comes again anyway."""

Result = TypeVar("Result")
Pause = Callable[[float], object]


class _Patience:
    """Counts failures in a row; `fail` waits before the next try, or raises the error when it was the last."""

    def __init__(self, pause: Pause, should_stop: ShouldStop, attempts: int) -> None:
        self._attempts = attempts
        self._pause = pause
        self._should_stop = should_stop
        self._failed = 0
        self._damaged = 0

    def progressed(self) -> None:
        """Start counting again: bytes moved."""
        self._failed = 0

    def fail(self, error: DestinationError) -> None:
        """Wait, longer each time and never in step with others; raises `error` when it is of no use."""
        self._failed += 1
        self._damaged += isinstance(error, TransferDamagedError)
        if not error.retryable or self._failed >= self._attempts or self._damaged >= DAMAGED_ATTEMPTS:
            raise error
        wait = min(LONGEST, 2.0 ** (self._failed - 1)) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        if isinstance(error, DestinationTransientError) and error.retry_after is not None:
            wait = min(LONGEST, max(wait, error.retry_after))
        while wait > 0:
            if self._should_stop():
                raise CancelledError("cancelled while waiting to try again") from error
            self._pause(min(wait, 1.0))
            wait -= 1.0


class Retrying(Wrapper):
    """`inner`, tried again a number of times while nothing moves. Errors that cannot be helped pass at once."""

    def __init__(self, inner: Destination, *, pause: Pause = time.sleep, should_stop: ShouldStop = never_stop) -> None:
        super().__init__(inner)
        self._pause = pause
        self._should_stop = should_stop

    def put(
        self,
        source: Path,
        properties: Properties,
        *,
        bookmark: Bookmark,
        on_progress: Progress = no_progress,
        should_stop: ShouldStop = never_stop,
    ) -> RemoteObject:
        """Store `source`, going on from the bookmark after each failure; see `Destination.put`."""
        patience = _Patience(self._pause, lambda: should_stop() or self._should_stop(), ATTEMPTS)
        furthest = 0

        def watch(done: int, total: int | None) -> None:
            nonlocal furthest
            if done > furthest:
                furthest = done
                patience.progressed()
            on_progress(done, total)

        while True:
            try:
                return self.inner.put(source, properties, bookmark=bookmark, on_progress=watch, should_stop=should_stop)
            except DestinationError as error:
                patience.fail(error)

    def read(self, object_id: str, *, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes, going on behind the last one that came after each failure."""
        patience = _Patience(self._pause, self._should_stop, ATTEMPTS)
        while True:
            try:
                for piece in self.inner.read(object_id, start=start):
                    start += len(piece)
                    patience.progressed()
                    yield piece
            except DestinationError as error:
                patience.fail(error)
            else:
                return

    def objects(self, query: Query = EVERYTHING) -> Iterator[RemoteObject]:
        """Yield what matches; after a failure the listing begins again and passes over what was given already."""
        patience = _Patience(self._pause, self._should_stop, QUICK_ATTEMPTS)
        given: set[str] = set()
        while True:
            try:
                for found in self.inner.objects(query):
                    if found.id not in given:
                        given.add(found.id)
                        patience.progressed()
                        yield found
            except DestinationError as error:
                patience.fail(error)
            else:
                return

    def stat(self, object_id: str) -> RemoteObject:
        """Return an object; see `Destination.stat`."""
        return self._again(lambda: self.inner.stat(object_id))

    def remove(self, object_id: str) -> Removal:
        """Remove an object. One that is gone after a failed try was removed by it."""
        tried = False

        def attempt() -> Removal:
            nonlocal tried
            try:
                return self.inner.remove(object_id)
            except ObjectNotFoundError:
                if tried:
                    return Removal()
                raise
            finally:
                tried = True

        return self._again(attempt)

    def usage(self) -> Usage:
        """Return what is known of the space."""
        return self._again(self.inner.usage)

    def _again(self, call: Callable[[], Result]) -> Result:
        patience = _Patience(self._pause, self._should_stop, QUICK_ATTEMPTS)
        while True:
            try:
                return call()
            except DestinationError as error:
                patience.fail(error)
