"""Rows that lost sectors of a disk: a block of zeros, or of 0xff, lies in the midst of a text or a blob.

A disk that cannot read or did not write a sector leaves one (512 bytes, or a multiple), and SQLite sees nothing of it
where only values lie. Values begin and end anywhere in a file, so a run of zeros that is a part of one hardly ever has
its borders where sectors have theirs. Texts hold no zeros at all. Blobs may: of these only tables are told whose blobs
hold no other run, and none that lies as the format of a blob would have it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_
from typing import NamedTuple

from toolkit.errors import CancelledError
from toolkit.events import ShouldStop
from toolkit.sqlite.pages import node as nodes
from toolkit.sqlite.pages import record
from toolkit.sqlite.pages.node import Cell
from toolkit.sqlite.pages.scan import PageMap
from toolkit.sqlite.pages.source import PageSource

SECTOR = 512
_SAMPLES = range(0, SECTOR, 73)

LEAST = 64
"""Bytes of a text in such a run from which on it is no text any more."""

MOST = 5000
"""Runs of one table that are looked at; where there are more, they are its habit."""

_OTHERS = 4
"""Other runs in a table for each text that is told: of a text one border is enough, so these may have one by chance."""

_STEP = 16
"""Bytes in which formats are laid out that have runs of zeros themselves, such as archives and images of disks."""


class Run(NamedTuple):
    """Equal bytes from `begin` to `end` of a page, a sector at least; `left`, `right`: sectors have a border there."""

    page: int
    begin: int
    end: int
    left: bool
    right: bool


@dataclass(frozen=True, slots=True)
class Blank:
    """A row that lost `size` bytes of a text or a blob to a run. `page` holds its cell; `rowid` is 0 without rowids.

    `certain`: the run lies as no format of blobs would have it.
    """

    owner: int
    page: int
    rowid: int
    text: bool
    size: int
    certain: bool


def blanks(source: PageSource, found: PageMap, owner: Callable[[int], int], should_stop: ShouldStop) -> Iterator[Blank]:
    """Yield the rows that lost a sector. `owner` tells which table holds a page, also one of a chain; 0 for none.

    One more pass over the file, at the speed of memory. Raises `OSError`, `CancelledError`.
    """
    hits: dict[int, list[Run]] = defaultdict(list)
    others: dict[int, list[Run]] = defaultdict(list)
    for run in _all_runs(source, found, should_stop):
        table = owner(run.page)
        if table:
            kept = hits if run.left or run.right else others
            if len(kept[table]) < MOST:
                kept[table].append(run)
    told: dict[int, list[Blank]] = defaultdict(list)
    likely = [run for table, runs in hits.items() if len(runs) < MOST for run in runs]
    for one in _rows(source, found, likely, owner) if likely else ():
        told[one.owner].append(one)
    for table, rows in told.items():
        chances = sum(_in_a_value(source, found, run) for run in others[table])
        texts = [one for one in rows if one.text]
        held = {(one.page, one.rowid) for one in rows}
        if chances <= _OTHERS * len(texts):
            yield from texts
        alone = len(held) == len(rows)  # two runs of one blob are rather its format's
        if not chances and alone and all(one.certain for one in rows):
            yield from (one for one in rows if not one.text)


def _in_a_value(source: PageSource, found: PageMap, run: Run) -> bool:
    """Answer whether a run lies in a value: not in a free block, nor behind the end of a chain on its last page."""
    if not found.kinds[run.page]:
        return bool(found.following[run.page]) or run.end < source.geometry.usable
    cells = nodes.parse(source.page(run.page), run.page, source.geometry).cells
    return any(cell.start <= run.begin < cell.start + cell.local for cell in cells)


def _all_runs(source: PageSource, found: PageMap, should_stop: ShouldStop) -> Iterator[Run]:
    """Yield the runs in which values may lie."""
    size = source.geometry.page_size
    near = int(source.page(1)[59] in (2, 3))  # a letter of UTF-16 beside it has a zero of its own
    for first, piece in source.pieces():
        if should_stop():
            raise CancelledError("cancelled while reading pages", subject=source.path)
        for at, end in _runs_of(piece, size):
            number, begin = first + at // size, at % size
            until = begin + end - at
            if _is_content(piece, found, number, at - begin, begin):
                left, right = -begin % SECTOR <= near, until % SECTOR <= near
                yield Run(number, begin, until, left, right and until < size)


def _runs_of(piece: bytes, size: int) -> Iterator[tuple[int, int]]:
    """Yield begin and end of the runs that hold a whole sector, each inside of one page.

    A few bytes of every sector are looked at, of all sectors at once: hardly one that is not blank passes.
    """
    samples = [int.from_bytes(piece[place::SECTOR]) for place in _SAMPLES]
    count = len(piece) // SECTOR
    for fill, marks in ((b"\0", reduce(or_, samples)), (b"\xff", reduce(and_, samples))):
        marked, block = marks.to_bytes(count), fill * SECTOR
        at = marked.find(fill)
        while at >= 0:
            begin = at * SECTOR
            if piece.startswith(block, begin):
                first = begin // size * size
                end = first + size - len(piece[begin : first + size].lstrip(fill))
                yield first + len(piece[first:begin].rstrip(fill)), end
                at = end // SECTOR - 1
            at = marked.find(fill, at + 1)


def _is_content(piece: bytes, found: PageMap, number: int, place: int, begin: int) -> bool:
    """Answer whether cells lie at byte `begin` of a page, which begins at `place`: not its free space before them."""
    if not found.kinds[number]:
        return True
    header = place + (100 if number == 1 else 0)
    return begin >= (int.from_bytes(piece[header + 5 : header + 7], "big") or 65536)


def _rows(source: PageSource, found: PageMap, runs: list[Run], owner: Callable[[int], int]) -> Iterator[Blank]:
    """Yield the rows, of those that the runs lie in, that lost a part of a value."""
    chained: dict[int, list[Run]] = defaultdict(list)
    for run in runs:
        if found.kinds[run.page]:
            page = source.page(run.page)
            for cell in nodes.parse(page, run.page, source.geometry).cells:
                if cell.start <= run.begin < cell.start + cell.local:
                    yield from _Holder(source, owner(run.page), run.page, page, cell).on_its_page(run)
        else:
            chained[run.page].append(run)
    if chained:
        yield from _of_chains(source, found, chained, owner)


def _of_chains(
    source: PageSource, found: PageMap, chained: dict[int, list[Run]], owner: Callable[[int], int]
) -> Iterator[Blank]:
    following, count = found.following, found.geometry.page_count
    for at, holder in enumerate(found.owners):
        page, before = found.heads[at], 0
        for place in range(found.lengths[at]):
            if not 1 < page <= count:
                break
            if page in chained:
                content = source.page(holder)
                for cell in nodes.parse(content, holder, source.geometry).cells:
                    if cell.overflow == found.heads[at]:
                        held = _Holder(source, owner(holder), holder, content, cell)
                        for run in chained[page]:
                            yield from held.on_its_chain(run, place, before)
            before, page = page, following[page]


class _Holder:
    """The cell that a run lies in, on its page or in its overflow chain."""

    def __init__(self, source: PageSource, owner: int, number: int, page: bytes, cell: Cell) -> None:
        self.source, self.owner, self.number, self.page, self.cell = source, owner, number, page, cell
        self.usable = source.geometry.usable

    def on_its_page(self, run: Run) -> Iterator[Blank]:
        """Yield the row if the run, on its own page, took a part of a value."""
        begin, end = run.begin - self.cell.start, min(run.end - self.cell.start, self.cell.local)
        ends = run.end >= self.usable and self._ends_before(self.cell.overflow)
        yield from self._blank(begin, end, run, left=run.left, right=run.right or ends)

    def on_its_chain(self, run: Run, place: int, before: int) -> Iterator[Blank]:
        """Yield the row if the run, on that page of its chain, of which `before` is the one before, took a part."""
        done = self.cell.local + place * (self.usable - 4)
        begin, end = done + max(run.begin - 4, 0), min(done + min(run.end, self.usable) - 4, self.cell.payload)
        page = self.source.page(run.page)
        following = int.from_bytes(page[:4], "big")
        if run.begin > 4:
            left = run.left
        else:  # its first sector is lost only where the number of the next page, which is 0, may be so too
            page_before, end_before = self.page, self.cell.start + self.cell.local
            if before:
                page_before, end_before = self.source.page(before), self.usable
            left = not following and page_before[end_before - 1] != page[run.begin]
        ends = run.end >= self.usable and self._ends_before(following)
        yield from self._blank(begin, end, run, left=left, right=run.right or ends)

    def _ends_before(self, following: int) -> bool:
        """Answer whether a run that reaches the end of a page does not go on in the next of the chain, if any."""
        return not following or self.source.page(following)[4] not in (0, 0xFF)

    def _blank(self, begin: int, end: int, run: Run, *, left: bool, right: bool) -> Iterator[Blank]:
        """Yield the row if a value lost a part to a run between these bytes of its payload (see `Run`)."""
        exact = not (run.begin % SECTOR or run.end % SECTOR)  # in UTF-16 a text need not be
        try:
            serials, at = record.serials(self.page[self.cell.start : self.cell.start + self.cell.local])
        except ValueError:
            return
        for serial in serials:
            first, at = at, at + record.serial_size(serial)
            lost = min(at, end) - max(first, begin)
            if serial < 12 or lost < LEAST:
                continue
            text = serial % 2 == 1
            if text:
                lies = (left or right) and (left or begin <= first) and (right or end >= at)
            else:
                lies = left and right and exact
            if lies:
                certain = text or (begin - first) % _STEP != 0
                yield Blank(self.owner, self.number, self.cell.rowid, text, lost, certain)
                return


def described(one: Blank) -> str:
    """Return a sentence on a row that lost sectors."""
    which = f"row {one.rowid}: " if one.rowid else ""
    return f"{which}{one.size} equal bytes, as of lost sectors, lie in a {'text' if one.text else 'blob'}"
