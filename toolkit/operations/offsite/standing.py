"""How each destination stands, as far as it is known here: asks nobody, opens no connection.

Whose sign-in is kept and until when, what waits, what arrived, the last error. `destination list --ask` and
`drive doctor` are what asks the other side.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from toolkit.archive.manifest import Manifest
from toolkit.errors import LifeboatError, NotFoundError, SignInNeededError
from toolkit.operations.offsite.pausing import Pause, paused
from toolkit.operations.offsite.uploads import UploadRow, queued
from toolkit.operations.session import Session
from toolkit.profile.model import S3, AnyDestination, DirectoryDestination, GoogleDrive, Sftp
from toolkit.vault import sidecar

if TYPE_CHECKING:
    from toolkit.destinations.gdrive.credentials import Account


class SignIn(msgspec.Struct, frozen=True, kw_only=True):
    """Who signs in at a Google Drive.

    `state`: `ready`, `needed` (by `drive login`), `expired`, or `wrong`, of which `problem` says what.
    """

    state: str
    account: str = ""
    service: bool = False
    issued: datetime | None = None
    expires: datetime | None = None
    problem: str = ""
    hint: str = ""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One destination: what is known to be there, what waits, and the last thing that went wrong.

    `place` is the folder, bucket or host in words; `limit` bytes a second; `newest` when the last copy arrived;
    `sign_in` is None for what is no Google Drive.
    """

    name: str
    type: str
    place: str = ""
    profiles: tuple[str, ...] = ()
    keep: int | None = None
    limit: int | None = None
    copies: int = 0
    size: int = 0
    newest: datetime | None = None
    waiting: tuple[UploadRow, ...] = ()
    error: str = ""
    next: datetime | None = None
    sign_in: SignIn | None = None
    pause: Pause | None = None


def standing(session: Session) -> list[Standing]:
    """Return how the destinations of the configuration stand; one whose credentials are wrong says so."""
    manifests = _manifests(session)
    rows = queued(session, manifests)
    return [_standing(session, config, manifests, rows) for config in session.config.destinations]


def _manifests(session: Session) -> list[Manifest]:
    try:
        found = [one.manifest for one in sidecar.load_all(session.existing_vault) if one.manifest.tombstone is None]
    except NotFoundError:
        return []
    return sorted(found, key=lambda one: (one.started, one.id))


def _standing(
    session: Session, config: AnyDestination, manifests: Iterable[Manifest], rows: Iterable[UploadRow]
) -> Standing:
    arrived = [
        (copy.when, one.size)
        for one in manifests
        for copy in one.copies
        if copy.destination == config.name and copy.when
    ]
    waiting = tuple(row for row in rows if row.destination == config.name)
    failed = [row for row in waiting if row.error]
    tries = [row.next for row in waiting if row.next is not None and row.state in ("queued", "paused")]
    return Standing(
        name=config.name,
        type=str(config.__struct_config__.tag),
        place=_place(config),
        profiles=tuple(one.name for one in session.config.profiles if config.name in one.destinations),
        keep=config.keep,
        limit=config.limit,
        copies=len(arrived),
        size=sum(size for _, size in arrived),
        newest=max((when for when, _ in arrived), default=None),
        waiting=waiting,
        error=failed[-1].error if failed else "",
        next=min(tries, default=None),
        pause=paused(session, config.name),
        sign_in=_sign_in(session, config) if isinstance(config, GoogleDrive) else None,
    )


def _place(config: AnyDestination) -> str:
    match config:
        case GoogleDrive():
            named = config.folder_name or config.folder_id
            return f"folder {named}" if named else "a folder of its own"
        case DirectoryDestination():
            return str(config.path)
        case S3():
            return f"bucket {config.bucket}"
        case Sftp():
            return f"{config.host}:{config.path}"


def _sign_in(session: Session, config: GoogleDrive) -> SignIn:
    from toolkit.destinations.gdrive.credentials import Account

    account = Account(config, session.state / "destinations" / config.name)
    try:
        return _of_account(session, account)
    except SignInNeededError as error:
        return SignIn(state="needed", problem=error.message, hint=error.hint or "")
    except LifeboatError as error:
        return SignIn(state="wrong", problem=error.message, hint=error.hint or "")


def _of_account(session: Session, account: Account) -> SignIn:
    if account.is_service_account:
        return SignIn(state="ready", account=account.email, service=True)
    token = account.token()
    dead = token.expires is not None and token.expires <= session.now()
    return SignIn(state="expired" if dead else "ready", account=token.email, issued=token.issued, expires=token.expires)
