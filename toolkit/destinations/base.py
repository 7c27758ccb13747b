"""What a destination is, and what every one of them promises; `tests/destinations` and `conformance` hold it to that.

A destination keeps *objects*: whole files with a name, bytes and `Properties`. It knows nothing of backups,
manifests or retention; `toolkit.vault.replicate` does. For all destinations:

1. **Ids.** An object is addressed by its opaque `id`, never by its name. Names may be doubled: two puts of one
   name are two objects. Ids stay valid in other processes and on other machines with the same configuration.
2. **Whole or not there.** An object is listed only when all its bytes have arrived, and after they were
   compared (length and digest) with what was sent. A put that fails, is cancelled or killed leaves nothing
   that is listed, or the whole object (when only the answer was lost).
3. **Memory stays flat**, whatever the size: at most a few chunks of `CHUNK` bytes.
4. **Resume.** A put saves where it is in the `Bookmark` that it is given; the same put in a new process goes on
   from there, and finds an object that had arrived already instead of making a second one. A bookmark that
   fits no longer (another file, an expired session) is dropped and the put begins again.
5. **Progress and cancellation.** `on_progress(done, total)` is called in the calling thread after each chunk, at
   least every `CHUNK` bytes; it may block (that is how speed is limited) and it may raise, which
   ends the transfer like a failure. `should_stop` is asked as often; `CancelledError` follows, with the bookmark
   kept.
6. **Errors** are of the family of `DestinationError`, whatever the library below says, and end with exit code 13:
   `DestinationTransientError` (try again later; `retry_after` seconds where the server said so),
   `DestinationFullError` (quota), `DestinationDeniedError` (permission, read-only), `SignInNeededError` (no, wrong,
   expired or revoked credentials), `ObjectNotFoundError` (no such object, or the folder itself is gone),
   `TransferDamagedError` (what arrived is not what was sent; nothing is left of it), and the plain
   `DestinationError` for the rest. Trouble with the local file is what `durable.translate` says.
   Only errors with `retryable` are worth another try.
7. **Pages are followed to the end**: `objects` yields everything, or raises.
8. **Nothing foreign is touched.** Only `remove` removes, and only the object with that id.
9. **Nothing is left of a put that nobody goes on with**: `abandon` takes away what arrived of it.

One destination is used by one thread at a time; open another for a second thread.
"""

from __future__ import annotations

import abc
import contextlib
import enum
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Protocol, Self

import msgspec

from toolkit import durable
from toolkit.events import Progress, ShouldStop, never_stop, no_progress

CHUNK = 8 << 20
"""The most bytes that move between two calls of `on_progress` and two looks at `should_stop`."""


class Role(enum.StrEnum):
    """What an object is of a backup."""

    ARCHIVE = "archive"
    """A whole archive, or one volume of it."""
    FILE_LIST = "file-list"
    MANIFEST = "manifest"
    """Comes last: a backup is complete at a destination when its manifest is there."""
    PROBE = "probe"
    """Made and removed by `destination check`."""


