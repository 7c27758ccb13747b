"""Which folder of Drive the backups are in: by id, by name, or the root of a shared drive.

A name can be doubled, as all names of Drive: the oldest folder is written to, and all of them are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from toolkit.destinations.gdrive import failures
from toolkit.destinations.gdrive.client import Client
from toolkit.destinations.gdrive.properties import FOLDER, quoted
from toolkit.errors import DestinationDeniedError, DestinationError, ObjectNotFoundError
from toolkit.events import ShouldStop, never_stop
from toolkit.profile.model import GoogleDrive

_FIELDS = "id,name,mimeType,trashed,webViewLink,driveId,capabilities(canAddChildren,canTrashChildren,canDeleteChildren)"
DEFAULT_NAME = "Lifeboat"


def listed(client: Client, query: str, fields: str, drive_id: str | None, **options: str) -> Iterator[dict[str, Any]]:
    """Yield every file that `query` finds, through all pages; `fields` are those of one file."""
    where = {"corpora": "drive", "driveId": drive_id} if drive_id else {}
    page = None
    while True:
        asked = {
            "q": query,
            "fields": f"nextPageToken,incompleteSearch,files({fields})",  # without the token paging ends after one
            "pageSize": 1000,
            "includeItemsFromAllDrives": True,
            "supportsAllDrives": True,
            "pageToken": page,
            **where,
            **options,
        }
        answer = client.call(lambda service, asked=asked: service.files().list(**asked))  # type: ignore[misc]
        yield from answer.get("files", ())
        page = answer.get("nextPageToken")
        if page is None:
            return


class Folders:
    """Finds, and makes, the folder that `settings` (or `given`, a folder's id or name, in its place) mean."""

    def __init__(self, client: Client, settings: GoogleDrive, given: str = "") -> None:
        self._client = client
        self._settings = settings
        self._given = given
        self._found: tuple[str, ...] | None = None

    @property
    def drive_id(self) -> str | None:
        """The shared drive, None for the drive of a person."""
        return self._settings.drive_id

    def existing(self) -> tuple[str, ...]:
        """Return the ids of the folders to read, the oldest first; empty where it is not there and may be made.

        Raises `ObjectNotFoundError` for an id that is not there, or that this account does not see.
        """
        if not self._found:
            self._found = tuple(folder["id"] for folder in self._look())
        return self._found

    def writable(self, should_stop: ShouldStop = never_stop) -> str:
        """Return the id of the folder to write to, made when it is absent and has a name."""
        if existing := self.existing():
            return existing[0]
        self._found = (self._make(should_stop),)
        return self._found[0]

    def forget(self) -> None:
        """Look again the next time: the folder that was known is gone."""
        self._found = None

    def _look(self) -> list[dict[str, Any]]:
        if self._given:
            return self._by_name(self._given) or [self._by_given_id()]
        if self._settings.folder_id:
            return [self.by_id(self._settings.folder_id)]
        if self._settings.drive_id and not self._settings.folder_name:
            return [self.by_id(self._settings.drive_id)]
        return self._by_name(self.name)

    def _by_given_id(self) -> dict[str, Any]:
        try:
            return self.by_id(self._given)
        except ObjectNotFoundError as error:
            raise ObjectNotFoundError(
                "Google Drive has no folder with this name or id, or does not show it to this account",
                subject=self._given,
                hint=f"without one {self._client.name} means the configured folder; with drive.file only what Lifeboat "
                "made is seen",
            ) from error

    @property
    def name(self) -> str:
        """The name of the folder where it is found by name."""
        return self._settings.folder_name or DEFAULT_NAME

    @property
    def parent(self) -> str:
        """The folder that holds the folder."""
        return self._settings.drive_id or "root"

    def by_id(self, ident: str) -> dict[str, Any]:
        """Return a folder; raises `ObjectNotFoundError` where it is none, gone, or in the bin."""
        found: dict[str, Any] = self._client.call(
            lambda service: service.files().get(fileId=ident, fields=_FIELDS, supportsAllDrives=True)
        )
        if found.get("trashed") or found["mimeType"] != FOLDER:
            what = "lies in the bin" if found.get("trashed") else "is no folder"
            raise ObjectNotFoundError(
                f"the folder of this destination {what}", subject=self._client.name, hint="lifeboat drive doctor"
            )
        return found

    def _by_name(self, name: str) -> list[dict[str, Any]]:
        query = (
            f"name = {quoted(name)} and mimeType = {quoted(FOLDER)} and trashed = false "
            f"and {quoted(self.parent)} in parents"
        )
        found = list(listed(self._client, query, f"{_FIELDS},createdTime", self.drive_id))
        return sorted(found, key=lambda folder: (folder["createdTime"], folder["id"]))

    def _make(self, should_stop: ShouldStop) -> str:
        """Make the folder under an id that Drive gave before, so that a lost reply does not make two."""
        ident: str = new_id(self._client, should_stop)
        body = {"id": ident, "name": self.name, "mimeType": FOLDER, "parents": [self.parent]}
        try:
            self._client.call(
                lambda service: service.files().create(body=body, fields="id", supportsAllDrives=True), should_stop
            )
        except DestinationDeniedError as error:
            raise DestinationDeniedError(
                "the folder of this destination cannot be made by this account",
                subject=self._client.name,
                hint="make it in the browser, share it with the account, and set folder_id",
            ) from error
        except DestinationError as error:
            if failures.status_of(error) != failures.ID_TAKEN:  # by the try whose reply was lost
                raise
        return ident


def new_id(client: Client, should_stop: ShouldStop = never_stop) -> str:
    """Return an id that a file or folder can be made with: made twice with it, it is there once."""
    answer = client.call(lambda service: service.files().generateIds(count=1, fields="ids"), should_stop)
    ident: str = answer["ids"][0]
    return ident
