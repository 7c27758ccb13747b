"""Bytes put into the middle of a file, or taken out of it: every page behind them lies at another place than it should.

How many they are follows from the page count of the header; where, from the pages: each child that an interior page
names must lie where it says, with rowids in the range that its parent gives it.
"""

from __future__ import annotations

import contextlib
import os
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from toolkit.sqlite.pages import node as nodes
from toolkit.sqlite.pages import record
from toolkit.sqlite.pages.geometry import INTERIOR_TABLE, Geometry
from toolkit.sqlite.pages.scan import PageMap, scan
from toolkit.sqlite.pages.source import PageSource
from toolkit.sqlite.pages.walk import geometry_of, stated_pages

LARGEST = 512 * 1024 * 1024
"""Files up to this size are looked at: it takes two more copies."""

LEAST_GAIN = 2

MOST_BORDERS = 12
"""Places at which the border may lie, as far as children tell, that are tried."""


class Realigned(NamedTuple):
    """What was done, in a sentence; what may be wrong where the border lies; the page of a row given up for it, or 0.

    That row has no record any more, which SQLite reads as one of NULLs: who takes the file has to look at that page.
    """

    said: str
    doubt: str
    given_up: int


def realign(source: Path, target: Path, scratch: Path) -> Realigned | None:
    """Write `source` to `target` with its pages where they belong; None when they do already.

    `source` begins with a believable header. Raises `OSError`.
    """
    size = os.stat(source).st_size
    with open(source, "rb") as file:
        head = file.read(100)
    try:
        geometry = geometry_of(head, size)
    except ValueError:
        return None
    count = stated_pages(head)
    moved = size - count * geometry.page_size
    if not moved or not 2 < count <= size // geometry.page_size * 2 + 2 or size > LARGEST or abs(moved) * 2 > size:
        return None
    geometry = Geometry(geometry.page_size, geometry.reserved, count, geometry.auto_vacuum)
    lost = max(0, -moved // geometry.page_size)
    other = scratch / "moved.db"
    _write_moved(source, other, moved)
    with PageSource(source, geometry) as here, PageSource(other, geometry) as there:
        children = _Children(scan(here), scan(there), count)
        places, gain = children.borders(lost)
        if gain < LEAST_GAIN:
            return None
        if lost:
            place, unsure, torn = places[0], -1, b""
        else:
            place = _likeliest(places, here, there, geometry)
            torn, unsure = _join(here.page(place), there.page(place), place, geometry)
        if unsure >= 0:
            torn = torn[:unsure] + b"\0" + torn[unsure + 1 :]  # no record: it may be a mixture
        with open(target, "wb") as file:
            for number in range(1, count + 1):
                if number < place:
                    file.write(here.page(number))
                elif number == place and not lost:
                    file.write(torn)
                elif number < place + lost or (number < place + lost + 2 and children.speak_against(number)):
                    file.write(bytes(geometry.page_size))
                else:
                    file.write(there.page(number))
    what = f"{moved} bytes were put in" if moved > 0 else f"{-moved} bytes were taken out"
    doubt = f"what lies at the border on page {place} may hold wrong bytes" if unsure < 0 else ""
    return Realigned(f"{what} at page {place}: what lies behind was moved back", doubt, place if unsure >= 0 else 0)


def _write_moved(source: Path, target: Path, moved: int) -> None:
    """Write the file so that what lies `moved` bytes too far on is at its place."""
    with open(source, "rb") as file, open(target, "wb") as other:
        if moved < 0:
            other.write(bytes(-moved))
        else:
            file.seek(moved)
        while piece := file.read(1 << 20):
            other.write(piece)


class _Children:
    """Which pages lie where an interior page names them (1) or not (0): as it is (`here`), moved (`there`)."""

    def __init__(self, first: PageMap, second: PageMap, count: int) -> None:
        self.count = count
        self.here, self.there = [0] * (count + 2), [0] * (count + 2)
        self.named: set[int] = set()
        for found in (first, second):
            for page, (children, keys) in found.interior.items():
                if page in found.faults:
                    continue
                table = found.kinds[page] == 5
                bounds = [None, *keys, None] if table else [None] * (len(children) + 1)
                for child, after, upto in zip(children, bounds, bounds[1:], strict=False):
                    if 1 < child <= count:
                        self.named.add(child)
                        self.here[child] |= _fits(first, child, table, after, upto)
                        self.there[child] |= _fits(second, child, table, after, upto)

    def borders(self, lost: int) -> tuple[list[int], int]:
        """Return the pages at which the border may lie, and how many more children fit with it.

        `lost` pages are missing from the border on. What lies before it is not used a second time behind it.
        """
        ahead = list(accumulate(self.here))
        behind = list(accumulate(reversed(self.there)))[::-1]
        places = range(2, self.count + 1 - lost)
        most = max((ahead[page - 1] + behind[page + lost] for page in places), default=0)
        return [page for page in places if ahead[page - 1] + behind[page + lost] == most], most - ahead[-1]

    def speak_against(self, page: int) -> bool:
        """Answer whether a page, moved, is not what its parent says of it."""
        return page in self.named and not self.there[page]


def _fits(found: PageMap, child: int, table: bool, after: int | None, upto: int | None) -> int:  # noqa: FBT001
    if child in found.faults or found.kinds[child] not in ((5, 13) if table else (2, 10)):
        return 0
    if found.kinds[child] != 13:
        return 1
    first, last = found.first[child], found.last[child]
    return int((after is None or first > after) and (upto is None or last <= upto))


def _likeliest(places: list[int], here: PageSource, there: PageSource, geometry: Geometry) -> int:
    """Return the place at which the border makes the best page: one that is sound on neither side, but joined is."""

    def gain(number: int) -> int:
        one, other = here.page(number), there.page(number)
        alone = max(len(_intact(page, page, number, geometry)) for page in (one, other))
        return len(_intact(_join(one, other, number, geometry)[0], one, number, geometry)) - alone

    return max(places[:MOST_BORDERS], key=gain)


def _intact(page: bytes, pointing: bytes, number: int, geometry: Geometry) -> list[tuple[int, int]]:
    """Return begin and end of the cells of `page`, with the header of `pointing`, whose records are as long as said."""
    head = nodes.parse(pointing, number, geometry)
    found = []
    for pointer in head.pointers:
        cell = nodes.read_cell(page, pointer, head.kind, geometry)
        with contextlib.suppress(ValueError):
            if cell is not None and (
                head.kind == INTERIOR_TABLE or record.record_size(page[cell.start :]) == cell.payload
            ):
                found.append((pointer, pointer + cell.size))
    return found


def _join(here: bytes, there: bytes, number: int, geometry: Geometry) -> tuple[bytes, int]:
    """Return the page in whose midst the border lies: the beginning of one, the end of the other, at the best place.

    The second is where the record begins behind which the border lies, or in which: -1 where no cell does.
    """
    first, second = (_intact(page, here, number, geometry) for page in (here, there))
    anywhere = _join_anywhere(here, there, number, geometry)
    borders = sorted({place for cell in first + second for place in cell})
    if not borders:
        return anywhere, -1
    at = max(borders, key=lambda at: sum(end <= at for _, end in first) + sum(begin >= at for begin, _ in second))
    page = here[:at] + there[at:]
    if len(_intact(page, page, number, geometry)) < len(_intact(anywhere, anywhere, number, geometry)):
        return anywhere, -1
    before = max((cell for cell in first if cell[1] <= at), key=lambda cell: cell[1], default=None)
    kind = nodes.parse(page, number, geometry).kind
    cell = nodes.read_cell(page, before[0], kind, geometry) if before and kind != INTERIOR_TABLE else None
    return page, -1 if cell is None else cell.start


def _join_anywhere(here: bytes, there: bytes, number: int, geometry: Geometry) -> bytes:
    """Join pages of which the first has no header that leads to cells of the second: it may lie in the header."""
    best, page = -1, there
    for at in range(0, geometry.page_size + 1, 1 if geometry.page_size <= 8192 else 16):
        tried = here[:at] + there[at:]
        node = nodes.parse(tried, number, geometry)
        worth = len(node.cells) * 2 + (not node.faults)
        if node.kind and worth > best:
            best, page = worth, tried
    return page
