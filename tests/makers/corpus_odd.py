"""Databases of the corpus whose shape is unusual: many columns, odd names, strict tables, extremes, few pages."""

from __future__ import annotations

from tests.makers.corpus_application import Application, Rows
from tests.makers.corpus_values import (
    Maker,
    anything,
    blob,
    choice,
    document,
    either,
    email,
    epoch,
    extreme,
    flag,
    hexes,
    maybe,
    prose,
    real,
    ref,
    row_number,
    stamp,
    unique,
    whole,
    with_nul,
    word,
    words,
)

_MANY: tuple[tuple[str, Maker], ...] = (
    ("INTEGER", whole(0, 10**6)),
    ("REAL", real(-1e4, 1e4)),
    ("TEXT", maybe(words(1, 3))),
    ("NUMERIC", extreme),
    ("BLOB", maybe(blob(0, 30))),
    ("", maybe(anything)),
)

WIDE = Application(
    "wide",
    "CREATE TABLE survey(id INTEGER PRIMARY KEY, "
    + ", ".join(f"q{n} {_MANY[n % 6][0]}" for n in range(130))
    + "); CREATE INDEX survey_q0 ON survey(q0, q2); CREATE TABLE summary(day TEXT, "
    + ", ".join(f"hour_{n} REAL DEFAULT 0.0" for n in range(24))
    + ");",
    (
        Rows("survey", 1, {f"q{n}": _MANY[n % 6][1] for n in range(130)}),
        Rows("summary", 1, {"day": stamp} | {f"hour_{n}": real(0, 50) for n in range(0, 24, 3)}),
    ),
    units=180,
)

NAMES = Application(
    "names",
    """
    CREATE TABLE "select"("from" INTEGER PRIMARY KEY, "group by" TEXT, "a""b" TEXT, 'it''s' INT, [x y] REAL, `order` BLOB);
    CREATE INDEX "index" ON "select"("group by", "a""b" DESC);
    CREATE TABLE "tablo ğüşiöç 表"("sütun" TEXT, "ключ" TEXT PRIMARY KEY, "😀" INT);
    CREATE TABLE "semi;colon -- comment"("/* x */" INT, ")" TEXT DEFAULT ')', "," TEXT DEFAULT ',' /* a, b */, "(" INT -- )
      );
    CREATE TABLE "Robert'); DROP TABLE ""x"" y"(a, b, c);
    CREATE VIEW "the view" AS SELECT "group by" AS "a b" FROM "select" WHERE "from" > 3;
    CREATE TABLE lower(a TEXT COLLATE RTRIM, b TEXT COLLATE NOCASE, PRIMARY KEY(a, b)) WITHOUT ROWID;
    """,
    (
        Rows(
            "select",
            1.5,
            {"group by": words(1, 4), 'a"b': maybe(word), "it's": extreme, "x y": real(0, 9), "order": blob(0, 90)},
        ),
        Rows("tablo ğüşiöç 表", 1, {"sütun": prose(10, 300), "ключ": unique("ключ"), "😀": flag}, ("ключ",)),
        Rows("semi;colon -- comment", 1, {"/* x */": whole(0, 9), ")": word, ",": word, "(": flag}),
        Rows('Robert\'); DROP TABLE "x" y', 0.5, {"a": anything, "b": anything, "c": word}),
        Rows("lower", 0.5, {"a": unique("Aa"), "b": choice("X", "x", "y")}, ("a", "b")),
    ),
)

STRICT = Application(
    "strict",
    """
    CREATE TABLE readings(id INTEGER PRIMARY KEY, at INTEGER NOT NULL, label TEXT NOT NULL, value REAL, raw BLOB, extra ANY,
      day TEXT GENERATED ALWAYS AS (date(at, 'unixepoch')) VIRTUAL, double REAL AS (value * 2) STORED) STRICT;
    CREATE INDEX readings_day ON readings(day);
    CREATE UNIQUE INDEX readings_label ON readings(label, at);
    CREATE TABLE pairs(k TEXT NOT NULL, n INT NOT NULL, v ANY, both TEXT GENERATED ALWAYS AS (k || '/' || n) STORED, PRIMARY KEY(k, n))
      STRICT, WITHOUT ROWID;
    CREATE TABLE only_generated(a INT, b AS (a + 1), c INT, d TEXT AS (a || '-' || c) STORED, e TEXT);
    CREATE INDEX only_generated_b ON only_generated(b, e);
    """,
    (
        Rows(
            "readings",
            3,
            {"at": epoch, "label": word, "value": maybe(real(0, 100)), "raw": maybe(blob(0, 300)), "extra": anything},
        ),
        Rows("pairs", 1.5, {"k": word, "n": whole(0, 99), "v": anything}, ("k", "n")),
        Rows("only_generated", 1.5, {"a": whole(0, 999), "c": maybe(whole(0, 9)), "e": maybe(words(1, 4))}),
    ),
    adds="ALTER TABLE readings ADD COLUMN unit TEXT DEFAULT 'K'",
)


def _negative(pen: object) -> int:
    number: int = pen.number  # type: ignore[attr-defined]
    return number * 3 - 600 if number % 3 else (2**40 + number * 12345 if number % 2 else -(2**35) + number)


