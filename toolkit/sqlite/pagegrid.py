"""The page size and reserved bytes of a database whose header does not tell: from the pages themselves.

Cells are packed against the end of the usable part of their page (SQLite file format, section 1.6): only at the true
page size do the headers of pages lie at every multiple, and their last cells end at the end. A leaf without cells says
where its first one would end.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from toolkit.sqlite.plausible import FIRST, LEAVES, TYPES, cell_end, is_btree, pointers

PAGE_SIZES = tuple(1 << shift for shift in range(9, 17))
MOST_RESERVED = 255

Read = Callable[[int, int], bytes]
"""Returns the bytes at (offset, length), fewer at the end of the file."""

_FIRST_PAGES = 48
_SPREAD_PAGES = 208
_WINDOW = 1 << 19


@dataclass(frozen=True, slots=True)
class Grid:
    """What the pages tell: their size, where page 1 begins, how many of `seen` pages are b-trees that fill their size.

    `reserved` are the bytes at the end of pages that stay free, on which `votes` pages agree; `sure` tells whether
    these are several, and nearly all.
    """

    page_size: int
    begin: int
    votes: int
    seen: int
    reserved: int
    sure: bool


def numbers(pages: int) -> list[int]:
    """Return which pages (from 0) of `pages` are looked at: the first ones, and some spread over all."""
    first = range(min(pages, _FIRST_PAGES))
    step = max(1, pages // _SPREAD_PAGES)
    return sorted({*first, *range(0, pages, step)})


def _last_end(page: bytes, *, first: bool) -> int | None:
    """Return where the last cell of a b-tree page ends, or should end; None for what is no b-tree page."""
    if not is_btree(page, first=first):
        return None
    found = pointers(page, first=first)
    if not found:
        return _usable(page, FIRST if first else 0)
    return cell_end(page, max(found), page[FIRST if first else 0], len(page))


def _usable(page: bytes, begin: int) -> int | None:
    """Return the usable size that a leaf without cells states, None for what is no such leaf.

    SQLite puts the start of its cells at the end of the usable part, and leaves no free block and no fragment.
    """
    kind, freeblock, _, content, fragments = struct.unpack_from(">BHHHB", page, begin)
    return (content or 65536) if kind in LEAVES and not freeblock and not fragments else None


def measure(read: Read, size: int, page_size: int, begin: int = 0) -> Grid:
    """Return what the pages tell if they had `page_size` bytes and began at `begin`."""
    free: Counter[int] = Counter()
    looked = numbers((size - begin) // page_size)
    for number in looked:
        page = read(begin + number * page_size, page_size)
        if len(page) < page_size or page[FIRST if number == 0 else 0] not in TYPES:
            continue
        end = _last_end(page, first=number == 0)
        if end is not None and end > page_size - 1 - MOST_RESERVED and end > page_size // 2:
            free[page_size - end] += 1
    reserved, votes = max(free.items(), key=lambda item: (item[1], -item[0]), default=(0, 0))
    sure = votes >= 8 and votes >= 0.95 * sum(free.values())
    return Grid(page_size, begin, votes, len(looked), reserved, sure)


def find(read: Read, size: int, begin: int = 0) -> Grid | None:
    """Return the grid whose pages cover most of the file, None when no page size fits any page.

    Of several the one of the smallest pages: a cell with overflow pages of their size seems to end where pages of a
    multiple of it do, but no cell of large pages ends where small ones do.
    """
    grids = [measure(read, size, page_size, begin) for page_size in PAGE_SIZES if size - begin >= page_size]
    best = max(grids, key=lambda grid: (grid.votes / grid.seen, grid.page_size), default=None)
    if best is None or not best.votes:
        return None

    def many(grid: Grid) -> float:
        return grid.votes / grid.seen / grid.page_size

    return next((grid for grid in grids if grid.votes >= 3 and many(grid) * 2 >= many(best)), best)


def find_anywhere(read: Read, size: int) -> Grid | None:
    """Return the grid of a file whose page 1 begins anywhere in its first 64 KiB, without a magic to tell where.

    Each column of the first bytes, written as rows of one page size, is counted for types of pages.
    """
    window = read(0, _WINDOW)
    best: Grid | None = None
    for page_size in PAGE_SIZES:
        if len(window) < 4 * page_size:
            continue
        columns = ((_types(window[begin::page_size]), begin) for begin in range(page_size))
        for count, begin in sorted(columns, reverse=True)[:3]:
            if count < 3:
                break
            grid = measure(read, size, page_size, begin)
            if grid.votes >= 3 and (best is None or grid.votes * page_size > best.votes * best.page_size):
                best = grid
    return best


def _types(column: bytes) -> int:
    return sum(column.count(bytes([kind])) for kind in TYPES)
