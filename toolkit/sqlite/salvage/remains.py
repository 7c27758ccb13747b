"""What is left of a damaged index speaks of the rows of its table: in the keys that it still holds without a hole."""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from toolkit.events import ShouldStop
from toolkit.sqlite import second
from toolkit.sqlite.account import Remains
from toolkit.sqlite.order import known, sort_key
from toolkit.sqlite.pages import node as nodes
from toolkit.sqlite.pages import record
from toolkit.sqlite.pages.chains import payload_from
from toolkit.sqlite.pages.geometry import LEAF_INDEX
from toolkit.sqlite.pages.record import Value
from toolkit.sqlite.salvage import spans
from toolkit.sqlite.salvage.shape import Index, Shape
from toolkit.sqlite.salvage.spans import Stretch
from toolkit.sqlite.salvage.stretches import Entries, Entry, stretches
from toolkit.sqlite.salvage.survey import Survey, Tree

MOST_ENTRIES = 400_000
"""Entries of an index that are looked at."""


def remains(survey: Survey, tree: Tree, shape: Shape, index: Index, gaps: Sequence[Stretch]) -> Remains | None:
    """Return what the index at `tree` still says of the rows whose rowid lies in a gap; None where it says nothing.

    None also for an index of some rows only, of expressions, by a collation that is the application's.
    """
    places = [shape.positions.get(number, -1) for number in index.columns[:-1]]
    found, image = survey.found, survey.image
    pages = {*tree.inner, *(one.page for one in tree.places if one.page and not one.broken)}
    if index.partial or not places or min(places) < 0 or not known(index.orders) or tree.root not in pages:
        return None
    if sum(found.counts[page] for page in pages) > MOST_ENTRIES:
        return None
    reading = _Reading(survey, index, gaps)

    def entries(number: int) -> Entries | None:
        return reading.entries(number) if number in pages else None

    held = [
        (
            None if one.before == 0 and at == 0 else sort_key(one.first, index.orders, image.encoding),
            None if one.behind == 0 else sort_key(one.last, index.orders, image.encoding),
        )
        for at, one in enumerate(stretches(found, [tree.root], entries))
    ]
    columns = tuple(shape.columns[place].name for place in places)
    return Remains(columns, index.orders, image.encoding, tuple(held), reading.named) if held else None


@dataclass(frozen=True, slots=True)
class Question:
    """A damaged index, by its tree, and the stretches of its table in which rows may be missing."""

    tree: Tree
    shape: Shape
    index: Index
    gaps: tuple[Stretch, ...]


class Hearing:
    """What the indexes of `questions`, by their names, still say; of a large file a second process reads them.

    It reads pages that are there now, so none of these may be written before it is closed.
    """

    def __init__(
        self, survey: Survey, questions: dict[str, Question], *, beside: bool, should_stop: ShouldStop
    ) -> None:
        self._survey, self._questions, self._should_stop = survey, questions, should_stop
        self._said: dict[str, Remains | None] | None = None
        self._other: second.Second[dict[str, Remains | None]] | None = None
        if beside and questions and second.has_room():
            self._other = second.Second(self._all, keep=[survey.image.descriptor])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._other is not None:
            self._other.close()

    def of(self, index: Index, gaps: Sequence[Stretch]) -> Remains | None:
        """Return what an index says of the rows in these gaps, which lie in those of its question."""
        question = self._questions.get(index.name)
        if question is None:
            return None
        if self._other is None:
            return remains(self._survey, question.tree, question.shape, index, gaps)
        if self._said is None:
            self._said = self._other.result(self._should_stop)
        told, edges = self._said[index.name], spans.edges(gaps)
        if told is None:
            return None
        return replace(told, entries={row: key for row, key in told.entries.items() if spans.between(row, edges)})

    def _all(self) -> dict[str, Remains | None]:
        return {
            name: remains(self._survey, asked.tree, asked.shape, asked.index, asked.gaps)
            for name, asked in self._questions.items()
        }


class _Reading:
    """Reads the entries of the pages of one index; `named` are the keys of those whose rowid is inside a gap."""

    def __init__(self, survey: Survey, index: Index, gaps: Sequence[Stretch]) -> None:
        self.found, self.image, self.index = survey.found, survey.image, index
        self.edges = spans.edges(gaps)
        self.named: dict[int, tuple[object, ...]] = {}
        self.layouts: dict[bytes, tuple[int, int]] = {}

    def entries(self, number: int) -> Entries:
        """Return the entries of a page; of a leaf whose entries are all sound the first and the last stand for all."""
        page = self.image.page(number)
        ends = self.leaf(page, number) if self.found.kinds[number] == LEAF_INDEX else None
        if ends is not None:
            return Entries([self.values(page, cell) for cell in ends])
        cells: list[Entry] = []
        for cell in nodes.parse(page, number, self.image.geometry).cells:
            values = self.values(page, cell)
            cells.append(values)
            if values is not None:
                self.name(values)
        return Entries(cells)

    def values(self, page: bytes, cell: nodes.Cell) -> Entry:
        """Return the values of an entry, None for one that is none."""
        payload = payload_from(self.image, page, cell)
        try:
            values = record.decode(payload or b"")
        except ValueError:
            return None
        sound = payload is not None and len(values) == len(self.index.columns) and isinstance(values[-1], int)
        return values if sound else None

    def name(self, values: list[Value]) -> None:
        """Keep the key of an entry whose row is in a gap."""
        rowid = values[-1]
        if isinstance(rowid, int) and spans.between(rowid, self.edges):
            self.named[rowid] = sort_key(values, self.index.orders, self.image.encoding)

    def leaf(self, page: bytes, number: int) -> list[nodes.Cell] | None:
        """Return the first and the last entry of a leaf, None where one overflows or is not sound.

        Only the rowid of each is read, several times as fast as all values: how records lie that begin with the same
        header is worked out once.
        """
        count, geometry, edges = self.found.counts[number], self.image.geometry, self.edges
        if number in self.found.faults or not count:
            return None
        pointers = struct.unpack_from(f">{count}H", page, 8)
        layouts, most = self.layouts, min(0x7F, geometry.index_local)
        wanted = []
        for pointer in pointers:
            payload, head = page[pointer : pointer + 2]
            start = pointer + 1
            header = page[start : start + head]
            layout = layouts.get(header)
            if layout is None:
                layout = layouts[header] = self.layout(header)
            size, width = layout
            if payload > most or payload != size:
                return None
            end = start + payload
            rowid = int.from_bytes(page[end - width : end], "big", signed=True) if width else header[-1] - 8
            at = bisect_left(edges, rowid)
            if at & 1 and edges[at] != rowid:
                wanted.append(pointer)
        for pointer in wanted:
            self.name(record.decode(page[pointer + 1 : pointer + 1 + page[pointer]]))
        ends = (
            nodes.read_cell(page, pointer, LEAF_INDEX, geometry)
            for pointer in dict.fromkeys((pointers[0], pointers[-1]))
        )
        return [cell for cell in ends if cell is not None]

    def layout(self, header: bytes) -> tuple[int, int]:
        """Return the size of a record with this header and the bytes of its rowid; (0, 0) for none of this index."""
        try:
            found, size = record.serials(header)
            sizes = [record.serial_size(serial) for serial in found]
        except ValueError:
            return 0, 0
        if len(found) != len(self.index.columns) or not (0 < found[-1] < 7 or found[-1] in (8, 9)):
            return 0, 0
        return size + sum(sizes), sizes[-1]
