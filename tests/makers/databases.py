"""Real SQLite databases, sound and broken, and a process that never stops writing to one.

Everything is made by SQLite itself or by changing bytes of what it made; nothing is simulated. The makers
leave no connection open, and exactly the files that their docstrings name.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

ACCOUNTS = 50
BALANCE = 1000
SIDECARS = ("-wal", "-shm", "-journal")

SCHEMA = """
CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT UNIQUE, active INTEGER DEFAULT 1,
                   domain TEXT GENERATED ALWAYS AS (substr(email, instr(email, '@') + 1)) VIRTUAL);
CREATE TABLE products(sku TEXT PRIMARY KEY, title TEXT, price REAL, photo BLOB) WITHOUT ROWID;
CREATE TABLE orders(id INTEGER PRIMARY KEY AUTOINCREMENT, user_id INTEGER NOT NULL REFERENCES users(id),
                    sku TEXT REFERENCES products(sku), quantity INTEGER, note TEXT, placed TEXT);
CREATE INDEX orders_by_user ON orders(user_id);
CREATE INDEX orders_by_day ON orders(placed) WHERE quantity > 1;
CREATE VIRTUAL TABLE notes USING fts5(title, body);
CREATE VIEW totals AS SELECT user_id, count(*) AS orders FROM orders GROUP BY user_id;
CREATE TABLE audit(id INTEGER PRIMARY KEY, what TEXT);
CREATE TRIGGER order_placed AFTER INSERT ON orders BEGIN
  INSERT INTO audit(what) VALUES ('order ' || new.id || '; placed');
END;
"""


@contextlib.contextmanager
def opened(path: Path, **options: Any) -> Iterator[sqlite3.Connection]:
    """Open the database `path` (created when absent) and close it for certain."""
    connection = sqlite3.connect(os.fsencode(path), isolation_level=None, **options)
    try:
        yield connection
    finally:
        connection.close()


def _fill(connection: sqlite3.Connection, orders: int) -> None:
    users = max(10, orders // 10)
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO users(id, name, email) VALUES (?, ?, ?)",
        ((n, f"Ünsal {n} שלום", f"user{n}@example{n % 7}.org") for n in range(1, users + 1)),
    )
    connection.executemany(
        "INSERT INTO products VALUES (?, ?, ?, ?)",
        ((f"sku-{n:03}", f"Thing {n}", n * 1.25, bytes(range(256)) * (n % 5)) for n in range(40)),
    )
    connection.executemany(
        "INSERT INTO orders(user_id, sku, quantity, note, placed) VALUES (?, ?, ?, ?, ?)",
        (
            (n % users + 1, f"sku-{n % 40:03}", n % 5, f"note {n} " * (n % 9), f"2026-01-{n % 28 + 1:02}")
            for n in range(orders)
        ),
    )
    connection.executemany(
        "INSERT INTO notes(title, body) VALUES (?, ?)",
        ((f"title {n}", f"the quick brown fox number {n} jumps") for n in range(50)),
    )
    connection.execute("COMMIT")


def shop(
    path: Path, *, orders: int = 500, encoding: str = "UTF-8", journal: str = "delete", page_size: int = 4096
) -> Path:
    """Make the sound database of a small shop: keys, indexes, FTS5, WITHOUT ROWID, a generated column, a trigger.

    user_version is 7, application_id 0x5109. With `journal="wal"` it is in WAL mode, checkpointed, without sidecars.
    """
    with opened(path) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute(f"PRAGMA encoding='{encoding}'")
        connection.execute(f"PRAGMA page_size={page_size}")
        connection.execute(f"PRAGMA journal_mode={journal}")
        connection.executescript(SCHEMA)
        _fill(connection, orders)
        connection.execute("PRAGMA user_version=7")
        connection.execute(f"PRAGMA application_id={0x5109}")
    return path


def row_counts(path: Path) -> dict[str, int]:
    """Count the rows of each ordinary table, opening `path` as any application would."""
    with opened(path) as connection:
        names = [
            row[0]
            for row in connection.execute(
                "SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
            )
        ]
        return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}


def _take(source: Path, target: Path, suffixes: tuple[str, ...]) -> None:
    for suffix in ("", *suffixes):
        shutil.copyfile(f"{os.fspath(source)}{suffix}", f"{os.fspath(target)}{suffix}")


def wal(path: Path, *, orders: int = 500, extra: int = 300, shm: bool = True) -> Path:
    """Make a shop whose last `extra` orders are only in `-wal`, as after a kill: db, -wal and (if `shm`) -shm.

    Without the -wal it has `orders` orders, with it `orders + extra`.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = shop(Path(folder) / "made.db", orders=orders, journal="wal")
        with opened(made) as connection:
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute("PRAGMA wal_autocheckpoint=0")
            for n in range(extra):
                connection.execute("INSERT INTO orders(user_id, quantity, note) VALUES (1, 1, ?)", (f"late {n}",))
            _take(made, path, ("-wal", "-shm") if shm else ("-wal",))
    return path


