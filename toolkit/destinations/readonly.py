"""A destination that only gives: for looking at a place, and for restoring from it."""

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
from toolkit.errors import DestinationDeniedError
from toolkit.events import Progress, ShouldStop, never_stop, no_progress


class ReadOnly(Destination):
    """`inner`, to which nothing is put and from which nothing is removed: `DestinationDeniedError`."""

    def __init__(self, inner: Destination) -> None:
        self.inner = inner
        self.name = inner.name

    def close(self) -> None:
        """Close the inner one."""
        self.inner.close()

    def put(
        self,
        source: Path,  # noqa: ARG002 - the interface
        properties: Properties,
        *,
        bookmark: Bookmark,  # noqa: ARG002
        on_progress: Progress = no_progress,  # noqa: ARG002
        should_stop: ShouldStop = never_stop,  # noqa: ARG002
    ) -> RemoteObject:
        """Refuse."""
        raise DestinationDeniedError("the destination is open for reading only", subject=properties.file_name)

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
        """Refuse."""
        raise DestinationDeniedError("the destination is open for reading only", subject=object_id)

    def usage(self) -> Usage:
        """Return what is known of the space."""
        return self.inner.usage()
