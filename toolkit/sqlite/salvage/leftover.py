"""What belongs to no table for certain is kept in a table of its own."""

from __future__ import annotations

import sqlite3

from toolkit.sqlite.apart import free_name
from toolkit.sqlite.pages.record import RawText, Value
from toolkit.sqlite.salvage.adopt import leaf_rows
from toolkit.sqlite.salvage.carve import Row
from toolkit.sqlite.salvage.image import Image

MOST_COLUMNS = 200


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


def keep(connection: sqlite3.Connection, apart: list[tuple[str, Row]], lone: list[Lone]) -> tuple[str, int]:
    """Write rows that were kept apart, and those of unplaced pages, into a new table; return its name, and how many.

    Columns as in SQLite's `.recover`: rootpgno, pgno, nfield, id, c0 and so on; `mark` names the
    table of a row that fails its rules. Without such rows there is no table, and no name. Raises `sqlite3.Error`.
    """
    rows: list[tuple[str, int, int, int, list[Value]]] = [
        (table, 0, row.page, row.rowid, row.values) for table, row in apart
    ]
    rows += [("", page, page, rowid, values) for page, rowid, values in lone]
    if not rows:
        return "", 0
    width = min(MOST_COLUMNS, max(len(row[4]) for row in rows))
    columns = ",".join(f"c{number}" for number in range(width))
    name = free_name(one for (one,) in connection.execute("SELECT name FROM sqlite_master"))
    connection.execute("BEGIN")
    connection.execute(
        f"CREATE TABLE {name}(rootpgno INTEGER, pgno INTEGER, nfield INTEGER, id INTEGER, mark TEXT, {columns})"
    )
    for mark, root, page, rowid, values in rows:
        cut = values[:width]
        marks = ",".join("CAST(? AS TEXT)" if isinstance(value, RawText) else "?" for value in cut)
        connection.execute(
            f"INSERT INTO {name} VALUES (?,?,?,?,?,{marks}{',NULL' * (width - len(cut))})",  # noqa: S608
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
    return name, len(rows)
