"""What a refill must know of a table: its stored columns, its key, its references; in either of the two databases."""

# ruff: noqa: S608 -- names are quoted, values are bound

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass

from toolkit.sqlite.connect import quoted

OURS, THEIRS = "main", "reference"
"""The schemas: the repaired database, and the sound one that was attached beside it."""

MOST_COMPARED = 100
"""Columns whose values are compared to tell rows apart: SQLite limits the depth of an expression."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key: the columns of the child, the parent table and its columns (empty: its primary key)."""

    columns: tuple[str, ...]
    parent: str
    parents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """A table as it is in `schema`.

    `columns` are those that are stored, so without generated ones. `key` are SQL names: the INTEGER PRIMARY KEY
    or a free name of the rowid, or the primary key of a WITHOUT ROWID table, whose order is `descending` and whose
    texts compare by `collations`. `declared` tells whether the rowids are an INTEGER PRIMARY KEY, which VACUUM keeps.
    """

    schema: str
    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    descending: tuple[bool, ...]
    collations: tuple[str, ...]
    rowid: bool
    declared: bool
    references: tuple[Reference, ...]

    @property
    def where(self) -> str:
        """The table's name in SQL."""
        return f"{self.schema}.{quoted(self.table)}"

    @property
    def values(self) -> tuple[str, ...]:
        """The stored columns that are not part of the key."""
        keys = {name.lower() for name in self.key}
        return tuple(name for name in self.columns if quoted(name).lower() not in keys)


@dataclass(frozen=True, slots=True)
class Pair:
    """A table that is filled: as it is, as the reference has it, and which columns are the same.

    `columns` are (ours, theirs). `wanted` is the table of the work database that holds the keys of the rows that
    may be put, in the columns k0, k1 …, their `fate`, and `place`, the rowid they get where it is another one; `named`
    that of the keys which an index names.
    """

    ours: Shape
    theirs: Shape
    columns: tuple[tuple[str, str], ...]
    wanted: str
    named: str

    def same_key(self, ours: str, theirs: str) -> str:
        """Return the condition that the aliases `ours` and `theirs` are rows of one key."""
        pairs = zip(self.ours.key, self.theirs.key, strict=True)
        return " AND ".join(f"{ours}.{mine} = {theirs}.{other}" for mine, other in pairs)

    def is_wanted(self, theirs: str, wanted: str = "w") -> str:
        """Return the condition that a row of the reference is the one of the work table."""
        return " AND ".join(f"{wanted}.k{number} = {theirs}.{key}" for number, key in enumerate(self.theirs.key))

    def is_placed(self, ours: str, wanted: str = "w") -> str:
        """Return the condition that the alias `ours` is at the place that a row of the work table gets."""
        if self.ours.rowid:
            return f"{ours}.{self.ours.key[0]} = coalesce({wanted}.place, {wanted}.k0)"
        return " AND ".join(f"{ours}.{key} = {wanted}.k{number}" for number, key in enumerate(self.ours.key))

    @property
    def contents(self) -> tuple[tuple[str, str], ...]:
        """The columns besides the key, as (ours, theirs) in SQL."""
        keys = {name.lower() for name in self.ours.key}
        named = ((quoted(mine), quoted(other)) for mine, other in self.columns)
        return tuple(pair for pair in named if pair[0].lower() not in keys)[:MOST_COMPARED]

    def same_content(self, ours: str, theirs: str) -> str:
        """Return the condition that two rows hold the same besides their keys."""
        return " AND ".join(f"{ours}.{mine} IS {theirs}.{other} COLLATE BINARY" for mine, other in self.contents) or "1"

    def theirs_of(self, column: str) -> str | None:
        """Return the reference's name of our column, in SQL; None where it has none."""
        return next((quoted(other) for mine, other in self.columns if mine.lower() == column.lower()), None)


def tables(connection: sqlite3.Connection, schema: str) -> dict[str, str]:
    """Return the SQL of the tables of `schema` by name, virtual ones too, without SQLite's own."""
    rows = connection.execute(f"SELECT name, sql FROM {schema}.sqlite_master WHERE type = 'table'")
    return {name: sql or "" for name, sql in rows if not name.lower().startswith("sqlite_")}


