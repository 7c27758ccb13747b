"""Lone pages of index trees are told: entries of an index whose rows are known, or rows of a table WITHOUT ROWID.

Both are records of a few values on the same kind of page. An entry repeats the values of a row that is found under
the key at its end, in the file or in a reference.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field

from toolkit.sqlite.connect import quoted
from toolkit.sqlite.pages import record
from toolkit.sqlite.pages.record import Value
from toolkit.sqlite.salvage.adopt import Known
from toolkit.sqlite.salvage.agreement import repeats
from toolkit.sqlite.salvage.holding import Holding
from toolkit.sqlite.salvage.image import Image
from toolkit.sqlite.salvage.schema import Schema
from toolkit.sqlite.salvage.shape import Index, Shape

ASKED = 12
"""Entries of a page that are looked up."""


@dataclass(slots=True)
class Listed:
    """The indexes of a schema, to ask whether a page is of one of them. `known` is the reference."""

    image: Image
    schema: Schema
    known: Known
    holdings: dict[str, Holding | None] = field(default_factory=dict)

    def widths(self, shape: Shape) -> set[int]:
        """Return how many values the records of trees have that are not of the table of this shape."""
        others = [one for one in self.schema.shapes.values() if one is not shape]
        widths = {len(index.columns) for one in others for index in one.indexes}
        return widths | {len(one.columns) for one in others if one.without_rowid}

    def share(self, rows: list[list[Value]]) -> float:
        """Return which share of these records repeat the rows of one index, the best. Raises `OSError`."""
        sample = rows[:: max(1, len(rows) // ASKED)][:ASKED]
        best = 0
        for shape, index in self._indexes(len(rows[0]) if rows else 0):
            best = max(best, sum(self._repeats(shape, index, values) for values in sample))
        return best / len(sample) if sample else 0.0

    def _indexes(self, width: int) -> Iterator[tuple[Shape, Index]]:
        for shape in self.schema.shapes.values():
            for index in shape.indexes:
                primary = shape.without_rowid and index.origin == "pk"
                if len(index.columns) == width and not primary:
                    yield shape, index

    def _repeats(self, shape: Shape, index: Index, entry: list[Value]) -> bool:
        if len(entry) != len(index.columns):
            return False
        if not shape.without_rowid:
            rowid = entry[-1]
            held = self._holding(shape.name)
            row = held.find(rowid) if held is not None and held.table and isinstance(rowid, int) else None
            if row is not None:
                return repeats(shape, index, entry, row, rowid)
        return self._in_reference(shape, index, entry)

    def _holding(self, name: str) -> Holding | None:
        if name not in self.holdings:
            entry = self.schema.find("table", name)
            self.holdings[name] = Holding.at(self.image, entry.root) if entry is not None else None
        return self.holdings[name]

    def _in_reference(self, shape: Shape, index: Index, entry: list[Value]) -> bool:
        """Answer whether the reference has a row with all values of an entry, found by its key."""
        if self.known.connection is None:
            return False
        wanted: list[str] = []
        values: list[object] = []
        for number, value in zip(index.columns, entry, strict=True):
            at = shape.positions.get(number, -1)
            if number == -1 or at >= 0:
                text = isinstance(value, record.RawText)
                name = "rowid" if number == -1 else quoted(shape.columns[at].name)
                wanted.append(f"{name} IS {'CAST(? AS TEXT)' if text else '?'}")
                values.append(
                    record.text(value, self.image.encoding).encode("utf-8", "surrogateescape") if text else value
                )
        keys = {shape.positions.get(number, -1) for number in index.columns}
        if not wanted or (shape.without_rowid and not set(range(shape.keys)) <= keys):
            return False
        sql = f"SELECT 1 FROM {quoted(shape.name)} WHERE {' AND '.join(wanted)} LIMIT 1"  # noqa: S608
        with contextlib.suppress(sqlite3.Error):
            return self.known.connection.execute(sql, values).fetchone() is not None
        return False
