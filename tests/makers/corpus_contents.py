"""What a database holds, read by SQLite from a private copy: every row with its types, the objects, what checks say.

This is the truth that a repair is scored against, and the oracle that says whether a file is damaged: it uses nothing
of the product.
"""

from __future__ import annotations

import contextlib
import hashlib
import marshal
import re
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.makers.corpus_application import quoted

SIDECARS = ("-wal", "-shm", "-journal")
_MODULE = re.compile(r"USING\s+[\"'`\[]?(\w+)", re.IGNORECASE)
_CONTENT = re.compile(r"content\s*=\s*[\"']?([^\"',)\s]*)", re.IGNORECASE)
_LIMIT = 500_000
FAILURES = (sqlite3.Error, UnicodeError, MemoryError, OverflowError)
"""What reading a damaged file can raise: a message of SQLite may hold bytes of it, which Python cannot decode."""


@dataclass(frozen=True)
class Layout:
    """How the rows of one table are read: its columns, and those that tell its rows apart."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    virtual: bool = False


@dataclass
class Rows:
    """The rows of one table as digests of 16 bytes, type-exact: how often each occurs, and which key has which row."""

    layout: Layout
    counts: Counter[bytes] = field(default_factory=Counter)
    keys: dict[bytes, bytes] = field(default_factory=dict)
    whole: bool = True


@dataclass
class Contents:
    """A database as SQLite sees it, and what integrity_check, FTS and R-tree checks and a look at texts say of it.

    `names` are all its tables; `others` counts the rows of tables that were not asked for, but for those of
    lost_and_found.
    """

    tables: dict[str, Rows]
    objects: frozenset[tuple[str, str, str]]
    problems: tuple[str, ...] = ()
    virtual_problems: tuple[str, ...] = ()
    bad_texts: tuple[str, ...] = ()
    violations: int = 0
    counters: dict[str, int] = field(default_factory=dict)
    sequence: dict[str, int] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    others: int = 0

    @property
    def total(self) -> int:
        """The number of rows in all tables."""
        return sum(rows.counts.total() for rows in self.tables.values())


def copy_set(source: Path, target: Path) -> Path:
    """Copy a database with its sidecars; return `target`."""
    for suffix in ("", *SIDECARS):
        part = source.with_name(source.name + suffix)
        if part.exists():
            shutil.copyfile(part, target.with_name(target.name + suffix))
    return target


@contextlib.contextmanager
def private(source: Path) -> Iterator[Path]:
    """A copy of the set of `source` in a folder of its own, gone afterwards."""
    with tempfile.TemporaryDirectory(dir=source.parent) as folder:
        yield copy_set(source, Path(folder) / "copy.db")


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a private database; text that is not valid comes with its bytes escaped."""
    db = sqlite3.connect(path, isolation_level=None)
    db.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
    try:
        yield db
    finally:
        db.close()


def _digest(values: tuple[object, ...]) -> bytes:
    return hashlib.blake2b(marshal.dumps(values, 2), digest_size=16).digest()


def _virtual(sql: str) -> tuple[str, str | None]:
    """Return the module of a virtual table and its content= option."""
    module = _MODULE.search(sql)
    content = _CONTENT.search(sql)
    return (module.group(1).lower() if module else ""), (content.group(1) if content else None)