def is_virtual(sql: str) -> bool:
    """Answer whether this is the SQL of a virtual table."""
    return sql[:20].upper() == "CREATE VIRTUAL TABLE"


def shape(connection: sqlite3.Connection, schema: str, table: str) -> Shape | None:
    """Return the shape of an ordinary table; None where its rowids have no name. Raises `sqlite3.Error`."""
    rows = connection.execute(f"PRAGMA {schema}.table_xinfo({quoted(table)})").fetchall()
    names = {row[1].lower() for row in rows}
    primary = [row[1] for row in sorted((row for row in rows if row[5]), key=lambda row: int(row[5]))]
    index = _primary_index(connection, schema, table)
    free = next((name for name in ("rowid", "_rowid_", "oid") if name not in names), None)
    rowid = _has_rowid(connection, schema, table, free)
    declared = rowid and len(primary) == 1 and index is None and _is_integer(rows, primary[0])
    key = tuple(map(quoted, primary)) if declared or not rowid else (free,) if free is not None else ()
    if not key:
        return None
    order = _order(connection, schema, index, len(key)) if not rowid else []
    return Shape(
        schema=schema,
        table=table,
        columns=tuple(row[1] for row in rows if row[6] == 0),
        key=key,
        descending=tuple(down for down, _ in order) or (False,),
        collations=tuple(name for _, name in order) or ("BINARY",),
        rowid=rowid,
        declared=declared,
        references=_references(connection, schema, table),
    )


def _is_integer(rows: list[tuple[object, ...]], name: str) -> bool:
    return any(row[1] == name and str(row[2]).upper() == "INTEGER" for row in rows)


def _primary_index(connection: sqlite3.Connection, schema: str, table: str) -> str | None:
    found = connection.execute(f"PRAGMA {schema}.index_list({quoted(table)})").fetchall()
    return next((row[1] for row in found if row[3] == "pk"), None)


def _has_rowid(connection: sqlite3.Connection, schema: str, table: str, free: str | None) -> bool:
    if free is None:
        sql = tables(connection, schema).get(table, "")
        return re.search(r"\)[^)]*\bWITHOUT\s+ROWID\b[^)]*$", sql, re.IGNORECASE) is None
    try:
        connection.execute(f"SELECT {free} FROM {schema}.{quoted(table)} LIMIT 0")
    except sqlite3.OperationalError as error:
        if "no such column" not in str(error):
            raise
        return False
    return True


def _order(connection: sqlite3.Connection, schema: str, index: str | None, columns: int) -> list[tuple[bool, str]]:
    if index is None:
        return [(False, "BINARY")] * columns
    rows = connection.execute(f"PRAGMA {schema}.index_xinfo({quoted(index)})").fetchall()
    return [(bool(row[3]), str(row[4])) for row in rows if row[5]][:columns]


def _references(connection: sqlite3.Connection, schema: str, table: str) -> tuple[Reference, ...]:
    found: dict[int, list[tuple[str, str, str | None]]] = {}
    for row in connection.execute(f"PRAGMA {schema}.foreign_key_list({quoted(table)})"):
        found.setdefault(row[0], []).append((row[2], row[3], row[4]))
    return tuple(
        Reference(
            tuple(child for _, child, _ in rows),
            rows[0][0],
            tuple(parent for _, _, parent in rows if parent is not None),
        )
        for rows in found.values()
    )


def unique_keys(connection: sqlite3.Connection, schema: str, table: str) -> list[tuple[str, ...]]:
    """Return the columns of each unique index over whole rows and plain columns, the primary key among them."""
    found = []
    for row in connection.execute(f"PRAGMA {schema}.index_list({quoted(table)})").fetchall():
        if row[2] and not row[4]:
            columns = [one[2] for one in connection.execute(f"PRAGMA {schema}.index_info({quoted(row[1])})")]
            if None not in columns:
                found.append(tuple(columns))
    return found
