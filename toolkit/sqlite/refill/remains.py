"""What is left of a damaged index is asked about the reference's rows: whether they were there, and still the same."""

# ruff: noqa: S608 -- names are quoted, values are bound

from __future__ import annotations

import sqlite3

from toolkit.sqlite.account import Remains
from toolkit.sqlite.order import sort_key
from toolkit.sqlite.refill.shape import Pair
from toolkit.sqlite.refill.wanted import Fate


def judge(connection: sqlite3.Connection, pair: Pair, told: tuple[Remains, ...]) -> list[int]:
    """Give their fate to the rows that an index would name and does not, or names with other values.

    Returns the rowids of those that one names as they are: they were there for certain.
    """
    proven: list[int] = []
    for one in told:
        theirs = [pair.theirs_of(column) for column in one.columns]
        if None in theirs or not pair.ours.rowid:
            continue
        rows = connection.execute(
            f"SELECT w.k0, {', '.join(f'r.{name}' for name in theirs)} FROM {pair.wanted} w "
            f"CROSS JOIN {pair.theirs.where} r ON {pair.is_wanted('r')} "
            f"WHERE w.fate = {Fate.PUT:d} AND w.place IS NULL"
        ).fetchall()
        fates: list[tuple[int, int]] = []
        for rowid, *values in rows:
            key = sort_key([*values, rowid], one.orders, one.encoding)
            if rowid in one.entries:
                if one.entries[rowid] == key:
                    proven.append(rowid)
                else:
                    fates.append((Fate.FAILED, rowid))
            elif one.covers(key):
                fates.append((Fate.DELETED, rowid))
        connection.executemany(f"UPDATE {pair.wanted} SET fate = ? WHERE k0 = ?", fates)
    return proven


def believe(connection: sqlite3.Connection, pair: Pair, proven: list[int]) -> None:
    """Take back the doubts about rows that were there for certain."""
    connection.executemany(f"UPDATE {pair.wanted} SET proven = 1 WHERE k0 = ?", ((rowid,) for rowid in proven))
    connection.executemany(
        f"UPDATE {pair.wanted} SET fate = {Fate.PUT:d} WHERE k0 = ? AND fate = {Fate.DOUBTFUL:d}",
        ((rowid,) for rowid in proven),
    )
