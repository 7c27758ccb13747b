"""Figures over many backups, for `stats`: pure, from the catalog's rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from toolkit.archive.manifest import Status
from toolkit.vault.rows import Row

_DONE = (Status.COMPLETED, Status.UPLOADING)


class KindTotal(msgspec.Struct, frozen=True):
    """How many finished backups of a kind there are, and their bytes."""

    kind: str
    count: int
    size: int


class Bucket(msgspec.Struct, frozen=True):
    """One stretch of time: its start, the finished backups begun in it, their bytes, and the bytes held at its end."""

    start: datetime
    count: int
    size: int
    total: int


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """What the backups amount to. Sizes are bytes on disk of finished backups that are not deleted.

    `success_rate` is finished / (finished + failed), None when nothing ended. `growth` has equal
    stretches from the oldest backup to now.
    """

    completed: int
    failed: int
    good: int
    pinned: int
    size: int
    average: int
    success_rate: float | None
    by_kind: tuple[KindTotal, ...]
    oldest: datetime | None
    newest: datetime | None
    largest: str | None
    growth: tuple[Bucket, ...]


def summarise(rows: Iterable[Row], *, now: datetime, buckets: int = 30) -> Statistics:
    """Return the figures of `rows` in any order, with at most `buckets` stretches of growth of whole hours."""
    present = [row for row in rows if not row.removed]
    done = sorted((row for row in present if row.status in _DONE), key=lambda row: row.started)
    failed = sum(row.status is Status.FAILED for row in present)
    size = sum(row.size for row in done)
    kinds = [[row for row in done if row.kind == kind] for kind in sorted({row.kind for row in done})]
    return Statistics(
        completed=len(done),
        failed=failed,
        good=sum(row.good for row in done),
        pinned=sum(row.pin for row in done),
        size=size,
        average=size // len(done) if done else 0,
        success_rate=len(done) / (len(done) + failed) if done or failed else None,
        by_kind=tuple(KindTotal(str(group[0].kind), len(group), sum(row.size for row in group)) for group in kinds),
        oldest=done[0].started if done else None,
        newest=done[-1].started if done else None,
        largest=max(done, key=lambda row: row.size).id if done else None,
        growth=_growth(done, now, buckets),
    )


def _growth(done: Sequence[Row], now: datetime, buckets: int) -> tuple[Bucket, ...]:
    if not done or buckets < 1:
        return ()
    first = done[0].started.replace(minute=0, second=0, microsecond=0)
    span = max(now, done[-1].started) - first
    hours = max(1, -(-(span // timedelta(hours=1) + 1) // buckets))
    step = timedelta(hours=hours)
    counts = [0] * (span // step + 1)
    sizes = [0] * len(counts)
    for row in done:
        place = (row.started - first) // step
        counts[place] += 1
        sizes[place] += row.size
    total = 0
    growth = []
    for place, (count, size) in enumerate(zip(counts, sizes, strict=True)):
        total += size
        growth.append(Bucket(first + place * step, count, size, total))
    return tuple(growth)
