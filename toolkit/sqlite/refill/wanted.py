"""Which rows of the reference may be put: their keys lie in the gaps, and are not there already."""

# ruff: noqa: S608 -- names are quoted, values are bound

from __future__ import annotations

import enum
import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from toolkit.sqlite.account import Gap, Key, TableAccount
from toolkit.sqlite.connect import quoted
from toolkit.sqlite.refill.shape import Pair
from toolkit.sqlite.salvage.shape import affinity

NEAR = 100
"""Rows of the reference on each side of a gap that tell how many were deleted around it."""

FEWEST = 8
"""From so many rows around a gap on, the share of deleted ones says something."""

MOST_GONE = 0.25
"""Where a larger share of the rows around a gap was deleted since, those in it may have been as well."""


SHORTEST = 3
"""A lost page takes a stretch of rows: fewer than so many that are missing between two that are there were deleted."""

LEAST_OF_A_PAGE = 0.25
"""Inside a gap a page takes this share of the rows that fit on one at least: pages are seldom emptier."""

MOST_DELETED = 0.05
"""Where rows were carved from broken pages and more than this share is missing, that is what the pages lost."""

ROWS_A_PAGE = 6
"""Rows that must fit on a page for both."""

SAMPLE = 200
"""Rows of the reference whose length is looked at."""


OFTEN = 0.1
"""Where more rows than this share are missing alone in a gap, longer stretches may have been deleted as well."""


class Fate(enum.IntEnum):
    """What becomes of a row of the reference in a gap."""

    PUT = 0
    """It may be put."""
    DELETED = 1
    """An index that names every row does not name it: it was deleted since."""
    DOUBTFUL = 2
    """Something says that it was deleted or changed since."""
    DONE = 3
    """It was put."""
    FAILED = 4
    """It was there for certain, and the table does not take it."""
    APART = 5
    """Nothing speaks for or against it, and only what is proven is put: it is kept apart."""


def bound(value: object) -> tuple[str, object]:
    """Return the placeholder and the parameter for a value of a key; texts that are no UTF-8 go as their bytes."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return "CAST(? AS TEXT)", value.encode("utf-8", "surrogateescape")
    return "?", value


def values_of(key: Key) -> tuple[object, ...]:
    """Return the values of a key."""
    return key if isinstance(key, tuple) else (key,)


def beyond(
    names: Sequence[str], descending: Sequence[bool], key: Key, *, later: bool, or_equal: bool = False
) -> tuple[str, list[object]]:
    """Return the condition, with parameters, that a key comes later (or earlier) in the table's order than `key`."""
    parts: list[str] = []
    parameters: list[object] = []
    values = [bound(value) for value in values_of(key)][: len(names)]
    for number, (place, value) in enumerate(values):
        sign = ">" if later is not descending[number] else "<"
        last = number == len(values) - 1
        equal = [f"{names[n]} = {values[n][0]}" for n in range(number)]
        parts.append(" AND ".join([*equal, f"{names[number]} {sign}{'=' if or_equal and last else ''} {place}"]))
        parameters += [*(values[n][1] for n in range(number)), value]
    if len(values) == 1:
        return parts[0], parameters
    place, value = values[0]
    sign = ">=" if later is not descending[0] else "<="
    ranged = f"{names[0]} {sign} {place} AND ({' OR '.join(f'({part})' for part in parts)})"
    return ranged, [value, *parameters]


def inside(pair: Pair, gap: Gap, alias: str) -> tuple[str, list[object]]:
    """Return the condition, with parameters, that the reference's row `alias` lies in the gap."""
    names = [f"{alias}.{key}" for key in pair.theirs.key]
    parts, parameters = ["1"], []
    for key, later in ((gap.after, True), (gap.before, False)):
        if key is not None:
            part, values = beyond(names, pair.theirs.descending, key, later=later)
            parts.append(part)
            parameters += values
    return " AND ".join(parts), parameters


def create(connection: sqlite3.Connection, pair: Pair) -> None:
    """Make the empty work table of a pair."""
    if pair.ours.rowid:
        columns = f"k0 INTEGER PRIMARY KEY, place INTEGER, gap INTEGER, fate INTEGER NOT NULL DEFAULT {Fate.PUT:d}"
        columns += ", proven INTEGER NOT NULL DEFAULT 0"
        connection.execute(f"CREATE TABLE {pair.wanted}({columns})")
        _by_gap(connection, pair)
        return
    kinds = _kinds(connection, pair)
    keys = [f'k{number} {kinds[number]} COLLATE "{name}"' for number, name in enumerate(pair.ours.collations)]
    listed = ", ".join(f"k{number}" for number in range(len(keys)))
    connection.execute(
        f"CREATE TABLE {pair.wanted}({', '.join(keys)}, gap INTEGER, fate INTEGER NOT NULL DEFAULT {Fate.PUT:d}, "
        f"proven INTEGER NOT NULL DEFAULT 0, PRIMARY KEY({listed})) WITHOUT ROWID"
    )
    _by_gap(connection, pair)


