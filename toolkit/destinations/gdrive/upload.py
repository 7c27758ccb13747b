"""One upload: begun, cut, taken up again in another process, and never made twice.

Two things make that so. The file's id is got from Drive before anything is sent, so that the same upload begun
twice makes one file. And the session's address is kept in the bookmark: it lives for a week, and tells
how many bytes have arrived, or that the file is complete. Google's client sends the chunks; when to send,
and again, is decided here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import msgspec

from toolkit import durable
from toolkit.destinations.base import Bookmark, Properties
from toolkit.destinations.gdrive import failures
from toolkit.destinations.gdrive.client import Backoff, Client, raise_if_stopped
from toolkit.destinations.gdrive.folders import new_id
from toolkit.destinations.gdrive.properties import FIELDS, encode
from toolkit.errors import DestinationError, ObjectNotFoundError
from toolkit.events import Progress, ShouldStop

UNIT = 256 << 10
"""All chunks but the last are multiples of this (Drive v3 guide, "Resumable upload")."""
CHUNK = 32 << 20
"""What one request sends. It is read and sent in small pieces, so it costs no memory."""
_STARTS = 4
"""How often a session that is gone is begun again."""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What the bookmark keeps: the file's id, its folder and the session, and of what they are."""

    id: str
    folder: str
    size: int
    sha256: str
    file_name: str
    session: str = ""

    def fits(self, properties: Properties, size: int) -> bool:
        """Say whether this is of the same file."""
        return (self.size, self.sha256, self.file_name) == (size, properties.sha256, properties.file_name)


class _CutError(Exception):
    """Our own callables ended a request in the middle."""


class Source:
    """The local file as Google's client reads it: counts, reports and stops on the way.

    What `on_progress` and `should_stop` raise, and what the disk does, is kept in `cut`, apart from what
    the connection does.
    """

    def __init__(self, file: IO[bytes], size: int, on_progress: Progress, should_stop: ShouldStop) -> None:
        self.cut: BaseException | None = None
        self._file = file
        self._size = size
        self._on_progress = on_progress
        self._should_stop = should_stop
        self._said = -1
        self.before_first_read: Callable[[], None] | None = None

    def tell(self) -> int:
        """Return where the next read begins."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to `offset`."""
        return self._file.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        try:
            if self.before_first_read is not None:
                self.before_first_read()
                self.before_first_read = None
            here = self._file.tell()
            if self._said < 0 or here - self._said >= UNIT:
                raise_if_stopped(self._should_stop)
                self.report(here)
            return self._file.read(size)
        except BaseException as error:
            self.cut = error
            raise _CutError from error

    def report(self, done: int) -> None:
        """Say how many bytes are on their way; what was said once is not taken back."""
        if done > self._said:
            self._said = done
            self._on_progress(done, self._size)


def _media(source: Source, size: int) -> Any:
    """Return what Google's client uploads."""
    from googleapiclient.http import MediaUpload

    class Media(MediaUpload):  # type: ignore[misc]
        def chunksize(self) -> int:
            return CHUNK

        def mimetype(self) -> str:
            return "application/octet-stream"

        def size(self) -> int:
            return size

        def resumable(self) -> bool:
            return True

        def has_stream(self) -> bool:
            return True

        def stream(self) -> Source:
            return source

    return Media()


