"""Collations that only the application of a database has, such as `unicase` of Anki: what can be read without them.

SQLite refuses every statement that could come near an index with such an order (`no such collation sequence`), be it
to count rows. Nothing depends on the collation but where a key lies in such a tree, and whether two texts are the same:
a stand-in lets everything else be read.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterable, Iterator

from toolkit.sqlite.connect import quoted

_NAMED = re.compile(r"""\bCOLLATE\s+("[^"]+"|'[^']+'|`[^`]+`|\[[^\]]+\]|\w+)""", re.IGNORECASE)

_OWN = ("BINARY", "NOCASE", "RTRIM")


def named(connection: sqlite3.Connection, schema: str = "main") -> list[str]:
    """Return the collations of a schema that are not SQLite's own, in small letters. Raises `sqlite3.Error`."""
    rows = connection.execute(f"SELECT sql FROM {schema}.sqlite_master WHERE sql LIKE '%collate%'").fetchall()  # noqa: S608
    names = {name.strip("\"'`[]").lower() for (sql,) in rows for name in _NAMED.findall(sql)}
    return sorted(name for name in names if name.upper() not in _OWN)


def foreign(connection: sqlite3.Connection, schema: str = "main") -> list[str]:
    """Return the collations that a schema names and that are not here, in small letters. Raises `sqlite3.Error`."""
    return [name for name in named(connection, schema) if _missing(connection, name)]


def stand_in(connection: sqlite3.Connection, names: Iterable[str]) -> None:
    """Let texts be compared by their bytes where a schema asks for one of these collations.

    To be called before SQLite met one of them: it leaves the indexes aside from then on. Nothing may be written to
    a tree that has such an order (`ordered`): it would lie in the wrong place.
    """
    for name in names:
        connection.create_collation(name, lambda one, other: (one > other) - (one < other))


@contextlib.contextmanager
def standing_in(connection: sqlite3.Connection, names: list[str] | None = None) -> Iterator[dict[str, str]]:
    """Stand in for all that is missing, meanwhile; yield the trees that `ordered` tells. Raises `sqlite3.Error`.

    `names` are what `foreign` found before, which reads the whole schema.
    """
    names = foreign(connection) if names is None else names
    trees = ordered(connection, names)
    stand_in(connection, names)
    try:
        yield trees
    finally:
        for name in names:
            connection.create_collation(name, None)


def ordered(connection: sqlite3.Connection, names: list[str]) -> dict[str, str]:
    """Return the indexes, and tables WITHOUT ROWID, whose keys have the order of one of these collations: which."""
    if not names:
        return {}
    orders = [order for table in tables(connection) for order in _orders(connection, table)]
    return {tree: collation for tree, collation in orders if collation.lower() in names}


def tables(connection: sqlite3.Connection) -> list[str]:
    """Return the tables that have a tree. Raises `sqlite3.Error`."""
    return [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table' AND rootpage")]


def trees_of(connection: sqlite3.Connection, table: str) -> set[str]:
    """Return a table and its indexes. Raises `sqlite3.Error`."""
    return {table, *(row[1] for row in connection.execute(f"PRAGMA index_list({quoted(table)})"))}


def _missing(connection: sqlite3.Connection, name: str) -> bool:
    try:
        connection.execute(f"SELECT '' < '' COLLATE {quoted(name)}").fetchone()
    except sqlite3.OperationalError as error:
        return "no such collation sequence" in str(error)
    return False


def _orders(connection: sqlite3.Connection, table: str) -> Iterator[tuple[str, str]]:
    """Yield the trees of a table that hold keys, each with every collation that orders it."""
    for row in connection.execute(f"PRAGMA index_list({quoted(table)})").fetchall():
        columns = connection.execute(f"PRAGMA index_xinfo({quoted(row[1])})").fetchall()
        for collation in {str(column[4]) for column in columns}:
            yield row[1], collation
            if row[3] == "pk":  # WITHOUT ROWID SQLite speaks of the table
                yield table, collation