def _kinds(connection: sqlite3.Connection, pair: Pair) -> list[str]:
    """Return a type for each column of the key with the affinity of the reference's, without which no index is used."""
    rows = connection.execute(
        "SELECT name, type FROM pragma_table_info(?, ?)", (pair.theirs.table, pair.theirs.schema)
    ).fetchall()
    declared = {quoted(name).lower(): kind for name, kind in rows}
    return [affinity(declared.get(key.lower(), "")) for key in pair.theirs.key]


def _by_gap(connection: sqlite3.Connection, pair: Pair) -> None:
    """Make the index without which each of thousands of gaps would cost a look at every row."""
    schema, _, table = pair.wanted.partition(".")
    connection.execute(f"CREATE INDEX {schema}.{table}_by_gap ON {table}(gap)")


def collect(connection: sqlite3.Connection, pair: Pair, number: int, gap: Gap) -> None:
    """Enter the keys of the reference's rows in the gap whose keys are not there."""
    condition, parameters = inside(pair, gap, "r")
    keys = ", ".join(f"k{n}" for n in range(len(pair.ours.key)))
    theirs = ", ".join(f"r.{key}" for key in pair.theirs.key)
    connection.execute(
        f"INSERT OR IGNORE INTO {pair.wanted}({keys}, gap) SELECT {theirs}, ? FROM {pair.theirs.where} r "
        f"WHERE {condition} AND NOT EXISTS (SELECT 1 FROM {pair.ours.where} o WHERE {pair.same_key('o', 'r')})",
        (number, *parameters),
    )


def name(connection: sqlite3.Connection, pair: Pair, named: Iterable[int]) -> None:
    """Keep only the rows that an index names; the others were deleted since."""
    connection.execute(f"CREATE TABLE {pair.named}(k0 INTEGER PRIMARY KEY)")
    connection.executemany(f"INSERT OR IGNORE INTO {pair.named} VALUES (?)", ((one,) for one in named))
    mark(
        connection,
        pair,
        Fate.DELETED,
        f"NOT EXISTS (SELECT 1 FROM {pair.named} n WHERE n.k0 = coalesce(w.place, w.k0))",
    )


def mark(connection: sqlite3.Connection, pair: Pair, fate: Fate, condition: str, *, instead_of: Fate = Fate.PUT) -> int:
    """Give another fate to the rows (alias `w`) of which `condition` holds; return how many those were."""
    sql = f"UPDATE {pair.wanted} AS w SET fate = {fate:d} WHERE w.fate = {instead_of:d} AND {condition}"
    return connection.execute(sql).rowcount


def count(connection: sqlite3.Connection, pair: Pair, fate: Fate) -> int:
    """Return how many rows have that fate."""
    sql = f"SELECT count(*) FROM {pair.wanted} WHERE fate = {fate:d}"
    return int(connection.execute(sql).fetchone()[0])


def doubt_where_much_was_deleted(connection: sqlite3.Connection, pair: Pair, account: TableAccount) -> int:
    """Doubt the rows of gaps around which many rows were deleted since; return how many gaps that were."""
    doubted = 0
    for first, last in _chains(account.gaps):
        seen = gone = 0
        for key, later in ((account.gaps[first].after, False), (account.gaps[last].before, True)):
            if key is not None:
                counts = _around(connection, pair, key, later=later)
                seen, gone = seen + counts[0], gone + counts[1]
        if seen >= FEWEST and gone > seen * MOST_GONE:
            for number in range(first, last + 1):
                doubted += mark(connection, pair, Fate.DOUBTFUL, f"w.gap = {number}") > 0
    return doubted


