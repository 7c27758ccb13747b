"""The schema of a damaged database: from its own tree, from leaves that lost their parent, from a reference."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.sqlite.connect import connect_private, quoted
from toolkit.sqlite.pages.record import Value
from toolkit.sqlite.salvage import counters, statement
from toolkit.sqlite.salvage.adopt import leaf_rows
from toolkit.sqlite.salvage.contain import contained
from toolkit.sqlite.salvage.entries import Entry, page_entries
from toolkit.sqlite.salvage.shape import Shape, blank, learn
from toolkit.sqlite.salvage.statement import Records
from toolkit.sqlite.salvage.survey import Survey
from toolkit.sqlite.salvage.unread import unread

OWN = {
    "sqlite_sequence": "CREATE TABLE sqlite_sequence(name,seq)",
    "sqlite_stat1": "CREATE TABLE sqlite_stat1(tbl,idx,stat)",
    "sqlite_stat4": "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)",
}
"""SQLite's own tables, which are always made by the same words (SQLite file format, sections 2.6.2 to 2.6.6)."""

MOST_LOOKED_AT = 60
"""Pages of a table that are looked at to see what its records are like."""

_NO_SENTENCE = re.compile(r"syntax error|unrecognized token|incomplete input|malformed", re.IGNORECASE)
_MARRED_COLLATION = re.compile(r"\bCOLLATE\s+\w*\ufffd[\w\ufffd]*", re.IGNORECASE)
_MISSING = re.compile(r"no such (collation sequence|function): (.+)")


@dataclass(slots=True)
class Schema:
    """All entries, the shapes of the tables that are kept as b-trees, and the names of what could not be read.

    `marred` are the entries whose text held bytes that are no text, which were replaced; `broken` those that SQLite
    cannot read, `retold` the tables among them whose statement was told again from what is left. `short`: pages of
    it are gone, and nothing tells what was on them.
    """

    entries: list[Entry] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    marred: list[str] = field(default_factory=list)
    retold: list[str] = field(default_factory=list)
    broken: list[Entry] = field(default_factory=list)
    damaged: bool = False
    short: bool = False

    def tables(self) -> list[Entry]:
        """Return the tables that have a b-tree."""
        return [entry for entry in self.entries if entry.kind == "table" and not entry.virtual]

    def find(self, kind: str, name: str) -> Entry | None:
        """Return the entry with that name."""
        return next((entry for entry in self.entries if entry.kind == kind and entry.name == name), None)

    def refuse(self, entry: Entry) -> None:
        """Count an entry that SQLite cannot read as lost."""
        self.broken.append(entry)
        self.lost.append(f"{entry.kind} {entry.name}")


def read(
    survey: Survey, reference: Path | None, remains: Sequence[tuple[int, bytes]] = (), *, incomplete: bool = False
) -> Schema:
    """Return the schema of the image, with what others know of it where its own is damaged, or `incomplete`.

    These are the reference, then old images of pages: `remains` of the sidecars, and of the freelist.
    """
    image = survey.image
    tree = survey.tree("sqlite_schema", 1, table=True)
    survey.chains()
    schema = Schema(damaged=tree.damaged or bool(survey.broken_chains))
    rowids: set[int] = set()
    gone = 0
    for place in tree.places:
        before = len(schema.entries)
        if place.page:
            _add(schema, page_entries(image, place.page, image.encoding), rowids)
            missing = survey.found.counts[place.page] - (len(schema.entries) - before)
            schema.lost += [f"an entry of the schema on page {place.page}"] * (missing if missing < 1000 else 0)
        gone += place.page != 1 and len(schema.entries) == before and (place.broken or not place.page)
    if schema.damaged:
        for page in range(2, image.page_count + 1):
            if survey.found.kinds[page] == 13 and not survey.used[page] and page not in survey.free:
                found = _whole_page(survey, page)
                if found:
                    survey.used[page] = 1
                    _add(schema, found, rowids)
                    gone -= 1
    # a page 1 that is broken itself tells of no others
    schema.short = gone > 0 and 1 not in survey.found.faults and not _is_as_old(reference, image.header)
    _mark(schema, reference)
    with contained(schema.lost.append):
        _compare(schema, reference, image.header)
    _prove(schema)
    with contained(schema.lost.append):
        _from_reference(schema, reference, incomplete=incomplete)
    if schema.damaged and tree.holes:
        _from_remains(schema, survey, remains)
    _retell(schema, survey)
    return schema