EXTREMES = Application(
    "extremes",
    """
    CREATE TABLE numbers(id INTEGER PRIMARY KEY, i INTEGER, r REAL, n NUMERIC, t TEXT, b BLOB, x);
    CREATE INDEX numbers_x ON numbers(x);
    CREATE INDEX numbers_r ON numbers(r, i);
    CREATE TABLE texts(body TEXT, other TEXT);
    CREATE TABLE bare(x);
    CREATE TABLE pk_desc(k INTEGER PRIMARY KEY DESC, v TEXT);
    CREATE TABLE emptiness(a, b);
    """,
    (
        Rows(
            "numbers",
            2,
            {
                "id": _negative,
                "i": extreme,
                "r": real(-1e12, 1e12, 4),
                "n": either(extreme, real(0, 1e6), word),
                "t": either(word, with_nul, choice("", "1", "1.0", "NULL")),
                "b": blob(0, 50),
                "x": anything,
            },
            ("id",),
        ),
        Rows(
            "texts",
            0.7,
            {
                "body": either(with_nul, prose(1, 40000)),
                "other": choice("😀" * 30, "👩‍👩‍👧", "", "a\nb\r\nc", "\ufeffx"),
            },
        ),
        Rows("bare", 1.5, {"x": anything}),
        Rows("pk_desc", 1, {"k": row_number, "v": words(1, 3)}, ("k",)),
        Rows("emptiness", 0, {"a": flag}),
    ),
)

LOG = Application(
    "log",
    """
    CREATE TABLE log(at TEXT, level TEXT, logger TEXT, message TEXT, trace TEXT);
    CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT);
    """,
    (
        Rows(
            "log",
            6,
            {
                "at": stamp,
                "level": choice("INFO", "WARN", "ERROR"),
                "logger": word,
                "message": words(3, 14),
                "trace": maybe(prose(300, 4000), 0.9),
            },
        ),
        Rows("meta", 0.03, {"key": unique("k"), "value": word}, ("key",)),
    ),
)

TINY = Application(
    "tiny",
    """
    CREATE TABLE settings(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, value TEXT);
    CREATE TABLE history(at INTEGER, name TEXT, old TEXT);
    CREATE TRIGGER changed AFTER UPDATE ON settings BEGIN INSERT INTO history VALUES (1700000000, old.name, old.value); END;
    """,
    (
        Rows("settings", 0.3, {"name": unique("option."), "value": maybe(either(word, document))}),
        Rows("history", 0.2, {"at": epoch, "name": word, "old": maybe(word)}),
    ),
)

ALTERED = Application(
    "altered",
    """
    CREATE TABLE people(id INTEGER PRIMARY KEY, name TEXT NOT NULL, gone TEXT);
    CREATE TABLE old_names(id INTEGER PRIMARY KEY AUTOINCREMENT, person INT REFERENCES people(id), was TEXT);
    CREATE INDEX old_names_person ON old_names(person);
    CREATE TABLE dropped(a TEXT, b TEXT);
    INSERT INTO dropped SELECT 'gone', 'x' FROM (VALUES (1), (2), (3));
    """,
    (
        Rows("people", 3, {"name": words(1, 3)}),
        Rows("old_names", 2, {"person": ref("people"), "was": words(1, 3)}, ("person",)),
    ),
    then=(
        Rows("people", 1, {"name": words(1, 3), "email": email, "score": real(0, 9), "note": maybe(anything, 0.7)}),
        Rows("former_names", 1, {"person": ref("people"), "name_before": words(1, 3)}, ("person",)),
    ),
    later="""
    ALTER TABLE people ADD COLUMN email TEXT DEFAULT 'nobody@example.org';
    ALTER TABLE people ADD COLUMN score REAL NOT NULL DEFAULT 1.5;
    ALTER TABLE people ADD COLUMN joined INTEGER DEFAULT 1700000000;
    ALTER TABLE people ADD COLUMN note;
    ALTER TABLE people DROP COLUMN gone;
    ALTER TABLE old_names RENAME COLUMN was TO name_before;
    ALTER TABLE old_names RENAME TO former_names;
    DROP TABLE dropped;
    CREATE UNIQUE INDEX people_id_name ON people(name COLLATE NOCASE, id);
    """,
    adds="ALTER TABLE people ADD COLUMN phone TEXT DEFAULT ''",
)

BLOBS = Application(
    "blobs",
    """
    CREATE TABLE chunks(id INTEGER PRIMARY KEY, file INTEGER NOT NULL, part INTEGER NOT NULL, sha TEXT, data BLOB);
    CREATE UNIQUE INDEX chunks_part ON chunks(file, part);
    CREATE TABLE texts(id INTEGER PRIMARY KEY, body TEXT, sum TEXT);
    """,
    (
        Rows("chunks", 0.3, {"file": whole(1, 9), "part": row_number, "sha": hexes(64), "data": blob(3000, 90000)}),
        Rows("texts", 0.5, {"body": prose(1000, 30000), "sum": hexes(32)}),
    ),
    units=80,
)

ODD = (WIDE, NAMES, STRICT, EXTREMES, LOG, TINY, ALTERED, BLOBS)
