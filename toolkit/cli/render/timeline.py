"""What `timeline` shows: a table of backups for each database, the jumps in words, where a row came or went."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import click

from toolkit.cli.render.table import table
from toolkit.display import display
from toolkit.operations.timeline import History, Point, Search, TimelineReport, changing
from toolkit.wording import count_text, size_text, time_text

MOST_TABLES = 5


def timeline_text(report: TimelineReport, now: datetime) -> list[str]:
    """Return the databases with their backups, oldest first; with a search only what that found."""
    if report.search is not None:
        return list(_search(report.search, now))
    lines: list[str] = []
    for history in report.databases:
        lines += [*([""] if lines else []), *_history(history, now)]
    return lines


def _history(history: History, now: datetime) -> Iterator[str]:
    yield f"{display(history.database)}  {count_text(len(history.points), 'backup')}"
    names = changing(history.points, MOST_TABLES)
    jumped = {jump.first for jump in history.jumps}
    header = ("", "WHEN", "BACKUP", "KIND", "SIZE", "FREE PAGES", "SCHEMA", "ROWS", *map(display, names))
    rows = [_row(point, names, now, jumped=point.id in jumped) for point in history.points]
    yield from table(header, rows, right=frozenset({4, 5, 7, *range(8, 8 + len(names))}))
    hidden = len({name for point in history.points for name in point.tables}) - len(names)
    if hidden:
        yield f"and {count_text(hidden, 'table')} more (--json has all)"
    for jump in history.jumps:
        yield click.style("! ", fg="yellow", bold=True) + f"{display(jump.text)} ({jump.last}, {jump.first})"


def _row(point: Point, names: list[str], now: datetime, *, jumped: bool) -> tuple[str, ...]:
    return (
        "!" if jumped else "",
        time_text(point.when, now),
        point.id,
        f"{point.kind}, damaged" if point.damaged else point.kind,
        size_text(point.size),
        _number(point.free_pages),
        point.schema[:8] or "-",
        _number(point.rows),
        *(_number(point.tables.get(name)) for name in names),
    )


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _search(search: Search, now: datetime) -> Iterator[str]:
    yield f"{display(search.table)}: {display(search.condition)}"
    rows = [
        (time_text(look.when, now), look.id, "has it" if look.holds else "lacks it", display(look.why_not))
        for look in search.looked
    ]
    yield from table(("WHEN", "BACKUP", "ANSWER", ""), rows)
    for turn in search.turns:
        yield display(turn.text)
