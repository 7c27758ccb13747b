"""The roots that the schema of a file names whose pages were moved, and what a page there must look like."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

from toolkit.sqlite.pages import rows as reading
from toolkit.sqlite.pages.geometry import INTERIOR_TABLE, LEAF_INDEX, LEAF_TABLE
from toolkit.sqlite.pages.record import CODECS, Value
from toolkit.sqlite.pages.scan import PageMap
from toolkit.sqlite.pages.source import PageSource
from toolkit.sqlite.salvage.entries import Entry, entry_of
from toolkit.sqlite.salvage.shape import Shape, blank, learn

MOST_ROWS = 8
"""Records of a page that are compared with a table."""

MOST_TABLES = 2000


class Roots:
    """What is known of the pages that are the root of a table or an index, and of no other."""

    def __init__(self, pages: dict[int, PageSource], maps: dict[int, PageMap]) -> None:
        self.pages, self.maps = pages, maps
        self.encoding = {2: "UTF-16le", 3: "UTF-16be"}.get(pages[0].page(1)[59], "UTF-8")
        entries = [entry for entry in self._entries() if entry.root > 1]
        self.table = {entry.root: entry.kind == "table" for entry in entries}
        self.shapes: dict[int, Shape] = {}
        self.widths: dict[int, int] = {}
        self._learn(entries[:MOST_TABLES])
        self._known: dict[tuple[int, int, int], int] = {}

    def fits(self, number: int, phase: int, place: int) -> int:
        """Return how well the sound page at a `place` is the root `number`: 2 by its records, -1 it is another's."""
        known = self._known.get((number, phase, place))
        if known is None:
            known = self._known[number, phase, place] = self._fits(number, phase, place)
        return known

    def _fits(self, number: int, phase: int, place: int) -> int:
        kind, shape = self.maps[phase].kinds[place], self.shapes.get(number)
        table = self.table[number] and not (shape is not None and shape.without_rowid)
        if kind not in ((INTERIOR_TABLE, LEAF_TABLE) if table else (2, LEAF_INDEX)):
            return -1
        rows = list(self._rows(phase, place)) if kind in (LEAF_TABLE, LEAF_INDEX) else []
        if not rows:
            return 1
        if shape is None:
            width = self.widths.get(number)
            return 1 if width is None else 1 if all(len(row) == width for row in rows) else -1
        if any(shape.misfit(row, self.encoding) for row in rows):
            return -1
        return 1 if any(shape.strangeness(row, self.encoding) for row in rows) else 2

    def _entries(self) -> Iterator[Entry]:
        """Yield the rows of the schema: of page 1, or of leaves that hold nothing else, wherever they lie."""
        first = self.maps[0].kinds[1]
        if first != INTERIOR_TABLE:
            yield from self._on(0, 1)
            return
        word = "CREATE ".encode(CODECS[self.encoding])
        for phase, found in self.maps.items():
            leaves = (place for place in range(2, len(found.kinds)) if found.kinds[place] == LEAF_TABLE)
            for place in leaves:
                if place not in found.faults and word in self.pages[phase].page(place):
                    entries = list(self._on(phase, place))
                    yield from entries if len(entries) == found.counts[place] else ()

    def _on(self, phase: int, place: int) -> Iterator[Entry]:
        for values in self._rows(phase, place, most=MOST_TABLES, cut=True):
            with contextlib.suppress(UnicodeDecodeError):
                entry = entry_of(1, values, self.encoding)
                if entry is not None:
                    yield entry

    def _learn(self, entries: list[Entry]) -> None:
        with blank() as connection:
            for kind in ("table", "index"):
                for entry in entries:
                    if entry.kind == kind and entry.sql and not entry.virtual:
                        with contextlib.suppress(sqlite3.Error, UnicodeError):
                            connection.execute(entry.sql)
            widths: dict[str, int] = {}
            for entry in entries:
                if entry.kind == "table":
                    with contextlib.suppress(sqlite3.Error, StopIteration, UnicodeError):
                        shape = learn(connection, entry.name)
                        if shape.columns:
                            self.shapes[entry.root] = shape
                        widths |= {index.name: len(index.columns) for index in shape.indexes}
        self.widths = {entry.root: widths[entry.name] for entry in entries if entry.name in widths}

    def _rows(self, phase: int, place: int, *, most: int = MOST_ROWS, cut: bool = False) -> Iterator[list[Value]]:
        source = self.pages[phase]
        return reading.on_page(source.page(place), place, source.geometry, most=most, cut=cut)
