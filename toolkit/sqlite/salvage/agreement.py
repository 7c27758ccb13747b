"""Entries of an index against the rows that they name: an entry repeats some values of its row (file format, 2.5)."""

from __future__ import annotations

from toolkit.sqlite.pages import record
from toolkit.sqlite.pages.record import Value
from toolkit.sqlite.salvage.holding import Holding
from toolkit.sqlite.salvage.shape import Index, Shape


def agreement(shape: Shape, index: Index, tree: Holding, held: Holding) -> tuple[int, int]:
    """Return how many of some entries of an index name a row that is in `held`, with its values, and of how many."""
    entries = [values for _, values in tree.rows if len(values) == len(index.columns)]
    if not entries:
        full = held.rows and tree.empty and not index.partial
        return 0, len(held.rows) if full else 0
    if not shape.without_rowid:
        right = 0
        for values in entries:
            rowid = values[-1]
            row = held.find(rowid) if isinstance(rowid, int) else None
            right += row is not None and repeats(shape, index, values, row, rowid)
        return right, len(entries)
    places = [shape.positions.get(number, -1) for number in index.columns]
    rows = held.keyed(shape.keys)
    if rows is None or not set(range(shape.keys)) <= set(places):
        return 0, 0
    right = 0
    for values in entries:
        row = rows.get(record.encode([values[places.index(at)] for at in range(shape.keys)]))
        right += row is not None and repeats(shape, index, values, row, None)
    return right, len(entries)


def repeats(shape: Shape, index: Index, entry: list[Value], row: list[Value], rowid: Value) -> bool:
    """Answer whether an entry has the values of a row. What the row leaves out, as before an ALTER, is not compared."""
    for number, value in zip(index.columns, entry, strict=True):
        at = shape.positions.get(number, -1)
        if 0 <= at < len(row):
            own = rowid if shape.columns[at].key else row[at]
            same = float(value) == float(own) if _numbers(value, own) else value == own  # type: ignore[arg-type]
            if not same:
                return False
    return True


def _numbers(*values: Value) -> bool:
    return all(isinstance(value, int | float) for value in values)