def sound(path: Path) -> Schema:
    """Return the schema of a database that SQLite reads. Raises `sqlite3.Error`."""
    schema = Schema(reference_entries(path))
    for entry in schema.entries:
        entry.assumed = False
    _prove(schema)
    return schema


def _retell(schema: Schema, survey: Survey) -> None:
    """Bring back tables whose statement no longer parses or holds bytes that are no text, with what depends on them.

    A statement with such bytes can be one all the same, and mean something else. What only the words of a page tell
    (rowid 0) is left out: these may be of a table that was dropped.
    """
    there = {(entry.kind, entry.name) for entry in schema.entries}
    broken = {(entry.kind, entry.name): entry for entry in schema.broken if (entry.kind, entry.name) not in there}
    doubted = [entry for entry in schema.entries if f"table {entry.name}" in schema.marred and not entry.virtual]
    told: dict[str, str] = {}
    for entry in [*doubted, *broken.values()]:
        if entry.kind == "table" and entry.rowid and not entry.assumed and not entry.name.startswith("sqlite_"):
            text = statement.retold(entry.name, entry.sql or "", _records(survey, entry), _hints(schema, entry.name))
            if text is not None:
                entry.sql, told[entry.name.lower()] = text, entry.name
    if not told:
        return
    back = [entry for entry in broken.values() if (entry.table if entry.sql else "").lower() in told]
    rowid = max((entry.rowid for entry in schema.entries), default=0)
    for number, entry in enumerate(back, 1):
        entry.rowid = rowid + number
    schema.entries += back
    lost = [label for label in schema.lost if label not in {f"{entry.kind} {entry.name}" for entry in back}]
    schema.lost = []
    _prove(schema)
    schema.lost = list(dict.fromkeys(lost + schema.lost))
    schema.retold = [name for name in told.values() if schema.find("table", name)]
    schema.marred = [label for label in schema.marred if label.removeprefix("table ") not in schema.retold]


def _hints(schema: Schema, table: str) -> list[str]:
    """Return the names that indexes of a table have for its columns."""
    found: list[str] = []
    for entry in [*schema.entries, *schema.broken]:
        if entry.kind == "index" and entry.table.lower() == table.lower() and entry.sql:
            listed = entry.sql[entry.sql.find("(") :].partition(" WHERE ")[0]
            found += re.findall(r"[^\W\d]\w*", listed)
    return [word for word in dict.fromkeys(found) if word.upper() not in ("ASC", "DESC", "COLLATE", "NOCASE")]


