"""When the targets of a profile are backed up next: by the schedule, and only where cron or systemd has it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from toolkit.errors import LifeboatError
from toolkit.operations import schedule
from toolkit.operations.session import Session
from toolkit.retention import Scope
from toolkit.schedule import systemd
from toolkit.schedule.entries import entries
from toolkit.schedule.times import local_zone, runs_after
from toolkit.vault.health import Target

_SCOPES = {"database": (None, Scope.FULL, Scope.DATABASE), "files": (None, Scope.FULL, Scope.FILES)}


def with_next_runs(session: Session, targets: Sequence[Target]) -> tuple[Target, ...]:
    """Return `targets` with the time of the next backup of each; None for those that nothing backs up by itself.

    A schedule that is not installed runs nothing. Never raises: what cannot be asked is not known.
    """
    if not targets or not _installed(session):
        return tuple(msgspec.structs.replace(one, next_run=None) for one in targets)
    found = {(one.profile, one.kind): next_backup(session, one.profile, one.kind) for one in targets}
    return tuple(msgspec.structs.replace(one, next_run=found[one.profile, one.kind]) for one in targets)


def next_backup(session: Session, profile: str, kind: str) -> datetime | None:
    """Return when the schedule backs up targets of `kind` (`database`, `files`) of `profile` next, None for never."""
    now, zone = session.now(), local_zone(session.environ)
    due = [
        next(runs_after(entry.when, now, zone))
        for entry in entries(session.config)
        if entry.profile == profile
        and entry.row is not None
        and entry.row.kind is not None
        and entry.row.scope in _SCOPES[kind]
    ]
    return min(due, default=None)


def _installed(session: Session) -> bool:
    try:
        where = schedule.scheduler(session, ())
        return where.in_cron() is not None or bool(systemd.installed(where.manager))
    except (LifeboatError, OSError):
        return False
