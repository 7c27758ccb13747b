"""What every destination around another has in common: it passes on what it does not change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

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
from toolkit.events import Progress, ShouldStop, never_stop, no_progress


class Wrapper(Destination):
    """`inner`, under its name; closing it closes `inner`."""

    def __init__(self, inner: Destination) -> None:
        self.inner = inner
        self.name = inner.name

    def close(self) -> None:
        """Close the inner one."""
        self.inner.close()

    def put(
        self,
        source: Path,
        properties: Properties,
        *,
        bookmark: Bookmark,
        on_progress: Progress = no_progress,
        should_stop: ShouldStop = never_stop,
    ) -> RemoteObject:
        """Store `source`."""
        return self.inner.put(source, properties, bookmark=bookmark, on_progress=on_progress, should_stop=should_stop)

    def abandon(self, bookmark: Bookmark) -> None:
        """Give up a put."""
        self.inner.abandon(bookmark)

    def read(self, object_id: str, *, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes of an object."""
        return self.inner.read(object_id, start=start)

    def objects(self, query: Query = EVERYTHING) -> Iterator[RemoteObject]:
        """Yield what matches."""
        return self.inner.objects(query)

    def stat(self, object_id: str) -> RemoteObject:
        """Return an object."""
        return self.inner.stat(object_id)

    def remove(self, object_id: str) -> Removal:
        """Remove an object."""
        return self.inner.remove(object_id)

    def usage(self) -> Usage:
        """Return what is known of the space."""
        return self.inner.usage()