def wal_without_shm(path: Path, *, orders: int = 500, extra: int = 300) -> Path:
    """Make `wal` without its -shm, as found in a file copy or on a read-only disk: db and -wal."""
    return wal(path, orders=orders, extra=extra, shm=False)


def hot_journal(path: Path, *, orders: int = 500) -> Path:
    """Make a shop that was killed in the middle of a transaction that had spilled: db and a hot -journal.

    Rolled back it has `orders` orders, each with its note; the main file alone is a mixture.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = shop(Path(folder) / "made.db", orders=orders)
        with opened(made) as connection:
            connection.execute("PRAGMA cache_size=5")
            connection.execute("PRAGMA cache_spill=5")
            connection.execute("BEGIN")
            connection.execute("UPDATE orders SET note = note || 'half done'")
            connection.execute("UPDATE users SET name = 'nobody'")
            connection.execute("INSERT INTO orders(user_id, note) SELECT 1, hex(randomblob(500)) FROM orders")
            _take(made, path, ("-journal",))
            connection.execute("ROLLBACK")
    return path


def zeroed_journal(path: Path) -> Path:
    """Make a sound shop with the journal that journal_mode=PERSIST leaves: its header is zeros, it is not hot."""
    with opened(shop(path)) as connection:
        connection.execute("PRAGMA journal_mode=persist")
        connection.execute("INSERT INTO orders(user_id) VALUES (1)")
    return path


def truncated(path: Path, *, keep: float = 0.5) -> Path:
    """Make a shop whose file ends after the share `keep` of its pages."""
    shop(path)
    pages = path.stat().st_size // 4096
    os.truncate(path, max(1, int(pages * keep)) * 4096)
    return path


def flip_page(path: Path, page: int, *, page_size: int = 4096) -> None:
    """Overwrite the page `page` (counted from 1) of a file with bytes that are no page."""
    with path.open("r+b") as file:
        file.seek((page - 1) * page_size)
        file.write(b"\xa5" * page_size)


def root_page(path: Path, name: str) -> int:
    """Return the root page of the table or index `name`."""
    with opened(path) as connection:
        return int(connection.execute("SELECT rootpage FROM sqlite_master WHERE name=?", (name,)).fetchone()[0])


def flipped_page(path: Path, *, table: str = "orders") -> Path:
    """Make a shop in which the root page of `table` was overwritten: the rest still reads."""
    shop(path)
    flip_page(path, root_page(path, table))
    return path


def broken_fts(path: Path) -> Path:
    """Make a shop whose FTS5 index lacks what its content holds; integrity_check says ok."""
    with opened(shop(path)) as connection:
        connection.execute("DELETE FROM notes_data WHERE id > 10")
    return path


def broken_keys(path: Path, *, orders: int = 3) -> Path:
    """Make a shop with `orders` orders of users that do not exist."""
    with opened(shop(path)) as connection:
        connection.executemany("INSERT INTO orders(user_id) VALUES (?)", ((900_000 + n,) for n in range(orders)))
    return path


def zero_bytes(path: Path) -> Path:
    """Make an empty file, as a mistyped path or a failed restore leaves."""
    path.write_bytes(b"")
    return path


def not_a_database(path: Path) -> Path:
    """Make a text file with the name of a database."""
    path.write_bytes(b"this is no database, whatever its name says\n" * 100)
    return path


def big(path: Path, mib: int, *, journal: str = "wal") -> Path:
    """Make a sound database of about `mib` MiB: table `blobs` of rows of some 900 bytes, half compressible."""
    with opened(path) as connection:
        connection.execute(f"PRAGMA journal_mode={journal}")
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("CREATE TABLE blobs(id INTEGER PRIMARY KEY, name TEXT, data BLOB)")
        step = 20_000
        total = mib * 1024 * 1024 // 975
        for start in range(0, total, step):
            connection.execute(
                "WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2) "
                "INSERT INTO blobs SELECT i, 'row ' || i, randomblob(440) || zeroblob(440) FROM n",
                (start + 1, min(start + step, total)),
            )
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


WRITER_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS accounts(id INTEGER PRIMARY KEY, balance INTEGER);
CREATE TABLE IF NOT EXISTS moves(id INTEGER PRIMARY KEY, sender INTEGER, receiver INTEGER, padding BLOB);
CREATE TABLE IF NOT EXISTS counter(id INTEGER PRIMARY KEY, moves INTEGER);
INSERT OR IGNORE INTO counter VALUES (1, 0);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ACCOUNTS})
INSERT OR IGNORE INTO accounts SELECT i, {BALANCE} FROM n;
"""


