"""A database as an SQL script that `sqlite3` replays to an equal one.

Like the shell's `.dump`, virtual tables are entered in the schema as they are and their shadow tables are
dumped as ordinary ones, so that indexes are exact and no module is needed. Unlike it, rowids, page size and
encoding are kept, every byte of a text survives, and a script that is not whole never ends in COMMIT.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator

from toolkit.sqlite.connect import quoted

_CODECS = {"UTF-16le": "utf-16-le", "UTF-16be": "utf-16-be"}


class Text(bytes):
    """A text as SQLite hands it out, told apart from a blob."""

    __slots__ = ()


def _text(value: bytes, codec: str | None) -> bytes:
    if b"\0" not in value and b"\r" not in value:
        return b"'" + value.replace(b"'", b"''") + b"'"
    if codec is not None:  # a cast reads the bytes in the encoding of the database
        value = value.decode("utf-8", "replace").encode(codec)
    return b"CAST(X'" + value.hex().encode() + b"' AS TEXT)"


def literal(value: object, codec: str | None = None) -> bytes:
    """Return `value` as SQL. `codec` is that of a UTF-16 database. The shell strips a CR at the end of a line."""
    if isinstance(value, Text):
        return _text(bytes(value), codec)
    if isinstance(value, bytes):
        return b"X'" + value.hex().encode() + b"'"
    if value is None:
        return b"NULL"
    if isinstance(value, float) and math.isinf(value):
        return b"9e999" if value > 0 else b"-9e999"
    return repr(value).encode()


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def columns(connection: sqlite3.Connection, table: str, *, generated: bool) -> list[str]:
    """Return the columns of `table`, without hidden ones; `generated` ones only when asked for."""
    rows = connection.execute(f"PRAGMA table_xinfo({quoted(table)})").fetchall()
    kinds = (0, 2, 3) if generated else (0,)
    return [_name(row[1]) for row in rows if row[6] in kinds]


def _name(value: str | bytes) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def rowid_name(connection: sqlite3.Connection, table: str) -> str | None:
    """Return a name of the rowid of `table` that no column hides; None for WITHOUT ROWID or an INTEGER PRIMARY KEY."""
    rows = connection.execute(f"PRAGMA table_xinfo({quoted(table)})").fetchall()
    keys = [row for row in rows if row[5]]
    taken = {_name(row[1]).lower() for row in rows}
    for name in ("rowid", "_rowid_", "oid"):
        if name in taken:
            continue
        try:
            connection.execute(f"SELECT {name} FROM {quoted(table)} LIMIT 0")  # noqa: S608
        except sqlite3.OperationalError:
            return None
        if len(keys) == 1 and _name(keys[0][2]).upper() == "INTEGER" and not _descending(connection, table):
            return None
        return name
    return None


def _descending(connection: sqlite3.Connection, table: str) -> bool:
    """Answer whether an INTEGER PRIMARY KEY is no rowid, which an index of its own betrays."""
    return any(_name(row[3]) == "pk" for row in connection.execute(f"PRAGMA index_list({quoted(table)})"))


def _rows(connection: sqlite3.Connection, table: str, codec: str | None, counts: dict[str, int]) -> Iterator[bytes]:
    names = [quoted(name) for name in columns(connection, table, generated=False)]
    rowid = rowid_name(connection, table)
    if rowid is not None:
        names.insert(0, rowid)
    listed = ",".join(names)
    head = _bytes(f"INSERT INTO {quoted(table)}({listed}) VALUES(")
    counts[table] = 0
    cursor = connection.cursor()
    for row in cursor.execute(f"SELECT {listed} FROM {quoted(table)} NOT INDEXED"):  # noqa: S608
        counts[table] += 1
        yield head + b",".join([literal(value, codec) for value in row]) + b");\n"


def _sequences(connection: sqlite3.Connection, names: set[str], codec: str | None) -> Iterator[bytes]:
    for name in ("sqlite_sequence", "sqlite_stat1", "sqlite_stat4"):
        if name not in names:
            continue
        if name != "sqlite_sequence":
            yield b"ANALYZE sqlite_master;\n"
        yield _bytes(f"DELETE FROM {name};\n")  # noqa: S608
        yield from _rows_of_own(connection, name, codec)


def _rows_of_own(connection: sqlite3.Connection, name: str, codec: str | None) -> Iterator[bytes]:
    listed = ",".join(quoted(column) for column in columns(connection, name, generated=False))
    for row in connection.execute(f"SELECT {listed} FROM {name}"):  # noqa: S608
        values = b",".join([literal(value, codec) for value in row])
        yield _bytes(f"INSERT INTO {name}({listed}) VALUES(") + values + b");\n"


def _virtuals(tables: list[tuple[str, str]], codec: str | None) -> Iterator[bytes]:
    if not tables:
        return
    yield b"/* needs SQLITE_DBCONFIG_DEFENSIVE to be off */\nPRAGMA writable_schema=ON;\n"
    for name, sql in tables:
        word, code = _text(_bytes(name), codec), _text(_bytes(sql), codec)
        yield b"INSERT INTO sqlite_master(type,name,tbl_name,rootpage,sql) VALUES('table',"
        yield word + b"," + word + b",0," + code + b");\n"
    yield b"PRAGMA writable_schema=OFF;\n"


def script(connection: sqlite3.Connection, counts: dict[str, int]) -> Iterator[bytes]:
    """Yield the script piece by piece and fill `counts` with the rows of each table.

    `connection` has `Text` as its text factory. Raises `sqlite3.Error` at the first page that cannot be read; what
    was yielded until then has no COMMIT.
    """
    encoding = _name(connection.execute("PRAGMA encoding").fetchone()[0])
    codec = _CODECS.get(encoding)
    schema = [
        tuple(_name(value) for value in row)
        for row in connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    ]
    names = {_name(row[0]) for row in connection.execute("SELECT name FROM sqlite_master")}
    for pragma in ("page_size", "auto_vacuum"):
        yield _bytes(f"PRAGMA {pragma}={connection.execute(f'PRAGMA {pragma}').fetchone()[0]};\n")
    yield _bytes(f"PRAGMA encoding='{encoding}';\nPRAGMA foreign_keys=OFF;\nPRAGMA ignore_check_constraints=ON;\n")
    yield b"BEGIN TRANSACTION;\n"
    virtuals = []
    for kind, name, _, sql in schema:
        if kind != "table" or name.lower().startswith("sqlite_"):
            continue
        if sql[:20].upper() == "CREATE VIRTUAL TABLE":
            virtuals.append((name, sql))
            continue
        yield _bytes(sql) + b";\n"
        yield from _rows(connection, name, codec, counts)
    yield from _sequences(connection, names, codec)
    for wanted in ("index", "view", "trigger"):
        for kind, name, _, sql in schema:
            if kind == wanted and not name.lower().startswith("sqlite_"):
                yield _bytes(sql) + b";\n"
    yield from _virtuals(virtuals, codec)
    for pragma in ("user_version", "application_id"):
        yield _bytes(f"PRAGMA {pragma}={connection.execute(f'PRAGMA {pragma}').fetchone()[0]};\n")
    yield b"COMMIT;\n"
