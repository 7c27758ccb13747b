"""What belongs to no table for certain is kept in `lost_and_found`; counters are brought in line with what is there."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterator

from toolkit.sqlite.connect import quoted
from toolkit.sqlite.pages.record import RawText, Value
from toolkit.sqlite.salvage.adopt import leaf_rows
from toolkit.sqlite.salvage.carve import Row
from toolkit.sqlite.salvage.image import Image

TABLE = "lost_and_found"
MOST_COLUMNS = 200
_AUTOINCREMENT = re.compile(r"\bAUTOINCREMENT\b", re.IGNORECASE)


Lone = tuple[int, int, list[Value]]
"""A row of a page that belongs to no table: the page, the rowid, the values."""


def lone_rows(image: Image, pages: list[int]) -> list[Lone]:
    """Return the rows of leaves that could be given to no table. Raises `OSError`."""
    return [
        (page, rowid, values)
        for page in dict.fromkeys(pages)
        for rowid, values in leaf_rows(image, page, 100_000)
        if values
    ]


def keep(connection: sqlite3.Connection, apart: list[tuple[str, Row]], lone: list[Lone]) -> int:
    """Write rows that were kept apart, and those of unplaced pages, into `lost_and_found`; return how many.

    Columns as in SQLite's `.recover`: rootpgno, pgno, nfield, id, c0 and so on; `mark` names the
    table of a row that fails its rules. Raises `sqlite3.Error`.
    """
    rows: list[tuple[str, int, int, int, list[Value]]] = [
        (table, 0, row.page, row.rowid, row.values) for table, row in apart
    ]
    rows += [("", page, page, rowid, values) for page, rowid, values in lone]
    if not rows:
        return 0
    width = min(MOST_COLUMNS, max(len(row[4]) for row in rows))
    columns = ",".join(f"c{number}" for number in range(width))
    connection.execute("BEGIN")
    connection.execute(
        f"CREATE TABLE {TABLE}(rootpgno INTEGER, pgno INTEGER, nfield INTEGER, id INTEGER, mark TEXT, {columns})"
    )
    for mark, root, page, rowid, values in rows:
        cut = values[:width]
        marks = ",".join("CAST(? AS TEXT)" if isinstance(value, RawText) else "?" for value in cut)
        connection.execute(
            f"INSERT INTO {TABLE} VALUES (?,?,?,?,?,{marks}{',NULL' * (width - len(cut))})",  # noqa: S608
            (
                root,
                page,
                len(values),
                rowid,
                mark or None,
                *(bytes(value) if isinstance(value, RawText) else value for value in cut),
            ),
        )
    connection.execute("COMMIT")
    return len(rows)


def _counted(connection: sqlite3.Connection) -> Iterator[tuple[str, int | None, object]]:
    """Yield (table, its largest rowid, what its counter says) of the AUTOINCREMENT tables."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name='sqlite_sequence'").fetchone():
        return
    schema = connection.execute("SELECT name, sql FROM sqlite_master WHERE type='table' AND sql IS NOT NULL").fetchall()
    for name in [name for name, sql in schema if _AUTOINCREMENT.search(sql)]:
        with contextlib.suppress(sqlite3.OperationalError):
            (largest,) = connection.execute(f"SELECT max(rowid) FROM {quoted(name)}").fetchone()  # noqa: S608
            known = connection.execute("SELECT seq FROM sqlite_sequence WHERE name=?", (name,)).fetchone()
            yield name, largest, known[0] if known else None


def wrong_sequences(connection: sqlite3.Connection) -> list[str]:
    """Return a sentence on each counter that SQLite would not have left so: no number, or behind the rows."""
    return [
        f"the counter of {name} is {seq!r}, its largest rowid is {largest}"
        for name, largest, seq in _counted(connection)
        if seq is not None and (not isinstance(seq, int) or seq < (largest or 0))
    ]


def sequences(connection: sqlite3.Connection) -> None:
    """Make the counter of each AUTOINCREMENT table at least its largest rowid; one that is lost is made anew."""
    for name, largest, seq in list(_counted(connection)):
        if isinstance(seq, int) and seq >= (largest or 0):
            continue
        if seq is None and largest is None:
            continue
        connection.execute("DELETE FROM sqlite_sequence WHERE name=?", (name,))
        connection.execute("INSERT INTO sqlite_sequence(name, seq) VALUES (?, ?)", (name, largest or 0))
