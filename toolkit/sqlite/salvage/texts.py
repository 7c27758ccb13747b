"""Texts that were overwritten where they lie: every page reads well, and only what the texts hold tells."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from toolkit.sqlite import values
from toolkit.sqlite.connect import connect, quoted

LEAST_ZEROS = 64
"""Bytes of zeros in a row, from which on they stand for a part of a text that was lost: no text holds so many."""


def faults(path: Path) -> list[str]:
    """Return a sentence for each column of a private, sound database with texts that cannot be what was stored.

    These are texts that are not valid in the encoding, unless the application stores all of them so, and texts with a
    stretch of zero bytes; and the statements of the schema. They stay as they are. Empty where SQLite cannot read it.
    """
    found: list[str] = []
    with contextlib.suppress(sqlite3.Error, UnicodeError), contextlib.closing(connect(path, "mode=ro")) as connection:
        tables = [
            name
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE type='table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name"
            ).fetchall()
        ]
        for kind, name, sql in connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall():
            if any("\udc80" <= letter <= "\udcff" for letter in f"{name}{sql}"):
                found.append(f"the statement of {kind} {name} holds bytes that are no text")
        found += values.invalid_texts(connection, tables)[0]
        for table in tables:
            with contextlib.suppress(sqlite3.DatabaseError):
                found += _zeroed(connection, table)
    return found


def _zeroed(connection: sqlite3.Connection, table: str) -> list[str]:
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({quoted(table)})")]
    zeros = f"typeof({{0}}) = 'text' AND instr(CAST({{0}} AS BLOB), zeroblob({LEAST_ZEROS}))"
    counts = ", ".join(f"total({zeros.format(quoted(column))})" for column in columns)
    found = connection.execute(f"SELECT {counts} FROM {quoted(table)}").fetchone()  # noqa: S608
    return [
        f"{table}.{column}: {'one text holds' if count == 1 else f'{count:.0f} texts hold'} zeros, as of a lost block"
        for column, count in zip(columns, found, strict=True)
        if count
    ]
