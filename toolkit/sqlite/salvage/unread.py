"""Entries of a schema that SQLite refuses when it reads the schema, with which it reads nothing else of the file."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence

from toolkit.sqlite.salvage.entries import Entry

_MALFORMED = re.compile(r"malformed database schema \((.*)\)", re.DOTALL)


def unread(connection: sqlite3.Connection, entries: Sequence[Entry]) -> list[Entry]:
    """Return the views, triggers and virtual tables of `entries` that SQLite refuses, when it reads them as stored.

    `connection` is one in memory that holds the other tables, and holds the accepted entries afterwards. Such an entry
    cannot always be tried out as a statement: its table, a function or a module may be missing.
    """
    waiting = [entry for entry in entries if entry.kind in ("view", "trigger") or entry.virtual]
    if not waiting:
        return []
    connection.execute("PRAGMA writable_schema=ON")
    connection.executemany(
        "INSERT INTO sqlite_master(type,name,tbl_name,rootpage,sql) VALUES (?,?,?,0,?)",
        ((entry.kind, entry.name, entry.table, entry.sql) for entry in waiting),
    )
    refused: list[Entry] = []
    for _ in range(len(waiting)):
        try:
            connection.execute("PRAGMA writable_schema=RESET")
            connection.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.DatabaseError as error:
            named = _MALFORMED.match(str(error))
            bad = [entry for entry in waiting if named and entry.name == named[1] and entry not in refused]
            if not bad:
                break
            refused += bad
            connection.execute("PRAGMA writable_schema=ON")
            connection.execute("DELETE FROM sqlite_master WHERE name=? AND rootpage=0", (bad[0].name,))
        else:
            break
    return refused