def _chains(gaps: Sequence[Gap]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of the gaps that a single key parts from each other, as those of one broken page.

    What lies around such a page is asked once, not for each row that was carved from it. Gaps of which it is known how
    many rows they lack are left out.
    """
    first, end = -1, -1
    for number, gap in enumerate(gaps):
        if gap.rows is not None:
            continue
        if end >= 0 and end == number - 1 and gap.after is not None and gap.after == gaps[end].before:
            end = number
            continue
        if end >= 0:
            yield first, end
        first = end = number
    if end >= 0:
        yield first, end


def _around(connection: sqlite3.Connection, pair: Pair, key: Key, *, later: bool) -> tuple[int, int]:
    """Return how many of the reference's rows next to `key`, outside all gaps, there are, and how many are gone."""
    condition, parameters = beyond(
        [f"r.{name}" for name in pair.theirs.key], pair.theirs.descending, key, later=later, or_equal=True
    )
    order = ", ".join(
        f"r.{name} {'ASC' if later is not down else 'DESC'}"
        for name, down in zip(pair.theirs.key, pair.theirs.descending, strict=True)
    )
    seen, gone = connection.execute(
        f"SELECT count(*), total(gone) FROM (SELECT "
        f"NOT EXISTS (SELECT 1 FROM {pair.ours.where} o WHERE {pair.same_key('o', 'r')}) AS gone, "
        f"EXISTS (SELECT 1 FROM {pair.wanted} w WHERE {pair.is_wanted('r')}) AS lost "
        f"FROM {pair.theirs.where} r WHERE {condition} ORDER BY {order} LIMIT {NEAR}) WHERE NOT lost",
        parameters,
    ).fetchone()
    return int(seen), int(gone)


def doubt_too_many(connection: sqlite3.Connection, pair: Pair, account: TableAccount) -> None:
    """Doubt the rows of gaps that lack fewer rows than the reference has there: some were deleted."""
    for number, gap in enumerate(account.gaps):
        if gap.rows is not None:
            sql = f"SELECT count(*) FROM {pair.wanted} WHERE gap = {number}"
            if connection.execute(sql).fetchone()[0] > gap.rows:
                mark(connection, pair, Fate.DOUBTFUL, f"w.gap = {number}")


def filled(connection: sqlite3.Connection, pair: Pair, number: int, gap: Gap) -> bool:
    """Answer whether a gap has every row again that was missing in it."""
    sql = f"SELECT count(*) FROM {pair.wanted} WHERE gap = {number} AND fate = {Fate.DONE:d}"
    return gap.rows is not None and bool(connection.execute(sql).fetchone()[0] >= gap.rows)


def doubt_single_rows(connection: sqlite3.Connection, pair: Pair, account: TableAccount) -> None:
    """Doubt rows that are missing alone between rows that are there: a lost page would have taken these as well.

    Where pages were carved and many are missing so, they are what these pages lost.
    """
    fitting = _rows_a_page(connection, pair)
    if fitting < ROWS_A_PAGE:
        return
    inner = SHORTEST if account.carved else max(SHORTEST, int(fitting * LEAST_OF_A_PAGE))
    keys = ", ".join(f"k{number}" for number in range(len(pair.ours.key)))
    connection.execute("DROP TABLE IF EXISTS work.single")
    connection.execute(f"CREATE TABLE work.single AS SELECT {keys} FROM {pair.wanted} WHERE 0")
    places = ", ".join("?" * len(pair.ours.key))
    all_alone = all_there = 0
    for number, gap in enumerate(account.gaps):
        if gap.rows is not None:
            continue
        there: list[int] = []
        before = connection.total_changes
        rows = _short_runs(connection, pair, number, gap, (SHORTEST, inner), there)
        connection.executemany(f"INSERT INTO work.single VALUES ({places})", rows)
        alone = connection.total_changes - before
        all_alone, all_there = all_alone + alone, all_there + sum(there)
        if not account.carved and alone > FEWEST + sum(there) * OFTEN:
            mark(connection, pair, Fate.DOUBTFUL, f"w.gap = {number}")
    if account.carved and all_alone > (all_alone + max(all_there, account.carved)) * MOST_DELETED:
        return
    same = " AND ".join(f"s.k{number} = w.k{number}" for number in range(len(pair.ours.key)))
    connection.execute(f"CREATE INDEX work.single_by_key ON single({keys})")
    mark(connection, pair, Fate.DOUBTFUL, f"EXISTS (SELECT 1 FROM work.single s WHERE {same})")


def _short_runs(
    connection: sqlite3.Connection, pair: Pair, number: int, gap: Gap, shortest: tuple[int, int], there: list[int]
) -> Iterator[tuple[object, ...]]:
    """Yield the keys of runs of missing rows that are too short for a page.

    `shortest` are the rows of a run that reaches from edge to edge of the gap, and of one that ends inside it.
    Runs that reach an open end are as long as can be. When it is through, `there` has the number of rows in the
    gap that are there.
    """
    condition, parameters = inside(pair, gap, "r")
    theirs = ", ".join(f"r.{key}" for key in pair.theirs.key)
    order = ", ".join(
        f"r.{key}{' DESC' if down else ''}" for key, down in zip(pair.theirs.key, pair.theirs.descending, strict=True)
    )
    rows = connection.cursor().execute(
        f"SELECT EXISTS (SELECT 1 FROM {pair.wanted} w WHERE {pair.is_wanted('r')} AND w.gap = ?), {theirs} "
        f"FROM {pair.theirs.where} r WHERE {condition} ORDER BY {order}",
        (number, *parameters),
    )
    run: list[tuple[object, ...]] = []
    present, open_end = 0, gap.after is None
    for missing, *key in rows:
        if missing:
            if len(run) < shortest[1]:
                run.append(tuple(key))
            continue
        present += 1
        if not open_end and len(run) < shortest[1]:
            yield from run
        run, open_end = [], False
    if gap.before is not None and not open_end and len(run) < shortest[1 if present else 0]:
        yield from run
    there.append(present)


def _rows_a_page(connection: sqlite3.Connection, pair: Pair) -> float:
    """Return about how many of the table's rows fit on a page."""
    page = connection.execute(f"PRAGMA {pair.theirs.schema}.page_size").fetchone()[0]
    lengths = " + ".join(f"coalesce(length(CAST({quoted(name)} AS BLOB)), 0) + 1" for name in pair.theirs.columns)
    sql = f"SELECT avg({lengths}) FROM (SELECT * FROM {pair.theirs.where} LIMIT {SAMPLE})"
    average = connection.execute(sql).fetchone()[0] if len(pair.theirs.columns) <= SAMPLE else None
    return float(page) / (float(average) + 8) if average else 0.0
