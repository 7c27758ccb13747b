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
    "crossed": "CREATE TABLE p(id TEXT, t INT, UNIQUE(id, t)); "
    "CREATE TABLE c(r, s, FOREIGN KEY(r, s) REFERENCES p(t, id))",
    "half": "CREATE TABLE p(id, t, UNIQUE(id, t)); CREATE TABLE c(r REFERENCES p(id))",
    "unique text": "CREATE TABLE p(id TEXT UNIQUE, t); CREATE TABLE c(r TEXT REFERENCES p(id)); CREATE INDEX i ON c(r)",
    "unique integer": "CREATE TABLE p(id INT UNIQUE, t); CREATE TABLE c(r TEXT COLLATE NOCASE REFERENCES p(id))",
    "unique real": "CREATE TABLE p(id REAL UNIQUE, t); CREATE TABLE c(r REFERENCES p(id))",
    "unique blob": "CREATE TABLE p(id BLOB UNIQUE, t); CREATE TABLE c(r INT REFERENCES p(id))",
    "unique of some": "CREATE TABLE p(id, t); CREATE UNIQUE INDEX i ON p(id) WHERE t; "
    "CREATE TABLE c(r REFERENCES p(id))",
    "nocase child": "CREATE TABLE p(id TEXT UNIQUE, t); CREATE TABLE c(r TEXT COLLATE NOCASE REFERENCES p(id)); "
    "CREATE INDEX i ON c(r)",
    "no rowid in the child": "CREATE TABLE p(id INTEGER PRIMARY KEY, t); "
    "CREATE TABLE c(r PRIMARY KEY, s REFERENCES p, t REFERENCES p) WITHOUT ROWID",
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
    try:
        rows = base.execute("PRAGMA foreign_key_check").fetchall()
    except sqlite3.OperationalError as error:
        return -1, [str(error)]
    return len(rows), sorted(str(row[:2]) for row in rows)


def _counted(base: sqlite3.Connection) -> tuple[int, list[str]]:
    try:
        count, lines = foreignkeys.violations(base)
    except sqlite3.OperationalError as error:
        return -1, [str(error)]
    found: list[str] = []
    for line in lines:
        table, said = line.split(": ")
        row, number = said.split()[1], said.split()[0]
        named = said.startswith("row ")
        found += [str((table, int(row)))] if named else [str((table, None))] * int(number)
    return count, sorted(found)


def test_sound_keys_are_found_sound_without_the_pragma(tmp_path: Path) -> None:
    with opened(shop(tmp_path / "shop.db")) as base:
        said: list[str] = []
        base.set_trace_callback(said.append)
        assert foreignkeys.violations(base) == (0, [])
    assert not [line for line in said if "foreign_key_check" in line]


@pytest.mark.parametrize("schema", ["rowid", "indexed", "composite", "unique text", "two"])
def test_broken_keys_are_counted_without_the_pragma(tmp_path: Path, schema: str) -> None:
    with opened(tmp_path / "it.db") as base:
        base.executescript(SCHEMAS[schema])
        width = len(base.execute("PRAGMA table_info(c)").fetchall())
        base.executemany(f"INSERT INTO c VALUES ({','.join('?' * width)})", [[n] * width for n in range(150)])
        said: list[str] = []
        base.set_trace_callback(said.append)
        count, lines = foreignkeys.violations(base)
        assert not [line for line in said if "foreign_key_check" in line]
        assert count == len(base.execute("PRAGMA foreign_key_check").fetchall()) >= 150
    assert len(lines) == foreignkeys.MAX_MESSAGES
    assert lines[0] == "c: row 1 refers to nothing in p"


def test_rows_without_a_rowid_are_one_line(tmp_path: Path) -> None:
    with opened(tmp_path / "it.db") as base:
        base.execute("CREATE TABLE p(id INTEGER PRIMARY KEY)")
        base.execute("CREATE TABLE c(a PRIMARY KEY, p REFERENCES p(id)) WITHOUT ROWID")
        base.executemany("INSERT INTO c VALUES (?, 9)", [(n,) for n in range(150)])
        assert foreignkeys.violations(base) == (150, ["c: 150 rows refer to nothing in p"])
        base.execute("DELETE FROM c WHERE a > 0")
        assert foreignkeys.violations(base) == (1, ["c: 1 row refers to nothing in p"])


def test_lines_name_the_rows(tmp_path: Path) -> None:
    with opened(broken_keys(tmp_path / "shop.db", orders=150)) as base:
        count, lines = foreignkeys.violations(base)
    assert count == 150
    assert len(lines) == foreignkeys.MAX_MESSAGES
    assert lines[0] == "orders: row 501 refers to nothing in users"
