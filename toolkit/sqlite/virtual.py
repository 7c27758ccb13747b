"""Virtual tables: which there are, and the checks of their own that full-text and R-tree indexes have.

`PRAGMA integrity_check` passes damaged FTS indexes before SQLite 3.44 (DESIGN.md section 2, fact 5).
"""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass

from toolkit.sqlite.connect import quoted
from toolkit.sqlite.translate import is_damage

FTS = ("fts3", "fts4", "fts5")
RTREE = ("rtree", "rtree_i32")

_MODULE = re.compile(
    r"""CREATE\s+VIRTUAL\s+TABLE\s+(?:"(?:[^"]|"")*"|'(?:[^']|'')*'|`(?:[^`]|``)*`|\[[^\]]*\]|[^\s"'`\[]+)\s+"""
    r"""USING\s+["'`\[]?(\w+)""",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class VirtualTable:
    """A virtual table and its module, in lower case."""

    name: str
    module: str


def virtual_tables(connection: sqlite3.Connection) -> list[VirtualTable]:
    """Return the virtual tables in the schema. Raises `sqlite3.Error`."""
    rows = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type='table' AND sql LIKE 'CREATE VIRTUAL TABLE%' ORDER BY name"
    )
    found = []
    for name, sql in rows:
        match = _MODULE.match(sql)
        found.append(VirtualTable(name, match.group(1).lower() if match else ""))
    return found


def check_fts(connection: sqlite3.Connection, table: VirtualTable) -> str | None:
    """Return what is wrong with a full-text index, None when it is sound.

    `connection` may write, and is in a transaction that is rolled back afterwards: the check is an INSERT that
    writes nothing. For FTS5 the index is also compared with its external content. Raises `sqlite3.Error` when
    the check cannot be made (no such module or tokenizer).
    """
    name = quoted(table.name)
    try:
        if table.module == "fts5":
            connection.execute(f"INSERT INTO {name}({name}, rank) VALUES ('integrity-check', 1)")  # noqa: S608
        else:
            connection.execute(f"INSERT INTO {name}({name}) VALUES ('integrity-check')")  # noqa: S608
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
        return f"the full-text index {table.name} does not agree with its content"
    return None


def check_rtree(connection: sqlite3.Connection, table: VirtualTable) -> str | None:
    """Return what is wrong with an R-tree, None when it is sound. Raises `sqlite3.Error` when it cannot be checked."""
    (verdict,) = connection.execute("SELECT rtreecheck('main', ?)", (table.name,)).fetchone()
    return None if verdict == "ok" else f"the R-tree {table.name}: {verdict}"


SHADOWS = {
    "fts3": ("content", "segments", "segdir", "docsize", "stat"),
    "fts4": ("content", "segments", "segdir", "docsize", "stat"),
    "fts5": ("data", "idx", "content", "docsize", "config"),
    "rtree": ("node", "parent", "rowid"),
    "rtree_i32": ("node", "parent", "rowid"),
    "geopoly": ("node", "parent", "rowid"),
}


def shadow_tables(tables: list[VirtualTable]) -> set[str]:
    """Return the names of the tables in which `tables` keep what they hold."""
    return {f"{table.name}_{suffix}" for table in tables for suffix in SHADOWS.get(table.module, ())}


REBUILT = ("data", "idx", "docsize", "segments", "segdir", "stat")
"""Shadow tables that a rebuild of a full-text index makes anew; `content` and `config` hold what it needs."""

_CONTENT = re.compile(r"\bcontent\s*=\s*(?:'([^']*)'|\"([^\"]*)\"|\[([^\]]*)\]|([^\s,)]*))", re.IGNORECASE)


def content_of(sql: str, name: str) -> str | None:
    """Return the table that holds the content of the full-text index `name`; None for one without content."""
    found = _CONTENT.search(sql)
    if found is None:
        return f"{name}_content"
    return next((part for part in found.groups() if part), None)


def retold_tables(connection: sqlite3.Connection) -> set[str]:
    """Return the full-text indexes whose rows are told out of another table, or out of none. Raises `sqlite3.Error`."""
    names = {table.name for table in virtual_tables(connection) if table.module in FTS}
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE%'")
    return {name for name, sql in rows if name in names and content_of(sql, name) != f"{name}_content"}
