"""How an application of the corpus is described, and how its rows are written, changed and taken away."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.makers.corpus_values import Maker, Pen, Value


@dataclass(frozen=True)
class Rows:
    """The rows of one table: `share` of them for each unit of size, a maker for each column that is written.

    `fixed` columns are never changed by an update. A table of `share` 0 stays empty.
    """

    table: str
    share: float
    columns: dict[str, Maker]
    fixed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Application:
    """A kind of database: its schema, its rows, and what happens to it half-way through its life.

    `units` are the rows that a `share` of 1 stands for. `later` is SQL that is run when half of the rows are there
    (columns added, indexes made); where that renames, `then` are the rows from there on. `adds` is a column that a
    change since yesterday's backup can add. `finish` and `pragmas` come last.
    """

    name: str
    schema: str
    rows: tuple[Rows, ...]
    units: int = 300
    later: str = ""
    then: tuple[Rows, ...] = ()
    adds: str = ""
    pragmas: tuple[str, ...] = ()
    finish: Callable[[sqlite3.Connection, random.Random], None] | None = None

    @property
    def grown(self) -> tuple[Rows, ...]:
        """The rows that are written after `later`."""
        return self.then or self.rows


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def write(pen: Pen, rows: Rows, count: int) -> None:
    """Insert `count` rows; those that meet a UNIQUE or CHECK constraint are left out."""
    names = ", ".join(quoted(name) for name in rows.columns)
    marks = ", ".join("?" * len(rows.columns))
    statement = f"INSERT INTO {quoted(rows.table)}({names}) VALUES ({marks})"
    pen.forget()
    for _ in range(count):
        pen.number += 1
        values = [make(pen) for make in rows.columns.values()]
        with contextlib.suppress(sqlite3.IntegrityError):
            pen.db.execute(statement, values)


def fill(
    db: sqlite3.Connection, kinds: tuple[Rows, ...], rng: random.Random, units: float, *, first: int, least: int = 1
) -> None:
    """Write rows into every table in the order of `kinds`: `units` times their share, numbered from `first` on."""
    for rows in kinds:
        if rows.share:
            write(Pen(rng, db, first), rows, max(least, round(units * rows.share)))


def identity(db: sqlite3.Connection, table: str) -> list[str]:
    """Return the columns that tell rows of `table` apart: its primary key when it has no rowid, else the rowid."""
    try:
        db.execute(f"SELECT rowid FROM {quoted(table)} LIMIT 0")
    except sqlite3.OperationalError:
        info = db.execute(f"PRAGMA table_xinfo({quoted(table)})").fetchall()
        return [row[1] for row in sorted(info, key=lambda row: row[5]) if row[5]]
    return ["rowid"]


def _picked(db: sqlite3.Connection, rows: Rows, rng: random.Random, share: float) -> Iterator[tuple[str, list[Value]]]:
    columns = identity(db, rows.table)
    names = ", ".join(name if name == "rowid" else quoted(name) for name in columns)
    where = " AND ".join(f"{name if name == 'rowid' else quoted(name)} IS ?" for name in columns)
    keys = db.execute(f"SELECT {names} FROM {quoted(rows.table)} ORDER BY {names}").fetchall()
    if not keys:
        return
    count = int(len(keys) * share + rng.random())
    if rng.random() < 0.5:  # old rows die in runs, as when a job clears them
        start = rng.randrange(len(keys))
        chosen = keys[start : start + count]
    else:
        chosen = rng.sample(keys, min(count, len(keys)))
    for key in chosen:
        yield where, list(key)


@contextlib.contextmanager
def _together(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN")
    yield
    db.execute("COMMIT")


def delete(db: sqlite3.Connection, application: Application, rng: random.Random, share: float) -> None:
    """Delete `share` of the rows of each table, children first; what a foreign key forbids stays.

    A few at a time, for deferred keys are looked at only when a transaction ends.
    """
    for rows in reversed(application.grown):
        chosen = list(_picked(db, rows, rng, share))
        for start in range(0, len(chosen), 25):
            part = chosen[start : start + 25]
            if not _delete(db, rows, part):
                for one in part:
                    _delete(db, rows, [one])


def _delete(db: sqlite3.Connection, rows: Rows, keys: list[tuple[str, list[Value]]]) -> bool:
    db.execute("BEGIN")
    try:
        for where, key in keys:
            db.execute(f"DELETE FROM {quoted(rows.table)} WHERE {where}", key)
        db.execute("COMMIT")
    except sqlite3.IntegrityError:
        db.execute("ROLLBACK")
        return False
    return True


def update(db: sqlite3.Connection, application: Application, rng: random.Random, share: float) -> None:
    """Give a new value to one or two columns of `share` of the rows of each table."""
    for rows in application.grown:
        free = [name for name in rows.columns if name not in rows.fixed]
        if not free:
            continue
        pen = Pen(rng, db, 500_000)
        for where, key in list(_picked(db, rows, rng, share)):
            pen.number += 1
            names = rng.sample(free, min(len(free), rng.randint(1, 2)))
            values = [rows.columns[name](pen) for name in names]
            setting = ", ".join(f"{quoted(name)} = ?" for name in names)
            with contextlib.suppress(sqlite3.IntegrityError):
                db.execute(f"UPDATE {quoted(rows.table)} SET {setting} WHERE {where}", [*values, *key])


def change(db: sqlite3.Connection, application: Application, rng: random.Random, share: float, first: int) -> None:
    """Change `share` of the rows: a third each is deleted, changed and new. Key columns are left as they are."""
    delete(db, application, rng, share / 3)
    with _together(db):
        update(db, application, rng, share / 3)
    with _together(db):
        for rows in application.grown:
            if rows.share:
                count = db.execute(f"SELECT count(*) FROM {quoted(rows.table)}").fetchone()[0]
                write(Pen(rng, db, first), rows, int(count * share / 3 + rng.random()))
