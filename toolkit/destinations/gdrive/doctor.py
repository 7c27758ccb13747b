"""What will go wrong at Drive, said before the first upload does.

Each check is one trap that people fall into (docs/how-to/drive.md lists them). They are made in an order in which each
needs only what the ones before it found sound; the first that makes the rest pointless ends it. Nothing is
changed at Drive.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec

from toolkit.destinations.gdrive import failures, signin
from toolkit.destinations.gdrive.client import GOOGLE, new_http
from toolkit.destinations.gdrive.credentials import CredentialKind, require_safe, utc_now
from toolkit.destinations.gdrive.destination import GoogleDriveDestination
from toolkit.errors import DestinationError, DestinationTransientError, LifeboatError, ObjectNotFoundError
from toolkit.wording import duration_text, size_text

TESTING = timedelta(days=7)
"""How long a sign-in lasts while the consent screen of its project is in Testing."""
SKEW = 300
"""Seconds by which a clock may be wrong before Google refuses signatures."""
_ANY_NAME = "_"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the doctor looked at: `severity` is `ok`, `notice`, `warning` or `error`."""

    code: str
    severity: str
    message: str
    hint: str = ""


class _Over(Exception):  # noqa: N818 - ends the examination
    """What follows would only say the same again."""


def _error(error: LifeboatError, code: str = "") -> Finding:
    subject = f": {error.subject}" if error.subject and "/" in error.subject else ""
    return Finding(
        code=code or error.code, severity="error", message=f"{error.message}{subject}", hint=error.hint or ""
    )


def _ahead(date: str | None) -> float:
    """Return by how many seconds this machine's clock is ahead of the one that said `date`."""
    from email.utils import parsedate_to_datetime

    return time.time() - parsedate_to_datetime(date).timestamp() if date else 0.0


