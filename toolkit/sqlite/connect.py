"""How a database is opened: never created, never by a name that SQLite could take for something else."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from urllib.parse import quote_from_bytes

SIDECARS = ("-wal", "-shm", "-journal")

CACHE_KIB = 8 * 1024
"""Page cache of a check: with SQLite's own 2 MiB, `foreign_key_check` reads the parents' pages over and over."""


def text(value: bytes) -> str:
    """Decode a text of a database without ever failing: bytes that are no UTF-8 become surrogate escapes."""
    return value.decode("utf-8", "surrogateescape")


def uri(path: str | os.PathLike[str], parameters: str) -> str:
    """Return the `file:` URI of `path` with every byte that means something in URIs escaped."""
    absolute = os.path.abspath(os.fsencode(path)).lstrip(b"/")
    return f"file:///{quote_from_bytes(absolute)}?{parameters}"


def connect(path: str | os.PathLike[str], parameters: str, *, timeout: float = 5.0) -> sqlite3.Connection:
    """Open `path` with URI `parameters` (`mode=ro`, `immutable=1`), in autocommit, waiting `timeout` seconds for locks.

    Nothing that a foreign schema can call has side effects: extensions cannot be loaded, and Python's SQLite has no
    function that writes. `PRAGMA trusted_schema=OFF` would forbid more than that: SQLite 3.40 then calls every
    schema malformed that has JSON functions in a generated column, an index or a CHECK. Raises `sqlite3.Error`.
    """
    connection = sqlite3.connect(
        uri(path, parameters), uri=True, isolation_level=None, timeout=timeout, check_same_thread=False
    )
    try:
        connection.text_factory = text
        connection.execute("PRAGMA trusted_schema=ON")
        connection.execute("PRAGMA cell_size_check=ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def connect_private(path: str | os.PathLike[str]) -> sqlite3.Connection:
    """Open a file that nobody else has, read-only, without locks and without looking at its sidecars."""
    connection = connect(path, "mode=ro&immutable=1")
    with contextlib.suppress(
        sqlite3.DatabaseError
    ):  # it reads the schema, and what is damaged is for the checks to say
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
    return connection


def quoted(name: str) -> str:
    """Return `name` as an identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'
