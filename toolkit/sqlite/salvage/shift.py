"""Bytes put into the middle of a file, or taken out of it: every page behind them lies at another place than it should.

How many they are follows from the page count of the header; where, from the pages: each child that an interior page
names must lie where it says, with rowids in the range that its parent gives it.
"""

from __future__ import annotations

import os
from itertools import accumulate
from pathlib import Path

from toolkit.sqlite.pages import node as nodes
from toolkit.sqlite.pages.geometry import Geometry
from toolkit.sqlite.pages.scan import PageMap, scan
from toolkit.sqlite.pages.source import PageSource
from toolkit.sqlite.pages.walk import geometry_of, stated_pages

LARGEST = 512 * 1024 * 1024
"""Files up to this size are looked at: it takes two more copies."""

LEAST_GAIN = 2


def realign(source: Path, target: Path, scratch: Path) -> str | None:
    """Write `source` to `target` with its pages where they belong; return a sentence, None when they do already.

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
    other = scratch / "moved.db"
    _write_moved(source, other, moved)
    with PageSource(source, geometry) as here, PageSource(other, geometry) as there:
        first, second = scan(here), scan(there)
        place, gain = _border(first, second, count)
        if gain < LEAST_GAIN:
            return None
        torn = _join(here.page(place), there.page(place), place, geometry)
        with open(target, "wb") as file:
            for number in range(1, count + 1):
                page = here if number < place else there
                file.write(torn if number == place else page.page(number))
    what = f"{moved} bytes were put in" if moved > 0 else f"{-moved} bytes were taken out"
    return f"{what} at page {place}: what lies behind was moved back"


def _write_moved(source: Path, target: Path, moved: int) -> None:
    """Write the file so that what lies `moved` bytes too far on is at its place."""
    with open(source, "rb") as file, open(target, "wb") as other:
        if moved < 0:
            other.write(bytes(-moved))
        else:
            file.seek(moved)
        while piece := file.read(1 << 20):
            other.write(piece)


def _border(first: PageMap, second: PageMap, count: int) -> tuple[int, int]:
    """Return the page from which on the second map is right, and how many more children fit so."""
    here, there = [0] * (count + 2), [0] * (count + 2)
    for found in (first, second):
        for page, (children, keys) in found.interior.items():
            if page in found.faults:
                continue
            table = found.kinds[page] == 5
            bounds = [None, *keys, None] if table else [None] * (len(children) + 1)
            for child, after, upto in zip(children, bounds, bounds[1:], strict=False):
                if 1 < child <= count:
                    here[child] |= _fits(first, child, table, after, upto)
                    there[child] |= _fits(second, child, table, after, upto)
    ahead = list(accumulate(here))
    behind = list(accumulate(reversed(there)))[::-1]
    best = max(range(2, count + 1), key=lambda page: ahead[page - 1] + behind[page])
    return best, ahead[best - 1] + behind[best] - ahead[-1]


def _fits(found: PageMap, child: int, table: bool, after: int | None, upto: int | None) -> int:  # noqa: FBT001
    if child in found.faults or found.kinds[child] not in ((5, 13) if table else (2, 10)):
        return 0
    if found.kinds[child] != 13:
        return 1
    first, last = found.first[child], found.last[child]
    return int((after is None or first > after) and (upto is None or last <= upto))


def _join(here: bytes, there: bytes, number: int, geometry: Geometry) -> bytes:
    """Return the page in whose midst the border lies: the beginning of one, the end of the other, at the best place."""
    best, page = -1, there
    for at in range(0, geometry.page_size + 1, 1 if geometry.page_size <= 8192 else 16):
        tried = here[:at] + there[at:]
        node = nodes.parse(tried, number, geometry)
        worth = len(node.cells) * 2 + (not node.faults)
        if node.kind and worth > best:
            best, page = worth, tried
    return page
