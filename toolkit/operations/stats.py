"""`stats`: what the backups amount to."""

from __future__ import annotations

import msgspec

from toolkit.operations.report import Report
from toolkit.operations.session import Session
from toolkit.operations.targets import profile_names
from toolkit.vault import catalog, statistics


class Figures(statistics.Statistics, frozen=True, kw_only=True):
    """The vault's figures of one profile, or of all (None)."""

    profile: str | None


class StatsReport(Report, kw_only=True):
    """The report of `stats`."""

    stats: Figures


def run(session: Session, profile: str | None, *, buckets: int = 30) -> StatsReport:
    """Return the figures of one profile's backups, or of all; raises `NotFoundError`, `ProfileNotFoundError`."""
    vault = session.existing_vault
    if profile is not None:
        profile_names(session, [profile])
    said: list[str] = []
    rows = catalog.rows(vault, catalog.Filter(profile=profile), say=said.append)
    found = statistics.summarise(rows, now=session.now(), buckets=buckets)
    figures = Figures(profile=profile, **msgspec.structs.asdict(found))
    report = StatsReport(stats=figures)
    for message in said:
        report.warn("catalog", message)
    return report
