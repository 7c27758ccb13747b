"""Sound databases of many kinds, made by SQLite from a seed: what a reader of pages must never call damaged."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from tests.makers.databases import opened

TABLES = """
CREATE TABLE plain(id INTEGER PRIMARY KEY, name TEXT NOT NULL, price REAL, data BLOB);
CREATE TABLE loose(a, b TEXT UNIQUE, c INTEGER DEFAULT 7);
CREATE TABLE keyed(code TEXT COLLATE NOCASE, part INTEGER, body TEXT, PRIMARY KEY(code, part DESC)) WITHOUT ROWID;
CREATE TABLE counted(id INTEGER PRIMARY KEY AUTOINCREMENT, plain_id INTEGER REFERENCES plain(id), note TEXT,
                     size INTEGER GENERATED ALWAYS AS (length(note)) VIRTUAL, twice INTEGER AS (id * 2) STORED);
CREATE INDEX plain_by_name ON plain(name, price);
CREATE INDEX loose_some ON loose(c) WHERE c > 3;
CREATE INDEX counted_by_length ON counted(length(note), plain_id);
CREATE VIEW named AS SELECT id, name FROM plain;
CREATE TRIGGER watch AFTER DELETE ON plain BEGIN DELETE FROM counted WHERE plain_id = old.id; END;
"""
VIRTUAL = """
CREATE VIRTUAL TABLE words USING fts5(title, body);
CREATE VIRTUAL TABLE older USING fts4(title, body);
CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1, y0, y1);
"""


def _text(chance: random.Random, most: int) -> str:
    return "".join(chance.choice("abcdefg häöü שלום ") for _ in range(chance.randint(0, most)))


def fill(connection: Any, chance: random.Random, rows: int) -> None:
    """Add `rows` rows to each table, of lengths that often overflow."""
    longest = chance.choice((20, 200, 3000))
    for _ in range(rows):
        connection.execute(
            "INSERT INTO plain(name, price, data) VALUES (?, ?, ?)",
            (
                _text(chance, 30),
                chance.choice((None, 1.0, 2.5, chance.random())),
                chance.randbytes(chance.randint(0, longest)),
            ),
        )
        connection.execute(
            "INSERT OR IGNORE INTO loose VALUES (?, ?, ?)",
            (chance.choice((None, 1, "x", b"y", 2.5, -(1 << 62))), _text(chance, longest), chance.randint(-300, 300)),
        )
        connection.execute(
            "INSERT OR IGNORE INTO keyed VALUES (?, ?, ?)",
            (_text(chance, 12), chance.randint(0, 9), _text(chance, longest)),
        )
        connection.execute(
            "INSERT INTO counted(plain_id, note) VALUES (?, ?)", (chance.randint(1, rows), _text(chance, longest))
        )


def reserve(path: Path, reserved: int) -> None:
    """Make an empty database keep `reserved` bytes of each page for an extension, as encrypting ones do."""
    with path.open("r+b") as file:
        data = bytearray(file.read())
        usable = len(data) // max(1, int.from_bytes(data[28:32], "big")) - reserved
        data[20] = reserved
        data[105:107] = (usable & 0xFFFF).to_bytes(2, "big")
        file.seek(0)
        file.write(data)


def varied(path: Path, seed: int, *, rows: int = 120) -> dict[str, object]:
    """Make a sound database in rollback mode at `path`, of a kind that follows from `seed`; return the kind."""
    chance = random.Random(seed)
    kind: dict[str, object] = {
        "page_size": chance.choice((512, 1024, 4096, 4096, 8192, 32768, 65536)),
        "encoding": chance.choice(("UTF-8", "UTF-8", "UTF-16le", "UTF-16be")),
        "auto_vacuum": chance.choice((0, 0, 1, 2)),
        "secure_delete": chance.choice((0, 1)),
        "legacy_file_format": chance.choice((0, 1)),
    }
    virtual, delete = chance.random() < 0.5, chance.random() < 0.6
    reserved = chance.choice((0, 0, 0, 8, 32))
    with opened(path) as connection:
        for name, value in kind.items():
            connection.execute(f"PRAGMA {name}='{value}'")
        connection.execute("PRAGMA user_version=3")  # writes page 1, empty
    if reserved:
        reserve(path, reserved)
        kind["reserved"] = reserved
    with opened(path) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute(f"PRAGMA encoding='{kind['encoding']}'")  # it is kept from the first table on
        connection.executescript(TABLES + (VIRTUAL if virtual else ""))
        connection.execute("BEGIN")
        fill(connection, chance, rows)
        if virtual:
            for number in range(rows):
                words = (_text(chance, 20), _text(chance, 90))
                connection.execute("INSERT INTO words VALUES (?, ?)", words)
                connection.execute("INSERT INTO older VALUES (?, ?)", words)
                connection.execute("INSERT INTO boxes VALUES (?, ?, ?, 0, 1)", (number, number, number + 1))
        connection.execute("COMMIT")
        if delete:
            connection.execute("DELETE FROM plain WHERE id % 3 = 0")
            connection.execute("DELETE FROM keyed WHERE part < 4")
        if chance.random() < 0.3:
            connection.execute("DROP TABLE loose")
        if chance.random() < 0.3:
            connection.execute("ANALYZE")
    return kind
