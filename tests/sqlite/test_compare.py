"""How two databases differ: rows by their keys, whatever the keys are."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from toolkit.sqlite.compare import TableDifference, compare


def made(path: Path, *statements: str) -> Path:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)
    return path


INTO = "INSERT INTO t VALUES"


@pytest.mark.parametrize(
    ("table", "left", "right", "found"),
    [
        ("t(id INTEGER PRIMARY KEY, a)", "(1,'x'),(2,'y'),(3,1)", "(2,'z'),(3,1.0),(4,'w'),(5,5)", (3, 4, 1, 2, 2)),
        ("t(a, b)", "(1,'x'),(2,'y')", "(1,'x'),(2,'Y'),(3,0)", (2, 3, 0, 1, 1)),
        ("t(k TEXT PRIMARY KEY, a)", "('a',1),('b',2)", "('b',3),('c',1)", (2, 2, 1, 1, 1)),
        ("t(k TEXT PRIMARY KEY, a) WITHOUT ROWID", "('a',1),('b',2)", "('a',1),('b',NULL)", (2, 2, 0, 0, 1)),
        ("t(k, l, a, PRIMARY KEY(k, l))", "(1,2,3),(1,3,3)", "(1,2,3)", (2, 1, 1, 0, 0)),
        ("t(k TEXT PRIMARY KEY, a)", "(NULL,1),(NULL,1),('a',1)", "(NULL,1)", (3, 1, 1, 0, 0)),
        ("t(k TEXT, a, PRIMARY KEY(k COLLATE BINARY))", "('a',1),('A',1)", "('a',1)", (2, 1, 1, 0, 0)),
        ("t(k TEXT COLLATE NOCASE PRIMARY KEY, a)", "('a',1),('b',1)", "('A',1)", (2, 1, 1, 0, 0)),
    ],
)
def test_rows_are_matched_by_their_keys(
    tmp_path: Path, table: str, left: str, right: str, found: tuple[int, ...]
) -> None:
    one = made(tmp_path / "one.db", f"CREATE TABLE {table}", f"{INTO} {left}")
    other = made(tmp_path / "other.db", f"CREATE TABLE {table}", f"{INTO} {right}")
    assert compare(one, other).tables == (TableDifference("t", *found),)
    assert compare(one, one).equal
