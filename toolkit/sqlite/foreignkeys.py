"""Rows that refer to nothing: counted as `PRAGMA foreign_key_check` does, and sooner by searches through indexes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from toolkit.sqlite.connect import quoted

MAX_MESSAGES = 100


@dataclass(frozen=True, slots=True)
class _Key:
    """A foreign key of `child`: its columns `own`, and those of `parent` that they lead to.

    `rowid`: that is the rowid of the parent.
    """

    child: str
    own: tuple[str, ...]
    parent: str
    to: tuple[str, ...]
    rowid: bool


def violations(connection: sqlite3.Connection) -> tuple[int, list[str]]:
    """Return how many references lead nowhere, and a line for each of the first 100; one for all without a rowid.

    `foreign_key_check` reads every row of every child table and looks its parent up, in whatever order. A search for
    rows without a parent says the same from an index of the child alone, in the order of the keys, where the key
    of the parent is its rowid or has the unique index that SQLite wants of it; the pragma is asked about all others.
    An index that lacks entries hides rows here, which `integrity_check` finds. Raises `sqlite3.Error`.
    """
    count = 0
    lines: list[str] = []
    for child in _children(connection):
        keys = _keys(connection, child)
        found = _by_pragma(connection, child) if keys is None else _by_search(connection, keys)
        unnamed: dict[str, int] = {}
        for number, rowids, parent in found:
            count += number
            if None in rowids:
                unnamed[parent] = unnamed.get(parent, 0) + number
            else:
                shown = rowids[: MAX_MESSAGES - len(lines)]
                lines += [f"{child}: row {row} refers to nothing in {parent}" for row in shown]
        for parent, number in unnamed.items():
            rows = "1 row refers" if number == 1 else f"{number:,} rows refer"
            lines.append(f"{child}: {rows} to nothing in {parent}")
    return count, lines[:MAX_MESSAGES]


def to_none(connection: sqlite3.Connection) -> bool:
    """Say whether all references that lead nowhere are to rowids below 1, or to tables that the schema does not have.

    The first are an application's word for "none": SQLite gives out rowids from 1 on, so no row that was lost had such
    a one. The others are to tables of a database that it attaches. With the keys enforced neither could have been
    written: nobody enforces them here. Raises `sqlite3.Error`.
    """
    tables = {name.lower() for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    for child in _children(connection):
        keys = _keys(connection, child)
        if keys is None:
            if any(parent.lower() in tables for _, _, parent in _by_pragma(connection, child)):
                return False
            continue
        for key in keys:
            real = f" AND NOT (typeof(c.{quoted(key.own[0])}) = 'integer' AND c.{quoted(key.own[0])} < 1)"
            query = f"SELECT 1 FROM {_orphans(key)}{real if key.rowid else ''} LIMIT 1"  # noqa: S608
            if connection.execute(query).fetchone() is not None:
                return False
    return True


_Found = Iterator[tuple[int, list[int | None], str]]
"""How many rows, the rowids of the first of them (None without one), and the parent that they lack."""


def _by_pragma(connection: sqlite3.Connection, child: str) -> _Found:
    for _, rowid, parent, _ in connection.execute(f"PRAGMA foreign_key_check({quoted(child)})"):
        yield 1, [rowid], parent


def _by_search(connection: sqlite3.Connection, keys: list[_Key]) -> _Found:
    for key in keys:
        if key.rowid and connection.execute(_any_orphan(connection, key)).fetchone() is None:
            continue
        orphans = _orphans(key)
        (number,) = connection.execute(f"SELECT count(*) FROM {orphans}").fetchone()  # noqa: S608
        if not number:
            continue
        rowids: list[int | None] = [None]
        if _has_rowid(connection, key.child):
            rows = connection.execute(f"SELECT c.rowid FROM {orphans} ORDER BY c.rowid LIMIT {MAX_MESSAGES}")  # noqa: S608
            rowids = [rowid for (rowid,) in rows]
        yield number, rowids, key.parent


def _children(connection: sqlite3.Connection) -> list[str]:
    """Return the tables that have foreign keys, those of the schema only."""
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type='table' ORDER BY name").fetchall()
    return [name for (name,) in rows if connection.execute(f"PRAGMA foreign_key_list({quoted(name)})").fetchone()]


def _keys(connection: sqlite3.Connection, child: str) -> list[_Key] | None:
    """Return the foreign keys of `child`; None when one of them needs the pragma."""
    listed: dict[int, list[tuple[str, str, str | None]]] = {}
    for row in connection.execute(f"PRAGMA foreign_key_list({quoted(child)})"):
        listed.setdefault(row[0], []).append((row[2], row[3], row[4]))
    keys = []
    for columns in listed.values():
        key = _key(connection, child, columns)
        if key is None:
            return None
        keys.append(key)
    return keys


def _key(connection: sqlite3.Connection, child: str, columns: list[tuple[str, str, str | None]]) -> _Key | None:
    parent = columns[0][0]
    own = tuple(column for _, column, _ in columns)
    kind = connection.execute("SELECT type FROM sqlite_master WHERE name = ? COLLATE NOCASE", (parent,)).fetchone()
    if kind != ("table",):
        return None
    told = connection.execute(f"PRAGMA table_info({quoted(parent)})").fetchall()
    primary = [row[1] for row in sorted(told, key=lambda row: int(row[5])) if row[5]]
    named = [column for _, _, column in columns if column is not None]
    to = tuple(named or primary)
    alias = _rowid_alias(connection, parent)
    if alias is not None and [column.lower() for column in to] == [alias.lower()]:
        return _Key(child, own, parent, to, rowid=True)
    if len(to) == len(own) and _has_index(connection, parent, {column.lower() for column in to}):
        return _Key(child, own, parent, to, rowid=False)
    return None


def _has_index(connection: sqlite3.Connection, parent: str, columns: set[str]) -> bool:
    """Say whether a unique index of all rows of `parent` has these columns, each in its own collation."""
    for _, index, unique, _, partial in connection.execute(f"PRAGMA index_list({quoted(parent)})").fetchall():
        parts = [row for row in connection.execute(f"PRAGMA index_xinfo({quoted(index)})") if row[5]]
        names = {row[2].lower() for row in parts if row[2] is not None}
        if unique and not partial and len(parts) == len(names) and names == columns:
            return all(row[4] == "BINARY" for row in parts)
    return False


def _orphans(key: _Key) -> str:
    """Return what stands behind FROM to read the rows `c` whose parent is not there; a NULL refers to nothing.

    Values are compared as SQLite compares keys: with the affinity of the parent's columns, not of the child's.
    """
    child, parent = quoted(key.child), quoted(key.parent)
    given = " AND ".join(f"c.{quoted(column)} IS NOT NULL" for column in key.own)
    if key.rowid:
        own, to = quoted(key.own[0]), quoted(key.to[0])
        return f"{child} AS c WHERE {given} AND c.{own} NOT IN (SELECT {to} FROM {parent})"  # noqa: S608
    same = " AND ".join(f"p.{quoted(to)} = +c.{quoted(own)}" for to, own in zip(key.to, key.own, strict=True))
    return f"{child} AS c WHERE {given} AND NOT EXISTS (SELECT 1 FROM {parent} AS p WHERE {same})"  # noqa: S608


def _any_orphan(connection: sqlite3.Connection, key: _Key) -> str:
    """Return a query for one row of `child` without a parent; each key once where an index sorts them."""
    own, child, to, parent = quoted(key.own[0]), quoted(key.child), quoted(key.to[0]), quoted(key.parent)
    query = "SELECT 1 FROM (SELECT {} {} AS k FROM {} WHERE {} IS NOT NULL) WHERE k NOT IN (SELECT {} FROM {}) LIMIT 1"
    once = query.format("DISTINCT", own, child, own, to, parent)
    steps = connection.execute(f"EXPLAIN QUERY PLAN {once}").fetchall()
    sorts = any("TEMP B-TREE" in step[3] for step in steps)
    return query.format("", own, child, own, to, parent) if sorts else once


def _has_rowid(connection: sqlite3.Connection, table: str) -> bool:
    """Say whether a table has rowids: a table WITHOUT ROWID is its own index of origin `pk`, of all of its columns."""
    for _, index, _, origin, _ in connection.execute(f"PRAGMA index_list({quoted(table)})").fetchall():
        if origin == "pk":
            parts = connection.execute(f"PRAGMA index_xinfo({quoted(index)})").fetchall()
            return any(row[1] == -1 for row in parts)
    return True


def _rowid_alias(connection: sqlite3.Connection, table: str) -> str | None:
    """Return the column that is the rowid of `table` (INTEGER PRIMARY KEY), None where there is none.

    A primary key that is not the rowid, that of a table WITHOUT ROWID too, is an index of origin `pk`.
    """
    key = [row for row in connection.execute(f"PRAGMA table_info({quoted(table)})") if row[5]]
    indexes = connection.execute(f"PRAGMA index_list({quoted(table)})").fetchall()
    if len(key) != 1 or key[0][2].upper() != "INTEGER" or any(index[3] == "pk" for index in indexes):
        return None
    return str(key[0][1])
