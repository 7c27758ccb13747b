"""Damage that leaves every page readable: rules of the schema broken, counters and indexes that do not agree."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from tests.makers import corpus, corpus_contents
from tests.makers.corpus_application import quoted
from tests.makers.corruption_site import DAMAGED, LENIENT, Kind, Site, UnfitError, word


@contextmanager
def _opened(site: Site) -> Iterator[sqlite3.Connection]:
    with corpus.connected(site.path) as db:
        db.execute("PRAGMA foreign_keys=OFF")
        yield db


def _plain_tables(db: sqlite3.Connection) -> list[tuple[str, str]]:
    shadows = corpus_contents.shadow_names(db)
    rows = db.execute(
        "SELECT name, sql FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite%' "
        "AND sql NOT LIKE 'CREATE VIRTUAL%'"
    ).fetchall()
    return [
        (name, sql) for name, sql in rows if name not in shadows and _count(db, name) > 3 and not _triggers(db, name)
    ]


def _triggers(db: sqlite3.Connection, table: str) -> int:
    """Count the triggers of a table: they would change more than was meant."""
    found = db.execute("SELECT count(*) FROM sqlite_master WHERE type='trigger' AND tbl_name=?", (table,))
    return int(found.fetchone()[0])


def _count(db: sqlite3.Connection, table: str) -> int:
    return int(db.execute(f"SELECT count(*) FROM {quoted(table)}").fetchone()[0])


@contextmanager
def _rewritten(db: sqlite3.Connection, table: str, sql: str, new: str) -> Iterator[None]:
    """Give a table another SQL for a while, without a trigger of its own."""
    triggers = db.execute(
        "SELECT name, sql FROM sqlite_master WHERE type='trigger' AND tbl_name=?", (table,)
    ).fetchall()
    for name, _ in triggers:
        db.execute(f"DROP TRIGGER {quoted(name)}")
    for statement in (new, sql):
        db.execute("PRAGMA writable_schema=ON")
        db.execute("UPDATE sqlite_master SET sql=? WHERE name=? AND type='table'", (statement, table))
        db.execute("PRAGMA writable_schema=RESET")
        if statement is new:
            yield


def _not_null(site: Site) -> str:
    with _opened(site) as db:
        fitting = []
        for name, sql in _plain_tables(db):
            info = db.execute(f"PRAGMA table_xinfo({quoted(name)})").fetchall()
            loose = re.sub(r"\bNOT\s+NULL\b", "", sql, flags=re.IGNORECASE)
            columns = [row[1] for row in info if row[3] and not row[5] and not row[6]]
            if columns and "WITHOUT ROWID" not in sql.upper():
                fitting.append((name, sql, loose, columns))
        if not fitting:
            raise UnfitError
        name, sql, loose, columns = site.random.choice(fitting)
        column, count = site.random.choice(columns), site.random.randint(1, site.amount(4, 7))
        with _rewritten(db, name, sql, loose):
            db.execute("PRAGMA ignore_check_constraints=1")
            db.execute(
                f"UPDATE {quoted(name)} SET {quoted(column)} = NULL WHERE rowid IN "
                f"(SELECT rowid FROM {quoted(name)} ORDER BY rowid LIMIT {count} OFFSET {_count(db, name) // 3})"
            )
    return f"{count} rows of {name} have NULL in {column}"


def _unique(site: Site) -> str:
    """Make a UNIQUE index plain in the schema, add rows that are there already, make it UNIQUE again."""
    with _opened(site) as db:
        found = db.execute(
            "SELECT name, tbl_name, sql FROM sqlite_master WHERE type='index' AND sql LIKE 'CREATE UNIQUE%' "
            "AND sql NOT LIKE '% WHERE %'"
        ).fetchall()
        fitting = [
            row for row in found if _count(db, row[1]) > 3 and _has_rowid(db, row[1]) and not _triggers(db, row[1])
        ]
        if not fitting:
            raise UnfitError
        index, table, sql = site.random.choice(fitting)
        info = db.execute(f"PRAGMA table_xinfo({quoted(table)})").fetchall()
        names = ", ".join(quoted(row[1]) for row in info if not row[5] and not row[6])
        if not names:
            raise UnfitError
        count = site.random.randint(1, site.amount(3, 6))
        plain = re.sub(r"UNIQUE\s+", "", sql, count=1, flags=re.IGNORECASE)
        db.execute("PRAGMA writable_schema=ON")
        db.execute("UPDATE sqlite_master SET sql=? WHERE name=?", (plain, index))
        db.execute("PRAGMA writable_schema=RESET")
        triggers = db.execute(
            "SELECT name, sql FROM sqlite_master WHERE type='trigger' AND tbl_name=?", (table,)
        ).fetchall()
        for name, _ in triggers:
            db.execute(f"DROP TRIGGER {quoted(name)}")
        try:
            db.execute(
                f"INSERT INTO {quoted(table)}({names}) SELECT {names} FROM {quoted(table)} LIMIT {count} OFFSET 2"
            )
        except sqlite3.IntegrityError as error:
            raise UnfitError from error
        for _, text in triggers:
            db.execute(text)
        db.execute("PRAGMA writable_schema=ON")
        db.execute("UPDATE sqlite_master SET sql=? WHERE name=?", (sql, index))
        db.execute("PRAGMA writable_schema=RESET")
        if db.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",):  # a NULL, or the key itself, tells them apart
            raise UnfitError
    return f"{count} rows of {table} twice, against the UNIQUE index {index}"


def _has_rowid(db: sqlite3.Connection, table: str) -> bool:
    try:
        db.execute(f"SELECT rowid FROM {quoted(table)} LIMIT 0")
    except sqlite3.Error:
        return False
    return True


def _check(site: Site) -> str:
    with _opened(site) as db:
        fitting = [
            (name, match.group(1), match.group(2))
            for name, sql in _plain_tables(db)
            if (match := re.search(r"CHECK\s*\(\s*\"?(\w+)\"?\s*(>=|>)\s*0", sql, re.IGNORECASE))
        ]
        if not fitting:
            raise UnfitError
        name, column, _ = site.random.choice(fitting)
        db.execute("PRAGMA ignore_check_constraints=1")
        keys = [row[0] for row in db.execute(f"SELECT rowid FROM {quoted(name)}")] if _has_rowid(db, name) else []
        if not keys:
            raise UnfitError
        hit = site.random.sample(keys, min(len(keys), site.amount(2, 4)))
        for key in hit:
            db.execute(f"UPDATE {quoted(name)} SET {quoted(column)} = -7 WHERE rowid = ?", (key,))
    return f"{len(hit)} rows of {name} break a CHECK of {column}"


def _orphans(site: Site) -> str:
    """Delete rows that others refer to, as applications do that never turn foreign keys on."""
    with _opened(site) as db:
        parents = set()
        for name, _ in _plain_tables(db):
            for row in db.execute(f"PRAGMA foreign_key_list({quoted(name)})").fetchall():
                parents.add((row[2], row[4], name, row[3]))
        if not parents:
            raise UnfitError
        parent, to, child, column = site.random.choice(sorted(parents, key=str))
        if to is None:
            info = db.execute(f"PRAGMA table_info({quoted(parent)})").fetchall()
            to = next((row[1] for row in info if row[5]), "rowid")
        used = db.execute(
            f"SELECT DISTINCT {quoted(column)} FROM {quoted(child)} WHERE {quoted(column)} IS NOT NULL ORDER BY 1"
        ).fetchall()
        if not used:
            raise UnfitError
        hit = site.random.sample(used, min(len(used), site.random.randint(1, site.amount(3, 5))))
        db.execute("PRAGMA recursive_triggers=OFF")
        for (value,) in hit:
            db.execute(f"DELETE FROM {quoted(parent)} WHERE {quoted(to)} IS ?", (value,))
        if not db.execute("PRAGMA foreign_key_check").fetchall():
            raise UnfitError
    return f"{len(hit)} rows of {parent} deleted that {child} refers to"


def _bad_text(site: Site) -> str:
    """Overwrite bytes inside a text with what no UTF-8 text can hold."""
    if site.spec.encoding != "UTF-8":
        raise UnfitError
    with _opened(site) as db:
        fitting = []
        for name, layout in corpus_contents.layouts(db).items():
            if layout.virtual or (layout.key == ("rowid",) and not _has_rowid(db, name)):
                continue
            fitting += [(name, column) for column in layout.columns if column not in layout.key]
        site.random.shuffle(fitting)
        for name, column in fitting:
            generated = {row[1] for row in db.execute(f"PRAGMA table_xinfo({quoted(name)})") if row[6]}
            indexed = db.execute(
                "SELECT count(*) FROM sqlite_master WHERE tbl_name=? AND type IN ('index', 'trigger')", (name,)
            )
            if column in generated or generated or indexed.fetchone()[0]:
                continue
            rows = db.execute(
                f"SELECT {quoted(column)} FROM {quoted(name)} WHERE typeof({quoted(column)})='text' "
                f"AND length({quoted(column)}) BETWEEN 8 AND 200 LIMIT 50"
            ).fetchall()
            if rows:
                text = site.random.choice(rows)[0].encode()
                break
        else:
            raise UnfitError
    data = bytes(site.read())
    if data.count(text) != 1:
        raise UnfitError
    at = data.index(text) + len(text) // 2
    site.put(at, site.random.choice((b"\xff", b"\xc3\x28", b"\xed\xa0\x80"))[: max(1, len(text) // 2)])
    return f"a text of {name}.{column} is no longer valid"


def _counter(site: Site, db: sqlite3.Connection) -> tuple[str, int]:
    """Choose a counter that is worth damaging, and return its table and number."""
    try:
        rows: list[tuple[str, int]] = db.execute("SELECT name, seq FROM sqlite_sequence WHERE seq > 3").fetchall()
    except sqlite3.Error as error:
        raise UnfitError from error
    if not rows:
        raise UnfitError
    return site.random.choice(rows)


def _sequence(site: Site) -> str:
    with _opened(site) as db:
        name, _ = _counter(site, db)
        highest = db.execute(f"SELECT max(rowid) FROM {quoted(name)}").fetchone()[0] or 0
        if highest < 2:
            raise UnfitError
        if site.random.random() < 0.5:
            db.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", (site.random.randrange(highest), name))
            said = "too low"
        elif site.random.random() < 0.5:
            db.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
            said = "gone"
        else:
            db.execute("UPDATE sqlite_sequence SET seq = 'many' WHERE name = ?", (name,))
            said = "no number"
    return f"counter of {name} {said}"


def _counters(site: Site) -> str:
    """Give a table two counters, or break the head of the page of counters, old cells and noise before the others."""
    with _opened(site) as db:
        name, seq = _counter(site, db)
        twice = site.random.random() < 0.3
        if twice:
            db.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (name, seq - site.random.randint(1, 3)))
        (encoding,) = db.execute("PRAGMA encoding").fetchone()
    if twice:
        return f"two counters of {name}"
    page = site.pick([one for one in site.map.of("table-leaf") if one.owner == "sqlite_sequence"])
    head = site.page(page.number)
    count, content = int.from_bytes(head[3:5], "big"), int.from_bytes(head[5:7], "big") or 65536
    codec = {"UTF-16le": "utf-16-le", "UTF-16be": "utf-16-be"}.get(encoding, "utf-8")
    old = [(name, seq // 2), ("dropped", 7), (name[:-1] or "x", 99), (b"\x01\x02", 3), (5, 6)]
    cells = b"".join(counter_cell(60 + at, *one, codec) for at, one in enumerate(old))[: content - 8 - 2 * count]
    site.put_page(page.number, cells, content - len(cells))
    site.put_page(page.number, site.random.randbytes(8 + 2 * count))
    return f"head of page {page.number}, the counters, overwritten; {len(cells)} bytes of old cells before the others"


def counter_cell(rowid: int, name: str | bytes | int, seq: int, codec: str) -> bytes:
    """Return a cell of a table of two columns, each of a few bytes; numbers take two bytes."""
    first = name.to_bytes(2, "big") if isinstance(name, int) else name.encode(codec) if isinstance(name, str) else name
    serial = 2 if isinstance(name, int) else 2 * len(first) + (13 if isinstance(name, str) else 12)
    types = bytes((serial,)) if serial < 128 else bytes((128 | serial >> 7, serial & 127))
    record = bytes((len(types) + 2,)) + types + b"\2" + first + (seq & 0x7FFF).to_bytes(2, "big")
    return (bytes((len(record), rowid)) + record) if len(record) < 128 else b""


def _freelist(site: Site) -> str:
    page = site.pick([one for one in site.map.pages.values() if one.kind == "free-trunk"])
    used = site.pick(site.map.of("table-leaf", "index-leaf", owners=("table", "index")))
    count = int.from_bytes(site.page(page.number)[4:8], "big")
    if count and site.random.random() < 0.6:
        site.put_page(page.number, word(used.number), 8 + 4 * site.random.randrange(count))
        return f"trunk {page.number} of the freelist names page {used.number}, which is used"
    site.put_page(page.number, word(site.random.choice((2**31, count + 3, 60000))), 4)
    return f"number of leaves of trunk {page.number} of the freelist wrong"


def _pointer_map(site: Site) -> str:
    page = site.pick([one for one in site.map.pages.values() if one.kind == "pointer-map"])
    count = min(site.map.usable // 5, site.map.count - page.number)
    if count < 3:
        raise UnfitError
    hit = site.random.sample(range(count), min(count, site.amount(3, 9)))
    for one in hit:
        site.put_page(
            page.number, bytes((site.random.randint(1, 5),)) + word(site.random.randrange(site.map.count)), 5 * one
        )
    return f"{len(hit)} entries of the pointer map {page.number} overwritten"


def _shadow(pattern: str, action: str) -> object:
    def apply(site: Site) -> str:
        with _opened(site) as db:
            db.execute("PRAGMA trusted_schema=ON")
            names = sorted(name for name in corpus_contents.shadow_names(db) if re.search(pattern, name))
            names = [name for name in names if _count(db, name) > 1]
            if not names:
                raise UnfitError
            name = site.random.choice(names)
            number = db.execute(f"SELECT count(*) FROM {quoted(name)}").fetchone()[0]
            skip = site.random.randrange(number)
            key = [row[1] for row in db.execute(f"PRAGMA table_info({quoted(name)})") if row[5]] or ["rowid"]
            values = db.execute(f"SELECT {', '.join(key)} FROM {quoted(name)} LIMIT 1 OFFSET {skip}").fetchone()
            where = " AND ".join(f"{one} IS ?" for one in key)
            try:
                db.execute(action.format(name=quoted(name), where=where), values)
            except sqlite3.Error as error:
                raise UnfitError from error
        return f"a row of the shadow table {name} damaged"

    return apply


LOGICAL = (
    Kind("not-null", "logical", _not_null, DAMAGED),
    Kind("unique", "logical", _unique, DAMAGED),
    Kind("check", "logical", _check, DAMAGED),
    Kind("orphans", "logical", _orphans, DAMAGED, truth="after"),
    Kind("bad-text", "logical", _bad_text, DAMAGED),
    Kind("sequence", "logical", _sequence, DAMAGED),
    Kind("counters", "logical", _counters, DAMAGED),
    Kind("freelist", "logical", _freelist, LENIENT),
    Kind("pointer-map", "logical", _pointer_map, LENIENT),
    Kind("fts-index", "logical", _shadow(r"_(data|segments|segdir)$", "DELETE FROM {name} WHERE {where}"), LENIENT),  # type: ignore[arg-type]
    Kind("fts-content", "logical", _shadow(r"_(content|docsize)$", "DELETE FROM {name} WHERE {where}"), LENIENT),  # type: ignore[arg-type]
    Kind(
        "rtree-node",
        "logical",
        _shadow(r"_node$", "UPDATE {name} SET data = zeroblob(length(data)) WHERE {where}"),
        LENIENT,
    ),  # type: ignore[arg-type]
    Kind("rtree-parent", "logical", _shadow(r"_(parent|rowid)$", "DELETE FROM {name} WHERE {where}"), LENIENT),  # type: ignore[arg-type]
)
