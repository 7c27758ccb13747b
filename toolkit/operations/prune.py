"""Retention: what it would drop and why, and dropping it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from toolkit.errors import LifeboatError
from toolkit.jobs.context import Job
from toolkit.operations.pace import removing, takes, timed
from toolkit.operations.plan import Plan, Step
from toolkit.operations.report import Report
from toolkit.operations.session import Session
from toolkit.profile.model import Profile
from toolkit.profile.units import format_duration, format_size
from toolkit.retention import Rules
from toolkit.vault import prune as pruning
from toolkit.vault import remove
from toolkit.wording import count_text, size_text

_REGULAR = ("hourly", "daily", "weekly", "monthly", "manual")


class PruneRow(msgspec.Struct, frozen=True, kw_only=True):
    """One backup, kept or dropped, and the reason."""

    id: str
    profile: str
    kind: str
    started: datetime
    size: int
    reason: str


class PruneReport(Report, kw_only=True):
    """The report of `prune`: with a dry run `removed` is what would go."""

    removed: list[PruneRow] = msgspec.field(default_factory=list)
    kept: list[PruneRow] = msgspec.field(default_factory=list)
    freed: int = 0
    plan: Plan | None = None


def rules_for(profile: Profile | None, given: dict[str, Any]) -> Rules:
    """Return the profile's rules with those given on the command line in their place.

    Any `keep_*` that is given takes the place of the counts of what schedules and hands make and of all calendar
    rules; what is kept of `emergency`, `safety` and `imported` stays the profile's wish. `max_age` (a timedelta)
    and `max_size` (bytes) take the place of the profile's.
    """
    rules = profile.retention if profile is not None else Rules()
    if not any(name.startswith("keep_") for name in given):
        return msgspec.structs.replace(rules, **given)
    none = {name: None for name in Rules.__struct_fields__ if name.startswith("keep_")}
    return msgspec.structs.replace(rules, **{**dict.fromkeys(_REGULAR, 0), **none, **given})


def settle(session: Session, profiles: tuple[str, ...], job: Job) -> None:
    """Finish what runs that are gone left half done, so that the plan is of a vault at rest. Raises `LockedError`."""
    for name in sorted(profiles):
        with session.hold(name, "prune", job):
            session.recover(name, job)


def plan(session: Session, profiles: tuple[str, ...], given: dict[str, Any]) -> tuple[pruning.RemovalPlan, ...]:
    """Return, per profile, what the rules would remove; nothing is changed. Raises `UsageError` for empty rules."""
    return tuple(
        pruning.plan_prune(
            session.existing_vault, name, rules_for(session.known_profile(name), given), now=session.now()
        )
        for name in profiles
    )


def _command(words: Sequence[str], given: dict[str, Any]) -> str:
    """Return the command line that says the same."""
    told: dict[str, Callable[[Any], str]] = {"max_age": format_duration, "max_size": format_size}
    options = [f"--{name.replace('_', '-')} {told.get(name, str)(value)}" for name, value in given.items()]
    return " ".join(["lifeboat prune", *words, *options])


def describe(
    session: Session,
    plans: tuple[pruning.RemovalPlan, ...],
    words: Sequence[str] = (),
    given: dict[str, Any] | None = None,
) -> PruneReport:
    """Return the report of a dry run: each backup, kept or not, with the reason; and the plan to confirm.

    `words` and `given` are the profile and the rules of the command line, which the plan repeats.
    """
    report = PruneReport()
    _fill(session, report, plans)
    count = len(report.removed)
    step = Step(
        n=1,
        name="purge",
        title=f"remove {count_text(count, 'backup')} for good, {size_text(report.freed)}",
        deletes=count,
        undo="none",
    )
    steps = (timed(step, removing(count, size=report.freed)),) if count else ()
    report.plan = Plan(
        op="prune",
        targets=tuple(row.id for row in report.removed),
        steps=steps,
        takes=takes(steps),
        confirm="word" if count else "none",
        confirm_word=str(count) if count else "",
        cli=_command(words, given or {}),
        state=tuple(one.digest for one in plans),
    ).sealed()
    return report


def _fill(session: Session, report: PruneReport, plans: tuple[pruning.RemovalPlan, ...]) -> None:
    for one in plans:
        profile = one.profiles[0]
        known = {manifest.id: manifest for manifest in remove.present(session.existing_vault, profile)}
        report.removed += [
            PruneRow(
                id=row.id, profile=row.profile, kind=row.kind, started=row.started, size=row.size, reason=row.reason
            )
            for row in one.removed
        ]
        report.kept += [
            PruneRow(
                id=row.id,
                profile=profile,
                kind=known[row.id].kind,
                started=known[row.id].started,
                size=known[row.id].size,
                reason=row.reason,
            )
            for row in one.kept
            if row.id in known
        ]
        report.freed += one.freed


def apply(session: Session, plans: tuple[pruning.RemovalPlan, ...], job: Job) -> PruneReport:
    """Remove what `plans` say, for good; raises `OutdatedPlanError` when the backups changed since.

    A profile whose plan removes nothing is not locked. A failure leaves the profiles before it pruned.
    """
    report = PruneReport()
    _fill(session, report, plans)
    for one in plans:
        if one.removed:
            job.step("prune", f"Removing {count_text(len(one.removed), 'backup')} of {one.profiles[0]}")
            with session.hold(one.profiles[0], "prune", job):
                pruning.apply(session.existing_vault, one, now=session.now())
    report.changed = bool(report.removed)
    if report.removed:
        words = count_text(len(report.removed), "backup")
        job.log("info", "pruned", f"removed {words} for good", count=len(report.removed), bytes=report.freed)
    return report


def after_backup(session: Session, profile: Profile, given: dict[str, Any], report: Report) -> list[str]:
    """Prune after a backup that ended well, under its lock; return the ids that went.

    A failure here never takes the backup's success away: it becomes a warning.
    """
    try:
        one = pruning.plan_prune(session.vault, profile.name, rules_for(profile, given), now=session.now())
        return list(pruning.apply(session.vault, one, now=session.now()))
    except LifeboatError as error:
        report.warn("prune-failed", f"retention could not be applied: {error.message}", subject=error.subject)
        return []
