"""Retention: what it would drop and why, and dropping it."""

from __future__ import annotations

import msgspec

from toolkit.errors import LifeboatError
from toolkit.jobs.context import Job
from toolkit.operations.report import Report
from toolkit.operations.session import Session
from toolkit.profile.model import Profile
from toolkit.retention import Rules
from toolkit.vault import prune as pruning


class PruneRow(msgspec.Struct, frozen=True, kw_only=True):
    """One backup, kept or dropped, and the reason."""

    id: str
    profile: str
    reason: str
    size: int = 0


class PruneReport(Report, kw_only=True):
    """The report of `prune`: with a dry run `removed` is what would go."""

    removed: list[PruneRow] = msgspec.field(default_factory=list)
    kept: list[PruneRow] = msgspec.field(default_factory=list)
    freed: int = 0
    plan: dict[str, str] | None = None


def rules_for(profile: Profile | None, given: dict[str, int]) -> Rules:
    """Return the profile's rules with those given on the command line in their place."""
    rules = profile.retention if profile is not None else Rules()
    if not given:
        return rules
    if any(name.startswith("keep_") for name in given):
        return msgspec.convert({**dict.fromkeys(Rules.__struct_fields__), **given}, Rules)
    return msgspec.structs.replace(rules, **given)


def plan(session: Session, profiles: tuple[str, ...], given: dict[str, int]) -> tuple[pruning.RemovalPlan, ...]:
    """Return, per profile, what the rules would remove; nothing is changed."""
    return tuple(
        pruning.plan_prune(
            session.existing_vault, name, rules_for(session.known_profile(name), given), now=session.now()
        )
        for name in profiles
    )


def describe(plans: tuple[pruning.RemovalPlan, ...]) -> PruneReport:
    """Return the report of a dry run."""
    report = PruneReport(plan={"digest": "-".join(one.digest[:12] for one in plans)})
    _fill(report, plans)
    return report


def _fill(report: PruneReport, plans: tuple[pruning.RemovalPlan, ...]) -> None:
    for one in plans:
        report.removed += [
            PruneRow(id=row.id, profile=row.profile, reason=row.reason, size=row.size) for row in one.removed
        ]
        report.kept += [PruneRow(id=row.id, profile=one.profiles[0], reason=row.reason) for row in one.kept]
        report.freed += one.freed


def apply(session: Session, plans: tuple[pruning.RemovalPlan, ...], job: Job) -> PruneReport:
    """Remove what `plans` say, for good; raises `OutdatedPlanError` when the backups changed since."""
    report = PruneReport()
    for one in plans:
        with session.hold(one.profiles[0], "prune", job):
            session.recover(one.profiles[0], job)
            pruning.apply(session.existing_vault, one, now=session.now())
    _fill(report, plans)
    report.changed = bool(report.removed)
    return report


def after_backup(session: Session, profile: Profile, given: dict[str, int], report: Report) -> list[str]:
    """Prune after a backup that ended well, under its lock; return the ids that went.

    A failure here never takes the backup's success away: it becomes a warning.
    """
    try:
        one = pruning.plan_prune(session.vault, profile.name, rules_for(profile, given), now=session.now())
        return list(pruning.apply(session.vault, one, now=session.now()))
    except LifeboatError as error:
        report.warn("prune-failed", f"retention could not be applied: {error.message}", subject=error.subject)
        return []
