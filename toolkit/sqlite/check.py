"""Is a database sound, and what is in it? "ok" alone is no evidence: the counts are for comparing with the manifest."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from toolkit.errors import CancelledError
from toolkit.events import ShouldStop, never_stop
from toolkit.sqlite import blocks, collations, foreignkeys, fulltext, integrity, probe, virtual
from toolkit.sqlite import values as valuechecks
from toolkit.sqlite.connect import connect, connect_private, quoted
from toolkit.sqlite.foreignkeys import MAX_MESSAGES
from toolkit.sqlite.header import Header
from toolkit.sqlite.translate import is_damage, primary_code, translate
from toolkit.sqlite.virtual import FTS, RTREE, VirtualTable

Level = Literal["counts", "quick", "full"]

FOREIGN_KEYS = "foreign_key_check"

LARGE = 16 * 1024 * 1024
"""Bytes: from here on a private database is worth a second connection: foreign keys meanwhile, rows of two tables."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check: its name, what it said (at most 100 lines) and how long it took."""

    name: str
    ok: bool
    messages: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was found; the fields are named as in the manifest's `DatabaseRecord`.

    `checks` are some of `sidecars size quick_check integrity_check foreign_key_check fts rtree rows`, and where values
    are looked at, `sequence checks text`. `tables`
    counts the rows of each table (None where it cannot be read). `foreign_key_violations` is None where it
    could not be counted, `keys_to_none` tells that all of these are an application's own way. `skipped` says which
    checks could not be made, and why: neither sound nor damaged.
    """

    size: int
    page_size: int
    page_count: int
    user_version: int
    application_id: int
    encoding: str
    journal_mode: str
    sqlite_version: str
    schema_digest: str
    tables: dict[str, int | None]
    foreign_key_violations: int | None
    checks: tuple[CheckResult, ...]
    skipped: tuple[str, ...]
    free_pages: int = 0
    keys_to_none: bool = False

    @property
    def damaged(self) -> bool:
        """Whether a check failed, other than foreign keys, which some applications never enforce."""
        return any(
            not check.ok for check in self.checks if check.name != FOREIGN_KEYS or self.foreign_key_violations is None
        )

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return all(check.ok for check in self.checks)


def to_fields(checkup: Checkup) -> dict[str, Any]:
    """Return `checkup` as JSON types, for the way from the worker."""
    return asdict(checkup)


def from_fields(fields: dict[str, Any]) -> Checkup:
    """Return what `to_fields` took apart."""
    checks = tuple(CheckResult(**{**check, "messages": tuple(check["messages"])}) for check in fields["checks"])
    return Checkup(**{**fields, "checks": checks, "skipped": tuple(fields["skipped"])})


def table_names(connection: sqlite3.Connection) -> list[str]:
    """Return the tables, virtual ones and their shadows too, without SQLite's own. Raises `sqlite3.Error`."""
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type='table' ORDER BY name")
    return [name for (name,) in rows if not name.lower().startswith("sqlite_")]


def _rows(
    connection: sqlite3.Connection, virtuals: set[str], *, sound: bool, beside: sqlite3.Connection | None = None
) -> tuple[dict[str, int | None], list[str]]:
    """Count the rows of each table; where something is not `sound`, in the table itself and not in an index of it.

    With a connection `beside` to the same state, two tables at once.
    """
    names = table_names(connection)
    if beside is None or len(names) < 2:
        return _rows_of(connection, names, virtuals, sound=sound)
    from concurrent.futures import ThreadPoolExecutor

    waiting = list(reversed(names))  # each takes the next one when it is done with its last
    with ThreadPoolExecutor(1, "rows") as pool:
        other = pool.submit(_rows_of, beside, _taken(waiting), virtuals, sound=sound)
        mine, unread = _rows_of(connection, _taken(waiting), virtuals, sound=sound)
        theirs, more = other.result()
    counts = mine | theirs
    return {name: counts[name] for name in names}, unread + more


def _taken(waiting: list[str]) -> Iterator[str]:
    """Yield and take away the last of `waiting`, which another thread takes from too, until there is none."""
    with contextlib.suppress(IndexError):
        while True:
            yield waiting.pop()


def _rows_of(
    connection: sqlite3.Connection, names: Iterable[str], virtuals: set[str], *, sound: bool
) -> tuple[dict[str, int | None], list[str]]:
    counts: dict[str, int | None] = {}
    unread = []
    with collations.standing_in(connection):
        for name in names:
            where = quoted(name) if sound or name in virtuals else f"{quoted(name)} NOT INDEXED"
            try:
                counts[name] = connection.execute(f"SELECT count(*) FROM {where}").fetchone()[0]  # noqa: S608
            except sqlite3.Error as error:
                counts[name] = None
                if is_damage(error) or name not in virtuals:
                    unread.append(f"the rows of {name} cannot be counted: {error}")
    return counts, unread


