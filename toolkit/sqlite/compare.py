"""How two private databases differ: schema, and rows by their keys."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import dataclass

from toolkit.sqlite import collations, probe, sqldump, virtual
from toolkit.sqlite.check import table_names
from toolkit.sqlite.connect import connect_private, quoted, uri
from toolkit.sqlite.translate import translated

MAX_COLUMNS = 200
"""Beyond this many columns rows are counted only: SQLite limits the depth of an expression."""


@dataclass(frozen=True, slots=True)
class TableDifference:
    """How a table differs. Row counts are None where the table is absent or cannot be read.

    `left_only`, `right_only` and `different` (same key, other values) count rows; None where the tables have
    no common key or columns, and only the counts can be compared.
    """

    table: str
    left_rows: int | None
    right_rows: int | None
    left_only: int | None
    right_only: int | None
    different: int | None


@dataclass(frozen=True, slots=True)
class SchemaDifference:
    """An object of the schema that only one side has (`left`, `right`) or that is defined otherwise (`changed`)."""

    type: str
    name: str
    side: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs; both are empty for databases that hold the same."""

    tables: tuple[TableDifference, ...]
    schema: tuple[SchemaDifference, ...]

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not self.tables and not self.schema


def _schema(connection: sqlite3.Connection) -> dict[tuple[str, str], str]:
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {(kind, name): " ".join(sql.split()) for kind, name, sql in rows}


def _schema_differences(left: sqlite3.Connection, right: sqlite3.Connection) -> list[SchemaDifference]:
    ours, theirs = _schema(left), _schema(right)
    found = []
    for kind, name in sorted(ours.keys() | theirs.keys()):
        if ours.get((kind, name)) != theirs.get((kind, name)):
            side = "right" if (kind, name) not in ours else "left" if (kind, name) not in theirs else "changed"
            found.append(SchemaDifference(kind, name, side))
    return found


def _visible(connection: sqlite3.Connection) -> set[str]:
    inner = virtual.shadow_tables(virtual.virtual_tables(connection)) | virtual.retold_tables(connection)
    return set(table_names(connection)) - inner


def _key(connection: sqlite3.Connection, table: str) -> list[str]:
    rowid = sqldump.rowid_name(connection, table)
    rows = connection.execute(f"PRAGMA table_xinfo({quoted(table)})").fetchall()
    primary = [row[1] for row in sorted(rows, key=lambda row: int(row[5])) if row[5]]
    return primary or ([rowid] if rowid else [])


def _count(connection: sqlite3.Connection, sql: str) -> int | None:
    try:
        return int(connection.execute(sql).fetchone()[0])
    except sqlite3.OperationalError:  # a missing module or collation
        return None


_ANY = "SELECT EXISTS (SELECT 1 FROM {0}.{1} WHERE {2})"
_ABSENT = "SELECT count(*) FROM {0}.{2} l WHERE NOT EXISTS (SELECT 1 FROM {1}.{2} r WHERE {3})"


def _match(key: list[str], equals: str) -> str:
    return " AND ".join(f"l.{quoted(column)} {equals} r.{quoted(column)}" for column in key)


def _unique(both: sqlite3.Connection, table: str, key: list[str], columns: list[str]) -> bool:
    """Answer whether no two rows of either side have the same key: then one pass over the pairs tells everything.

    Certain of a rowid; of another primary key where it holds no NULL, of which there may be many, and where its index
    compares as the columns do.
    """
    empty = " OR ".join(f"{quoted(column)} IS NULL" for column in key)
    for side in ("main", "other"):
        find = f"SELECT sql FROM {side}.sqlite_master WHERE type='table' AND name=?"  # noqa: S608
        sql = str(both.execute(find, (table,)).fetchone()[0]).lstrip().upper()
        if sql.startswith("CREATE VIRTUAL"):
            return False
        if set(key) <= set(columns) and ("COLLATE" in sql or _count(both, _ANY.format(side, quoted(table), empty))):
            return False
    return True


def _as_sets(
    both: sqlite3.Connection, table: str, columns: list[str], left_rows: int | None, right_rows: int | None
) -> TableDifference | None:
    """Compare whole rows, whatever their key."""
    listed = ",".join(f"{quoted(column)} COLLATE BINARY" for column in columns)
    sides = [f"SELECT {listed} FROM {side}.{quoted(table)}" for side in ("main", "other")]  # noqa: S608
    left_only = _count(both, f"SELECT count(*) FROM ({sides[0]} EXCEPT {sides[1]})")  # noqa: S608
    right_only = _count(both, f"SELECT count(*) FROM ({sides[1]} EXCEPT {sides[0]})")  # noqa: S608
    if left_only == right_only == 0 and left_rows == right_rows:
        return None
    return TableDifference(table, left_rows, right_rows, left_only, right_only, None)


