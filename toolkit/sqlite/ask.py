"""A condition that a user wrote, asked of a private database: it can read rows, and nothing else."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from dataclasses import dataclass

from toolkit.errors import CancelledError, SourceTimeoutError, UsageError
from toolkit.events import ShouldStop, never_stop
from toolkit.sqlite import probe, virtual
from toolkit.sqlite.check import table_names
from toolkit.sqlite.connect import connect_private, quoted
from toolkit.sqlite.translate import primary_code, translated

LIMIT = 60.0
"""Seconds that a condition may take on one database."""

LARGEST = 64 * 1024 * 1024
"""Bytes that a value may have while a condition is worked out."""

LONGEST_PATTERN = 500
"""Bytes of a pattern of LIKE: matching one is not interrupted by the limit on time."""

_READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE}
_REFUSED = {"load_extension", "fts3_tokenizer", "optimize", "writefile", "readfile", "edit", "fts5", "rtreecheck"}
_STEPS = 10_000


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether `table` has a row that meets the condition; `why_not` says why it could not be asked."""

    table: str
    holds: bool
    why_not: str = ""


def _authorize(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    if action in _READING or (action == sqlite3.SQLITE_PRAGMA and first == "data_version" and second is None):
        return sqlite3.SQLITE_OK  # FTS5 asks for it at every query
    if action == sqlite3.SQLITE_FUNCTION and (second or first or "").lower() not in _REFUSED:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def _question(table: str, condition: str) -> str:
    return f"SELECT EXISTS (SELECT 1 FROM {quoted(table)} WHERE (\n{condition}\n))"  # noqa: S608


def _failure(connection: sqlite3.Connection, table: str, condition: str) -> str | None:
    """Return what SQLite says against the condition on a table, None when it can be asked."""
    try:
        connection.execute(f"EXPLAIN {_question(table, condition)}").close()
    except (sqlite3.Error, sqlite3.Warning, UnicodeEncodeError) as error:
        return str(error)
    return None


def _table(connection: sqlite3.Connection, names: list[str], condition: str) -> str:
    """Return the one of `names` of which the condition can be asked; raises `UsageError` for none or several."""
    said = {name: _failure(connection, name, condition) for name in names}
    fitting = [name for name, failure in said.items() if failure is None]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise UsageError(
            "several tables have such columns", subject=condition, hint=f"give --table: {', '.join(fitting)}"
        )
    why = next(iter(said.values()), None) or "it has no tables"
    raise UsageError(
        f"no table can be asked that: {why}", subject=condition, hint="give --table, and check the columns"
    )


def ask(
    path: str | os.PathLike[str],
    condition: str,
    *,
    table: str | None = None,
    strict: bool = True,
    limit: float = LIMIT,
    should_stop: ShouldStop = never_stop,
) -> Answer:
    """Answer whether the private database `path` has a row of `table` that meets the SQL `condition`.

    Without `table` it is the one whose columns fit. The condition cannot write, attach, set pragmas or call functions
    with side effects, and is stopped after `limit` seconds (`SourceTimeoutError`). One that the table cannot be
    asked raises `UsageError` when `strict`, else the answer is no and says why: an older schema lacks its columns.
    Raises `CancelledError`, `DatabaseDamagedError`, `SourceMissingError`, `NotADatabaseError`, `SourceError`.
    """
    probe.read_header(path)
    deadline = time.monotonic() + limit
    with translated(os.fspath(path)), contextlib.closing(connect_private(path)) as connection:
        names = {name.lower(): name for name in table_names(connection)}
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, LONGEST_PATTERN)
        virtuals = virtual.virtual_tables(connection)
        shadows = virtual.shadow_tables(virtuals)
        for one in virtuals:  # connecting one declares a table, which the condition may not
            with contextlib.suppress(sqlite3.Error):
                connection.execute(f"SELECT * FROM {quoted(one.name)} LIMIT 0").close()  # noqa: S608
        connection.set_authorizer(_authorize)
        connection.set_progress_handler(lambda: should_stop() or time.monotonic() > deadline, _STEPS)
        chosen = table if table is not None else _table(connection, sorted(set(names.values()) - shadows), condition)
        failure = _failure(connection, chosen, condition) if chosen.lower() in names else "there is no such table"
        if failure is not None:
            if strict:
                raise UsageError(f"{chosen} cannot be asked that: {failure}", subject=condition)
            return Answer(chosen, holds=False, why_not=failure)
        try:
            return Answer(chosen, bool(connection.execute(_question(chosen, condition)).fetchone()[0]))
        except sqlite3.OperationalError as error:
            if primary_code(error) != sqlite3.SQLITE_INTERRUPT:
                raise
            if should_stop():
                raise CancelledError("cancelled while asking a database", subject=os.fspath(path)) from error
            raise SourceTimeoutError(
                f"the condition took longer than {limit:g} seconds", subject=condition, hint="make it simpler"
            ) from error