def schema_digest(connection: sqlite3.Connection) -> str:
    """Return the SHA-256 of type, name, table and SQL (blanks made one) of each object. Raises `sqlite3.Error`."""
    rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    lines = sorted("\x1f".join((*row[:3], " ".join(row[3].split()))) for row in rows)
    return hashlib.sha256("\x1e".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _size_messages(header: Header, size: int) -> list[str]:
    expected = header.expected_size
    if size % header.page_size:
        return [f"the size of {size} bytes is no multiple of the page size of {header.page_size} bytes"]
    if expected is None or expected == size:
        return []
    if size < expected:
        return [f"the file is cut: {size} bytes, its header says {expected}"]
    return [f"{size - expected} bytes lie behind the last page"]


def _sidecar_messages(path: str) -> list[str]:
    unfinished = [sidecar for sidecar in probe.sidecars(path) if sidecar.state in ("frames", "invalid", "hot")]
    return [f"a {sidecar.suffix} lies beside it and was not read ({sidecar.state})" for sidecar in unfinished]


@contextlib.contextmanager
def _writable(path: str, header: Header) -> Iterator[sqlite3.Connection]:
    """Open a private database so that FTS can be checked, in a transaction that is rolled back.

    Nothing is written to it: in rollback mode SQLite writes when a page changes, and none does. A WAL
    database would get sidecars, a journal would be rolled back, a read-only file cannot be opened so: these
    are copied first.
    """
    scratch = None
    if header.wal or _sidecar_messages(path) or not os.access(path, os.W_OK):
        import tempfile

        descriptor, scratch = tempfile.mkstemp(suffix=".partial", prefix=".check", dir=os.path.dirname(path) or ".")
        os.close(descriptor)
    try:
        if scratch is not None:
            blocks.copy_file(path, scratch)
            with open(scratch, "r+b") as file:
                file.seek(18)
                file.write(b"\x01\x01")
        with contextlib.closing(connect(scratch or path, "mode=rw")) as connection:
            connection.execute("PRAGMA journal_mode=MEMORY").fetchone()
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
    finally:
        if scratch is not None:
            os.unlink(scratch)


class _Examination:
    """The checks of one database, collected one after another."""

    def __init__(self, connection: sqlite3.Connection, should_stop: ShouldStop) -> None:
        self.connection = connection
        self.should_stop = should_stop
        self.checks: list[CheckResult] = []
        self.skipped: list[str] = []
        self.tables: dict[str, int | None] = {}
        self.violations: int | None = None
        self.keys_to_none = False
        self.virtuals: list[VirtualTable] = []

    def make(self, name: str, work: Callable[[], list[str]]) -> None:
        """Make one check; what SQLite cannot do here (a foreign collation or module) is skipped and said."""
        result = self.result(name, work)
        if result is not None:
            self.checks.append(result)

    def result(self, name: str, work: Callable[[], list[str]]) -> CheckResult | None:
        """Return the result of one check, None for one that was skipped."""
        if self.should_stop():
            raise CancelledError("cancelled while checking a database")
        began = time.monotonic()
        try:
            messages = work()
        except sqlite3.Error as error:
            if not is_damage(error):
                if primary_code(error) != sqlite3.SQLITE_ERROR:
                    raise
                self.skipped.append(f"{name}: {error}")
                return None
            messages = [str(error)]
        seconds = time.monotonic() - began
        return CheckResult(name, not messages, tuple(messages[:MAX_MESSAGES]), seconds)

    def pages(self, pragma: str, beside: sqlite3.Connection | None) -> None:
        """Check pages and foreign keys; with a connection `beside` its own, both at once."""
        if beside is None:
            self.make(pragma, lambda: self.integrity(pragma))
            self.make(FOREIGN_KEYS, lambda: self.foreign_keys(self.connection))
            return
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1, "foreign-keys") as pool:
            other = pool.submit(self.result, FOREIGN_KEYS, lambda: self.foreign_keys(beside))
            self.make(pragma, lambda: self.integrity(pragma))
            result = other.result()
        if result is not None:
            self.checks.append(result)

    def integrity(self, pragma: str) -> list[str]:
        found = integrity.integrity(self.connection, pragma, MAX_MESSAGES)
        self.skipped += found.unjudged
        return list(found.messages)

    def foreign_keys(self, connection: sqlite3.Connection) -> list[str]:
        self.violations, lines = foreignkeys.violations(connection)
        self.keys_to_none = bool(lines) and foreignkeys.to_none(connection)
        return lines

    def rows(self, beside: sqlite3.Connection | None = None) -> list[str]:
        self.virtuals = virtual.virtual_tables(self.connection)
        sound = all(check.ok for check in self.checks)
        self.tables, unread = _rows(
            self.connection, {table.name for table in self.virtuals}, sound=sound, beside=beside
        )
        return unread

    def values(self, *, texts: bool) -> None:
        """Look at counters of AUTOINCREMENT; and at CHECK constraints and every text of the tables that can be read."""
        self.make("sequence", lambda: valuechecks.wrong_sequences(self.connection))
        hidden = {table.name for table in self.virtuals} | virtual.shadow_tables(self.virtuals)
        tables = [name for name, count in self.tables.items() if count and name not in hidden]
        if texts:
            self.make("checks", lambda: valuechecks.broken_checks(self.connection))
            self.make("text", lambda: self.texts(tables))

    def texts(self, tables: list[str]) -> list[str]:
        found, habits = valuechecks.invalid_texts(self.connection, tables)
        self.skipped += [f"{line}, as their application stores them" for line in habits]
        return valuechecks.zeroed_statements(self.connection) + found

    def full_text(self, path: str, header: Header) -> list[str]:
        with _writable(path, header) as private:
            return self.own_checks(private, FTS, virtual.check_fts)

    def full_text_apart(self, scratch: str) -> list[str]:
        indexes = [table for table in self.virtuals if table.module in FTS]
        found, skipped = fulltext.check_apart(self.connection, indexes, scratch)
        self.skipped += skipped
        return found

    def own_checks(
        self, connection: sqlite3.Connection, modules: tuple[str, ...], check: Callable[..., str | None]
    ) -> list[str]:
        found = []
        for table in self.virtuals:
            if table.module in modules:
                try:
                    message = check(connection, table)
                except sqlite3.Error as error:
                    if primary_code(error) != sqlite3.SQLITE_ERROR:
                        raise
                    self.skipped.append(f"{table.name}: {error}")
                    continue
                found += [message] if message else []
        return found