def _rows(
    both: sqlite3.Connection, right: sqlite3.Connection, table: str, unordered: set[str]
) -> TableDifference | None:
    """Compare a table that both sides have; `both` has the right side attached as `other`.

    In those that are `unordered` no key can be looked up.
    """
    name = quoted(table)
    left_rows = _count(both, f"SELECT count(*) FROM main.{name}")  # noqa: S608
    right_rows = _count(both, f"SELECT count(*) FROM other.{name}")  # noqa: S608
    columns = sqldump.columns(both, table, generated=False)
    key = _key(both, table)
    same = columns == sqldump.columns(right, table, generated=False)
    if same and table in unordered:
        return _as_sets(both, table, columns, left_rows, right_rows)
    comparable = key and key == _key(right, table) and same
    if not comparable or len(columns) > MAX_COLUMNS or left_rows is None or right_rows is None:
        if left_rows == right_rows and same:
            return None
        return TableDifference(table, left_rows, right_rows, None, None, None)
    values = [quoted(column) for column in columns if column not in key]
    other = " OR ".join(
        f"l.{column} IS NOT r.{column} COLLATE BINARY OR typeof(l.{column}) <> typeof(r.{column})" for column in values
    )
    if _unique(both, table, key, columns):
        match = _match(key, "IS")
        pairs = f"FROM main.{name} l NOT INDEXED CROSS JOIN other.{name} r ON {match}"
        sql = f"SELECT count(*), coalesce(sum({other or 0}), 0) {pairs}"
        matched, different = both.execute(sql).fetchone()
        left_only, right_only = left_rows - matched, right_rows - matched
    else:
        match = _match(key, "IS" if set(key) <= set(columns) else "=")  # virtual tables look up a rowid by "=" only
        left_only = _count(both, _ABSENT.format("main", "other", name, match))
        right_only = _count(both, _ABSENT.format("other", "main", name, match))
        differs = f"SELECT count(*) FROM main.{name} l CROSS JOIN other.{name} r ON {match} WHERE {other or 0}"  # noqa: S608
        different = _count(both, differs)
    if left_only == right_only == different == 0:
        return None
    return TableDifference(table, left_rows, right_rows, left_only, right_only, different)


def _alone(connection: sqlite3.Connection, table: str, *, left: bool) -> TableDifference:
    rows = _count(connection, f"SELECT count(*) FROM {quoted(table)}")  # noqa: S608
    return TableDifference(
        table, rows if left else None, None if left else rows, rows if left else 0, 0 if left else rows, 0
    )


def _stand_in(connection: sqlite3.Connection) -> set[str]:
    """Stand in for the collations that are missing; return the tables and indexes that have their order."""
    names = collations.foreign(connection)
    unordered = set(collations.ordered(connection, names))
    collations.stand_in(connection, names)
    return unordered


def compare(left: str | os.PathLike[str], right: str | os.PathLike[str]) -> Comparison:
    """Return how the private databases `left` and `right` differ, table by table, in the order of their names.

    Rows are matched by primary key, else by rowid. The inner tables of full-text indexes are left out, and so are the
    indexes whose rows are told out of another table; other virtual tables are compared. Raises
    `SourceMissingError`, `NotADatabaseError`,
    `DatabaseDamagedError` when a page of one cannot be read.
    """
    for path in (left, right):
        probe.read_header(path)
    with (
        translated(os.fspath(left)),
        contextlib.closing(connect_private(left)) as both,
        contextlib.closing(connect_private(right)) as other,
    ):
        schema = _schema_differences(both, other)
        ours, theirs = _visible(both), _visible(other)
        unordered = _stand_in(both) | _stand_in(other)
        both.execute("ATTACH ? AS other", (uri(right, "mode=ro&immutable=1"),))
        collations.stand_in(both, collations.foreign(both, "other"))
        tables = []
        for table in sorted(ours | theirs):
            if table in ours and table in theirs:
                difference = _rows(both, other, table, unordered)
            else:
                difference = _alone(both if table in ours else other, table, left=table in ours)
            if difference is not None:
                tables.append(difference)
    return Comparison(tuple(tables), tuple(schema))