def _records(survey: Survey, entry: Entry) -> Records:
    """Return rows from all over a table, whatever its tree is like."""
    found = survey.found
    kind = found.kinds[entry.root] if 1 < entry.root <= survey.geometry.page_count else 0
    rowids = kind in (5, 13) if kind else not re.search(r"WITHOUT\s+ROWID", entry.sql or "", re.IGNORECASE)
    rows: list[list[Value]] = []
    waiting, seen = [entry.root] if kind else [], set[int]()
    while waiting and len(seen) < MOST_LOOKED_AT:
        page = waiting.pop(0)
        if page in seen or not 1 < page <= survey.geometry.page_count or found.kinds[page] == 0:
            continue
        seen.add(page)
        children = found.interior[page][0] if page in found.interior else ()
        waiting += children[:: max(1, len(children) // 20)]
        if found.kinds[page] != 5 and page not in found.faults:
            rows += [values for _, values in leaf_rows(survey.image, page, 12) if values]
    return Records(rows, rowids, survey.image.encoding)


def _from_remains(schema: Schema, survey: Survey, remains: Sequence[tuple[int, bytes]]) -> None:
    """Add the objects that only old images of the schema's pages know; their roots have to be proved."""
    image = survey.image
    size = image.geometry.page_size
    old: list[Entry] = []
    for number, page in reversed(remains):
        if len(page) == size:
            old += page_entries(image, number, image.encoding, page)
    for page_number in sorted(survey.free):
        if survey.found.kinds[page_number] == 13:
            old += _whole_page(survey, page_number)
    known = {(entry.kind, entry.name) for entry in schema.entries}
    rowid = max((entry.rowid for entry in schema.entries), default=0)
    for entry in old:
        as_text(entry)
        if (entry.kind, entry.name) not in known:
            known.add((entry.kind, entry.name))
            rowid += 1
            entry.rowid, entry.assumed = rowid, True
            schema.entries.append(entry)
    lost = list(schema.lost)
    _prove(schema)
    schema.lost = list(dict.fromkeys(lost + schema.lost))


def _whole_page(survey: Survey, page: int) -> list[Entry]:
    """Return the entries of a sound page all of whose rows are entries."""
    if page in survey.found.faults or not survey.found.counts[page]:
        return []
    found = page_entries(survey.image, page, survey.image.encoding)
    return found if len(found) == survey.found.counts[page] else []


def _add(schema: Schema, entries: list[Entry], rowids: set[int]) -> None:
    known = {(entry.kind, entry.name) for entry in schema.entries}
    for entry in entries:
        if (entry.kind, entry.name) not in known and (not entry.rowid or entry.rowid not in rowids):
            known.add((entry.kind, entry.name))
            rowids.add(entry.rowid)
            schema.entries.append(entry)


def run(connection: sqlite3.Connection, sql: str) -> None:
    """Run a statement of a foreign schema; collations and functions that are missing are stood in for.

    Raises `sqlite3.Error`.
    """
    for _ in range(20):
        try:
            connection.execute(sql)
        except sqlite3.Error as error:
            missing = _MISSING.match(str(error))
            if missing is None:
                raise
            if missing[1] == "function":
                connection.create_function(missing[2].rstrip("()"), -1, lambda *_: None, deterministic=True)
            else:
                connection.create_collation(missing[2], lambda one, other: (one > other) - (one < other))
        else:
            return


def _mark(schema: Schema, reference: Path | None) -> None:
    """Make text of the entries that hold bytes that are none, by the reference where it has one of that name.

    SQLite's Python module has no way to hand it a statement with such bytes.
    """
    for entry in schema.entries:
        entry.sql = OWN.get(entry.name, entry.sql) if entry.kind == "table" else entry.sql
    marred = [entry for entry in schema.entries if as_text(entry)]
    known: dict[tuple[str, str], Entry] = {}
    if marred and reference is not None:
        with contained(schema.lost.append):
            known = {(entry.kind, entry.name): entry for entry in reference_entries(reference)}
    for entry in marred:
        other = known.get((entry.kind, entry.name))
        if other is not None:
            entry.sql, entry.table = other.sql, other.table
        else:
            schema.marred.append(f"{entry.kind} {entry.name}")


def _compare(schema: Schema, reference: Path | None, head: bytes) -> None:
    """Give entries the statements and names of a reference of which the schema version tells that none was changed.

    A damaged word can be another valid one. VACUUM INTO, by which backups are taken, adds one to the version, as does
    a column that was added since: so only a statement that is as long as theirs can be a damaged one.
    """
    if reference is None or not _is_as_old(reference, head):
        return
    theirs = reference_entries(reference)
    ours = {(entry.kind, entry.name) for entry in schema.entries}
    for other in theirs:
        for entry in schema.entries:
            same = entry.kind == other.kind and entry.sql == other.sql and other.sql is not None
            damaged = (entry.kind, entry.name) == (other.kind, other.name) and _as_long(entry.sql, other.sql)
            if damaged or (same and (other.kind, other.name) not in ours):
                entry.name, entry.table, entry.sql = other.name, other.table, other.sql
                break


def _is_as_old(reference: Path | None, head: bytes) -> bool:
    """Answer whether the schema of a reference is that of the image, by its version; see `_compare`."""
    return reference is not None and _version(reference) - int.from_bytes(head[40:44], "big") in (0, 1)


def _as_long(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and len(one) == len(other)


def _version(database: Path) -> int:
    with open(database, "rb") as file:
        return int.from_bytes(file.read(44)[40:], "big")


def as_text(entry: Entry) -> bool:
    """Replace the bytes of an entry that are no text; answer whether there were any."""
    before = (entry.name, entry.table, entry.sql)
    entry.name, entry.table = _text(entry.name), _text(entry.table)
    entry.sql = None if entry.sql is None else _text(entry.sql)
    if entry.sql is not None and "\ufffd" in entry.sql:
        entry.sql = _MARRED_COLLATION.sub("", entry.sql)
    return before != (entry.name, entry.table, entry.sql)


def _text(value: str) -> str:
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _prove(schema: Schema) -> None:
    """Keep the entries that SQLite can read, and learn the shapes of the tables; the others are lost."""
    kept: list[Entry] = []
    schema.shapes.clear()
    order = {"table": 0, "index": 1, "view": 2, "trigger": 3}
    with blank() as connection:
        for entry in sorted(schema.entries, key=lambda entry: (order[entry.kind], entry.rowid)):
            if entry.kind in ("table", "view"):
                entry.table = entry.name  # SQLite takes a schema for malformed in which it is not
            if entry.virtual or entry.name.startswith("sqlite_") or entry.kind in ("view", "trigger"):
                if entry.sql is not None and not _plausible(connection, entry):
                    schema.refuse(entry)
                    continue
                kept.append(entry)
                continue
            before = _newest(connection)
            try:
                run(connection, entry.sql or "")
                _one_name(connection, entry, before)
            except (sqlite3.Error, sqlite3.Warning, UnicodeEncodeError, ValueError):
                schema.refuse(entry)
                continue
            kept.append(entry)
        for entry in unread(connection, kept):
            kept.remove(entry)
            schema.refuse(entry)
        nodes = {f"{entry.name}_node" for entry in kept if entry.virtual}
        for entry in kept:
            if entry.kind == "table" and not entry.virtual:
                _learn(schema, connection, entry, nodes)
    tables = {entry.name.lower() for entry in kept if entry.kind == "table"}
    views = {entry.name.lower() for entry in kept if entry.kind == "view"}
    schema.entries = sorted(
        (entry for entry in kept if entry.kind in ("table", "view") or entry.table.lower() in tables | views),
        key=lambda entry: (order[entry.kind], entry.rowid or 1 << 40),
    )
    for rowid, entry in enumerate(schema.entries, 1):  # SQLite reads them in this order, and a table before its indexes
        entry.rowid = rowid


def _newest(connection: sqlite3.Connection) -> int:
    (rowid,) = connection.execute("SELECT max(rowid) FROM sqlite_master").fetchone()
    return rowid or 0


def _one_name(connection: sqlite3.Connection, entry: Entry, before: int) -> None:
    """Make the statement of a table or index, just made, name it as its row does, or else the row as the statement.

    SQLite takes a schema for malformed in which the two differ. `before` was the newest row. Raises `sqlite3.Error`,
    and `ValueError` for a statement that makes nothing.
    """
    if _newest(connection) == before:
        raise ValueError("the statement makes nothing")
    newest = "FROM sqlite_master WHERE type=? AND name NOT GLOB 'sqlite_*' ORDER BY rowid DESC LIMIT 1"
    name, table = connection.execute(f"SELECT name, tbl_name {newest}", (entry.kind,)).fetchone()
    entry.table = table
    if name == entry.name:
        return
    if "\ufffd" in entry.name:
        entry.name = name
    elif entry.kind == "table":
        connection.execute(f"ALTER TABLE {quoted(name)} RENAME TO {quoted(entry.name)}")
        entry.table = entry.name
        (entry.sql,) = connection.execute(f"SELECT sql {newest}", (entry.kind,)).fetchone()
    else:
        renamed = (entry.sql or "").replace(name, entry.name if entry.name.isidentifier() else quoted(entry.name), 1)
        try:
            connection.execute(renamed)
        except sqlite3.Error:
            entry.name = name
        else:
            entry.sql = renamed


def _plausible(connection: sqlite3.Connection, entry: Entry) -> bool:
    """Answer whether an entry that cannot be tried out is a statement: SQLite reads no schema in which one is none."""
    if (entry.sql or "").lstrip()[:6].upper() != "CREATE" or "\0" in (entry.sql or ""):
        return False  # SQLite reads up to the first zero: what lies before it can be another statement
    try:
        connection.execute(f"EXPLAIN {entry.sql}")
    except (sqlite3.Error, sqlite3.Warning) as error:
        return not _NO_SENTENCE.search(str(error))
    except ValueError:
        return False
    return True


def _learn(schema: Schema, connection: sqlite3.Connection, entry: Entry, nodes: set[str]) -> None:
    if entry.name.startswith("sqlite_"):
        with blank() as other, contextlib.suppress(sqlite3.Error):
            other.execute((entry.sql or "").replace("sqlite_", "lifeboat_", 1))
            shape = learn(other, entry.name.replace("sqlite_", "lifeboat_", 1))
            shape.name = entry.name
            schema.shapes[entry.name] = counters.narrowed(shape) if entry.name == counters.TABLE else shape
        return
    with contextlib.suppress(sqlite3.Error, StopIteration):
        shape = learn(connection, entry.name)
        shape.nodes = entry.name in nodes
        schema.shapes[entry.name] = shape


def reference_entries(reference: Path) -> list[Entry]:
    """Return the schema of a sound database. Raises `sqlite3.Error`."""
    with contextlib.closing(connect_private(reference)) as connection:
        rows = connection.execute("SELECT rowid, type, name, tbl_name, rootpage, sql FROM sqlite_master ORDER BY rowid")
        found = [Entry(row[0], row[1], row[2], row[3], row[4] or 0, row[5], assumed=True) for row in rows]
    for entry in found:
        as_text(entry)
    return found


def _from_reference(schema: Schema, reference: Path | None, *, incomplete: bool) -> None:
    """Add what the reference has and the image lost; nothing when the image's own schema is whole."""
    if reference is None or not (schema.damaged or schema.lost or incomplete):
        return
    known = {(entry.kind, entry.name) for entry in schema.entries}
    roots = {(entry.kind, entry.name): entry.root for entry in schema.broken if entry.rowid and not entry.assumed}
    rowid = max((entry.rowid for entry in schema.entries), default=0)
    for entry in reference_entries(reference):
        if (entry.kind, entry.name) not in known:
            rowid += 1
            entry.rowid = rowid
            if roots.get((entry.kind, entry.name)):
                entry.root, entry.assumed = roots[entry.kind, entry.name], False
            schema.entries.append(entry)
            known.add((entry.kind, entry.name))
    for entry in schema.broken:  # these may have been broken only for want of their table
        if entry.kind != "table" and entry.rowid and (entry.kind, entry.name) not in known:
            rowid += 1
            entry.rowid = rowid
            schema.entries.append(entry)
            known.add((entry.kind, entry.name))
    lost = [label for label in schema.lost if label not in {f"{kind} {name}" for kind, name in known}]
    schema.lost, schema.broken = [], []
    _prove(schema)
    schema.lost = list(dict.fromkeys(lost + schema.lost))