def _optional(connection: sqlite3.Connection, pragma: str) -> Any:
    try:
        return connection.execute(f"PRAGMA {pragma}").fetchone()[0]
    except (sqlite3.Error, TypeError):
        return 0


def _digest(connection: sqlite3.Connection) -> str:
    try:
        return schema_digest(connection)
    except sqlite3.Error:
        return ""


def _own_checks(work: _Examination, private: str | None, header: Header | None, scratch: str | None) -> None:
    """Make the checks that the modules of virtual tables have for themselves."""
    if any(table.module in RTREE for table in work.virtuals):
        work.make("rtree", lambda: work.own_checks(work.connection, RTREE, virtual.check_rtree))
    indexes = [table.name for table in work.virtuals if table.module in FTS]
    if indexes and private is not None and header is not None:
        work.make("fts", lambda: work.full_text(private, header))
    elif indexes and scratch is not None:
        work.make("fts", lambda: work.full_text_apart(scratch))
    elif indexes:
        work.skipped += [f"{name}: a full-text index is checked in a private copy only" for name in indexes]


def examine(
    connection: sqlite3.Connection,
    *,
    level: Level,
    header: Header | None,
    size: int,
    private: str | None,
    beside: sqlite3.Connection | None = None,
    pages: bool = True,
    values: bool = False,
    scratch: str | None = None,
    should_stop: ShouldStop = never_stop,
) -> Checkup:
    """Check what `connection` reads and count it; the core of `check` and `check_live`.

    `header` and `size` (of the main file) are compared unless `header` is None. `private` is the path of the
    file when nobody else has it: then full-text indexes are checked there, else apart in the folder `scratch` where
    one is given, which ends the transaction of `connection`; `beside` is a second connection to it. Raises
    `sqlite3.Error` for what is no damage: interrupted, out of memory, input/output errors.
    """
    work = _Examination(connection, should_stop)
    if header is not None:
        work.make("size", lambda: _size_messages(header, size))
    if level != "counts" and pages:
        work.pages("integrity_check" if level == "full" else "quick_check", beside)
    elif level != "counts":
        work.make(FOREIGN_KEYS, lambda: work.foreign_keys(connection))
    work.make("rows", lambda: work.rows(beside if private is not None else None))
    if values and all(one.ok for one in work.checks if one.name != FOREIGN_KEYS):
        work.values(texts=level == "full")
    mode = str(_optional(connection, "journal_mode")) if header is None else header.journal_mode
    facts = Checkup(
        size=size,
        page_size=_optional(connection, "page_size"),
        page_count=_optional(connection, "page_count"),
        user_version=_optional(connection, "user_version"),
        application_id=_optional(connection, "application_id"),
        encoding=str(_optional(connection, "encoding") or ""),
        journal_mode=mode,
        sqlite_version=sqlite3.sqlite_version,
        schema_digest=_digest(connection),
        tables=work.tables,
        foreign_key_violations=work.violations,
        keys_to_none=work.keys_to_none,
        checks=(),
        skipped=(),
        free_pages=_optional(connection, "freelist_count"),
    )
    if level != "counts":
        _own_checks(work, private if header is not None else None, header, scratch)
    return replace(facts, checks=tuple(work.checks), skipped=tuple(work.skipped))


