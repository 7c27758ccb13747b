"""Signing in at Google Drive, and the doctor who says beforehand what will go wrong there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from toolkit.errors import ConfigError, LifeboatError, NotFoundError, SignInNeededError, UsageError
from toolkit.jobs.context import Job
from toolkit.operations.report import Ending, Report
from toolkit.operations.session import Session
from toolkit.profile.model import GoogleDrive
from toolkit.vault import sidecar
from toolkit.vault.queue import Queue
from toolkit.wording import count_text

if TYPE_CHECKING:
    from toolkit.destinations.gdrive.destination import GoogleDriveDestination

Say = Callable[[str, str, int], None]
"""Called with (address, code, seconds): what a person should open and type, and for how long that is good."""
_KNOWN = 3
_SOON_DAYS = 8


class DriveFinding(msgspec.Struct, frozen=True, kw_only=True):
    """What the doctor found: `severity` is `ok`, `notice`, `warning` or `error`."""

    code: str
    severity: str
    message: str
    hint: str = ""


class DoctorReport(Report, kw_only=True):
    """The report of `drive doctor`; `healthy` when nothing stands in the way of the next upload."""

    destination: str
    account: str = ""
    link: str = ""
    healthy: bool = True
    items: list[DriveFinding] = msgspec.field(default_factory=list)


class SignedIn(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in: whose, and when Google ends it by itself, as far as it says so."""

    destination: str
    account: str
    expires: datetime | None = None


class LoginReport(Report, kw_only=True):
    """The report of `drive login`."""

    items: list[SignedIn] = msgspec.field(default_factory=list)


def settings_of(session: Session, name: str | None) -> GoogleDrive:
    """Return the Google Drive destination called `name`, or the only one.

    Raises `ConfigError` for a name that is none, `UsageError` where a name is needed.
    """
    if name is not None:
        found = session.config.destination(name)
        if not isinstance(found, GoogleDrive):
            raise ConfigError("this destination is no Google Drive", subject=name, hint="see `lifeboat config show`")
        return found
    drives = [one for one in session.config.destinations if isinstance(one, GoogleDrive)]
    if not drives:
        raise ConfigError(
            "no Google Drive is configured",
            hint="destinations: {drive: {type: google-drive, credentials_file: /etc/lifeboat/drive.json}}; "
            "docs/how-to/drive.md says where the file comes from",
        )
    if len(drives) > 1:
        raise UsageError(
            "there are several Google Drives", hint="--destination " + " or ".join(drive.name for drive in drives)
        )
    return drives[0]


def state_of(session: Session, name: str) -> Path:
    """Return the folder of a destination in the state directory, as `destinations.registry` gives it."""
    return session.state / "destinations" / name


def bare(session: Session, settings: GoogleDrive, job: Job | None = None) -> GoogleDriveDestination:
    """Return the destination with nothing around it; its secrets are masked in all that `job` says."""
    from toolkit.destinations.gdrive.destination import GoogleDriveDestination

    made = GoogleDriveDestination(settings, state=state_of(session, settings.name))
    if job is not None:
        job.mask.add(*made.account.secrets())
    return made


def login(session: Session, name: str | None, say: Say, job: Job) -> LoginReport:
    """Let a person sign in with a code on another device; the sign-in is kept in the state directory.

    Raises `UsageError` for credentials that nobody signs in with, `SignInNeededError`, `CancelledError`; an
    earlier sign-in stays then.
    """
    from toolkit.destinations.gdrive import signin

    settings = settings_of(session, name)
    drive = bare(session, settings, job)
    job.step("sign-in", f"Signing in for {settings.name}")
    token = signin.sign_in(
        drive.account,
        endpoint=settings.endpoint,
        say=lambda prompt: say(prompt.url, prompt.code, prompt.seconds),
        should_stop=job.should_stop,
    )
    job.mask.add(token.refresh_token, token.client_secret)
    report = LoginReport(changed=True)
    email = _email(drive, report)
    drive.account.keep(msgspec.structs.replace(token, email=email))
    drive.close()
    report.items.append(SignedIn(destination=settings.name, account=email, expires=token.expires))
    if token.expires is not None and (token.expires - session.now()).days < _SOON_DAYS:
        report.warn(
            "testing",
            f"the consent screen is in Testing: this sign-in ends on {token.expires:%Y-%m-%d}",
            subject=settings.name,
            hint='"Publish app" in Google Cloud console, Google Auth Platform, Audience, then sign in again',
        )
    waited = Queue(session.state, session.vault_path, settings.name).begin_again(SignInNeededError.code)
    if waited:
        report.notes.append(f"{count_text(waited, 'copy', 'copies')} waited for it: `lifeboat sync`, or the next one")
    report.notes.append("`lifeboat drive doctor` looks at everything else that an upload needs")
    return report


def _email(drive: GoogleDriveDestination, report: Report) -> str:
    try:
        answer = drive.client.call(lambda service: service.about().get(fields="user"))
    except LifeboatError as error:  # the sign-in is good, and that is what was asked for
        report.warn(error.code, error.message, subject=error.subject, hint=error.hint)
        return ""
    return str(answer["user"].get("emailAddress", ""))


def doctor(session: Session, name: str | None) -> DoctorReport:
    """Look for what will go wrong at the next upload; nothing is changed there. Ends `UNREACHED` with any error."""
    from toolkit.destinations.gdrive.doctor import Doctor

    settings = settings_of(session, name)
    known, size = _known(session, settings.name)
    with bare(session, settings) as drive:
        examination = Doctor(drive, next_size=size, known=known)
        report = DoctorReport(destination=settings.name)
        for finding in examination.examine():
            report.items.append(msgspec.convert(msgspec.structs.asdict(finding), DriveFinding))
        report.account, report.link = examination.email, examination.link
    report.healthy = not any(finding.severity == "error" for finding in report.items)
    if not report.healthy:
        report.ending = Ending.UNREACHED
    return report


def _known(session: Session, name: str) -> tuple[tuple[str, ...], int | None]:
    """Return the ids of the newest copies that are known there, and the size of the largest of the newest backups."""
    try:
        found = [one.manifest for one in sidecar.load_all(session.existing_vault) if one.manifest.tombstone is None]
    except NotFoundError:
        return (), None
    newest = sorted(found, key=lambda one: one.started, reverse=True)
    users = {profile.name for profile in session.config.profiles if name in profile.destinations}
    ids = [copy.id for one in newest for copy in one.copies if copy.destination == name and copy.id]
    latest: dict[str, int] = {}
    for one in newest:
        if one.size and (one.profile in users or not users):
            latest.setdefault(one.profile, one.size)
    return tuple(ids[:_KNOWN]), max(latest.values(), default=None)
