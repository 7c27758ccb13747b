"""WAL files and rollback journals as SQLite leaves them, in many shapes, with the states that they lead to."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

from tests.makers.databases import opened


def take(source: Path, target: Path) -> None:
    """Copy a database and its -wal and -journal, as they are now, under another name."""
    for suffix in ("", "-wal", "-journal"):
        if os.path.exists(f"{source}{suffix}"):
            shutil.copyfile(f"{source}{suffix}", f"{target}{suffix}")


def _table(connection: sqlite3.Connection, page_size: int, encoding: str) -> None:
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute(f"PRAGMA page_size={page_size}")
    connection.execute(f"PRAGMA encoding='{encoding}'")
    connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, data BLOB)")
    connection.execute("CREATE INDEX t_by_name ON t(name)")
    _rows(connection, 1, 200)


def _rows(connection: sqlite3.Connection, first: int, count: int) -> None:
    connection.execute(
        "WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2) "
        "INSERT OR REPLACE INTO t SELECT i, 'name ' || (i * 7919 % 1000), randomblob(60 + i % 90) FROM n",
        (first, first + count - 1),
    )


def wal_of(
    path: Path, *, page_size: int = 4096, transactions: int = 12, restarts: int = 0, encoding: str = "UTF-8"
) -> Path:
    """Make a database and a -wal of `transactions` commits, each of 5 new rows and 3 changed ones.

    Before, `restarts` rounds of more commits were checkpointed, so that their frames lie behind the current ones.
    """
    made = path.with_name(f"{path.name}.made")
    with opened(made) as connection:
        _table(connection, page_size, encoding)
        connection.execute("PRAGMA journal_mode=wal")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        for _ in range(restarts):
            for n in range(2 * transactions):
                _rows(connection, 1000 + n * 20, 40)
            connection.execute("PRAGMA wal_checkpoint(RESTART)")
        for n in range(transactions):
            connection.execute("BEGIN")
            _rows(connection, 300 + n * 5, 5)
            connection.execute("UPDATE t SET name = name || '!' WHERE id BETWEEN ? AND ?", (n, n + 2))
            connection.execute("COMMIT")
        take(made, path)
    for suffix in ("", "-wal", "-shm"):
        Path(f"{made}{suffix}").unlink(missing_ok=True)
    return path


def hot_journal_of(path: Path, *, page_size: int = 4096, sync: bool = True, rows: int = 400) -> Path:
    """Make a database in the middle of a transaction that spilled, and its hot -journal of several headers."""
    made = path.with_name(f"{path.name}.made")
    with opened(made) as connection:
        _table(connection, page_size, "UTF-8")
        _rows(connection, 1, rows)
        connection.execute(f"PRAGMA synchronous={'FULL' if sync else 'OFF'}")
        connection.execute("PRAGMA cache_size=5")
        connection.execute("BEGIN")
        connection.execute("UPDATE t SET data = randomblob(80) WHERE id % 2")
        _rows(connection, 5000, 300)
        take(made, path)
        connection.execute("ROLLBACK")
    made.unlink()
    return path


def persisted_journal_of(path: Path, *, page_size: int = 4096, rollback: bool = False) -> Path:
    """Make a sound database with the finished journal of journal_mode=PERSIST, after a commit or a rollback."""
    with opened(path) as connection:
        _table(connection, page_size, "UTF-8")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA journal_mode=persist")
        connection.execute("PRAGMA cache_size=5")
        connection.execute("BEGIN")
        connection.execute("UPDATE t SET data = randomblob(70)")
        connection.execute("ROLLBACK" if rollback else "COMMIT")
    return path


def rows_of(path: Path) -> list[tuple[object, ...]]:
    """Return all rows of the table, as SQLite reads them with what lies beside the file; that is used up."""
    with opened(path) as connection:
        return connection.execute("SELECT * FROM t ORDER BY id").fetchall()