def layouts(db: sqlite3.Connection) -> dict[str, Layout]:
    """Return how each table that has rows of its own is read: no shadow tables, no full-text index of another table."""
    found = {}
    kinds = {row[1]: row[2] for row in db.execute("PRAGMA table_list") if row[0] == "main"}
    rows = db.execute(
        "SELECT name, sql FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    )
    for name, sql in rows.fetchall():
        if kinds.get(name) == "shadow":
            continue
        if kinds.get(name) == "virtual":
            module, content = _virtual(sql)
            if module.startswith("fts") and content is not None:
                continue
        info = [row for row in db.execute(f"PRAGMA table_xinfo({quoted(name)})") if row[6] != 1]
        keys = tuple(row[1] for row in sorted(info, key=lambda row: row[5]) if row[5])
        virtual = kinds.get(name) == "virtual"
        found[name] = Layout(name, tuple(row[1] for row in info), keys or ("rowid",), virtual)
    return found


def _read_rows(db: sqlite3.Connection, layout: Layout) -> Rows:
    rows = Rows(layout)
    key = ", ".join(f"t.{name if name == 'rowid' else quoted(name)}" for name in layout.key)
    extra = "t.rowid, " if layout.virtual else ""
    columns = ", ".join(f"t.{quoted(name)}" for name in layout.columns)  # "x" alone would be a text where x is missing
    width = len(layout.key)
    try:
        cursor = db.execute(f"SELECT {key}, {extra}{columns} FROM {quoted(layout.name)} t LIMIT {_LIMIT}")
        for row in cursor:
            found = _digest(row[width:])
            rows.counts[found] += 1
            rows.keys[_digest(row[:width])] = found
    except FAILURES:
        rows.whole = False
    return rows


def _values(db: sqlite3.Connection, statement: str) -> list[tuple[object, ...]] | None:
    try:
        return db.execute(statement).fetchall()
    except FAILURES:
        return None


def _objects(db: sqlite3.Connection, shadows: frozenset[str]) -> frozenset[tuple[str, str, str]]:
    rows = _values(db, "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL") or []
    return frozenset(
        (str(kind), str(name), " ".join(str(sql).split()))
        for kind, name, sql in rows
        if not str(name).startswith("sqlite_") and name not in shadows
    )


def _others(db: sqlite3.Connection, known: frozenset[str]) -> int:
    try:
        names = [name for name in layouts(db) if name not in known and not name.startswith("lost_and_found")]
    except FAILURES:
        return 0
    counts = [_values(db, f"SELECT count(*) FROM {quoted(name)}") for name in names]
    return sum(int(str(count[0][0])) for count in counts if count)


def shadow_names(db: sqlite3.Connection) -> frozenset[str]:
    """Return the tables that belong to virtual tables."""
    return frozenset(str(row[1]) for row in _values(db, "PRAGMA table_list") or [] if row[2] == "shadow")


def _integrity(db: sqlite3.Connection) -> tuple[str, ...]:
    try:
        found = [str(row[0]) for row in db.execute("PRAGMA integrity_check(20)")]
    except FAILURES as error:
        return (str(error),)
    return () if found == ["ok"] else tuple(found)


def _virtual_problems(db: sqlite3.Connection) -> tuple[str, ...]:
    """Ask full-text indexes and R-trees to check themselves (FTS5 section 6.5, R-tree section 5)."""
    said = []
    for name, sql in _values(db, "SELECT name, sql FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL%'") or []:
        module, content = _virtual(str(sql))
        try:
            db.execute("SAVEPOINT looking")
            if module.startswith("rtree"):
                verdict = db.execute("SELECT rtreecheck('main', ?)", (name,)).fetchone()[0]
                said += [] if verdict == "ok" else [f"{name}: {verdict}"]
            elif module == "fts5":
                db.execute(f"INSERT INTO {quoted(str(name))}({quoted(str(name))}, rank) VALUES ('integrity-check', 1)")
            elif module.startswith("fts") and content != "":
                db.execute(f"INSERT INTO {quoted(str(name))}({quoted(str(name))}) VALUES ('integrity-check')")
        except FAILURES as error:
            said.append(f"{name}: {error}")
        finally:
            with contextlib.suppress(*FAILURES):
                db.execute("ROLLBACK TO looking")
                db.execute("RELEASE looking")
    return tuple(said)


def _bad_texts(db: sqlite3.Connection, tables: dict[str, Layout]) -> tuple[str, ...]:
    """Return the tables that hold text which is no valid UTF-8; SQLite does not tell it of UTF-16."""
    bad = []
    for layout in tables.values():
        for column in layout.columns:
            name = f"t.{quoted(column)}"
            statement = f"SELECT {name} FROM {quoted(layout.name)} t WHERE typeof({name}) = 'text'"
            with contextlib.suppress(*FAILURES):
                for (text,) in db.execute(statement):
                    if any("\udc80" <= letter <= "\udcff" for letter in text) if not text.isascii() else False:
                        bad.append(f"{layout.name}.{column}")
                        break
    return tuple(bad)


def read(
    path: Path,
    like: dict[str, Layout] | None = None,
    *,
    known: frozenset[str] | None = None,
    adds: str = "",
    checks: bool = True,
) -> Contents | None:
    """Return what the set at `path` holds, None when SQLite cannot even read its schema. `path` is not changed.

    `like` are the tables to read, by the layout that the original has; without it, all that there are. `known` are
    names of the original whose rows are not counted among the others. `adds` is
    SQL run first on the copy, so that a backup has the columns that its original got since.
    """
    with private(path) as copy, opened(copy) as db:
        try:
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if adds:
                db.executescript(adds)
            wanted = layouts(db) if like is None else like
        except FAILURES:
            return None
        tables = {name: _read_rows(db, layout) for name, layout in wanted.items()}
        contents = Contents(tables, _objects(db, shadow_names(db)))
        contents.names = frozenset(str(row[0]) for row in _values(db, "SELECT name FROM sqlite_master") or [])
        contents.others = _others(db, frozenset(wanted) | (known or frozenset()))
        for pragma in ("user_version", "application_id"):
            value = _values(db, f"PRAGMA {pragma}")
            contents.counters[pragma] = int(str(value[0][0])) if value else -1
        for name, number in _values(db, "SELECT name, seq FROM sqlite_sequence") or []:
            if isinstance(number, int):
                contents.sequence[str(name)] = number
        if checks:
            contents.problems = _integrity(db)
            contents.violations = len(_values(db, "PRAGMA foreign_key_check") or [])
            contents.virtual_problems = _virtual_problems(db)
            contents.bad_texts = _bad_texts(db, wanted)
        return contents


def settled(path: Path) -> bytes:
    """Return the main file as it is once SQLite has taken in what lies beside it; `path` is not changed."""
    with private(path) as copy:
        with opened(copy) as db:
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return copy.read_bytes()


def roots(path: Path) -> list[tuple[str, str, str, int]]:
    """Return type, name, table and root page of each b-tree but that of the schema."""
    with private(path) as copy, opened(copy) as db:
        return db.execute("SELECT type, name, tbl_name, rootpage FROM sqlite_master WHERE rootpage > 0").fetchall()
