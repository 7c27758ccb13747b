"""Which rows of the reference something proves to have been there, and what becomes of those that nothing speaks of.

A proof is a sound index that names the row, what is left of a damaged one that names it as it is, a child that
still refers to it, or the number of rows that are missing where it lies.
"""

# ruff: noqa: S608 -- names are quoted, values are bound

from __future__ import annotations

import sqlite3

from toolkit.sqlite import apart
from toolkit.sqlite.account import Gap, TableAccount
from toolkit.sqlite.connect import quoted
from toolkit.sqlite.refill import wanted
from toolkit.sqlite.refill.shape import OURS, Pair
from toolkit.sqlite.refill.wanted import Fate
from toolkit.sqlite.refill.witnesses import Link


def by_name(connection: sqlite3.Connection, pair: Pair) -> None:
    """Take every row that may be put as proven: an index names it."""
    connection.execute(f"UPDATE {pair.wanted} SET proven = 1 WHERE fate = {Fate.PUT:d}")


def by_number(connection: sqlite3.Connection, pair: Pair, account: TableAccount) -> None:
    """Take the rows of a gap as proven of which there are just as many as the gap lacks."""
    for number, gap in enumerate(account.gaps):
        if gap.rows is not None:
            sql = f"SELECT count(*) FROM {pair.wanted} WHERE gap = {number} AND fate = {Fate.PUT:d}"
            if connection.execute(sql).fetchone()[0] == gap.rows:
                connection.execute(f"UPDATE {pair.wanted} SET proven = 1 WHERE gap = {number} AND fate = {Fate.PUT:d}")


def by_children(connection: sqlite3.Connection, link: Link) -> int:
    """Take the parents as proven to which a proven row refers that is put as well; return how many."""
    child, parent = link.child, link.parent
    keys = ", ".join(f"w.k{number}" for number in range(len(parent.ours.key)))
    found = connection.execute(
        f"SELECT DISTINCT {keys} FROM {child.wanted} v "
        f"CROSS JOIN {child.theirs.where} c ON {child.is_wanted('c', 'v')} "
        f"CROSS JOIN {parent.theirs.where} r ON {link.joined('c', 'r', ours=(False, False))} "
        f"CROSS JOIN {parent.wanted} w ON {parent.is_wanted('r')} "
        f"WHERE v.fate = {Fate.PUT:d} AND v.proven AND w.fate = {Fate.PUT:d} AND NOT w.proven"
    ).fetchall()
    at = " AND ".join(f"k{number} = ?" for number in range(len(parent.ours.key)))
    connection.executemany(f"UPDATE {parent.wanted} SET proven = 1 WHERE {at}", found)
    return len(found)


def keep_apart(connection: sqlite3.Connection, pair: Pair) -> str | None:
    """Put the rows that nothing proves into a table of their own, as the reference has them; return its name.

    It has the columns of their table without types or rules, and their rowids. None where there is no such row.
    """
    if not wanted.count(connection, pair, Fate.APART):
        return None
    names = connection.execute(f"SELECT name FROM {OURS}.sqlite_master")
    name = apart.free_name((one for (one,) in names), pair.ours.table)
    ours = [quoted(mine) for mine, _ in pair.columns]
    theirs = [f"r.{quoted(other)}" for _, other in pair.columns]
    connection.execute(f"CREATE TABLE {OURS}.{quoted(name)}({', '.join(ours)})")
    if pair.ours.rowid:
        ours.insert(
            0, next(one for one in ("rowid", "_rowid_", "oid") if quoted(one).lower() not in map(str.lower, ours))
        )
        theirs.insert(0, "coalesce(w.place, w.k0)")
    connection.execute(
        f"INSERT INTO {OURS}.{quoted(name)}({', '.join(ours)}) SELECT {', '.join(theirs)} FROM {pair.wanted} w "
        f"CROSS JOIN {pair.theirs.where} r ON {pair.is_wanted('r')} WHERE w.fate = {Fate.APART:d}"
    )
    return name


def unproven(connection: sqlite3.Connection, pair: Pair, account: TableAccount) -> tuple[int, tuple[Gap, ...]]:
    """Return how many rows nothing proves, put or kept apart, and in which gaps, with their number in each."""
    rows = connection.execute(
        f"SELECT gap, count(*) FROM {pair.wanted} WHERE fate IN ({Fate.DONE:d}, {Fate.APART:d}) AND NOT proven "
        "GROUP BY gap ORDER BY gap"
    ).fetchall()
    found = tuple(Gap(account.gaps[gap].after, account.gaps[gap].before, count) for gap, count in rows)
    return sum(count for _, count in rows), found
