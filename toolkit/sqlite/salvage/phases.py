"""Where in a file pages lie whose grid was moved: bytes put in or taken out move all that lies behind them.

A page of a b-tree can be told at any byte: its cells, free blocks and fragments add up to its content area (SQLite file
format, section 1.6), which no text or number does by chance.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from toolkit.sqlite.pages import node as nodes
from toolkit.sqlite.pages.geometry import KINDS, Geometry

MOST = 12
"""Phases that are told, those with the most pages."""

_HEADER = struct.Struct(">BHHHB")
_STEP = 4 * 1024 * 1024
_OTHER_PAGE = 2
_FIRST = 108
"""Page 1 is no page like others, but bytes may be missing in it."""


def phases(source: Path, geometry: Geometry) -> list[int]:
    """Return the remainders by the page size of the places at which sound pages with cells begin, the commonest first.

    Raises `OSError`.
    """
    found: Counter[int] = Counter()
    size, begins = geometry.page_size, _begins(geometry)
    done = _FIRST
    with open(source, "rb") as file:
        for offset in range(0, source.stat().st_size, _STEP):
            file.seek(offset)
            data = file.read(_STEP + size)
            for at in _pages(data, max(0, done - offset), begins, geometry):
                found[(offset + at) % size] += 1
                done = offset + at + size
    return [phase for phase, _ in found.most_common(MOST)]


def phase_in(data: bytes, offset: int, geometry: Geometry) -> int | None:
    """Return the phase of most sound pages in a piece of a file, which begins at `offset`; None where it has none."""
    found = Counter((offset + at) % geometry.page_size for at in _pages(data, 0, _begins(geometry), geometry))
    return found.most_common(1)[0][0] if found else None


def _pages(data: bytes, first: int, begins: re.Pattern[bytes], geometry: Geometry) -> Iterator[int]:
    """Yield where sound pages with cells begin, in the first `_STEP` bytes of a piece, none inside of another."""
    size = geometry.page_size
    for match in begins.finditer(data, first, _STEP):
        at = match.start()
        if at >= first and _may_begin(data, at, geometry):
            page = data[at : at + size]
            if len(page) == size and not nodes.parse(page, _OTHER_PAGE, geometry).faults:
                yield at
                first = at + size


def _begins(geometry: Geometry) -> re.Pattern[bytes]:
    """Return what the header of a page looks like: its kind, then numbers that are not over the size of the page."""
    kinds = b"".join(re.escape(bytes([kind])) for kind in KINDS)
    inside = re.escape(bytes([min(255, geometry.page_size >> 8)]))
    few = re.escape(bytes([min(255, geometry.page_size // 6 >> 8)]))
    upto = b"[\\x00-" + inside + b"]."
    return re.compile(b"(?s)[" + kinds + b"](?=" + upto + b"[\\x00-" + few + b"]." + upto + b"[\\x00-\\x3c])")


def _may_begin(data: bytes, at: int, geometry: Geometry) -> bool:
    """Answer whether the numbers of a header allow a page with cells, before all of it is looked at."""
    if at + 8 > len(data):
        return False
    kind, freeblock, count, content, _ = _HEADER.unpack_from(data, at)
    head = (12 if kind in (2, 5) else 8) + 2 * count
    content = content or 65536
    return bool(count) and head <= content < geometry.usable and (not freeblock or freeblock >= content)
