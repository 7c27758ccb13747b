"""Which table and which columns of the reference are ours: by name, else by the rows that both still have."""

# ruff: noqa: S608 -- names are quoted, values are bound

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable

from toolkit.sqlite.connect import quoted
from toolkit.sqlite.refill import shape as shapes
from toolkit.sqlite.refill.shape import OURS, THEIRS, Pair, Shape

SAMPLE = 200
"""Rows that both have, looked at to tell a renamed table or column."""

Say = Callable[[str], None]


def pair(connection: sqlite3.Connection, table: str, number: int, say: Say) -> Pair | None:
    """Return our `table` with its counterpart in the reference; None, and said why, where there is none."""
    ours = shapes.shape(connection, OURS, table)
    name = _counterpart(connection, table, ours)
    if ours is None or name is None:
        say(f"{table} was not refilled: the backup has no such table")
        return None
    theirs = shapes.shape(connection, THEIRS, name)
    if theirs is None or not _same_key(ours, theirs):
        say(f"{table} was not refilled: its key is another one than in the backup")
        return None
    if name.lower() != table.lower():
        say(f"{table} was refilled from {name}, as it was called in the backup")
    return Pair(ours, theirs, _columns(connection, ours, theirs, say), f"work.wanted{number}", f"work.named{number}")


def _counterpart(connection: sqlite3.Connection, table: str, ours: Shape | None) -> str | None:
    there = {
        name.lower(): name for name, sql in shapes.tables(connection, THEIRS).items() if not shapes.is_virtual(sql)
    }
    if table.lower() in there or ours is None:
        return there.get(table.lower())
    here = {name.lower() for name in shapes.tables(connection, OURS)}
    best: tuple[float, str] | None = None
    for low, name in there.items():
        theirs = shapes.shape(connection, THEIRS, name) if low not in here else None
        if theirs is None or not _same_key(ours, theirs) or len(theirs.columns) != len(ours.columns):
            continue
        alike = _alike(connection, ours, theirs, list(zip(ours.values, theirs.values, strict=False)))
        if alike is None:
            alike = 1.0 if [one.lower() for one in ours.columns] == [one.lower() for one in theirs.columns] else 0.0
        if alike >= 0.5 and (best is None or alike > best[0]):
            best = alike, name
    return None if best is None else best[1]


def _same_key(ours: Shape, theirs: Shape) -> bool:
    return (
        ours.rowid == theirs.rowid
        and ours.declared == theirs.declared
        and len(ours.key) == len(theirs.key)
        and (ours.descending, ours.collations) == (theirs.descending, theirs.collations)
    )


def _alike(
    connection: sqlite3.Connection, ours: Shape, theirs: Shape, columns: Iterable[tuple[str, str]]
) -> float | None:
    """Return the share of rows of one key, of a sample, that hold the same in `columns`; None without such rows."""
    trial = Pair(ours, theirs, tuple(columns), "", "")
    keys = ", ".join(f"{key} AS k{number}" for number, key in enumerate(ours.key))
    sql = (
        f"SELECT count(*), total({trial.same_content('o', 'r')}) FROM "
        f"(SELECT {keys} FROM {ours.where} LIMIT {SAMPLE}) s "
        f"CROSS JOIN {ours.where} o ON {' AND '.join(f'o.{key} = s.k{number}' for number, key in enumerate(ours.key))} "
        f"CROSS JOIN {theirs.where} r ON {trial.same_key('o', 'r')}"
    )
    count, same = connection.execute(sql).fetchone()
    return same / count if count else None


def _columns(connection: sqlite3.Connection, ours: Shape, theirs: Shape, say: Say) -> tuple[tuple[str, str], ...]:
    """Return the columns that are the same: by name, and renamed ones by what they hold; the rest is said."""
    there = {name.lower(): name for name in theirs.columns}
    named = [(name, there[name.lower()]) for name in ours.columns if name.lower() in there]
    keys = _key_columns(ours, theirs)
    found = dict([*named, *keys])
    taken = {name.lower() for name in found.values()}
    left = [name for name in ours.columns if name not in found]
    unused = [name for name in theirs.columns if name.lower() not in taken]
    for name in list(left):
        at = ours.columns.index(name)
        first = sorted(unused, key=lambda other: (theirs.columns.index(other) != at, theirs.columns.index(other)))
        for other in first:
            alike = _alike(connection, ours, theirs, [(name, other)])
            if (alike or 0.0) >= 0.9 and _tells(connection, theirs, other):
                say(f"{ours.table}.{name} was called {other} in the backup")
                found[name] = other
                left.remove(name)
                unused.remove(other)
                break
    if left:
        say(f"{ours.table}: the backup lacks {', '.join(left)}; rows from it have the default there")
    if unused:
        say(f"{ours.table}: {', '.join(unused)} of the backup {'is' if len(unused) == 1 else 'are'} gone since")
    return tuple((name, found[name]) for name in ours.columns if name in found)


def _key_columns(ours: Shape, theirs: Shape) -> list[tuple[str, str]]:
    if ours.rowid and not ours.declared:
        return []
    mine = {quoted(name): name for name in ours.columns}
    other = {quoted(name): name for name in theirs.columns}
    return [(mine[a], other[b]) for a, b in zip(ours.key, theirs.key, strict=True) if a in mine and b in other]


def _tells(connection: sqlite3.Connection, theirs: Shape, column: str) -> bool:
    """Answer whether a column holds anything at all, so that equal values mean something."""
    sql = f"SELECT EXISTS(SELECT 1 FROM {theirs.where} WHERE {quoted(column)} IS NOT NULL)"
    return bool(connection.execute(sql).fetchone()[0])
