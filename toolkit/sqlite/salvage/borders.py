"""The place between two runs of pages at which bytes were put in or taken out, told by the cells around it.

A byte of the database lies, before the border, where the shift of one run says, and behind it where that of the other
does. When bytes are missing, they are those behind the border. Of all places the one is taken at which most cells hold
records that are as long as they say.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from toolkit.sqlite.pages import node as nodes
from toolkit.sqlite.pages import record
from toolkit.sqlite.pages.geometry import INTERIOR_TABLE, Geometry
from toolkit.sqlite.salvage.places import Run

MOST = 12
"""Pages in which the border may lie that are looked at cell by cell."""

MOST_PLACES = 400
"""Places that are weighed, spread over all; then those around the best."""

NO_PAGE = b"\xff\xff\xff\xff"
"""What a page begins with that is missing, or may hold wrong bytes: no overflow chain goes on there, and none ends."""


@dataclass(slots=True)
class Border:
    """What lies between two runs: the `pages` from `first` on. Where rows may be another table's, there is none.

    `given_up` are pages with a cell without a record: what it held may be a mixture. `blurred` are pages that may hold
    wrong bytes and tell nothing by which these could be found: no overflow chain goes over them any more.
    """

    first: int
    pages: list[bytes] = field(default_factory=list)
    given_up: list[int] = field(default_factory=list)
    blurred: list[int] = field(default_factory=list)


def border(file: int, geometry: Geometry, before: Run, behind: Run) -> Border:
    """Return the pages between two runs of the open `file`. Raises `OSError`."""
    return _Search(file, geometry, before, behind).result()


class _Search:
    def __init__(self, file: int, geometry: Geometry, before: Run, behind: Run) -> None:
        self.file, self.geometry, self.size = file, geometry, geometry.page_size
        self.before, self.behind = before, behind
        self.lost = max(0, before.shift - behind.shift)
        self.whole = (before.shift - behind.shift) % self.size == 0
        last = self._parsed(self.of(before.last, before.shift), before.last)
        torn = before.last > 1 and not self.whole and (not last.kind or bool(last.faults))
        self.first = before.last if torn or (before.last == 1 and bool(last.faults)) else before.last + 1
        self.end = behind.first

    def of(self, number: int, shift: int) -> bytes:
        """Return page `number` as it lies `shift` bytes off."""
        begin = (number - 1) * self.size + shift
        data = os.pread(self.file, self.size + min(0, begin), max(0, begin)) if begin > -self.size else b""
        return data.rjust(self.size, b"\0") if begin < 0 else data.ljust(self.size, b"\0")

    def _parsed(self, page: bytes, number: int) -> nodes.Node:
        return nodes.parse(page, number, self.geometry)

    def _page(self, number: int, at: int) -> bytes:
        """Return page `number` if the border is `at` this byte of the database."""
        begin = (number - 1) * self.size
        ahead, gone = max(0, min(self.size, at - begin)), max(0, min(self.size, at + self.lost - begin))
        if ahead == self.size:
            return self.of(number, self.before.shift)
        behind = self.of(number, self.behind.shift)
        if not gone:
            return behind
        return self.of(number, self.before.shift)[:ahead] + bytes(gone - ahead) + behind[gone:]

    def _worth(self, page: bytes, number: int) -> int:
        node = self._parsed(page, number)
        return len(intact(page, page, number, self.geometry)) + bool(node.kind and node.cells and not node.faults)

    def _places(self) -> Iterator[int]:
        """Yield the bytes at which the border may lie: the begins of pages, and the ends of cells."""
        least, most = (self.first - 1) * self.size, (self.end - 1) * self.size - self.lost
        pages = range(self.first, (most - 1) // self.size + 2)
        for number in self._likely(pages):
            begin = (number - 1) * self.size
            places = {begin}
            ahead = self.of(number, self.before.shift)
            for shift in (self.before.shift, self.behind.shift):
                page = self.of(number, shift)
                places |= {begin + end for _, end in intact(page, ahead, number, self.geometry)}
                places |= {begin + at - self.lost for at, _ in intact(page, ahead, number, self.geometry)}
            yield from sorted(one for one in places if least <= one <= most)
        if most >= least:
            yield most

    def _likely(self, pages: range) -> list[int]:
        if len(pages) <= MOST:
            return list(pages)
        ahead = [self._worth(self.of(number, self.before.shift), number) for number in pages]
        behind = [self._worth(self.of(number, self.behind.shift), number) for number in pages]
        gone = -(-self.lost // self.size)
        sums = [sum(ahead[:at]) + sum(behind[at + max(1, gone) :]) for at in range(len(pages))]
        best = sorted(range(len(pages)), key=lambda at: -sums[at])[:MOST]
        return [pages[at] for at in sorted(best)]

    def result(self) -> Border:
        """Return the best joined pages."""
        found = Border(self.first)
        places = list(dict.fromkeys(self._places()))
        if self.first >= self.end or not places:
            return found
        known: dict[tuple[int, int], int] = {}
        joints: dict[int, _Joint] = {}

        def worth(at: int) -> int:
            total = 0
            for number in range(self.first, self.end):
                begin = (number - 1) * self.size
                ahead, gone = max(0, min(self.size, at - begin)), max(0, min(self.size, at + self.lost - begin))
                side = -1 if ahead == self.size else 0 if not gone else at
                if side > 0 and gone == self.size and not ahead:
                    continue
                if side > 0 and number not in joints:
                    joints[number] = _Joint(self, number)
                if side > 0 and ahead >= joints[number].heading:
                    total += joints[number].worth(ahead, gone, self._page(number, at))
                    continue
                if (number, side) not in known:
                    known[number, side] = self._worth(self._page(number, at), number)
                total += known[number, side]
            return total

        places.sort()
        step = len(places) // MOST_PLACES + 1
        near = places.index(max(places[::step], key=worth))
        at = max(places[max(0, near - step + 1) : near + step], key=worth)
        for number in range(self.first, self.end):
            self._add(found, number, at)
        return found

    def _add(self, found: Border, number: int, at: int) -> None:
        page, begin = self._page(number, at), (number - 1) * self.size
        inside = begin < at < begin + self.size
        node = self._parsed(page, number)
        gone = begin >= at and begin + self.size <= at + self.lost
        one, other = (self.of(number, run.shift) for run in (self.before, self.behind))
        if number in self.before.unsure and one != other:
            page = bytes(self.size)
            node, gone = self._parsed(page, number), True
        if gone or (not node.kind and not self.whole):
            found.blurred += [] if gone else [number]
            page = NO_PAGE + page[len(NO_PAGE) :]
        elif inside and node.kind and node.kind != INTERIOR_TABLE:
            cells = [cell for cell in intact(page, page, number, self.geometry) if begin + cell[0] < at]
            last = max(cells, default=None)
            cell = nodes.read_cell(page, last[0], node.kind, self.geometry) if last else None
            if cell is not None:  # it may be a mixture
                found.given_up.append(number)
                page = page[: cell.start] + b"\0" + page[cell.start + 1 :]
        found.pages.append(page)


class _Joint:
    """A page whose header and cell pointers lie before the border: its cells as they read on either side of it."""

    def __init__(self, search: _Search, number: int) -> None:
        self.number, self.geometry = number, search.geometry
        before = search.of(number, search.before.shift)
        self.head = nodes.parse(before, number, search.geometry)
        begin = 100 if number == 1 else 0
        self.heading = begin + (12 if self.head.interior else 8) + 2 * len(self.head.pointers)
        self.before = dict(intact(before, before, number, search.geometry))
        self.behind = dict(intact(search.of(number, search.behind.shift), before, number, search.geometry))

    def worth(self, ahead: int, gone: int, page: bytes) -> int:
        """Return how many cells are intact with a border after `ahead` bytes, one more if all are.

        A cell lies before it or behind it; the last that begins before it may be joined of both, in `page`.
        """
        found = {pointer for pointer, end in self.before.items() if end <= ahead}
        found |= {pointer for pointer in self.behind if pointer >= gone}
        last = max((one for one in self.head.pointers if one < ahead), default=None)
        if last is not None and last not in found:
            cell = nodes.read_cell(page, last, self.head.kind, self.geometry)
            if cell is not None and _fits(cell, page, self.head.kind):
                found.add(last)
        return len(found) + bool(self.head.kind and found and len(found) == len(set(self.head.pointers)))


def intact(page: bytes, pointing: bytes, number: int, geometry: Geometry) -> list[tuple[int, int]]:
    """Return begin and end of the cells of `page`, with the header of `pointing`, whose records are as long as said."""
    head = nodes.parse(pointing, number, geometry)
    found = []
    for pointer in head.pointers:
        cell = nodes.read_cell(page, pointer, head.kind, geometry)
        if cell is not None and _fits(cell, page, head.kind):
            found.append((pointer, pointer + cell.size))
    return found


def _fits(cell: nodes.Cell, page: bytes, kind: int) -> bool:
    """Answer whether a cell holds a record that is as long as the cell says."""
    with contextlib.suppress(ValueError):
        return kind == INTERIOR_TABLE or record.record_size(page[cell.start : cell.start + cell.local]) == cell.payload
    return False
