"""What `PRAGMA integrity_check` does not look at on a database that is open for reading.

Texts that are none in their encoding, counters of AUTOINCREMENT, and CHECK constraints: SQLite forgets these
when it reads the schema of a file that it may not write.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable

from toolkit.sqlite import ddl
from toolkit.sqlite.connect import quoted, text

_TEXT = "CASE typeof({0}) WHEN 'text' THEN {0} END"
_ODD = "typeof({0})='text' AND length(CAST({0} AS BLOB)) % 2"


_HABIT = 5
"""So many invalid texts in a column, and hardly a valid one that is not ASCII: its application stores them so."""


class _Mark:
    """What stands for a text that is not plain ASCII, when texts are read to be judged."""


_VALID, _INVALID = _Mark(), _Mark()


def _judged(value: bytes) -> _Mark | None:
    if value.isascii():
        return None
    try:
        value.decode()
    except UnicodeDecodeError:
        return _INVALID
    return _VALID


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({quoted(table)})")]


def _with_rowid(connection: sqlite3.Connection, table: str) -> bool:
    try:
        connection.execute(f"SELECT rowid FROM {quoted(table)} LIMIT 0")  # noqa: S608
    except sqlite3.Error:
        return False
    return True


def zeroed_statements(connection: sqlite3.Connection) -> list[str]:
    """Name what the schema holds a statement with zeros of: SQLite reads it up to the first, and may take it so."""
    rows = connection.execute("SELECT type || ' ' || name FROM sqlite_master WHERE instr(sql, char(0)) ORDER BY rowid")
    return [f"the statement of {label} holds zeros" for (label,) in rows]


def invalid_texts(connection: sqlite3.Connection, tables: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return a line for each column with texts that are not valid in the encoding of the database, and for habits.

    A habit is a column whose application stores all its texts in another encoding: no damage. In UTF-16 only texts of
    an odd number of bytes count: half pairs of surrogates are common in what browsers store. A table that
    cannot be read to its end is judged by what could be read. Raises `sqlite3.Error` when interrupted.
    """
    (encoding,) = connection.execute("PRAGMA encoding").fetchone()
    found: list[str] = []
    habits: list[str] = []
    for table in tables:
        columns = _columns(connection, table)
        where = "rowid" if _with_rowid(connection, table) else "NULL"
        try:
            if encoding == "UTF-8":
                _invalid_utf8(connection, table, columns, where, found, habits)
            else:
                found += _odd_utf16(connection, table, columns, where)
        except sqlite3.DatabaseError as error:
            if "interrupted" in str(error):
                raise
    return found, habits


def _invalid_utf8(
    connection: sqlite3.Connection,
    table: str,
    columns: list[str],
    where: str,
    found: list[str],
    habits: list[str],
) -> None:
    wrong: dict[int, list[object]] = {}
    valid: Counter[int] = Counter()
    values = ", ".join(_TEXT.format(quoted(column)) for column in columns)
    connection.text_factory = _judged
    try:
        for row in connection.execute(f"SELECT {where}, {values} FROM {quoted(table)}"):  # noqa: S608
            for at, value in enumerate(row[1:]):
                if value is _INVALID:
                    wrong.setdefault(at, []).append(row[0])
                elif value is _VALID:
                    valid[at] += 1
    finally:
        connection.text_factory = text
        for at, rows in sorted(wrong.items()):
            habit = len(rows) >= _HABIT and valid[at] * 10 <= len(rows)
            (habits if habit else found).append(_line(table, columns[at], rows, "UTF-8"))


def _odd_utf16(connection: sqlite3.Connection, table: str, columns: list[str], where: str) -> list[str]:
    found = []
    for column in columns:
        condition = _ODD.format(quoted(column))
        sql = f"SELECT {where} FROM {quoted(table)} WHERE {condition}"  # noqa: S608
        rows: list[object] = [row[0] for row in connection.execute(sql)]
        if rows:
            found.append(_line(table, column, rows, "UTF-16"))
    return found


def _line(table: str, column: str, rows: list[object], encoding: str) -> str:
    shown = ", ".join(str(row) for row in rows[:5] if row is not None)
    at = f" (row {shown}{', …' if len(rows) > 5 else ''})" if shown else ""
    count = f"{len(rows)} texts are" if len(rows) > 1 else "one text is"
    return f"{table}.{column}: {count} not valid {encoding}{at}"


def wrong_sequences(connection: sqlite3.Connection) -> list[str]:
    """Return a line for each AUTOINCREMENT table whose counter would give out a rowid again. Raises `sqlite3.Error`."""
    schema = connection.execute("SELECT name, sql FROM sqlite_master WHERE type='table' AND sql IS NOT NULL").fetchall()
    counted = [name for name, sql in schema if ddl.has_word(str(sql), "AUTOINCREMENT")]
    if not counted:
        return []
    if not any(name == "sqlite_sequence" for name, _ in schema):
        return ["the table sqlite_sequence is missing"]
    found = []
    rows = connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
    for name in counted:
        (largest,) = connection.execute(f"SELECT max(rowid) FROM {quoted(name)}").fetchone()  # noqa: S608
        said = [seq for table, seq in rows if table == name]
        if len(said) > 1:
            found.append(f"{name}: it has {len(said)} counters")
        if largest is None or largest <= 0:
            continue
        if not said:
            found.append(f"{name}: it has no counter, its largest rowid is {largest}")
        elif not isinstance(said[0], int):
            found.append(f"{name}: its counter is no number")
        elif max(seq for seq in said if isinstance(seq, int)) < largest:
            found.append(f"{name}: its counter stands at {said[0]}, its largest rowid is {largest}")
    return found


def broken_checks(connection: sqlite3.Connection) -> list[str]:
    """Return a line for each table with rows that break one of its CHECK constraints.

    Constraints with functions that are not there are left out. Raises `sqlite3.Error` when interrupted.
    """
    schema = connection.execute("SELECT name, sql FROM sqlite_master WHERE type='table' AND sql IS NOT NULL").fetchall()
    found = []
    for name, sql in schema:
        for expression in ddl.checks(str(sql)):
            query = f"SELECT count(*) FROM {quoted(name)} WHERE NOT {expression}"  # noqa: S608
            try:
                (count,) = connection.execute(query).fetchone()
            except sqlite3.DatabaseError as error:
                if "interrupted" in str(error):
                    raise
                continue
            if count:
                rows = "one row breaks" if count == 1 else f"{count} rows break"
                found.append(f"{name}: {rows} CHECK {expression}")
    return found