class Doctor:
    """Looks at `destination`. `next_size` is what the next archive will take, `known` are ids that were put there."""

    def __init__(
        self, destination: GoogleDriveDestination, *, next_size: int | None = None, known: tuple[str, ...] = ()
    ) -> None:
        self._drive = destination
        self._settings = destination.settings
        self._account = destination.account
        self._next_size = next_size
        self._known = known
        self._folder: dict[str, Any] = {}
        self.email = ""
        self.link = ""

    def examine(self) -> Iterator[Finding]:
        """Yield what was found, in the order in which it was looked at; every check yields at least one finding."""
        try:
            for check in (
                self._credentials,
                self._connection,
                self._sign_in,
                self._identity,
                self._where,
                self._rights,
                self._space,
                self._own_files,
            ):
                yield from check()
        except _Over:
            return

    def _credentials(self) -> Iterator[Finding]:
        try:
            kind = self._account.kind
            if kind is CredentialKind.OAUTH_CLIENT:
                self._account.token()
            self._account.credentials()
        except LifeboatError as error:
            yield _error(error)
            raise _Over from None
        who = f" {self._account.email}" if self._account.email else ""
        as_whom = f", acting for {self._settings.impersonate}" if self._settings.impersonate else ""
        yield Finding(code="credentials", severity="ok", message=f"credentials: {kind.value}{who}{as_whom}")

    def _connection(self) -> Iterator[Finding]:
        address = require_safe(self._settings.endpoint or GOOGLE)
        try:
            response = self._first_answer(f"{address}/drive/v3/about?fields=user")
        except DestinationError as error:
            yield msgspec.structs.replace(_error(error), hint="look at the network, the name server and any proxy")
            raise _Over from None
        yield Finding(code="connection", severity="ok", message=f"{address} answers")
        off = _ahead(response.get("date"))
        if abs(off) > SKEW:
            way = "ahead of" if off > 0 else "behind"
            yield Finding(
                code="clock",
                severity="error",
                message=f"this machine's clock is {duration_text(abs(off))} {way} Google's: signatures are refused",
                hint="set the clock: timedatectl set-ntp true",
            )
        else:
            yield Finding(code="clock", severity="ok", message="the clock is right")

    def _first_answer(self, address: str) -> Any:
        try:
            with contextlib.closing(new_http(self._drive.client.timeout)) as http:
                return http.request(address)[0]
        except failures.connection_errors() as error:
            raise failures.of_connection(error, subject=address) from error

    def _sign_in(self) -> Iterator[Finding]:
        if self._account.is_service_account:
            return
        try:
            left = signin.remaining(self._account, timeout=self._drive.client.timeout)
        except LifeboatError as error:
            yield self._ended(error)
            raise _Over from None
        issued = self._account.token().issued
        if left is not None:
            yield self._ends(utc_now() + timedelta(seconds=left))
        elif issued is not None and utc_now() - issued < TESTING:
            day = (issued + TESTING).strftime("%Y-%m-%d")
            yield Finding(
                code="sign-in",
                severity="notice",
                message=f"the sign-in works; should its consent screen be in Testing, it ends on {day}",
                hint='in Google Cloud console, Google Auth Platform, Audience: "Publish app", then sign in again',
            )
        else:
            yield Finding(code="sign-in", severity="ok", message="the sign-in works and does not end by itself")

    def _ended(self, error: LifeboatError) -> Finding:
        kept = self._account.kind is CredentialKind.OAUTH_CLIENT
        issued = self._account.token().issued if kept else None
        if issued is None or not timedelta(days=6, hours=12) < utc_now() - issued < timedelta(days=60):
            return _error(error)
        return Finding(
            code="testing",
            severity="error",
            message=f"the sign-in of {issued:%Y-%m-%d} is over; in Testing they end after 7 days",
            hint=f'publish the app first ("Publish app"), then: {failures.sign_in_hint(self._drive.name)}',
        )

    def _ends(self, when: datetime) -> Finding:
        return Finding(
            code="testing",
            severity="error",
            message=f"the consent screen is in Testing: this sign-in ends on {when:%Y-%m-%d} at {when:%H:%M} UTC",
            hint='in Google Cloud console, Google Auth Platform, Audience: "Publish app"; then sign in again, '
            "for a sign-in keeps the end that it was given",
        )

    def _identity(self) -> Iterator[Finding]:
        try:
            answer = self._drive.client.call(lambda service: service.about().get(fields="user"))
        except DestinationError as error:
            yield _error(error)
            raise _Over from None
        self.email = str(answer["user"].get("emailAddress", ""))
        yield Finding(code="account", severity="ok", message=f"signed in as {self.email}")

    def _where(self) -> Iterator[Finding]:
        folders = self._drive.folders
        try:
            found = folders.existing()
            self._folder = folders.by_id(found[0] if found else folders.parent)
        except ObjectNotFoundError as error:
            yield self._invisible(error)
            raise _Over from None
        except DestinationError as error:
            yield _error(error)
            raise _Over from None
        self.link = str(self._folder.get("webViewLink", "")) if found else ""
        if not found:
            yield Finding(
                code="folder", severity="ok", message=f"the folder {folders.name} will be made by the first upload"
            )
        elif len(found) > 1:
            yield Finding(
                code="folder-doubled",
                severity="warning",
                message=f"{len(found)} folders have this name: the oldest is written to, all are read",
                hint="move the files into one of them in the browser, and remove the others",
            )
        else:
            yield Finding(code="folder", severity="ok", message=f"the folder {self._folder['name']} is there")

    def _invisible(self, error: ObjectNotFoundError) -> Finding:
        if "bin" in error.message or "no folder" in error.message:
            return _error(error, "folder-missing")
        if self._account.is_service_account:
            who = self._settings.impersonate or self._account.email
            hint = f"share it with {who}, or make that a content manager of the shared drive, and check the id"
            return Finding(
                code="folder-not-shared", severity="error", message=f"{who} does not see the folder", hint=hint
            )
        return Finding(
            code="folder-invisible",
            severity="error",
            message="this sign-in does not see the folder: with drive.file it sees only what Lifeboat itself made",
            hint="let Lifeboat make a folder (folder_name instead of folder_id and drive_id), or use a service account",
        )

    def _rights(self) -> Iterator[Finding]:
        may, shared = self._folder.get("capabilities", {}), self._folder.get("driveId")
        if self._account.is_service_account and not self._settings.impersonate and not shared:
            yield Finding(
                code="no-storage",
                severity="error",
                message="a service account owns no storage: every upload to this folder will be refused",
                hint="use a folder in a shared drive (drive_id), impersonate a user, or sign in with your own OAuth "
                "client: docs/how-to/drive.md",
            )
            raise _Over
        if not may.get("canAddChildren"):
            yield Finding(
                code="read-only",
                severity="error",
                message=f"{self.email} may read this folder, and not write to it",
                hint="make it an editor of the folder, or a content manager of the shared drive",
            )
        elif shared and not may.get("canDeleteChildren"):
            bins = bool(may.get("canTrashChildren"))
            yield Finding(
                code="bin-only" if bins else "cannot-remove",
                severity="notice" if bins else "warning",
                message="what retention removes goes to the bin of the shared drive, which Google empties after 30 days"
                if bins
                else "this account may add files and not remove any: retention will fail",
                hint="a manager of the shared drive removes for good" if bins else "make it a content manager",
            )
        else:
            yield Finding(code="rights", severity="ok", message="files may be added and removed")

    def _space(self) -> Iterator[Finding]:
        try:
            usage = self._drive.usage()
        except DestinationError as error:
            yield _error(error)
            raise _Over from None
        if usage.free is None or usage.total is None:
            yield Finding(code="space", severity="ok", message="Google tells no limit of space here")
            return
        binned = f", {size_text(usage.binned)} of what is used lie in the bin" if usage.binned else ""
        there = f"{size_text(usage.free)} of {size_text(usage.total)} are free{binned}"
        need = self._next_size or 0
        if need > usage.free:
            yield Finding(
                code="quota",
                severity="error",
                message=f"the next archive takes about {size_text(need)}, and {there}",
                hint="empty the bin of Drive" if need <= usage.free + (usage.binned or 0) else "free some space there",
            )
        elif need * 3 > usage.free:
            yield Finding(
                code="quota",
                severity="warning",
                message=f"{there}: enough for {usage.free // max(need, 1)} archives of {size_text(need)}",
                hint="lower keep, or empty the bin of Drive",
            )
        else:
            yield Finding(code="space", severity="ok", message=there)

    def _own_files(self) -> Iterator[Finding]:
        """Look for files that an earlier sign-in put there, and that this one does not see."""
        for object_id in self._known:
            try:
                self._drive.stat(object_id)
            except DestinationTransientError as error:
                yield _error(error)
                return
            except DestinationError:
                yield Finding(
                    code="files-invisible",
                    severity="warning",
                    message=f"a copy that was put there before is not visible any more ({object_id})",
                    hint="removed by hand, or put there by another OAuth client or account: each sees only its own",
                )
                return
        strangers = [found for found in self._drive.objects() if found.properties is None]
        if named := [found for found in strangers if found.name.count(_ANY_NAME) >= 3]:
            yield Finding(
                code="files-of-others",
                severity="notice",
                message=f"{len(named)} files look like backups and were put there by hand or by another client",
                hint="they can be restored, and are never removed by retention",
            )
        else:
            yield Finding(code="files", severity="ok", message="all copies that were put there are visible")
