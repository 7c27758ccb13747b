"""Where the pages of a large file leave their grid: by looking into it here and there, and closer where it changed.

To weigh every page of it against all others takes far too long. Bytes that are missing, or too many, move all pages
behind them by the same number, and a page can be told at any byte (`phases`): so a few pieces of the file tell how
often that happened, and halving the stretch between two of them where.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from toolkit.sqlite.pages import node as nodes
from toolkit.sqlite.pages.geometry import Geometry
from toolkit.sqlite.salvage.phases import phase_in
from toolkit.sqlite.salvage.places import Run

PIECES = 64
"""Pieces of a file that are looked at first."""

WINDOW = 64
"""Pages of one piece."""

MOST = 8
"""Places at which bytes are missing or too many; more are no accident, and nothing is told."""


class _Piece(NamedTuple):
    """Where a piece of the file begins, and the phase of its pages."""

    offset: int
    phase: int


def jumps(file: int, size: int, geometry: Geometry) -> list[Run]:
    """Return the runs of pages of the open `file` of `size` bytes; one where nothing was moved, or where nothing tells.

    Each place at which bytes are missing or too many moved the pages by less than half a page; a single one, by any
    number that is no multiple of a page. Takes some hundred pieces of the file, and flat memory. Raises `OSError`.
    """
    return _Look(file, size, geometry).runs()


class _Look:
    def __init__(self, file: int, size: int, geometry: Geometry) -> None:
        self.file, self.size, self.geometry = file, size, geometry
        self.page, self.count = geometry.page_size, geometry.page_count

    def runs(self) -> list[Run]:
        whole = [Run(1, self.count, 0)]
        moved = self.size - self.count * self.page
        begin = _Piece(0, 0)
        last = next(filter(None, (self._piece(self.size - n * WINDOW * self.page) for n in range(1, PIECES))), None)
        if not moved or last is None or last.phase != moved % self.page:
            return whole
        steps = range(self.size // PIECES, last.offset, max(1, self.size // PIECES))
        pieces = [begin, *filter(None, map(self._piece, steps)), last]
        changes = [one for before, behind in pairwise(pieces) for one in self._changes(before, behind)]
        shifts = self._shifts(changes, moved)
        if not shifts:
            return whole
        found, first, shift = list[Run](), 1, 0
        for (before, behind), other in zip(changes, shifts, strict=True):
            edges = self._edges(before.offset, behind.offset, shift, other)
            if edges is None or edges[0] < first:
                return whole
            found.append(Run(first, edges[0], shift))
            first, shift = edges[1], other
        return [*found, Run(first, self.count, shift)]

    def _piece(self, offset: int) -> _Piece | None:
        data = os.pread(self.file, WINDOW * self.page, offset)
        phase = phase_in(data, offset, self.geometry)
        return None if phase is None else _Piece(offset, phase)

    def _changes(self, before: _Piece, behind: _Piece) -> Iterator[tuple[_Piece, _Piece]]:
        """Yield the pieces, at most two windows apart, between which the phase changes."""
        if before.phase == behind.phase:
            return
        middle = None
        apart = behind.offset - before.offset
        if apart > 2 * WINDOW * self.page:
            places = range(before.offset + apart // 2, behind.offset, WINDOW * self.page)
            middle = next(filter(None, map(self._piece, places)), None)
            if middle is None or middle.offset >= behind.offset:
                places = range(before.offset + apart // 2, before.offset, -WINDOW * self.page)
                middle = next(filter(None, map(self._piece, places)), None)
        if middle is None or not before.offset < middle.offset < behind.offset:
            yield before, behind
            return
        yield from self._changes(before, middle)
        yield from self._changes(middle, behind)

    def _shifts(self, changes: list[tuple[_Piece, _Piece]], moved: int) -> list[int]:
        """Return by how many bytes the pages behind each change are moved, the last by `moved`; none if not so."""
        if len(changes) == 1:
            return [moved]
        shift, found = 0, []
        for before, behind in changes[:MOST]:
            step = (behind.phase - before.phase) % self.page
            shift += step - self.page if step > self.page // 2 else step
            found.append(shift)
        return found if len(changes) <= MOST and shift == moved else []

    def _edges(self, begin: int, end: int, before: int, behind: int) -> tuple[int, int] | None:
        """Return the last page that surely lies `before` bytes off, and the first that lies `behind` bytes off."""
        numbers = range(max(2, (begin - before) // self.page), (end - before) // self.page + 2 * WINDOW)
        last = max((number for number in numbers if self._lies(number, before)), default=None)
        if last is None:
            return None
        least = (last - 1) * self.page + before
        numbers = range(max(last + 1, (least - behind) // self.page + 1), (end - behind) // self.page + 2 * WINDOW)
        first = next((number for number in numbers if self._lies(number, behind)), None)
        if first is None:
            return None
        least = (first - 1) * self.page + behind
        # A page that reaches into this one is not whole, though its cells may be.
        ahead = range(last, max(1, last - WINDOW), -1)
        whole = (number for number in ahead if number * self.page + before <= least and self._lies(number, before))
        return next(whole, 1), first

    def _lies(self, number: int, shift: int) -> bool:
        """Answer whether a sound page with cells lies where page `number` is when it is `shift` bytes off."""
        page = os.pread(self.file, self.page, (number - 1) * self.page + shift)
        node = nodes.parse(page, number, self.geometry) if len(page) == self.page else None
        return node is not None and bool(node.cells) and not node.faults
