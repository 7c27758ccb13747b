"""A destination that only gives: for looking at a place, and for restoring from it."""

from __future__ import annotations

from pathlib import Path

from toolkit.destinations.base import Bookmark, Properties, RemoteObject, Removal
from toolkit.destinations.wrapper import Wrapper
from toolkit.errors import DestinationDeniedError
from toolkit.events import Progress, ShouldStop, never_stop, no_progress


class ReadOnly(Wrapper):
    """`inner`, to which nothing is put and from which nothing is removed: `DestinationDeniedError`."""

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

    def abandon(self, bookmark: Bookmark) -> None:  # noqa: ARG002 - the interface
        """Refuse."""
        raise DestinationDeniedError("the destination is open for reading only", subject=self.name)

    def remove(self, object_id: str) -> Removal:
        """Refuse."""
        raise DestinationDeniedError("the destination is open for reading only", subject=object_id)