def check(
    path: str | os.PathLike[str],
    *,
    level: Level,
    pages: bool = True,
    values: bool = False,
    should_stop: ShouldStop = never_stop,
) -> Checkup:
    """Check the private database `path`, which nobody else writes, in this process; several threads may at once.

    `quick` is `quick_check` (about 1 GB/s of processor time), `full` is `integrity_check` (about 0.2 GB/s);
    foreign keys, full-text indexes, R-trees, size and rows are checked by both. `counts` looks at size, schema and
    rows only: enough for bytes that are known to be those of a sound database. Without `pages` what that check says of
    them is known. The file's bytes stay as they are.
    With `values` the counters of AUTOINCREMENT are looked at, and by `full` every text and CHECK constraint, where the
    pages are sound. Sidecars are not read: an unfinished one fails the check `sidecars`.

    Damage is a result, never an exception. Raises `SourceMissingError`, `NotADatabaseError` (0 bytes, or no
    database), `SourceError`, `CancelledError`.
    """
    where = os.path.realpath(path)
    status, header = probe.read_header(where)
    try:
        with contextlib.ExitStack() as stack:
            count = 2 if status.st_size >= LARGE else 1
            opened = [stack.enter_context(contextlib.closing(connect_private(where))) for _ in range(count)]
            for connection in opened:
                connection.set_progress_handler(should_stop, 100_000)
            checkup = examine(
                opened[0],
                level=level,
                header=header,
                size=status.st_size,
                private=where,
                beside=opened[1] if count > 1 else None,
                pages=pages,
                values=values,
                should_stop=should_stop,
            )
    except sqlite3.Error as error:
        if primary_code(error) == sqlite3.SQLITE_INTERRUPT:
            raise CancelledError("cancelled while checking a database", subject=where) from error
        raise translate(error, subject=where) from error
    sidecars = _sidecar_messages(where)
    if not sidecars:
        return checkup
    unread = CheckResult("sidecars", ok=False, messages=tuple(sidecars), seconds=0.0)
    return replace(checkup, checks=(unread, *checkup.checks))


def quick_check(path: str | os.PathLike[str]) -> list[str]:
    """Return what SQLite's own `quick_check` says of a database that nobody writes; nothing when it is sound.

    Reads the file only, and creates nothing beside it. A file that SQLite cannot read is a message too.
    """
    try:
        with contextlib.closing(connect_private(path)) as connection:
            return list(integrity.integrity(connection, "quick_check", MAX_MESSAGES).messages)
    except sqlite3.Error as error:
        return [str(error)]


def check_live(
    path: Path,
    *,
    level: Level,
    scratch: Path,
    timeout: float = 300.0,
    busy_limit: float = 30.0,
    values: bool = False,
    should_stop: ShouldStop = never_stop,
) -> Checkup:
    """Check the live database `path` in a process of its own, in one consistent view, disturbing nobody.

    Nothing is created or changed beside it. `scratch` is a folder in which a private copy may be made and is
    removed again (see `session`). Full-text indexes are not checked (`skipped` says so), except in a private
    copy. In rollback mode writers wait, `busy_limit` seconds at most; then check a copy instead. A database that
    changed under a reader without locks is read again, then `SourceChangedError`: never called damaged.

    Raises what `hotcopy.copy` raises; damage is a result, unless SQLite cannot even open it
    (`DatabaseDamagedError`).
    """
    from toolkit.sqlite import live

    folder = scratch / f".check-{os.getpid()}-{time.monotonic_ns()}.partial"
    request = {
        "task": "check",
        "path": os.path.realpath(path),
        "scratch": os.fspath(folder),
        "wait": timeout,
        "level": level,
        "limit": busy_limit,
        "values": values,
    }
    try:
        fields = live.run(request, timeout=timeout, should_stop=should_stop)
    finally:
        live.remove_scratch(os.fspath(folder))
    return from_fields({name: value for name, value in fields.items() if name != "event"})