def consistent(path: Path) -> int:
    """Assert that `path` holds a state between two transactions of `Writer`; return how many there were."""
    with opened(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        total = connection.execute("SELECT sum(balance), count(*) FROM accounts").fetchone()
        assert total == (ACCOUNTS * BALANCE, ACCOUNTS), total
        moves = connection.execute("SELECT count(*) FROM moves").fetchone()[0]
        counted = connection.execute("SELECT moves FROM counter").fetchone()[0]
        assert moves == counted, (moves, counted)
        return int(moves)


class Writer:
    """A process that commits to `path` without a pause, in the journal mode `journal`, until the block ends.

    Each transaction moves money between two accounts, notes it and counts it, so that `consistent` can tell
    a torn copy. The database is made when it is absent. After the block: `commits`, `busy` (commits that met
    a lock and were tried again) and `worst_ms` (the longest commit).
    """

    def __init__(self, path: Path, *, journal: str = "wal", pause: float = 0.0) -> None:
        self.path = path
        self.journal = journal
        self.pause = pause
        self.commits = 0
        self.busy = 0
        self.worst_ms = 0.0

    def __enter__(self) -> Self:
        self._event = os.eventfd(0, os.EFD_CLOEXEC)
        self._process = subprocess.Popen(
            [sys.executable, __file__, os.fspath(self.path), self.journal, str(self.pause), str(self._event)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(self._event,),
        )
        self.wait(1)
        return self

    @property
    def pid(self) -> int:
        """The process id of the writer."""
        return self._process.pid

    def wait(self, commits: int) -> None:
        """Return when `commits` more transactions are committed, counted from this call."""
        assert self._process.stdout is not None
        if select.select([self._event], [], [], 0)[0]:
            os.eventfd_read(self._event)
        seen = 0
        while seen < commits:
            ready, _, _ = select.select([self._event, self._process.stdout], [], [], 60)
            assert self._event in ready, "the writer died or stands still"
            seen += os.eventfd_read(self._event)

    def __exit__(self, *_: object) -> None:
        try:
            out, _ = self._process.communicate(timeout=60)
            result = json.loads(out)
            self.commits, self.busy, self.worst_ms = result["commits"], result["busy"], result["worst_ms"]
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            os.close(self._event)


def _write(path: str, journal: str, pause: float, event: int) -> None:
    connection = sqlite3.connect(os.fsencode(path), isolation_level=None, timeout=20)
    connection.execute(f"PRAGMA journal_mode={journal}")
    connection.execute("PRAGMA synchronous=OFF")
    connection.executescript(WRITER_SCHEMA)
    commits, busy, worst = 0, 0, 0.0
    while not select.select([sys.stdin], [], [], pause)[0]:
        began = time.perf_counter()
        sender, receiver, amount = commits % ACCOUNTS + 1, (commits * 7) % ACCOUNTS + 1, commits % 13
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE accounts SET balance = balance - ? WHERE id = ?", (amount, sender))
            connection.execute("INSERT INTO moves VALUES (NULL, ?, ?, randomblob(700))", (sender, receiver))
            connection.execute("UPDATE accounts SET balance = balance + ? WHERE id = ?", (amount, receiver))
            connection.execute("UPDATE counter SET moves = moves + 1")
            connection.execute("COMMIT")
        except sqlite3.OperationalError:
            busy += 1
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            continue
        commits += 1
        worst = max(worst, (time.perf_counter() - began) * 1000)
        os.eventfd_write(event, 1)
    connection.close()
    print(json.dumps({"commits": commits, "busy": busy, "worst_ms": worst}))


if __name__ == "__main__":
    _write(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))
