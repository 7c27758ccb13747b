"""Full-text indexes checked apart: their tables are copied to a scratch database, since the check is an INSERT.

Nothing but reads reaches the database itself. The copy holds the tables that a virtual table keeps its index and its
content in, and for an index of external content (FTS5 section 4.4.3, FTS3/4 section 6.2.2) the columns of that.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections.abc import Iterator

from toolkit.sqlite.connect import connect, quoted, uri
from toolkit.sqlite.translate import is_damage
from toolkit.sqlite.virtual import SHADOWS, VirtualTable, check_fts

_SIDE = "lifeboat_side"
_CONTENT = re.compile(r"""[(,]\s*content\s*=\s*(?:"([^"]*)"|'([^']*)'|(\w+))""", re.IGNORECASE)
_ROWID = re.compile(r"""[(,]\s*content_rowid\s*=\s*(?:"([^"]*)"|'([^']*)'|(\w+))""", re.IGNORECASE)
_CREATE = re.compile(r"CREATE\s+TABLE\s+", re.IGNORECASE)


def check_apart(
    connection: sqlite3.Connection, tables: list[VirtualTable], scratch: str
) -> tuple[list[str], list[str]]:
    """Return what is wrong with the full-text indexes `tables`, and which could not be checked and why.

    `connection` reads the database; what it has begun is ended. A file is made in the folder `scratch`
    and removed again. Raises `sqlite3.Error` for what is no damage and no lack of a tokenizer: interrupted, say.
    """
    path = os.path.join(scratch, "fulltext.db")
    skipped: list[str] = []
    try:
        with _attached(connection, path):
            contents: dict[str, tuple[str, set[str]]] = {}
            taken = [table for table in tables if _taken(connection, table, contents, skipped)]
            _take_contents(connection, contents)
            if not _ended(connection):
                return [], [*skipped, "full-text indexes: the database is too damaged"]
        return _checked(path, [(table, _sql(connection, table)) for table in taken], skipped), skipped
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path + suffix)


def _ended(connection: sqlite3.Connection) -> bool:
    """End the transaction; damage that was met in it can forbid that."""
    try:
        if connection.in_transaction:
            connection.execute("COMMIT")
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        return False
    return True


@contextlib.contextmanager
def _attached(connection: sqlite3.Connection, path: str) -> Iterator[None]:
    (encoding,) = connection.execute("PRAGMA encoding").fetchone()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as made:
        made.execute(f"PRAGMA encoding='{encoding}'")
        made.execute("PRAGMA user_version=1")
    connection.execute(f"ATTACH ? AS {_SIDE}", (uri(path, "mode=rw"),))
    try:
        connection.execute(f"PRAGMA {_SIDE}.journal_mode=OFF").fetchone()
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.execute(f"DETACH {_SIDE}")


def _sql(connection: sqlite3.Connection, table: VirtualTable) -> str:
    row = connection.execute("SELECT sql FROM main.sqlite_master WHERE name=?", (table.name,)).fetchone()
    return str(row[0])


def _taken(
    connection: sqlite3.Connection,
    table: VirtualTable,
    contents: dict[str, tuple[str, set[str]]],
    skipped: list[str],
) -> bool:
    """Copy what `table` consists of, and note in `contents` what it is an index of; say in `skipped` why not."""
    try:
        for suffix in SHADOWS[table.module]:
            name = f"{table.name}_{suffix}"
            row = connection.execute(
                "SELECT sql FROM main.sqlite_master WHERE type='table' AND name=?", (name,)
            ).fetchone()
            if row is not None:
                connection.execute(_CREATE.sub(f"CREATE TABLE {_SIDE}.", str(row[0]), count=1))
                connection.execute(f"INSERT INTO {_SIDE}.{quoted(name)} SELECT * FROM main.{quoted(name)}")  # noqa: S608
        _note_content(connection, table, contents)
    except sqlite3.Error as error:
        if "interrupted" in str(error):
            raise
        skipped.append(f"{table.name}: its tables cannot be read ({error})")
        return False
    return True


def _note_content(
    connection: sqlite3.Connection, table: VirtualTable, contents: dict[str, tuple[str, set[str]]]
) -> None:
    """Note rowid and columns of the external content of `table`."""
    sql = _sql(connection, table)
    content = _option(_CONTENT, sql)
    if not content:
        return
    columns = connection.execute(f"PRAGMA main.table_info({quoted(content)})").fetchall()
    keys = [row[1] for row in columns if row[5] == 1 and str(row[2]).upper() == "INTEGER"]
    rowid = _option(_ROWID, sql) if table.module == "fts5" else ""
    key = rowid or (keys[0] if keys else "")
    own = {row[1] for row in connection.execute(f"PRAGMA main.table_info({quoted(table.name)})")}
    before = contents.get(content, (key, set()))
    contents[content] = (before[0], before[1] | own)


def _take_contents(connection: sqlite3.Connection, contents: dict[str, tuple[str, set[str]]]) -> None:
    """Copy the columns of external content that are needed, once for all indexes of it."""
    for content, (key, columns) in contents.items():
        others = [column for column in sorted(columns) if column.lower() != key.lower()]
        names = ", ".join(quoted(column) for column in others)
        own = quoted(key) if key else "lifeboat_id"
        connection.execute(f"CREATE TABLE {_SIDE}.{quoted(content)}({own} INTEGER PRIMARY KEY, {names})")
        values = f"SELECT {quoted(key) if key else 'rowid'}, {names} FROM main.{quoted(content)}"  # noqa: S608
        connection.execute(f"INSERT INTO {_SIDE}.{quoted(content)} {values}")


def _option(pattern: re.Pattern[str], sql: str) -> str:
    match = pattern.search(sql)
    return next((group for group in match.groups() if group), "") if match else ""


def _checked(path: str, tables: list[tuple[VirtualTable, str]], skipped: list[str]) -> list[str]:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as made:
        made.execute("PRAGMA writable_schema=ON")
        made.executemany(
            "INSERT INTO sqlite_master(type, name, tbl_name, rootpage, sql) VALUES ('table', ?, ?, 0, ?)",
            [(table.name, table.name, sql) for table, sql in tables],
        )
    found = []
    with contextlib.closing(connect(path, "mode=rw")) as private:
        private.execute("PRAGMA journal_mode=MEMORY").fetchone()
        private.execute("BEGIN")
        for table, _ in tables:
            try:
                message = check_fts(private, table)
            except sqlite3.Error as error:
                if is_damage(error) or "interrupted" in str(error):
                    raise
                skipped.append(f"{table.name}: {error}")
                continue
            found += [message] if message else []
        private.execute("ROLLBACK")
    return found
