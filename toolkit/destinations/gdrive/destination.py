"""A folder of Google Drive as a destination: `toolkit.destinations.base` says what it promises.

Files lie flat in one folder under their own names, which may be doubled; ids and `appProperties` tell them apart. A
service account sees what was shared with it, a person's sign-in only what Lifeboat itself put there.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from toolkit import durable
from toolkit.destinations.base import (
    CHUNK,
    EVERYTHING,
    Bookmark,
    Destination,
    Properties,
    Query,
    RemoteObject,
    Removal,
    Usage,
)
from toolkit.destinations.gdrive import failures
from toolkit.destinations.gdrive.client import TIMEOUT, Client, Pause
from toolkit.destinations.gdrive.credentials import Account
from toolkit.destinations.gdrive.folders import Folders, listed
from toolkit.destinations.gdrive.properties import FIELDS, MARK, remote_object, search
from toolkit.destinations.gdrive.upload import Upload
from toolkit.errors import (
    DestinationDeniedError,
    DestinationError,
    DestinationTransientError,
    ObjectNotFoundError,
    TransferDamagedError,
)
from toolkit.events import Progress, ShouldStop, never_stop, no_progress
from toolkit.profile.model import GoogleDrive

_ABUSIVE = "cannotDownloadAbusiveFile"


class GoogleDriveDestination(Destination):
    """Objects in a folder of Drive. `timeout` (seconds of silence) and `pause` are for tests."""

    type = "google-drive"

    def __init__(
        self,
        settings: GoogleDrive,
        *,
        state: Path,
        folder: str = "",
        timeout: float = TIMEOUT,
        pause: Pause = time.sleep,
    ) -> None:
        self.name = settings.name
        self.settings = settings
        self.account = Account(settings, state)
        self.client = Client(settings.name, self.account, endpoint=settings.endpoint, timeout=timeout, pause=pause)
        self.folders = Folders(self.client, settings, folder)

    def close(self) -> None:
        """Let go of the connections."""
        self.client.close()

    def put(
        self,
        source: Path,
        properties: Properties,
        *,
        bookmark: Bookmark,
        on_progress: Progress = no_progress,
        should_stop: ShouldStop = never_stop,
    ) -> RemoteObject:
        """Store `source`; see `Destination.put`. What Drive computed of it is compared with `properties.sha256`."""
        with durable.translated(source):
            file: IO[bytes] = source.open("rb")
        with file:
            try:
                upload = Upload(
                    self.client,
                    self.folders.writable(should_stop),
                    properties,
                    bookmark,
                    on_progress=on_progress,
                    should_stop=should_stop,
                )
                found = upload.run(file, source)
            except ObjectNotFoundError:
                self.folders.forget()
                raise
            made = remote_object(found)
            wrong = _difference(made, properties, file, source)
        if wrong:
            self._disown(made.id)
            bookmark.clear()
            raise TransferDamagedError(
                f"what arrived at Google Drive is not what was sent: {wrong}",
                subject=source,
                hint="run it again; if it happens again, verify the backup here",
            )
        bookmark.clear()
        return made

    def _disown(self, object_id: str) -> None:
        """Remove what arrived damaged; an account that may only add takes away what makes it one of ours."""
        try:
            self.discard(object_id, to_bin=False)
        except DestinationDeniedError:
            self.client.call(
                lambda service: service.files().update(
                    fileId=object_id, body={"appProperties": {MARK: "damaged"}}, fields="id", supportsAllDrives=True
                )
            )

    def read(self, object_id: str, *, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes of an object from `start` on, in ranges that are asked for one by one."""
        size = self.stat(object_id).size
        backoff = self.client.backoff()
        contents = _Contents(self.client, object_id)
        while start < size:
            try:
                piece = contents.range(start, min(start + CHUNK, size))
            except DestinationDeniedError as error:
                # Encrypted archives are taken for malware now and then; they are our own.
                if contents.acknowledged or failures.Answer(error.__cause__).reason != _ABUSIVE:
                    raise
                contents = _Contents(self.client, object_id, acknowledged=True)
            except DestinationError as error:
                backoff.wait(error)
            else:
                start += len(piece)
                backoff.progressed()
                yield piece

    def objects(self, query: Query = EVERYTHING) -> Iterator[RemoteObject]:
        """Yield every object that matches, from all folders of that name."""
        folders = self.folders.existing()
        if not folders:
            return
        for resource in listed(self.client, search(folders, query), FIELDS, self.folders.drive_id):
            found = remote_object(resource)
            if not resource["mimeType"].startswith("application/vnd.google-apps.") and query.matches(found):
                yield found

    def stat(self, object_id: str) -> RemoteObject:
        """Return an object."""
        return remote_object(self._existing(object_id, FIELDS))

    def _existing(self, object_id: str, fields: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.call(
            lambda service: service.files().get(fileId=object_id, fields=fields, supportsAllDrives=True)
        )
        if found.get("trashed"):
            raise ObjectNotFoundError(
                "this file lies in the bin of Google Drive",
                subject=object_id,
                hint="take it out of the bin in the browser",
            )
        return found

    def remove(self, object_id: str) -> Removal:
        """Remove an object for good where the account may, else to the bin of its shared drive."""
        return self.discard(object_id, to_bin=False)

    def discard(self, object_id: str, *, to_bin: bool) -> Removal:
        """Remove an object, to the bin where that is asked for; it stays there for 30 days and takes its space."""
        found = self._existing(object_id, "id,trashed,capabilities(canDelete,canTrash)")
        may = found.get("capabilities", {})
        if may.get("canDelete") and not to_bin:
            self._gone(lambda service: service.files().delete(fileId=object_id, supportsAllDrives=True))
            return Removal(binned=False)
        if not may.get("canTrash"):
            raise DestinationDeniedError(
                "this account may not remove files there",
                subject=object_id,
                hint="make it a content manager of the shared drive, or a manager to remove for good",
            )
        self._gone(
            lambda service: service.files().update(
                fileId=object_id, body={"trashed": True}, fields="id", supportsAllDrives=True
            )
        )
        return Removal(binned=True)

    def _gone(self, make: Any) -> None:
        try:
            self.client.call(make)
        except ObjectNotFoundError:
            return  # it was there a moment ago: an earlier try removed it, and its reply was lost

    def usage(self) -> Usage:
        """Return the space of the account.

        Nothing is known, but that it can be reached, of a shared drive, and for a service account, which owns none.
        """
        if self.settings.drive_id:
            self.folders.by_id(self.settings.drive_id)
            return Usage()
        answer = self.client.call(lambda service: service.about().get(fields="storageQuota"))
        if self.account.is_service_account and not self.account.impersonates:
            return Usage()
        quota = {key: int(value) for key, value in answer.get("storageQuota", {}).items()}
        total, used = quota.get("limit"), quota.get("usage")
        free = max(0, total - (used or 0)) if total is not None else None
        return Usage(total=total, used=used, free=free, binned=quota.get("usageInDriveTrash"))


class _Contents:
    """The bytes of one object, range by range; the request is built once, which takes longer than one thinks."""

    def __init__(self, client: Client, object_id: str, *, acknowledged: bool = False) -> None:
        self.acknowledged = acknowledged
        self._client = client
        self._id = object_id
        self._said = ""
        self._request = client.service.files().get_media(
            fileId=object_id, supportsAllDrives=True, **({"acknowledgeAbuse": True} if acknowledged else {})
        )
        self._request.add_response_callback(self._note)

    def _note(self, response: Any) -> None:
        self._said = response.get("content-range", "")

    def range(self, start: int, stop: int) -> bytes:
        """Return the bytes from `start` to before `stop`, tried once; raises our errors."""
        self._request.headers["range"] = f"bytes={start}-{stop - 1}"
        piece: bytes = self._client.once(lambda: self._request.execute(num_retries=0))
        if not self._said.startswith(f"bytes {start}-{stop - 1}/") or len(piece) != stop - start:
            self._client.drop_connections()
            raise DestinationTransientError("Google Drive sent another range than asked for", subject=self._id)
        return piece


def _difference(made: RemoteObject, properties: Properties, file: IO[bytes], source: Path) -> str:
    """Say how what Drive has differs from what was to be sent, "" when it does not."""
    with durable.translated(source):
        file.seek(0, 2)
        size = file.tell()
        if made.size != size:
            return f"{made.size:,} bytes instead of {size:,}"
        if made.sha256:
            return "" if made.sha256 == properties.sha256 else "another SHA-256"
        file.seek(0)
        md5 = hashlib.md5(usedforsecurity=False)
        sha256 = hashlib.sha256()
        while piece := file.read(CHUNK):
            md5.update(piece)
            sha256.update(piece)
    if sha256.hexdigest() != properties.sha256:
        return "the file changed on the way"
    return "" if made.md5 == md5.hexdigest() else "another MD5"
