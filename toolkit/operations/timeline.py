"""`timeline`: how databases went over the backups: rows of each table, size, free pages, schema; jumps in words.

Read from the manifests alone; nothing is unpacked. `timeline_search` asks the databases themselves.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import msgspec

from toolkit.archive.manifest import DatabaseRecord, Manifest, Status, visible_tables
from toolkit.errors import BackupNotFoundError
from toolkit.operations.report import Report
from toolkit.operations.session import Session
from toolkit.profile.adhoc import absolute, is_profile_word
from toolkit.vault import sidecar
from toolkit.wording import time_text

FALL = 0.25
"""A table that lost more than this share of its rows between two backups jumped; `alarms.shrink` wins over it."""

FEWEST = 10
"""A table with fewer rows never jumps, unless it is gone."""

RISE = 3
"""A table with more than so many times its rows jumped, when that is at least a hundred rows more."""


class TimelineRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Whose timeline: a profile, or the path of a database or of a folder above some; `name` chooses one database."""

    target: str
    name: str | None = None


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A database in one backup. Sizes are bytes; what was not counted is null, as in a raw copy of a damaged one."""

    id: str
    profile: str
    kind: str
    when: datetime
    size: int
    pages: int | None
    free_pages: int | None
    schema: str
    rows: int | None
    tables: dict[str, int | None]
    damaged: bool


class Jump(msgspec.Struct, frozen=True, kw_only=True):
    """What stands out between two neighbours; `what` is `rows-fell`, `rows-rose`, `table-gone` or `schema`."""

    what: str
    table: str | None
    before: int | None
    after: int | None
    last: str
    first: str
    since: datetime
    until: datetime
    text: str


class History(msgspec.Struct, kw_only=True):
    """A database over the backups, oldest first."""

    database: str
    name: str
    points: list[Point]
    jumps: list[Jump]


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """A backup whose database was asked: whether it has such a row, and why it could not be asked."""

    id: str
    when: datetime
    holds: bool
    why_not: str = ""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """Where the answer changed: the last backup before, and the first that has (`appeared`) or lacks the row."""

    last: Look
    first: Look
    appeared: bool
    text: str


class Search(msgspec.Struct, kw_only=True):
    """What was asked of which table, the backups that were looked at of all `backups`, and where the answer changed."""

    condition: str
    table: str
    backups: int
    looked: list[Look]
    turns: list[Turn]


class TimelineReport(Report, kw_only=True):
    """The report of `timeline`; `search` is null when nothing was asked."""

    databases: list[History] = msgspec.field(default_factory=list)
    search: Search | None = None


def run(session: Session, request: TimelineRequest) -> TimelineReport:
    """Return the timelines of the databases that `request` names, by their paths.

    Raises `NotFoundError` when there is no vault, `BackupNotFoundError` when no backup holds such a database.
    """
    return TimelineReport(databases=[_history(session, path, held) for path, held in holders(session, request).items()])


Held = list[tuple[Manifest, DatabaseRecord]]


def holders(session: Session, request: TimelineRequest) -> dict[str, Held]:
    """Return for each database the finished backups that hold it with its record, oldest first."""
    word = request.target
    profile = word if is_profile_word(word) else None
    paths = set() if profile is not None else {str(absolute(Path(word))), os.path.realpath(word)}
    found: dict[str, Held] = {}
    for one in sidecar.load_all(session.existing_vault, profile):
        manifest = one.manifest
        if one.in_trash or manifest.tombstone or manifest.status not in (Status.COMPLETED, Status.UPLOADING):
            continue
        for record in manifest.databases:
            if _is_meant(record, paths) and request.name in (None, record.name, record.path):
                found.setdefault(record.path, []).append((manifest, record))
    if not found:
        hint = "`lifeboat list` shows the backups; a path has a slash: ./shop.db"
        raise BackupNotFoundError("no backup holds such a database", subject=request.name or word, hint=hint)
    return {path: sorted(held, key=lambda pair: (pair[0].started, pair[0].id)) for path, held in sorted(found.items())}


def _is_meant(record: DatabaseRecord, paths: set[str]) -> bool:
    return not paths or any(record.path == path or record.path.startswith(f"{path.rstrip('/')}/") for path in paths)


def _history(session: Session, path: str, held: Held) -> History:
    points = [_point(manifest, record) for manifest, record in held]
    profile = session.known_profile(points[-1].profile)
    fall = profile.alarms.shrink if profile is not None and profile.alarms.shrink is not None else FALL
    counted = [point for point in points if point.schema]
    jumps = [jump for last, first in pairwise(counted) for jump in _jumps(last, first, fall, session.now())]
    return History(database=path, name=held[-1][1].name, points=points, jumps=jumps)


def _point(manifest: Manifest, record: DatabaseRecord) -> Point:
    tables = visible_tables(record.tables)
    counts = [rows for rows in tables.values() if rows is not None]
    return Point(
        id=manifest.id,
        profile=manifest.profile,
        kind=manifest.kind.value,
        when=manifest.started,
        size=record.size,
        pages=record.page_count or None,
        free_pages=record.free_pages,
        schema=record.schema_digest,
        rows=sum(counts) if counts or record.schema_digest else None,
        tables=tables,
        damaged=record.damaged,
    )


def _jumps(last: Point, first: Point, fall: float, now: datetime) -> Iterator[Jump]:
    between = f"between {span_text(last.when, first.when, now)}"

    def jump(what: str, text: str, table: str | None = None) -> Jump:
        before, after = (last.tables.get(table), first.tables.get(table)) if table is not None else (None, None)
        return Jump(
            what=what,
            table=table,
            before=before,
            after=after,
            last=last.id,
            first=first.id,
            since=last.when,
            until=first.when,
            text=f"{text} {between}",
        )

    for table, before in last.tables.items():
        if table not in first.tables:
            rows = "" if before is None else f" with its {before:,} rows"
            yield jump("table-gone", f"{table} is gone{rows}", table)
            continue
        after = first.tables[table]
        if before is None or after is None:
            continue
        if before >= FEWEST and after < before * (1 - fall):
            yield jump("rows-fell", f"{table} fell from {before:,} to {after:,}", table)
        if before and after > before * RISE and after - before >= 100:
            yield jump("rows-rose", f"{table} rose from {before:,} to {after:,}", table)
    if last.schema != first.schema:
        yield jump("schema", "the schema changed")


def span_text(since: datetime, until: datetime, now: datetime) -> str:
    """Return two times, with their dates where these are not today's or not the same: `02:00 and 03:00`."""
    same = since.astimezone().date() == until.astimezone().date()
    return f"{time_text(since, now)} and {time_text(until, until if same else now)}"


def changing(points: Sequence[Point], most: int) -> list[str]:
    """Return the tables to show, in the order of their names: those that changed most, then the largest."""
    names = dict.fromkeys(name for point in points for name in point.tables)

    def weight(name: str) -> tuple[float, int]:
        counts = [rows for point in points if (rows := point.tables.get(name)) is not None] or [0]
        return (max(counts) - min(counts)) / max(1, *counts), max(counts)

    return sorted(sorted(names, key=weight, reverse=True)[:most])