class Upload:
    """The upload of one open file. `run` returns Drive's description of the file (`properties.FIELDS`)."""

    def __init__(
        self,
        client: Client,
        folder: str,
        properties: Properties,
        bookmark: Bookmark,
        *,
        on_progress: Progress,
        should_stop: ShouldStop,
    ) -> None:
        self._client = client
        self._folder = folder
        self._properties = properties
        self._bookmark = bookmark
        self._on_progress = on_progress
        self._should_stop = should_stop

    def run(self, file: IO[bytes], path: Path) -> dict[str, Any]:
        """Send what has not arrived yet; raises our errors, or what `on_progress` raised."""
        with durable.translated(path):
            size = os.fstat(file.fileno()).st_size
        source = Source(file, size, self._on_progress, self._should_stop)
        mark = self._load(size)
        resumed = mark is not None and bool(mark.session)
        backoff = self._client.backoff(self._should_stop)
        for _ in range(_STARTS):
            mark = mark or self._new(size)
            found = self._session(mark, source, backoff, path)
            if found is not None and resumed:
                found = self._arrived(mark)  # a session goes on saying that a file is complete that was removed
            if found is not None:
                source.report(size)
                return found
            mark, resumed = None, False
        raise DestinationError(
            "Google Drive ends the upload again and again", subject=self._client.name, hint="run it again later"
        )

    def _load(self, size: int) -> Mark | None:
        try:
            mark = msgspec.json.decode(self._bookmark.load() or "null", type=Mark | None)
        except (msgspec.DecodeError, UnicodeEncodeError):
            return None
        return mark if mark is not None and mark.folder == self._folder and mark.fits(self._properties, size) else None

    def _new(self, size: int) -> Mark:
        mark = Mark(
            id=new_id(self._client, self._should_stop),
            folder=self._folder,
            size=size,
            sha256=self._properties.sha256,
            file_name=self._properties.file_name,
        )
        self._save(mark)
        return mark

    def _save(self, mark: Mark) -> None:
        self._bookmark.save(msgspec.json.encode(mark).decode())

    def _request(self, mark: Mark, source: Source) -> Any:
        body = {
            "id": mark.id,
            "name": mark.file_name,
            "parents": [mark.folder],
            "appProperties": encode(self._properties),
        }
        request = self._client.service.files().create(
            body=body, media_body=_media(source, mark.size), fields=FIELDS, supportsAllDrives=True
        )
        if mark.session:
            request.resumable_uri = mark.session
            # Makes it ask the server how far it is; the client has no other way to go on in a new process.
            request._in_error_state = True  # noqa: SLF001

        def begun() -> None:
            if request.resumable_uri != mark.session:
                self._save(msgspec.structs.replace(mark, session=request.resumable_uri))

        source.before_first_read = begun
        return request

    def _session(self, mark: Mark, source: Source, backoff: Backoff, path: Path) -> dict[str, Any] | None:
        """Send until the file is complete; None where the session is gone, and the file did not arrive by it."""
        request, arrived = self._request(mark, source), 0
        while True:
            raise_if_stopped(self._should_stop)
            try:
                done: dict[str, Any] | None = self._client.once(lambda: self._next(request, source, path))
            except DestinationError as error:
                status = failures.status_of(error)
                if status == failures.ID_TAKEN or (request.resumable_uri and status in (*failures.GONE, 400)):
                    return self._arrived(mark)
                backoff.wait(error)
                continue
            if done is not None:
                return done
            if request.resumable_progress > arrived:
                arrived = request.resumable_progress
                backoff.progressed()

    def _next(self, request: Any, source: Source, path: Path) -> dict[str, Any] | None:
        """Begin the session where there is none, and send one chunk; what our own callables raised passes as it is."""
        try:
            done: dict[str, Any] | None = request.next_chunk(num_retries=0)[1]
        except _CutError:
            self._client.drop_connections()
            if isinstance(source.cut, OSError):
                raise durable.translate(source.cut, subject=path) from source.cut
            raise source.cut from None  # type: ignore[misc]
        return done

    def _arrived(self, mark: Mark) -> dict[str, Any] | None:
        """Return the file with the id of `mark` when it is there, whole and in no bin."""
        try:
            found: dict[str, Any] = self._client.call(
                lambda service: service.files().get(fileId=mark.id, fields=FIELDS, supportsAllDrives=True),
                self._should_stop,
            )
        except ObjectNotFoundError:
            return None
        return None if found.get("trashed") else found
