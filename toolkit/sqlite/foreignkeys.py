"""Rows that refer to nothing: counted as `PRAGMA foreign_key_check` does, and sooner where an index lists the keys."""

from __future__ import annotations

import sqlite3

from toolkit.sqlite.connect import quoted

MAX_MESSAGES = 100


def violations(connection: sqlite3.Connection) -> tuple[int, list[str]]:
    """Return how many references lead nowhere, and a line for each of the first 100.

    `foreign_key_check` reads every row of every child table and looks its parent up. Where the parent's key is
    its rowid, a search for rows without a parent says the same from an index of the child alone (it need not
    read the rows); only when it finds one, the pragma says which. An index that lacks entries hides them
    here, which `integrity_check` finds. Raises `sqlite3.Error`.
    """
    count, lines = 0, []
    for table in _children(connection):
        if _all_have_parents(connection, table):
            continue
        for _, rowid, parent, _ in connection.execute(f"PRAGMA foreign_key_check({quoted(table)})"):
            count += 1
            if count <= MAX_MESSAGES:
                lines.append(f"{table}: row {'?' if rowid is None else rowid} refers to nothing in {parent}")
    return count, lines


def _children(connection: sqlite3.Connection) -> list[str]:
    """Return the tables that have foreign keys, those of the schema only."""
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type='table' ORDER BY name").fetchall()
    return [name for (name,) in rows if connection.execute(f"PRAGMA foreign_key_list({quoted(name)})").fetchone()]


def _all_have_parents(connection: sqlite3.Connection, child: str) -> bool:
    """Say whether each reference of `child` is to a rowid that is there; False also where that needs the pragma."""
    keys: dict[int, list[tuple[str, str, str | None]]] = {}
    for row in connection.execute(f"PRAGMA foreign_key_list({quoted(child)})"):
        keys.setdefault(row[0], []).append((row[2], row[3], row[4]))
    for columns in keys.values():
        parent, own, to = columns[0]
        alias = _rowid_alias(connection, parent)
        if len(columns) > 1 or alias is None or (to is not None and to.lower() != alias.lower()):
            return False
        if (
            connection.execute(
                _orphan(connection, quoted(child), quoted(own), quoted(parent), quoted(alias))
            ).fetchone()
            is not None
        ):
            return False
    return True


def _orphan(connection: sqlite3.Connection, child: str, own: str, parent: str, key: str) -> str:
    """Return a query for one key of `child` that is no `key` of `parent`; each key once where an index sorts them."""
    query = "SELECT 1 FROM (SELECT {} {} AS k FROM {} WHERE {} IS NOT NULL) WHERE k NOT IN (SELECT {} FROM {}) LIMIT 1"
    once = query.format("DISTINCT", own, child, own, key, parent)
    steps = connection.execute(f"EXPLAIN QUERY PLAN {once}").fetchall()
    sorts = any("TEMP B-TREE" in step[3] for step in steps)
    return query.format("", own, child, own, key, parent) if sorts else once


def _rowid_alias(connection: sqlite3.Connection, table: str) -> str | None:
    """Return the column that is the rowid of `table` (INTEGER PRIMARY KEY), None where there is none.

    A primary key that is not the rowid, that of a table WITHOUT ROWID too, is an index of origin `pk`.
    """
    kind = connection.execute("SELECT type FROM sqlite_master WHERE name = ? COLLATE NOCASE", (table,)).fetchone()
    if kind != ("table",):
        return None
    key = [row for row in connection.execute(f"PRAGMA table_info({quoted(table)})") if row[5]]
    indexes = connection.execute(f"PRAGMA index_list({quoted(table)})").fetchall()
    if len(key) != 1 or key[0][2].upper() != "INTEGER" or any(index[3] == "pk" for index in indexes):
        return None
    return str(key[0][1])
