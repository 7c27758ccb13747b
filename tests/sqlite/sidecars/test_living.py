"""Whatever applications do, at whatever moment their files are looked at: a sound set is never called anything else."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.makers import databases
from toolkit.operations.diagnosing import outline as findings_outline
from toolkit.sqlite import outline


def do(connection: sqlite3.Connection, rng: random.Random, n: int, *, wal: bool) -> None:
    """Do one random thing: small and large changes, what is taken back, what changes the schema or the file."""
    first, count = rng.randrange(400), rng.choice((1, 3, 60))
    actions = {
        "insert": f"INSERT INTO t SELECT NULL, 'x', x'{rng.randbytes(300).hex()}' FROM t LIMIT 40",
        "update": f"UPDATE t SET name = name || 'y' WHERE id BETWEEN {first} AND {first + count}",
        "same": f"UPDATE t SET name = name WHERE id BETWEEN {first} AND {first + count}",
        "delete": f"DELETE FROM t WHERE id BETWEEN {first} AND {first + count}",
        "schema": f"CREATE TABLE more{n}(a)",
        "version": f"PRAGMA user_version={n}",
        "vacuum": "VACUUM",
        "checkpoint": f"PRAGMA wal_checkpoint({rng.choice(('PASSIVE', 'RESTART', 'TRUNCATE'))})",
        "begin": "BEGIN",
        "savepoint": "SAVEPOINT s",
        "back": "ROLLBACK TO s",
        "rollback": "ROLLBACK",
        "commit": "COMMIT",
    }
    # SQLite 3.40 itself can leave frames without sums in a WAL after ROLLBACK TO in a transaction that has spilled.
    names = [name for name in actions if name != ("back" if wal else "checkpoint")]
    weights = [
        0.2 if name == "vacuum" else 3 if name in ("insert", "update", "delete", "commit") else 1 for name in names
    ]
    with contextlib.suppress(sqlite3.OperationalError):  # locked, no transaction, no savepoint
        connection.execute(actions[rng.choices(names, weights)[0]])


def alarms(source: Path, target: Path) -> list[str]:
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{target}{suffix}").unlink(missing_ok=True)
        if os.path.exists(f"{source}{suffix}"):
            shutil.copyfile(f"{source}{suffix}", f"{target}{suffix}")
            os.utime(f"{target}{suffix}", (1e9, 1e9))
    seen = outline.look(target)
    assert seen.steady
    found = [*findings_outline.of_envelope(seen, "x"), *findings_outline.of_sidecars(seen, "x")]
    return [f"{one.code}: {one.message} {one.evidence}" for one in found]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("mode", ["wal", "delete", "persist", "truncate", "exclusive", "unsynced", "vacuum"])
def test_no_moment_raises_an_alarm(tmp_path: Path, mode: str, seed: int) -> None:
    rng = random.Random(f"{mode} {seed}")
    path = tmp_path / "live.db"
    wal = mode == "wal"
    with contextlib.ExitStack() as stack:
        users = [stack.enter_context(databases.opened(path, timeout=0)) for _ in range(1 if mode == "exclusive" else 2)]
        for user in users:
            if user is users[0]:
                user.execute(f"PRAGMA page_size={rng.choice((512, 1024, 4096))}")
                user.execute(f"PRAGMA auto_vacuum={'INCREMENTAL' if mode == 'vacuum' else 'NONE'}")
            user.execute(f"PRAGMA locking_mode={'EXCLUSIVE' if mode == 'exclusive' else 'NORMAL'}")
            user.execute(f"PRAGMA journal_mode={mode if mode in ('wal', 'persist', 'truncate') else 'delete'}")
            user.execute(f"PRAGMA synchronous={'OFF' if mode == 'unsynced' else 'NORMAL' if wal else 'FULL'}")
            user.execute("PRAGMA wal_autocheckpoint=40")
            user.execute(f"PRAGMA cache_size={rng.choice((5, 200))}")
            if user is users[0]:
                user.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, data BLOB)")
                user.execute("CREATE INDEX by_name ON t(name)")
                user.execute(
                    "INSERT INTO t SELECT value, 'name ' || value, zeroblob(50) FROM json_each(?)",
                    (str(list(range(400))),),
                )
        for n in range(100):
            do(rng.choice(users), rng, n, wal=wal)
            if n % 3 == 0:
                assert alarms(path, tmp_path / "seen.db") == [], (n, mode, seed)
