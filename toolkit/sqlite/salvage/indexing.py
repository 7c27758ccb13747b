"""Full-text and R-tree indexes that fail their own checks are made anew from what they keep."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from toolkit.sqlite import virtual
from toolkit.sqlite.connect import quoted
from toolkit.sqlite.virtual import VirtualTable


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """An index that was made anew, or could not be: a sentence; of a full-text index, its inner tables.

    These are told out of its content, so that nothing of them is lost. Of an R-tree, how many rows are lost; and the
    ids of rows that are known to be lost, of a full-text index those of its content.
    """

    table: str
    text: str
    inner: tuple[str, ...] = ()
    lost: int = 0
    missing: frozenset[int] = frozenset()


def rebuild_virtual(connection: sqlite3.Connection) -> Iterator[Rebuilt]:
    """Rebuild the indexes that fail their checks; yield also what stays broken."""
    for table in virtual.virtual_tables(connection):
        if table.module not in (*virtual.FTS, *virtual.RTREE):
            continue
        full_text = table.module in virtual.FTS
        if _sound(connection, table):
            continue
        kind = "full-text index" if full_text else "R-tree"
        lost, missing = 0, frozenset[int]()
        try:
            if full_text:
                missing = _without_content(connection, table)
                _rebuild_text(connection, table)
            else:
                lost, missing = _rebuild_boxes(connection, table)
        except (sqlite3.Error, struct.error) as error:
            yield Rebuilt(table.name, f"the {kind} {table.name} could not be rebuilt ({error})")
            continue
        inner = tuple(f"{table.name}_{word}" for word in virtual.REBUILT) if full_text else ()
        yield Rebuilt(table.name, f"the {kind} {table.name} was rebuilt from its content", inner, lost, missing)


def _sound(connection: sqlite3.Connection, table: VirtualTable) -> bool:
    check = virtual.check_fts if table.module in virtual.FTS else virtual.check_rtree
    try:
        return check(connection, table) is None
    except sqlite3.Error as error:
        return "no such module" in str(error) or "no such tokenizer" in str(error)


def _without_content(connection: sqlite3.Connection, table: VirtualTable) -> frozenset[int]:
    """Return the ids of the rows that a full-text index of its own content names, and that have no content any more.

    An index with sizes has one for each row; FTS3 has none, but its words name their rows.
    """
    content, sizes = f"{table.name}_content", f"{table.name}_docsize"
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    if content not in there:
        return frozenset()
    try:
        held = {row[0] for row in connection.execute(f"SELECT rowid FROM {quoted(content)}")}  # noqa: S608
        if sizes in there:
            named = {row[0] for row in connection.execute(f"SELECT rowid FROM {quoted(sizes)}")}  # noqa: S608
        else:
            named = _named_by_words(connection, table.name) if table.module != "fts5" else set()
    except sqlite3.Error:
        return frozenset()
    return frozenset(named - held)


def _named_by_words(connection: sqlite3.Connection, name: str) -> set[int]:
    connection.execute(f"CREATE VIRTUAL TABLE temp.lifeboat_words USING fts4aux(main, {quoted(name)})")
    try:
        letters = connection.execute("SELECT DISTINCT substr(term, 1, 1) FROM temp.lifeboat_words").fetchall()
        table = quoted(name)
        query = f"SELECT docid FROM {table} WHERE {table} MATCH ? || '*'"  # noqa: S608
        return {row[0] for letter in letters for row in connection.execute(query, letter)}
    finally:
        connection.execute("DROP TABLE temp.lifeboat_words")


def _rebuild_text(connection: sqlite3.Connection, table: VirtualTable) -> None:
    """Let the module build its index anew; FTS5 cannot even be opened without its first two records.

    These are the averages (id 1) and an empty structure (id 10), as a new table has them.
    """
    name = quoted(table.name)
    rebuild = f"INSERT INTO {name}({name}) VALUES ('rebuild')"  # noqa: S608
    try:
        connection.execute(rebuild)
    except sqlite3.Error:
        if table.module != "fts5":
            raise
    else:
        return
    data, config = quoted(f"{table.name}_data"), quoted(f"{table.name}_config")
    connection.execute(f"DELETE FROM {data}")  # noqa: S608
    connection.execute(f"DELETE FROM {quoted(table.name + '_idx')}")  # noqa: S608
    connection.execute(f"INSERT INTO {data}(id, block) VALUES (1, x''), (10, x'00000000000000')")  # noqa: S608
    connection.execute(f"INSERT OR IGNORE INTO {config}(k, v) VALUES ('version', 4)")  # noqa: S608
    connection.execute(rebuild)


def _rebuild_boxes(connection: sqlite3.Connection, table: VirtualTable) -> tuple[int, frozenset[int]]:
    """Take the entries out of the leaf nodes into an empty tree (rtree.c: a node is big-endian); return what is lost.

    A node has its depth (of the root only) and a count in two bytes each, then cells of 8 bytes for the id and 4 for
    each coordinate.
    """
    node, rowid, parent = (quoted(f"{table.name}_{suffix}") for suffix in ("node", "rowid", "parent"))
    try:
        columns = [row[1] for row in connection.execute(f"PRAGMA table_xinfo({quoted(table.name)})") if not row[6]]
    except sqlite3.Error:
        columns = []
    extra = [row[1] for row in connection.execute(f"PRAGMA table_info({rowid})")][2:]
    coordinates = len(columns) - 1 - len(extra) if columns else 0
    if not columns:  # it cannot be opened: its declaration names them all the same
        (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name=?", (table.name,)).fetchone()
        names = sql[sql.index("(") + 1 : sql.rindex(")")].split(",")
        coordinates = sum(not name.strip().startswith("+") for name in names) - 1
    nodes = {number: data for number, data in connection.execute(f"SELECT nodeno, data FROM {node}") if data}  # noqa: S608
    leaves = {row[0] for row in connection.execute(f"SELECT nodeno FROM {rowid}")}  # noqa: S608
    inner = {row[0] for row in connection.execute(f"SELECT parentnode FROM {parent}")}  # noqa: S608
    aux = {row[0]: row[2:] for row in connection.execute(f"SELECT * FROM {rowid}")}  # noqa: S608
    layout = struct.Struct(f">q{coordinates}{'i' if table.module == 'rtree_i32' else 'f'}")
    entries: dict[int, tuple[float, ...]] = {}
    for number, data in nodes.items():
        if number in leaves or number not in inner:
            for at in range(struct.unpack_from(">H", data, 2)[0]):
                if 4 + (at + 1) * layout.size <= len(data):
                    key, *values = layout.unpack_from(data, 4 + at * layout.size)
                    if key in aux or (any(values) and not extra):  # a block of zeros is no box
                        entries.setdefault(key, tuple(values))
    (page_size,) = connection.execute("PRAGMA page_size").fetchone()
    size = max(map(len, nodes.values()), default=min(page_size - 64, 4 + layout.size * 51))
    for shadow in (node, rowid, parent):
        connection.execute(f"DELETE FROM {shadow}")  # noqa: S608
    connection.execute(f"INSERT INTO {node} VALUES (1, zeroblob(?))", (size,))  # noqa: S608
    marks = ",".join("?" * (1 + coordinates + len(extra)))
    blank = (None,) * len(extra)
    insert = f"INSERT INTO {quoted(table.name)} VALUES ({marks})"  # noqa: S608
    missing = frozenset(aux.keys() - entries.keys())
    lost = len(missing)
    for key, box in entries.items():
        try:
            connection.execute(insert, (key, *box, *aux.get(key, blank)))
        except sqlite3.IntegrityError:  # its left side lies behind its right side
            lost += 1
    return lost, missing
