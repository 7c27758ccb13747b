"""New pages of b-trees (SQLite file format, section 1.6): leaves of cells, interior pages over any leaves."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from toolkit.sqlite.pages import varint
from toolkit.sqlite.pages.geometry import INTERIOR_TABLE, LEAF_TABLE, Geometry
from toolkit.sqlite.salvage.image import Image


def page_of(kind: int, cells: list[bytes], geometry: Geometry, *, right: int = 0, base: int = 0) -> bytes:
    """Return a page of `cells` in order; `base` is 100 for page 1, whose first 100 bytes stay zeros. They must fit."""
    page = bytearray(geometry.page_size)
    head = base + (12 if kind in (2, 5) else 8)
    at, pointers = geometry.usable, []
    for cell in cells:
        at -= max(4, len(cell))
        page[at : at + len(cell)] = cell
        pointers.append(at)
    struct.pack_into(">BHHHB", page, base, kind, 0, len(cells), at & 0xFFFF, 0)
    if kind in (2, 5):
        struct.pack_into(">I", page, base + 8, right)
    struct.pack_into(f">{len(pointers)}H", page, head, *pointers)
    return bytes(page)


def empty_leaf(kind: int, geometry: Geometry) -> bytes:
    """Return a leaf without cells."""
    return page_of(kind, [], geometry)


def packed(cells: Iterable[bytes], room: int) -> Iterator[list[bytes]]:
    """Yield lists of cells that fill `room` bytes with their pointers; never an empty list."""
    waiting: list[bytes] = []
    size = 0
    for cell in cells:
        need = max(4, len(cell)) + 2
        if waiting and size + need > room:
            yield waiting
            waiting, size = [], 0
        waiting.append(cell)
        size += need
    if waiting:
        yield waiting


def cell_of(image: Image, rowid: int, payload: bytes) -> bytes:
    """Return a table leaf cell; what does not fit on a page goes to new overflow pages."""
    geometry = image.geometry
    local = geometry.local(len(payload), table=True)
    head = varint.write(len(payload)) + varint.write(rowid) + payload[:local]
    return head if local == len(payload) else head + struct.pack(">I", _chain(image, payload[local:]))


def _chain(image: Image, rest: bytes) -> int:
    room = image.geometry.usable - 4
    pieces = [rest[at : at + room] for at in range(0, len(rest), room)]
    numbers = [image.new() for _ in pieces]
    for number, following, piece in zip(numbers, [*numbers[1:], 0], pieces, strict=True):
        image.write(number, struct.pack(">I", following) + piece)
    return numbers[0]


def table_tree(image: Image, leaves: list[tuple[int, int]]) -> int:
    """Write interior pages over `leaves` (page, last rowid), which rise; return the root, a new leaf for none."""
    if not leaves:
        root = image.new()
        image.write(root, empty_leaf(LEAF_TABLE, image.geometry))
        return root
    level = leaves
    while len(level) > 1:
        level = list(_above(image, level))
    return level[0][0]


def _above(image: Image, level: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    room = image.geometry.usable - 12
    each = max(2, room // 15 + 1)  # a cell takes 4 + 9 + 2 bytes at most; one more page hangs at the right
    at, count = 0, len(level)
    while at < count:
        # never leave a single page for the last one: an interior page has a cell
        take = each - 1 if count - at == each + 1 else each
        group = level[at : at + take]
        yield _interior(image, group), group[-1][1]
        at += take


def _interior(image: Image, group: list[tuple[int, int]]) -> int:
    cells = [struct.pack(">I", page) + varint.write(key) for page, key in group[:-1]]
    number = image.new()
    image.write(number, page_of(INTERIOR_TABLE, cells, image.geometry, right=group[-1][0]))
    return number


def write_leaves(image: Image, cells: Iterable[tuple[int, bytes]]) -> list[tuple[int, int, int]]:
    """Write new leaves of (rowid, cell), which rise; return (page, first rowid, last rowid) of each."""
    found = []
    keys: list[int] = []

    def bare() -> Iterator[bytes]:
        for rowid, cell in cells:
            keys.append(rowid)
            yield cell

    for group in packed(bare(), image.geometry.usable - 8):
        number = image.new()
        image.write(number, page_of(LEAF_TABLE, group, image.geometry))
        found.append((number, keys[0], keys[len(group) - 1]))
        del keys[: len(group)]
    return found


def write_schema(image: Image, rows: list[tuple[int, bytes]]) -> None:
    """Write the schema's tree of (rowid, record) at page 1, and the file's header."""
    geometry = image.geometry
    cells = [(rowid, cell_of(image, rowid, payload)) for rowid, payload in rows]
    room = geometry.usable - 108
    if sum(max(4, len(cell)) + 2 for _, cell in cells) <= room:
        page = page_of(LEAF_TABLE, [cell for _, cell in cells], geometry, base=100)
    else:
        level = [(page, last) for page, _, last in write_leaves(image, cells)]
        while len(level) > (room - 4) // 15:
            level = list(_above(image, level))
        inner = [struct.pack(">I", page) + varint.write(key) for page, key in level[:-1]]
        page = page_of(INTERIOR_TABLE, inner, geometry, right=level[-1][0], base=100)
    image.write(1, image.finish() + page[100:])
