"""All pages of a file looked at once, in the order of the file: what each seems to be, and what is wrong with it.

Whether a page belongs to a tree is not known here: a freed page, or one of an overflow chain, can look like a node. The
result takes some 30 bytes a page.
"""

from __future__ import annotations

import operator
import re
import struct
import sys
from array import array
from dataclasses import dataclass, field

from toolkit.errors import CancelledError
from toolkit.events import Progress, ShouldStop, never_stop, no_progress
from toolkit.sqlite import second
from toolkit.sqlite.pages import node as nodes
from toolkit.sqlite.pages import varint
from toolkit.sqlite.pages.geometry import LEAF_INDEX, LEAF_TABLE, Geometry
from toolkit.sqlite.pages.node import Fault, Node
from toolkit.sqlite.pages.source import PageSource

_HEADER = struct.Struct(">BHHHB")
_NODES = re.compile(rb"[\x02\x05\x0a\x0d]")
_MANY = 8

LARGE = 64 * 1024 * 1024
"""Bytes from which on a file is worth a second process."""

_POINTERS = [struct.Struct(f">{count}H") for count in range(600)]


@dataclass(slots=True)
class PageMap:
    """What each page seems to be; arrays are counted from 1 (place 0 is unused).

    `kinds` is 0 for what is no node. `counts` are cells, `first` and `last` the rowids of table leaves. `following` is
    the number that a page begins with (the next of an overflow chain or trunk). `interior` are (children, rowids)
    of interior pages. Chains are three arrays side by side: the page that holds the cell, the first overflow page, and
    how many pages the payload needs. `faults` are of pages that seem to be nodes.
    """

    geometry: Geometry
    kinds: bytearray
    counts: array[int]
    first: array[int]
    last: array[int]
    following: array[int]
    interior: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)
    owners: array[int] = field(default_factory=lambda: array("I"))
    heads: array[int] = field(default_factory=lambda: array("I"))
    lengths: array[int] = field(default_factory=lambda: array("I"))
    faults: dict[int, list[Fault]] = field(default_factory=dict)

    @classmethod
    def empty(cls, geometry: Geometry) -> PageMap:
        """Return a map of as many pages as `geometry` says that knows nothing yet."""
        places = geometry.page_count + 1
        return cls(
            geometry,
            bytearray(places),
            array("H", bytes(2 * places)),
            array("q", bytes(8 * places)),
            array("q", bytes(8 * places)),
            array("I", bytes(4 * places)),
        )


def scan(source: PageSource, *, on_progress: Progress = no_progress, should_stop: ShouldStop = never_stop) -> PageMap:
    """Look at every page once. Progress counts pages. Raises `OSError`, `CancelledError`.

    Half of a large file is looked at by a second process, where there is a processor for it.
    """
    if source.page_count * source.geometry.page_size < LARGE or not second.has_room():
        return _scan(source, 0, 1, on_progress, should_stop).found
    with second.Second(lambda: _scan(source, 1, 2, no_progress, should_stop), keep=[source.descriptor]) as other:
        mine = _scan(source, 0, 2, on_progress, should_stop)
        found = _joined(mine, other.result(should_stop))
    on_progress(source.page_count, source.page_count)
    return found


@dataclass(slots=True)
class _Scanned:
    """What is known of some pieces of a file. `pieces` are (first page, how many, its first chain, the one behind)."""

    found: PageMap
    pieces: list[tuple[int, int, int, int]] = field(default_factory=list)


