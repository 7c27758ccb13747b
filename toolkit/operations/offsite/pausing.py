"""Uploads that wait because somebody said so: for a while, or until they are let go again.

One small file in the state directory for each destination. Backups go on and queue their copies; an upload that is
under way stops at its next look at the file, and goes on from there when it may.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.errors import NotFoundError
from toolkit.operations.offsite.drive import settings_of, state_of
from toolkit.operations.report import Report
from toolkit.operations.session import Session
from toolkit.vault import sidecar

_FILE = "paused.json"
_LOOK_EVERY = 1.0


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """Uploads to `destination` wait: since when, by whom, and until when (None: until `drive resume`)."""

    destination: str
    since: datetime
    by: str
    until: datetime | None = None


class WaitingCopy(msgspec.Struct, frozen=True, kw_only=True):
    """A copy that is still to be made."""

    backup: str
    profile: str
    size: int


class PauseReport(Report, kw_only=True):
    """The report of `drive pause` and `drive resume`: the pause that holds now, or None, and the copies that wait."""

    destination: str
    pause: Pause | None = None
    items: list[WaitingCopy] = msgspec.field(default_factory=list)


def pause(session: Session, name: str | None, duration: timedelta | None) -> PauseReport:
    """Have uploads to the Drive `name` wait, in place of an earlier pause. Raises `ConfigError`, `UsageError`."""
    now = session.now()
    made = Pause(
        destination=settings_of(session, name).name,
        since=now,
        by=session.user,
        until=now + duration if duration is not None else None,
    )
    path = _path(session, made.destination)
    with durable.translated(path):
        durable.make_directory(path.parent)
        durable.write_file(path, msgspec.json.encode(made))
    return PauseReport(
        destination=made.destination, pause=made, changed=True, items=_waiting(session, made.destination)
    )


def resume(session: Session, name: str | None) -> PauseReport:
    """Let uploads to the Drive `name` go on. Raises `ConfigError`, `UsageError`."""
    destination = settings_of(session, name).name
    report = PauseReport(destination=destination, changed=paused(session, destination) is not None)
    path = _path(session, destination)
    with durable.translated(path):
        durable.remove(path)
    report.items = _waiting(session, destination)
    if not report.changed:
        report.notes.append(f"uploads to {destination} were not paused")
    return report


def _waiting(session: Session, destination: str) -> list[WaitingCopy]:
    try:
        found = [one.manifest for one in sidecar.load_all(session.existing_vault) if not one.in_trash]
    except NotFoundError:
        return []
    waiting = [one for one in found if any(copy.destination == destination for copy in one.pending)]
    return [WaitingCopy(backup=one.id, profile=one.profile, size=one.size) for one in waiting]


def paused(session: Session, destination: str) -> Pause | None:
    """Return the pause of a destination that holds now; a file that nobody can read holds nothing up."""
    try:
        found = msgspec.json.decode(_path(session, destination).read_bytes(), type=Pause)
    except (OSError, msgspec.DecodeError):
        return None
    return found if found.until is None or session.now() < found.until else None


def watching(session: Session, destination: str) -> Callable[[], bool]:
    """Return what says whether a pause began, and looks at the disk once a second at most."""
    looked = time.monotonic()

    def began() -> bool:
        nonlocal looked
        if time.monotonic() - looked < _LOOK_EVERY:
            return False
        looked = time.monotonic()
        return paused(session, destination) is not None

    return began


def all_paused(session: Session) -> list[Pause]:
    """Return the pauses that hold now, of the destinations of the configuration."""
    found = [paused(session, config.name) for config in session.config.destinations]
    return [one for one in found if one is not None]


def _path(session: Session, destination: str) -> Path:
    return state_of(session, destination) / _FILE
