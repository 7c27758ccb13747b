"""Leaves of a large file whose rows have to be read: a block of 512 equal bytes lies where their values are.

So do sectors look that a disk could not read or did not write. SQLite sees nothing of it, and in a large file not every
row is read. Only blocks of zeros or of 0xff are looked for, which costs little more than reading the file; whether a
row is really torn by one is told by `torn`.
"""

from __future__ import annotations

import functools
from array import array
from collections.abc import Iterator

from toolkit.errors import CancelledError
from toolkit.events import ShouldStop
from toolkit.sqlite import second
from toolkit.sqlite.pages.geometry import LEAF_TABLE, Geometry
from toolkit.sqlite.pages.scan import PageMap
from toolkit.sqlite.pages.source import PageSource
from toolkit.sqlite.salvage.torn import BLOCK

_PATTERNS = (bytes(BLOCK), b"\xff" * BLOCK)


def blanked(source: PageSource, found: PageMap, should_stop: ShouldStop) -> frozenset[int]:
    """Return the leaves of tables with such a block among their cells, or in an overflow page of one of these.

    Raises `OSError`, `CancelledError`.
    """
    if not second.has_room():
        hit = _all_hit(source, found, 0, 1, should_stop)
    else:
        half = functools.partial(_all_hit, source, found, 1, 2, should_stop)
        with second.Second(half, keep=[source.descriptor]) as other:
            hit = _all_hit(source, found, 0, 2, should_stop) | other.result(should_stop)
    leaves = {page for page in hit if found.kinds[page]}
    chained = hit - leaves
    return frozenset(leaves.union(_holding(found, chained) if chained else ()))


def _all_hit(source: PageSource, found: PageMap, part: int, parts: int, should_stop: ShouldStop) -> set[int]:
    """Return the pages that are hit in one of so many parts of the file."""
    hit: set[int] = set()
    for first, piece in source.pieces(part, parts):
        if should_stop():
            raise CancelledError("cancelled while reading pages", subject=source.path)
        for pattern in _PATTERNS:
            hit.update(_hit(piece, pattern, first, found, source.geometry))
    return hit


def _hit(piece: bytes, pattern: bytes, first: int, found: PageMap, geometry: Geometry) -> Iterator[int]:
    """Yield the pages of a piece, which begins with page `first`, that have a whole block where values lie."""
    size = geometry.page_size
    at = piece.find(pattern)
    while at >= 0:
        block = -(-at // BLOCK) * BLOCK
        if not piece.startswith(pattern, block):
            at = piece.find(pattern, block + 1)
            continue
        number = first + block // size
        if number > found.geometry.page_count:
            return
        page = piece[block // size * size : (block // size + 1) * size]
        if found.kinds[number] == LEAF_TABLE:
            content = int.from_bytes(page[5:7], "big") or 65536
            if any(page.startswith(pattern, place) for place in _blocks(content, geometry.usable)):
                yield number
        elif not found.kinds[number]:
            # the last page of a chain is filled up with zeros
            end = len(page) if found.following[number] else len(page.rstrip(b"\0"))
            if any(page.startswith(pattern, place) for place in _blocks(4, min(end, geometry.usable))):
                yield number
        at = piece.find(pattern, (block // size + 1) * size)


def _blocks(begin: int, end: int) -> range:
    """Return where the whole blocks between two places of a page begin, the first of them even if it begins before."""
    return range(begin // BLOCK * BLOCK, end - BLOCK + 1, BLOCK)


def _holding(found: PageMap, chained: set[int]) -> Iterator[int]:
    """Yield the pages whose cells go on in one of these overflow pages."""
    following: array[int] = found.following
    count = found.geometry.page_count
    for at, owner in enumerate(found.owners):
        page = found.heads[at]
        for _ in range(found.lengths[at]):
            if not 1 < page <= count:
                break
            if page in chained:
                yield owner
                break
            page = following[page]
