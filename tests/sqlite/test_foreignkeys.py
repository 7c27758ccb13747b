"""The count of broken references is that of `PRAGMA foreign_key_check`, whatever the keys are like."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from pathlib import Path

import pytest

from tests.makers.databases import broken_keys, opened, shop
from toolkit.sqlite import foreignkeys

SCHEMAS = {
    "rowid": "CREATE TABLE p(id INTEGER PRIMARY KEY, t); CREATE TABLE c(id, r INTEGER REFERENCES p)",
    "indexed": "CREATE TABLE p(id INTEGER PRIMARY KEY, t); CREATE TABLE c(r REFERENCES p(id)); CREATE INDEX i ON c(r)",
    "partial index": "CREATE TABLE p(id INTEGER PRIMARY KEY, t); CREATE TABLE c(r REFERENCES p); "
    "CREATE INDEX i ON c(r) WHERE r > 10",
    "text child": "CREATE TABLE p(id INTEGER PRIMARY KEY, t); CREATE TABLE c(r TEXT REFERENCES p)",
    "real child": "CREATE TABLE p(id INTEGER PRIMARY KEY, t); CREATE TABLE c(r REAL REFERENCES p)",
    "blob child": "CREATE TABLE p(id INTEGER PRIMARY KEY, t); CREATE TABLE c(r BLOB REFERENCES p)",
    "no rowid": "CREATE TABLE p(id INTEGER PRIMARY KEY, t) WITHOUT ROWID; CREATE TABLE c(r REFERENCES p)",
    "descending": "CREATE TABLE p(id INTEGER PRIMARY KEY DESC, t); CREATE TABLE c(r REFERENCES p)",
    "unique": "CREATE TABLE p(id TEXT UNIQUE, t); CREATE TABLE c(r REFERENCES p(id))",
    "nocase": "CREATE TABLE p(id TEXT PRIMARY KEY COLLATE NOCASE, t); CREATE TABLE c(r TEXT REFERENCES p)",
    "composite": "CREATE TABLE p(id, t, PRIMARY KEY(id, t)); CREATE TABLE c(r, s, FOREIGN KEY(r, s) REFERENCES p)",
    "two": "CREATE TABLE p(id INTEGER PRIMARY KEY, t); CREATE TABLE c(r REFERENCES p, s REFERENCES p(id))",
    "self": "CREATE TABLE c(r INTEGER PRIMARY KEY REFERENCES c); CREATE TABLE p(id, t)",
    "no parent": "CREATE TABLE c(r REFERENCES gone); CREATE TABLE p(id, t)",
    "a keyword in a name": 'CREATE TABLE p(id INTEGER PRIMARY KEY, t); CREATE TABLE "DISTINCT c"(r REFERENCES p)',
    "names": 'CREATE TABLE p(id INTEGER PRIMARY KEY, t); CREATE TABLE "c""x"("a b" REFERENCES P("ID"))',
}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_the_count_is_that_of_sqlite(tmp_path: Path, schema: str) -> None:
    chance = random.Random(schema)
    values: list[object] = [None, 3, 5, "5", "5.0", 5.0, 5.5, "x", "X", b"5", 900, -1, "", 2**62]
    with opened(tmp_path / "it.db") as base:
        base.executescript(schema)
        for table in ("p", "c", 'c"x'):
            quoted = '"' + table.replace('"', '""') + '"'
            for _ in range(60):
                width = len(base.execute(f"PRAGMA table_info({quoted})").fetchall())
                row = [chance.choice(values) for _ in range(width)]
                with contextlib.suppress(Exception):
                    base.execute(f"INSERT INTO {quoted} VALUES ({','.join('?' * width)})", row)
        assert _counted(base) == _by_pragma(base)
        base.execute("DELETE FROM p WHERE rowid % 2" if "WITHOUT" not in schema else "DELETE FROM p WHERE id > 3")
        assert _counted(base) == _by_pragma(base)


def _by_pragma(base: sqlite3.Connection) -> tuple[int, list[str]]:
    tables = sorted(row[0] for row in base.execute("PRAGMA foreign_key_check"))
    return len(tables), tables


def _counted(base: sqlite3.Connection) -> tuple[int, list[str]]:
    count, lines = foreignkeys.violations(base)
    return count, sorted(line.split(":")[0] for line in lines)


def test_sound_keys_are_found_sound_without_the_pragma(tmp_path: Path) -> None:
    with opened(shop(tmp_path / "shop.db")) as base:
        said: list[str] = []
        base.set_trace_callback(said.append)
        assert foreignkeys.violations(base) == (0, [])
    pragmas = [line for line in said if "foreign_key_check" in line]
    assert pragmas == ['PRAGMA foreign_key_check("orders")']  # its second key is a WITHOUT ROWID table's


def test_lines_name_the_rows(tmp_path: Path) -> None:
    with opened(broken_keys(tmp_path / "shop.db", orders=150)) as base:
        count, lines = foreignkeys.violations(base)
    assert count == 150
    assert len(lines) == foreignkeys.MAX_MESSAGES
    assert lines[0] == "orders: row 501 refers to nothing in users"