class Properties(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept with an object, so that it can be found and judged without fetching it.

    `file_name` is the object's name (docs/format/vault-v1.md), `sha256` the digest of its bytes in hexadecimal
    digits, `host` the machine whose Lifeboat put it there. All are short: names of profiles have at most 64
    characters, ids 8; a destination with shorter limits than a host's name says so in its documentation.
    """

    role: Role
    profile: str
    kind: str
    host: str
    backup_id: str
    sha256: str
    file_name: str


class RemoteObject(msgspec.Struct, frozen=True, kw_only=True):
    """An object at a destination.

    `properties` is None for one that no Lifeboat put there (by hand, or by another client). `sha256` and
    `md5` are what the destination itself computed of the bytes that it has, "" where it computes none.
    `modified` is aware UTC; `link` opens the object in a browser, "" where there is no such thing.
    """

    id: str
    name: str
    size: int
    properties: Properties | None = None
    sha256: str = ""
    md5: str = ""
    modified: datetime | None = None
    link: str = ""

    @property
    def digest(self) -> str:
        """The SHA-256 that the bytes should have, as far as anybody knows it; else ""."""
        return self.properties.sha256 if self.properties is not None else self.sha256


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which objects are asked for; "" and None ask for all. Objects without properties match only the empty query."""

    host: str = ""
    profile: str = ""
    backup_id: str = ""
    role: Role | None = None
    file_name: str = ""

    def matches(self, found: RemoteObject) -> bool:
        """Say whether `found` is asked for; destinations that filter at the server must agree with this."""
        if self == Query():
            return True
        has = found.properties
        return has is not None and all(
            not wanted or getattr(has, name) == wanted for name, wanted in msgspec.structs.asdict(self).items()
        )


EVERYTHING = Query()


class Removal(msgspec.Struct, frozen=True):
    """How an object was removed: `binned` when it lies in a bin, where it may still count against the quota."""

    binned: bool = False


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes, None where unknown: the most that may be stored, what is, what is left, and what of it lies in a bin."""

    total: int | None = None
    used: int | None = None
    free: int | None = None
    binned: int | None = None


class Bookmark(Protocol):
    """Where an interrupted put goes on: a small text that the destination understands. May hold a secret URI."""

    def load(self) -> str:
        """Return what was saved, or ""."""

    def save(self, text: str) -> None:
        """Keep `text`, durably, in place of what was saved before."""

    def clear(self) -> None:
        """Forget it; the put is done, or must begin again."""


class MemoryBookmark:
    """A bookmark that is lost with the process."""

    def __init__(self, text: str = "") -> None:
        self.text = text

    def load(self) -> str:
        """Return what was saved, or ""."""
        return self.text

    def save(self, text: str) -> None:
        """Keep `text` for as long as this object lives."""
        self.text = text

    def clear(self) -> None:
        """Forget it."""
        self.text = ""


class FileBookmark:
    """A bookmark in a private file (0600), which survives a reboot."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> str:
        """Return what was saved, or "" (also when it cannot be read)."""
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return self.path.read_text()
        return ""

    def save(self, text: str) -> None:
        """Keep `text` durably; raises what `durable.translate` says."""
        with durable.translated(self.path):
            durable.make_directory(self.path.parent)
            durable.write_file(self.path, text.encode())

    def clear(self) -> None:
        """Forget it; raises what `durable.translate` says."""
        with durable.translated(self.path):
            if self.path.exists():
                durable.remove(self.path)


class Destination(abc.ABC):
    """An off-site place; the module's docstring says what every one of them promises.

    Making one does no input or output; the first call connects. `name` is its name in the configuration,
    `folder` what `DEST:FOLDER` named, "" for the configured one.
    """

    name: str

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027 - most have nothing to let go of
        """Let go of connections; the destination connects again when it is used again."""

    @abc.abstractmethod
    def put(
        self,
        source: Path,
        properties: Properties,
        *,
        bookmark: Bookmark,
        on_progress: Progress = no_progress,
        should_stop: ShouldStop = never_stop,
    ) -> RemoteObject:
        """Store the local file `source` as a new object named `properties.file_name`; return it as `stat` would.

        `properties.sha256` is the digest of `source`, known to the caller: the copy is compared with it (or, by
        a digest computed on the way, with what was sent), and removed again with `TransferDamagedError` when it
        differs. Makes the destination's folder when it is absent and may be made. Clears `bookmark` on success.
        """

    def abandon(self, bookmark: Bookmark) -> None:
        """Give up the put that `bookmark` belongs to, and clear it: what arrived of it goes, a whole object stays.

        Where parts go by themselves after a while, as the sessions of Google Drive, there is nothing to do. Raises
        what `remove` raises, with the bookmark kept; that nothing arrived is no error.
        """
        bookmark.clear()

    @abc.abstractmethod
    def read(self, object_id: str, *, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes of an object from `start` to its end, in pieces of at most `CHUNK`.

        `start` at or beyond the end yields nothing. Raises `ObjectNotFoundError`; a connection that breaks on the way
        is a `DestinationTransientError` after the pieces that came, never a quiet end.
        `toolkit.destinations.fetch` makes a resumable, compared download of it.
        """

    @abc.abstractmethod
    def objects(self, query: Query = EVERYTHING) -> Iterator[RemoteObject]:
        """Yield every object that matches, in no particular order; pages are followed to the end.

        A destination whose folder is not there yet, and may be made, yields nothing. Objects in a bin are none.
        """

    @abc.abstractmethod
    def stat(self, object_id: str) -> RemoteObject:
        """Return an object; raises `ObjectNotFoundError` when it is not there, or lies in a bin."""

    @abc.abstractmethod
    def remove(self, object_id: str) -> Removal:
        """Remove an object, and say whether it went to a bin; raises `ObjectNotFoundError` when it is not there."""

    @abc.abstractmethod
    def usage(self) -> Usage:
        """Return what is known of the space there. Also the cheapest proof that the destination can be reached."""
