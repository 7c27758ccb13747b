"""The counters of AUTOINCREMENT tables: what can be one, and how they are brought in line with the rows."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import replace

from toolkit.sqlite import ddl
from toolkit.sqlite.connect import quoted
from toolkit.sqlite.pages.record import CODECS, RawText, Value
from toolkit.sqlite.salvage.entries import Entry
from toolkit.sqlite.salvage.shape import Shape

TABLE = "sqlite_sequence"


def narrowed(shape: Shape) -> Shape:
    """Return the shape of `sqlite_sequence` as SQLite fills it: a text and one more value. Its columns have no type."""
    name, value = shape.columns
    name = replace(name, affinity="TEXT", strict="TEXT", not_null=True, optional=False)
    return replace(shape, columns=(name, replace(value, optional=False)))


def counted(entries: list[Entry], table: str, encoding: str) -> frozenset[bytes] | None:
    """Return for the table of counters the names, encoded, of the tables that have one; None for any other table."""
    if table != TABLE:
        return None
    tables = [entry.name for entry in entries if entry.kind == "table" and ddl.has_word(entry.sql or "", _WORD)]
    return frozenset(name.encode(CODECS.get(encoding, "utf-8"), "surrogateescape") for name in tables)


def is_counter(values: list[Value], names: frozenset[bytes]) -> bool:
    """Answer whether a row can be the counter of one of the tables."""
    return len(values) == 2 and values[0] in names and isinstance(values[1], int) and values[1] >= 0


def is_another(values: list[Value], names: frozenset[bytes]) -> bool:
    """Answer whether a row can be the counter of a table that is not there: then it is no noise."""
    if len(values) != 2 or not isinstance(values[0], RawText) or not isinstance(values[1], int):
        return False
    return bool(values[0]) and values[0] not in names


_WORD = "AUTOINCREMENT"


def _read(connection: sqlite3.Connection) -> Iterator[tuple[str, int, list[object]]]:
    """Yield (table, its largest rowid or 0, what its counters say) of the AUTOINCREMENT tables."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name=?", (TABLE,)).fetchone():
        return
    schema = connection.execute("SELECT name, sql FROM sqlite_master WHERE type='table' AND sql IS NOT NULL").fetchall()
    for name in [name for name, sql in schema if ddl.has_word(sql, _WORD)]:
        with contextlib.suppress(sqlite3.OperationalError):
            (largest,) = connection.execute(f"SELECT max(rowid) FROM {quoted(name)}").fetchone()  # noqa: S608
            said = connection.execute(f"SELECT seq FROM {TABLE} WHERE name=?", (name,)).fetchall()  # noqa: S608
            yield name, max(0, largest or 0), [row[0] for row in said]


def wrong(connection: sqlite3.Connection) -> list[str]:
    """Return a sentence on each counter that SQLite would not have left so: twice, no number, or behind the rows."""
    sentences = []
    for name, largest, said in _read(connection):
        if len(said) > 1:
            sentences.append(f"{name} has {len(said)} counters")
        elif said and (not isinstance(said[0], int) or said[0] < largest):
            sentences.append(f"the counter of {name} is {said[0]!r}, its largest rowid is {largest}")
    return sentences


def settle(connection: sqlite3.Connection) -> list[str]:
    """Give each AUTOINCREMENT table one counter, at least its largest rowid; return a sentence on each that was made.

    Of several the largest counts: SQLite never lowers one. Raises `sqlite3.Error`.
    """
    sentences = []
    for name, largest, said in list(_read(connection)):
        numbers = [value for value in said if isinstance(value, int)]
        value = max([largest, *numbers])
        if said == [value] or not (said or largest):
            continue
        connection.execute(f"DELETE FROM {TABLE} WHERE name=?", (name,))  # noqa: S608
        connection.execute(f"INSERT INTO {TABLE}(name, seq) VALUES (?, ?)", (name, value))  # noqa: S608
        was = f"stood at {max(numbers)}" if numbers else "was no number" if said else "was gone"
        if value in numbers:
            sentences.append(f"{name} had {len(said)} counters: the largest, {value}, was kept")
        else:
            sentences.append(
                f"the counter of {name} {was}: it is its largest rowid now, {value}; it may have been higher"
            )
    return sentences
