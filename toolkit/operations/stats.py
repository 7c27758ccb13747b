"""`stats`: what the backups amount to."""

from __future__ import annotations

from datetime import datetime

import msgspec

from toolkit.operations.report import Report
from toolkit.operations.session import Session
from toolkit.operations.targets import profile_names
from toolkit.vault import catalog, statistics


class KindFigures(msgspec.Struct, frozen=True):
    """The finished backups of one kind: how many, and their bytes."""

    kind: str
    count: int
    size: int


class Stretch(msgspec.Struct, frozen=True):
    """One stretch of time: the backups begun in it, their bytes, and the bytes that are held at its end."""

    start: datetime
    count: int
    size: int
    total: int


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures; sizes are bytes on disk of finished backups, `success_rate` is 0 to 1 or null."""

    profile: str | None
    completed: int
    failed: int
    good: int
    pinned: int
    size: int
    average: int
    success_rate: float | None
    by_kind: tuple[KindFigures, ...]
    oldest: datetime | None
    newest: datetime | None
    largest: str | None
    growth: tuple[Stretch, ...]


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
    figures = Figures(
        profile=profile,
        completed=found.completed,
        failed=found.failed,
        good=found.good,
        pinned=found.pinned,
        size=found.size,
        average=found.average,
        success_rate=found.success_rate,
        by_kind=tuple(KindFigures(one.kind, one.count, one.size) for one in found.by_kind),
        oldest=found.oldest,
        newest=found.newest,
        largest=found.largest,
        growth=tuple(Stretch(one.start, one.count, one.size, one.total) for one in found.growth),
    )
    report = StatsReport(stats=figures)
    for message in said:
        report.warn("catalog", message)
    return report
