"""A private copy of a database in plain formats: an SQL script, JSON, CSV. Streamed: memory stays flat."""

from __future__ import annotations

import base64
import contextlib
import json
import math
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from toolkit import durable
from toolkit.errors import CancelledError, StorageError
from toolkit.events import ShouldStop, never_stop
from toolkit.sqlite import collations, probe, sqldump, virtual
from toolkit.sqlite.check import table_names
from toolkit.sqlite.connect import connect_private, quoted, text
from toolkit.sqlite.sqldump import Text
from toolkit.sqlite.translate import translated

Format = Literal["sql", "json", "csv"]

_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ExportReport:
    """The files that were written, and how many rows of each table they hold."""

    files: tuple[Path, ...]
    tables: dict[str, int]


def _tables(connection: sqlite3.Connection) -> Iterator[tuple[str, list[str]]]:
    """Yield the tables that a user sees with their columns; a virtual one whose module is missing is left out."""
    virtuals = virtual.virtual_tables(connection)
    shadows, names = virtual.shadow_tables(virtuals), {table.name for table in virtuals}
    for name in table_names(connection):
        if name in shadows:
            continue
        try:
            columns = sqldump.columns(connection, name, generated=True)
        except sqlite3.OperationalError:
            if name not in names:
                raise
            continue
        yield name, columns


def _select(connection: sqlite3.Connection, table: str, columns: list[str]) -> sqlite3.Cursor:
    listed = ",".join(map(quoted, columns))
    return connection.execute(f"SELECT {listed} FROM {quoted(table)}")  # noqa: S608


def _json_value(value: object) -> object:
    if isinstance(value, Text):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(value).decode(), "type": "text"}
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, float) and math.isinf(value):
        return {"real": "Infinity" if value > 0 else "-Infinity"}
    return value


def _json(connection: sqlite3.Connection, counts: dict[str, int]) -> Iterator[bytes]:
    yield b'{"tables": {'
    for number, (name, columns) in enumerate(list(_tables(connection))):
        yield (b"," if number else b"") + b"\n" + json.dumps(name).encode() + b": ["
        counts[name] = 0
        connection.text_factory = Text
        for row in _select(connection, name, columns):
            fields = {column: _json_value(value) for column, value in zip(columns, row, strict=True)}
            yield (
                (b"," if counts[name] else b"")
                + b"\n"
                + json.dumps(fields, ensure_ascii=False).encode("utf-8", "backslashreplace")
            )
            counts[name] += 1
        connection.text_factory = text
        yield b"]"
    yield b"\n}}\n"


def _csv_value(value: object) -> bytes:
    if value is None:
        return b""
    if isinstance(value, bytes) and not isinstance(value, Text):
        value = base64.b64encode(value)
    if isinstance(value, bytes):
        return b'"' + value.replace(b'"', b'""') + b'"'
    return repr(value).encode()


def _csv(connection: sqlite3.Connection, table: str, columns: list[str], counts: dict[str, int]) -> Iterator[bytes]:
    yield b",".join(_csv_value(Text(name.encode("utf-8", "surrogateescape"))) for name in columns) + b"\r\n"
    counts[table] = 0
    connection.text_factory = Text
    for row in _select(connection, table, columns):
        yield b",".join(map(_csv_value, row)) + b"\r\n"
        counts[table] += 1
    connection.text_factory = text


def _write(target: Path, pieces: Iterator[bytes], should_stop: ShouldStop) -> None:
    with durable.translated(target), durable.atomic_file(target) as file:
        waiting, size = [], 0
        for piece in pieces:
            waiting.append(piece)
            size += len(piece)
            if size >= _CHUNK:
                if should_stop():
                    raise CancelledError("cancelled while exporting a database", subject=target)
                file.write(b"".join(waiting))
                waiting, size = [], 0
        file.write(b"".join(waiting))


def _write_folder(
    connection: sqlite3.Connection, target: Path, counts: dict[str, int], should_stop: ShouldStop
) -> list[Path]:
    files: list[Path] = []
    with durable.translated(target):
        durable.make_directory(target)
        if os.listdir(target):
            raise StorageError("the folder for the export is not empty", subject=target)
    try:
        for name, columns in list(_tables(connection)):
            file = quote(name.encode("utf-8", "surrogateescape"), safe=" ()+,=@").removeprefix(".")
            files.append(target / f"{file[:240]}.csv")
            _write(files[-1], _csv(connection, name, columns, counts), should_stop)
    except BaseException:
        with contextlib.suppress(OSError):
            for path in files:
                path.unlink(missing_ok=True)
            target.rmdir()
        raise
    return files


def export(path: Path, target: Path, format: Format, *, should_stop: ShouldStop = never_stop) -> ExportReport:  # noqa: A002
    """Write the private database `path` as `target`: a file, or for `csv` a new folder with a file for each table.

    `sql`: the script that `sqlite3` replays to an equal database: rows with their rowids, blobs and texts byte
    by byte, infinities, virtual tables with their shadows, sequences, user_version, application_id. It ends
    in COMMIT only when everything was read.

    `json`: `{"tables": {name: [{column: value}]}}`; a blob is `{"base64"}`, a text that is no UTF-8 has
    `"type": "text"` beside it, an infinity is `{"real": "Infinity"}`. `csv`: RFC 4180 with a header; NULL is
    empty, an empty text is `""`, a blob is base64. Both leave out the inner tables of full-text indexes and R-trees.

    Raises `DatabaseDamagedError` when a page cannot be read, `SourceMissingError`, `NotADatabaseError`,
    `SpaceError`, `StorageError`, `CancelledError`; then nothing is left at `target`.
    """
    probe.read_header(path)
    counts: dict[str, int] = {}
    with translated(path), contextlib.closing(connect_private(path)) as connection:
        collations.stand_in(connection, collations.foreign(connection))
        if format == "csv":
            files = _write_folder(connection, target, counts, should_stop)
        elif format == "json":
            _write(target, _json(connection, counts), should_stop)
            files = [target]
        else:
            connection.text_factory = Text
            _write(target, sqldump.script(connection, counts), should_stop)
            files = [target]
    return ExportReport(tuple(files), counts)


def export_rows(copy: Path, table: str, target: Path, *, should_stop: ShouldStop = never_stop) -> int:
    """Write the rows of one table of the private database `copy` to the new file `target`, one JSON object a line.

    Returns how many there are. Values as in the JSON format. Raises `DatabaseDamagedError`, `StorageError`,
    `SpaceError`, `CancelledError`; then nothing is left of the target.
    """
    count = 0

    def lines(connection: sqlite3.Connection) -> Iterator[bytes]:
        nonlocal count
        columns = sqldump.columns(connection, table, generated=True)
        connection.text_factory = Text
        for row in _select(connection, table, columns):
            count += 1
            fields = {column: _json_value(value) for column, value in zip(columns, row, strict=True)}
            yield json.dumps(fields, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"

    with translated(os.fspath(copy)), contextlib.closing(connect_private(copy)) as connection:
        collations.stand_in(connection, collations.foreign(connection))
        _write(target, lines(connection), should_stop)
    return count
