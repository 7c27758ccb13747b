"""The output of a repair, made for certain: a database with stretches of rows cut out, and the account of them."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from tests.makers.databases import opened
from toolkit.sqlite.account import Gap, TableAccount
from toolkit.sqlite.connect import quoted

Row = tuple[object, ...]


def rows(path: Path, table: str, *, where: str = "1") -> dict[object, Row]:
    """Return the rows of a table with types, by rowid; by the first column where it has none."""
    with opened(path) as connection:
        connection.text_factory = bytes
        names = [row[1].decode() for row in connection.execute(f"PRAGMA table_info({quoted(table)})")]
        typed = ", ".join(f"typeof({quoted(name)})" for name in names)
        try:
            found = connection.execute(f"SELECT rowid, *, {typed} FROM {quoted(table)} WHERE {where}").fetchall()
        except sqlite3.OperationalError:
            first = quoted(names[0])
            found = connection.execute(f"SELECT {first}, *, {typed} FROM {quoted(table)} WHERE {where}").fetchall()
        return {row[0]: tuple(row[1:]) for row in found}


def cut(
    path: Path, table: str, stretches: Iterable[tuple[object, object]], *, named: bool = False, key: str = "rowid"
) -> TableAccount:
    """Take the rows with keys from one to another out of a table, silently, as if their pages were lost.

    Each gap reaches from the row before to the row behind, as the pages that are left tell it.
    """
    gaps, gone = [], set()
    with opened(path) as connection:
        connection.execute("BEGIN")
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {quoted(name)}")
        for first, last in stretches:
            at = f"FROM {quoted(table)} WHERE {key} BETWEEN ? AND ?"
            gone |= {row[0] for row in connection.execute(f"SELECT {key} {at}", (first, last))}
            connection.execute(f"DELETE {at}", (first, last))
            after = connection.execute(f"SELECT max({key}) FROM {quoted(table)} WHERE {key} < ?", (first,)).fetchone()[
                0
            ]
            before = connection.execute(f"SELECT min({key}) FROM {quoted(table)} WHERE {key} > ?", (last,)).fetchone()[
                0
            ]
            gaps.append(Gap(after, before) if key == "rowid" else Gap(_tuple(after), _tuple(before)))
        for _, sql in triggers:
            connection.execute(sql)
        connection.execute("COMMIT")
        read = connection.execute(f"SELECT count(*) FROM {quoted(table)}").fetchone()[0]
    names = frozenset(one for one in gone if isinstance(one, int)) if named else None
    return TableAccount(read=read, lost=len(gone) if named else 0, gaps=tuple(gaps), named=names)


def _tuple(value: object) -> tuple[object, ...] | None:
    return None if value is None else (value,)


def copied(path: Path, name: str) -> Path:
    """Return a copy of a database beside it."""
    return Path(shutil.copyfile(path, path.with_name(name)))


def live_a_day(path: Path, table: str, *, seed: int, change: str, share: float = 0.006) -> set[int]:
    """Delete some rows and change others (`change` is an assignment); return the rowids of the deleted ones."""
    chance = random.Random(seed)
    with opened(path) as connection:
        keys = [row[0] for row in connection.execute(f"SELECT rowid FROM {quoted(table)}")]
        deleted = set(chance.sample(keys, int(len(keys) * share)))
        changed = set(chance.sample(keys, int(len(keys) * share))) - deleted
        connection.execute("BEGIN")
        connection.executemany(f"DELETE FROM {quoted(table)} WHERE rowid = ?", ((one,) for one in deleted))
        connection.executemany(f"UPDATE {quoted(table)} SET {change} WHERE rowid = ?", ((one,) for one in changed))
        connection.execute("COMMIT")
    return deleted


def sound(path: Path) -> bool:
    """Answer whether SQLite finds nothing wrong."""
    with opened(path) as connection:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def violations(path: Path) -> int:
    """Return how many foreign keys lead nowhere."""
    with opened(path) as connection:
        return len(connection.execute("PRAGMA foreign_key_check").fetchall())
