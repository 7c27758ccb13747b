"""What runs: the entries of the configuration as command lines with their times."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from toolkit.profile.model import Config, Profile, ScheduledJob, ScheduleEntry
from toolkit.retention import Kind, Scope
from toolkit.schedule.times import At, Every, When, parse_at, period

DEFAULTS = (
    ScheduleEntry(kind=Kind.DAILY, at="03:00"),
    ScheduleEntry(kind=Kind.WEEKLY, at="sun 02:00"),
    ScheduleEntry(kind=Kind.MONTHLY, at="1 04:00"),
    ScheduleEntry(job=ScheduledJob.REHEARSE, at="mon 05:00"),
)
"""What runs for a profile that says nothing else."""

SYNC = Every(timedelta(minutes=15))
FRESHNESS = Every(timedelta(hours=1))
GRACE = timedelta(hours=2)
"""What a backup may take on top of the longest time between two of them, before its age is an alarm."""

_QUIET = ("--quiet",)
_PATIENT = ("--lock-wait", "1h", "--quiet")


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that runs: `arguments` come after `lifeboat`. `profile` is empty for what concerns all.

    `name` is unique and fits in a unit's name; `default` says that nobody configured it. `row` is the row of the
    schedule that it comes from, None for what follows from others.
    """

    name: str
    profile: str
    arguments: tuple[str, ...]
    when: When
    default: bool = False
    row: ScheduleEntry | None = None

    @property
    def command(self) -> str:
        """The command line, as it could be typed."""
        return shlex.join(("lifeboat", *self.arguments))

    @property
    def is_check(self) -> bool:
        """Whether it only looks: missing one is no loss, and it leaves no journal."""
        return self.arguments[0] == "status"


def entries(config: Config) -> tuple[Entry, ...]:
    """Return everything that runs, in the order of the configuration.

    A profile without a schedule has a daily, a weekly and a monthly backup and, where this machine can read
    them, a weekly rehearsal. Every profile
    with scheduled backups has its freshness looked at each hour: silence is an alarm. `sync` is there
    as soon as a profile has destinations.
    """
    found = [entry for profile in config.profiles for entry in _of_profile(profile)]
    if any(profile.destinations for profile in config.profiles):
        found.append(Entry("sync", "", ("sync", *_QUIET), SYNC, default=True))
    return tuple(_named_apart(found))


def _of_profile(profile: Profile) -> Iterator[Entry]:
    own = profile.schedule or DEFAULTS
    for row in own:
        default = own is DEFAULTS
        if default and row.job is ScheduledJob.REHEARSE and _only_encrypts(profile):
            continue
        yield Entry(_name(profile, row), profile.name, _arguments(profile, row), _when(row), default, row)
    age = promised_age(profile)
    if age is not None:
        from toolkit.profile.units import format_duration

        look = ("status", profile.name, "--max-age", format_duration(age), "--tell", *_QUIET)
        yield Entry(f"{profile.name}-freshness", profile.name, look, FRESHNESS, default=True)


def _only_encrypts(profile: Profile) -> bool:
    """Say whether this machine cannot read the profile's backups, so that a rehearsal would fail each week."""
    encrypt = profile.archive.encrypt
    return encrypt is not None and bool(encrypt.recipients) and encrypt.identity is None


def promised_age(profile: Profile) -> timedelta | None:
    """Return the age that the last good backup may have: what the profile says, else what its schedule promises.

    None for a profile whose schedule makes no backups.
    """
    if profile.alarms.max_age is not None:
        return profile.alarms.max_age
    now = datetime.now(UTC)
    backups = [row for row in profile.schedule or DEFAULTS if row.kind is not None]
    whole = [row for row in backups if row.scope in (None, Scope.FULL)]
    spans = [period(_when(row), now, UTC) for row in whole or backups]
    if not spans:
        return None
    return (min(spans) if whole else max(spans)) + GRACE


def _when(row: ScheduleEntry) -> At | Every:
    return parse_at(row.at) if row.at is not None else Every(row.every or timedelta(days=1))


def _name(profile: Profile, row: ScheduleEntry) -> str:
    word = row.kind.value if row.kind is not None else row.job.value if row.job is not None else ""
    return f"{profile.name}-{word}" + (f"-{row.scope.value}" if row.scope is not None else "")


def _arguments(profile: Profile, row: ScheduleEntry) -> tuple[str, ...]:
    if row.kind is not None:
        scope = () if row.scope in (None, Scope.FULL) else ("--scope", str(row.scope.value))
        return ("backup", profile.name, "--kind", row.kind.value, *scope, *_PATIENT)
    latest = f"{profile.name}@latest"
    commands = {
        ScheduledJob.VERIFY: ("verify", latest, "--open", *_PATIENT),
        ScheduledJob.REHEARSE: ("verify", latest, "--rehearse", *_PATIENT),
        ScheduledJob.DIAGNOSE: ("diagnose", profile.name, *_QUIET),
        ScheduledJob.PRUNE: ("prune", profile.name, "--yes", *_PATIENT),
        ScheduledJob.SYNC: ("sync", *_QUIET),
    }
    return commands[row.job or ScheduledJob.VERIFY]


def _named_apart(found: list[Entry]) -> Iterator[Entry]:
    seen: dict[str, int] = {}
    for entry in found:
        count = seen[entry.name] = seen.get(entry.name, 0) + 1
        yield entry if count == 1 else replace(entry, name=f"{entry.name}-{count}")