def _scan(source: PageSource, part: int, parts: int, on_progress: Progress, should_stop: ShouldStop) -> _Scanned:
    """Look at one in `parts` of the pieces of a file. Raises `OSError`, `CancelledError`."""
    found = PageMap.empty(source.geometry)
    result = _Scanned(found)
    size, total = source.geometry.page_size, source.page_count
    for first, piece in source.pieces(part, parts):
        if should_stop():
            raise CancelledError("cancelled while reading pages", subject=source.path)
        words, chain = array("I", piece)[:: size // 4], len(found.owners)
        if sys.byteorder == "little":
            words.byteswap()
        found.following[first : first + len(words)] = words
        kinds = piece[::size] if first > 1 else bytes((piece[100],)) + piece[size::size]
        for match in _NODES.finditer(kinds):
            place = match.start()
            _look(found, piece[place * size : (place + 1) * size], first + place, kinds[place])
        result.pieces.append((first, len(words), chain, len(found.owners)))
        on_progress(min(first + len(words) * parts - 1, total), total)
    return result


def _joined(one: _Scanned, other: _Scanned) -> PageMap:
    """Return what is known of all pages; chains are in the order of the pages that hold them."""
    found = PageMap.empty(one.found.geometry)
    found.interior, found.faults = one.found.interior | other.found.interior, one.found.faults | other.found.faults
    for (first, count, chain, end), part in sorted(
        [(piece, half.found) for half in (one, other) for piece in half.pieces], key=lambda one: one[0]
    ):
        pages = slice(first, first + count)
        found.kinds[pages], found.counts[pages] = part.kinds[pages], part.counts[pages]
        found.first[pages], found.last[pages] = part.first[pages], part.last[pages]
        found.following[pages] = part.following[pages]
        found.owners.extend(part.owners[chain:end])
        found.heads.extend(part.heads[chain:end])
        found.lengths.extend(part.lengths[chain:end])
    return found


def _look(found: PageMap, page: bytes, number: int, kind: int) -> None:
    found.kinds[number] = kind
    geometry = found.geometry
    if kind in (LEAF_TABLE, LEAF_INDEX) and number > 1:
        quick = _leaf(page, kind, geometry)
        if quick is not None:
            found.counts[number], found.first[number], found.last[number], chains = quick
            for head, length in chains:
                found.owners.append(number)
                found.heads.append(head)
                found.lengths.append(length)
            return
    _thorough(found, nodes.parse(page, number, geometry), number)


def _thorough(found: PageMap, node: Node, number: int) -> None:
    geometry = found.geometry
    found.counts[number] = min(len(node.cells), 65535)
    if node.faults:
        found.faults[number] = node.faults
    if node.kind == LEAF_TABLE and node.cells:
        found.first[number], found.last[number] = node.cells[0].rowid, node.cells[-1].rowid
    for cell in node.cells:
        if cell.overflow:
            found.owners.append(number)
            found.heads.append(cell.overflow)
            found.lengths.append(_chain_length(cell.payload - cell.local, geometry))
    if node.interior:
        found.interior[number] = (tuple(node.children), tuple(cell.rowid for cell in node.cells))


def _chain_length(rest: int, geometry: Geometry) -> int:
    return -(-rest // (geometry.usable - 4))


def _leaf(page: bytes, kind: int, geometry: Geometry) -> tuple[int, int, int, list[tuple[int, int]]] | None:
    """Return (cells, first rowid, last rowid, chains) of a leaf that is sound for certain, else None.

    The sizes of the cells, free blocks and fragments must add up to the content area, and the cell
    pointers must differ: so no two cells overlap.
    """
    _, freeblock, count, content, spare = _HEADER.unpack_from(page)
    usable = geometry.usable
    content = content or 65536
    if 8 + 2 * count > content or content > usable or count >= 600:
        return None
    pointers = _POINTERS[count].unpack_from(page, 8)
    if freeblock:
        blocks = nodes.free_bytes(page, freeblock, geometry)
        if blocks is None:
            return None
        spare += sum([size for _, size in blocks])
    if not count:
        return (0, 0, 0, []) if content + spare == usable else None
    if min(pointers) < content:
        return None
    if count >= _MANY and max(pointers) < usable - 12:
        alike = (
            _alike_rows(page, pointers, geometry) if kind == LEAF_TABLE else _alike_entries(page, pointers, geometry)
        )
        if alike is not None and content + spare + alike[0] == usable:
            return count, alike[1], alike[2], []
    if len(set(pointers)) != count:
        return None
    try:
        total, first, last, chains = (
            _table_cells(page, pointers, geometry) if kind == LEAF_TABLE else _index_cells(page, pointers, geometry)
        )
    except (IndexError, ValueError, struct.error):
        return None
    return (count, first, last, chains) if content + spare + total == usable else None


def _alike_rows(page: bytes, pointers: tuple[int, ...], geometry: Geometry) -> tuple[int, int, int] | None:
    """Return (bytes taken, first and last rowid) of cells that are alike in the width of their numbers, else None.

    All bytes at one place of the cells are taken out at once, several times as fast as cell by cell. None is so long
    that it overflows. The rowids rise, so that no two pointers are the same.
    """
    count, taken = len(pointers), operator.itemgetter(*pointers)
    sizes = bytes(taken(page))
    if sizes.isascii():
        total, at = sum(sizes), 1
    else:
        if min(sizes) < 0x80:
            return None
        second = bytes(taken(page[1:]))
        if not second.isascii() or (max(sizes) - 0x7F) * 0x80 > geometry.table_local:
            return None
        total, at = (sum(sizes) - count * 0x80) * 0x80 + sum(second), 2
    columns = []
    for width in (1, 2, 3, 4):
        column = bytes(taken(page[at + width - 1 :]))
        columns.append(column)
        if column.isascii():
            break
        if min(column) < 0x80:
            return None
    else:
        return None
    while len(columns) > 1 and columns[0].count(columns[0][0]) == count:  # it tells none of them apart
        del columns[0]
    if len(columns) == 1:
        if bytes(sorted(set(columns[0]))) != columns[0]:
            return None
    else:
        keys = list(zip(*columns, strict=True))
        if any(map(operator.ge, keys, keys[1:])):
            return None
    first, last = (varint.read(page, pointers[place] + at)[0] for place in (0, -1))
    return total + count * (at + width), first, last


def _alike_entries(page: bytes, pointers: tuple[int, ...], geometry: Geometry) -> tuple[int, int, int] | None:
    """Return (bytes taken, 0, 0) of index cells whose sizes take one byte each, else None."""
    count = len(pointers)
    sizes = bytes(operator.itemgetter(*pointers)(page))
    largest = max(sizes)
    if largest > min(0x7F, geometry.index_local) or min(sizes) < 3 or len(set(pointers)) != count:
        return None
    edge = geometry.usable - 1 - largest
    if any(page[at] + at >= geometry.usable for at in pointers if at > edge):
        return None
    return sum(sizes) + count, 0, 0


def _total(taken: list[tuple[int, int]]) -> int:
    """Return the bytes of cells (offset, size). Raises `ValueError` where two overlap."""
    end = total = 0
    for at, size in sorted(taken):
        if at < end:
            raise ValueError("two cells overlap")
        end = at + size
        total += size
    return total


def _table_cells(
    page: bytes, pointers: tuple[int, ...], geometry: Geometry
) -> tuple[int, int, int, list[tuple[int, int]]]:
    """Return bytes taken, first and last rowid, chains. Raises `ValueError` where order or ends are wrong."""
    last, most, usable = None, geometry.table_local, geometry.usable
    first = 0
    taken: list[tuple[int, int]] = []
    chains: list[tuple[int, int]] = []
    for at in pointers:
        payload = page[at]
        place = at + 1
        if payload >= 128:  # numbers of two and three bytes are the usual ones
            byte = page[place]
            if byte < 128:
                payload = (payload & 127) << 7 | byte
                place += 1
            else:
                payload, place = varint.read(page, at)
        rowid = page[place]
        place += 1
        if rowid >= 128:
            byte = page[place]
            if byte < 128:
                rowid = (rowid & 127) << 7 | byte
                place += 1
            elif (end := page[place + 1]) < 128:
                rowid = (rowid & 127) << 14 | (byte & 127) << 7 | end
                place += 2
            else:
                rowid, place = varint.read(page, place - 1)
                if rowid >= 1 << 63:
                    rowid -= 1 << 64
        if last is None:
            first = rowid
        elif rowid <= last:
            raise ValueError("rowids do not rise")
        last = rowid
        if payload > most:
            local = geometry.local(payload, table=True)
            place += local
            chains.append((int.from_bytes(page[place : place + 4], "big"), _chain_length(payload - local, geometry)))
            place += 4
        else:
            place += payload
        if place > usable:
            raise ValueError("a cell ends outside of its page")
        taken.append((at, max(4, place - at)))
    return _total(taken), first, last or 0, chains


def _index_cells(
    page: bytes, pointers: tuple[int, ...], geometry: Geometry
) -> tuple[int, int, int, list[tuple[int, int]]]:
    most, usable = geometry.index_local, geometry.usable
    taken: list[tuple[int, int]] = []
    chains: list[tuple[int, int]] = []
    for at in pointers:
        payload = page[at]
        place = at + 1
        if payload >= 128:
            payload, place = varint.read(page, at)
        if payload > most:
            local = geometry.local(payload, table=False)
            place += local
            chains.append((int.from_bytes(page[place : place + 4], "big"), _chain_length(payload - local, geometry)))
            place += 4
        else:
            place += payload
        if place > usable:
            raise ValueError("a cell ends outside of its page")
        taken.append((at, max(4, place - at)))
    return _total(taken), 0, 0, chains
