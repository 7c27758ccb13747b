"""`schedule set`: change what runs for a profile, in a drop-in of the configuration that Lifeboat writes itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec

from toolkit.errors import NotFoundError, UsageError
from toolkit.operations import drop_in
from toolkit.operations.session import Session
from toolkit.profile.model import Profile, ScheduledJob, ScheduleEntry
from toolkit.profile.units import format_duration, parse_duration
from toolkit.retention import Kind, Scope
from toolkit.schedule.entries import DEFAULTS
from toolkit.schedule.times import parse_at

HEADER = "# Written by `lifeboat schedule set`: it takes the place of the `schedule` in the files before it.\n"


class ScheduleChange(msgspec.Struct, frozen=True, kw_only=True):
    """What runs for `profile`: a backup of a kind and scope, or another job; at a time, in an interval, or not at all.

    Without `at` and `every` the entry is taken out.
    """

    profile: str
    kind: Kind | None = None
    job: ScheduledJob | None = None
    scope: Scope | None = None
    at: str | None = None
    every: timedelta | None = None


def change(session: Session, wanted: ScheduleChange, config: Path | None) -> bool:
    """Write the drop-in with the changed schedule of the profile; answer whether that changed anything.

    An entry of the same kind (or job) and scope is replaced, else one is added. The first change of a profile that
    has no schedule of its own begins with the default one. The result is validated before it takes its name.
    Raises `UsageError`, `ProfileNotFoundError`, `NotFoundError` for an entry to take out that is not there,
    `RefusedError` for a drop-in that Lifeboat did not write, `ConfigError`, `StorageError`.
    """
    profile = session.config.profile(wanted.profile)
    rows = _changed(profile, wanted)
    entries = "".join(f"      - {{{', '.join(_fields(row))}}}\n" for row in rows)
    text = f"profiles:\n  {profile.name}:\n    schedule:\n{entries}"
    return drop_in.write(session, f"90-schedule-{profile.name}.yaml", HEADER, text, config)


def when_options(text: str) -> tuple[str, ...]:
    """Return the options of `schedule set` for what a person typed: `03:00`, `sun 02:00`, `6h`, `every 6h`.

    Raises `UsageError` with what is wrong with it.
    """
    words = text.strip().lower()
    span = words.removeprefix("every ").strip()
    if words.startswith("every ") or ":" not in words:
        try:
            parse_duration(span)
        except ValueError as error:
            raise UsageError(f"{span or 'this'} {error}", hint="03:00, sun 02:00, 1 05:00, or every 6h") from error
        return ("--every", span)
    parse_at(words)
    return ("--at", words)


def _changed(profile: Profile, wanted: ScheduleChange) -> list[ScheduleEntry]:
    _check(wanted)
    rows = list(profile.schedule or DEFAULTS)
    place = next((index for index, row in enumerate(rows) if _same(row, wanted)), None)
    if wanted.at is None and wanted.every is None:
        if place is None:
            raise NotFoundError("nothing like that is scheduled", subject=profile.name, hint="lifeboat schedule show")
        del rows[place]
        if not rows:
            raise UsageError(
                "a profile without a schedule gets the default one, so the last entry cannot be taken out",
                subject=profile.name,
                hint="`lifeboat schedule remove` takes everything out of cron and systemd",
            )
        return rows
    entry = ScheduleEntry(kind=wanted.kind, job=wanted.job, scope=wanted.scope, at=wanted.at, every=wanted.every)
    if place is None:
        return [*rows, entry]
    rows[place] = entry
    return rows


def _check(wanted: ScheduleChange) -> None:
    if (wanted.kind is None) == (wanted.job is None):
        raise UsageError("name either a kind of backup or another job", hint="--kind daily, or --job rehearse")
    if wanted.at is not None and wanted.every is not None:
        raise UsageError("a time and an interval contradict each other", hint="give --at or --every")
    if wanted.at is not None:
        parse_at(wanted.at)


def _same(row: ScheduleEntry, wanted: ScheduleChange) -> bool:
    full = (None, Scope.FULL)
    scopes = row.scope == wanted.scope or (row.scope in full and wanted.scope in full)
    return (row.kind, row.job) == (wanted.kind, wanted.job) and scopes


def _fields(row: ScheduleEntry) -> Iterator[str]:
    """Yield the keys of one row as YAML has them in one line."""
    if row.kind is not None:
        yield f"kind: {row.kind.value}"
    if row.job is not None:
        yield f"job: {row.job.value}"
    if row.at is not None:
        yield f'at: "{row.at}"'
    if row.every is not None:
        yield f"every: {format_duration(row.every)}"
    if row.scope is not None:
        yield f"scope: {row.scope.value}"
