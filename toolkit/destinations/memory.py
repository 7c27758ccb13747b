"""A destination that lives in this process: for tests and demonstrations. It forgets, and it can be told to fail."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from toolkit import durable
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
from toolkit.errors import CancelledError, DestinationFullError, ObjectNotFoundError, TransferDamagedError
from toolkit.events import Progress, ShouldStop, never_stop, no_progress


def _no_fault(_step: str) -> None:
    """Do nothing; tests raise here."""


@dataclass
class Store:
    """What several openings of one memory destination share.

    `on_step` is called before each step (`put`, `chunk`, `finish`, `answer`, `read`, `page`, `stat`, `remove`) and
    may raise what a network would.
    """

    quota: int = 1 << 40
    chunk: int = 64 << 10
    page: int = 2
    bin: bool = False
    on_step: Callable[[str], None] = _no_fault
    sessions: dict[str, bytearray] = field(default_factory=dict)
    things: dict[str, tuple[bytes, RemoteObject]] = field(default_factory=dict)
    binned: dict[str, bytes] = field(default_factory=dict)
    counter: int = 0

    def used(self) -> int:
        """Return the bytes of everything, the bin included."""
        return sum(len(data) for data, _ in self.things.values()) + sum(len(data) for data in self.binned.values())


class MemoryDestination(Destination):
    """Objects in a `Store`."""

    def __init__(self, name: str, store: Store) -> None:
        self.name = name
        self.store = store

    def put(
        self,
        source: Path,
        properties: Properties,
        *,
        bookmark: Bookmark,
        on_progress: Progress = no_progress,
        should_stop: ShouldStop = never_stop,
    ) -> RemoteObject:
        """Store `source`; see `Destination.put`."""
        self.store.on_step("put")
        session = self._session(bookmark, properties)
        if session in self.store.things:
            bookmark.clear()
            return self._thing(session)[1]
        arrived = self.store.sessions[session]
        with durable.translated(source), source.open("rb") as file:
            total = file.seek(0, 2)
            file.seek(len(arrived))
            on_progress(len(arrived), total)
            while piece := file.read(self.store.chunk):
                if should_stop():
                    raise CancelledError("the upload was cancelled")
                self.store.on_step("chunk")
                if self.store.used() + len(arrived) + len(piece) > self.store.quota:
                    del self.store.sessions[session]
                    bookmark.clear()
                    raise DestinationFullError("the quota is used up", subject=self.name)
                arrived += piece
                on_progress(len(arrived), total)
        self._finish(session, properties)
        self.store.on_step("answer")
        bookmark.clear()
        return self._thing(session)[1]

    def abandon(self, bookmark: Bookmark) -> None:
        """Forget the bytes that a put has left."""
        self.store.sessions.pop(bookmark.load().partition(" ")[0], None)
        bookmark.clear()

    def _session(self, bookmark: Bookmark, properties: Properties) -> str:
        session, _, sha256 = bookmark.load().partition(" ")
        if sha256 == properties.sha256 and (session in self.store.sessions or session in self.store.things):
            return session
        self.store.counter += 1
        session = f"object-{self.store.counter}"
        self.store.sessions[session] = bytearray()
        bookmark.save(f"{session} {properties.sha256}")
        return session

    def _finish(self, session: str, properties: Properties) -> None:
        self.store.on_step("finish")
        data = bytes(self.store.sessions.pop(session))
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 != properties.sha256:
            raise TransferDamagedError("what arrived is not what was sent", subject=properties.file_name)
        self.store.things[session] = (
            data,
            RemoteObject(
                id=session,
                name=properties.file_name,
                size=len(data),
                properties=properties,
                sha256=sha256,
                md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
                modified=datetime.now(UTC),
                link=f"memory://{self.name}/{session}",
            ),
        )

    def read(self, object_id: str, *, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes of an object; see `Destination.read`."""
        data, _ = self._thing(object_id)
        for at in range(start, len(data), self.store.chunk):
            self.store.on_step("read")
            yield data[at : at + self.store.chunk]

    def objects(self, query: Query = EVERYTHING) -> Iterator[RemoteObject]:
        """Yield every object that matches, page by page."""
        for number, (_, found) in enumerate(list(self.store.things.values())):
            if number % self.store.page == 0:
                self.store.on_step("page")
            if query.matches(found):
                yield found

    def stat(self, object_id: str) -> RemoteObject:
        """Return an object; raises `ObjectNotFoundError`."""
        self.store.on_step("stat")
        return self._thing(object_id)[1]

    def _thing(self, object_id: str) -> tuple[bytes, RemoteObject]:
        if object_id not in self.store.things:
            raise ObjectNotFoundError("there is no such object", subject=object_id)
        return self.store.things[object_id]

    def remove(self, object_id: str) -> Removal:
        """Remove an object, to the bin where the store has one."""
        self.store.on_step("remove")
        data, _ = self._thing(object_id)
        del self.store.things[object_id]
        if self.store.bin:
            self.store.binned[object_id] = data
        return Removal(binned=self.store.bin)

    def usage(self) -> Usage:
        """Return the quota and what is used of it."""
        self.store.on_step("usage")
        used = self.store.used()
        return Usage(
            total=self.store.quota,
            used=used,
            free=self.store.quota - used,
            binned=sum(len(data) for data in self.store.binned.values()),
        )
