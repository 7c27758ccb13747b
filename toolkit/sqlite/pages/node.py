"""One page of a b-tree (SQLite file format, section 1.6): its header, its cell pointers, its cells, and what is wrong.

Nothing here raises for broken bytes: what is wrong is a `Fault` of the page.
"""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass, field

from toolkit.sqlite.pages import varint
from toolkit.sqlite.pages.geometry import INTERIOR_TABLE, KINDS, LEAF_TABLE, Geometry

_HEADER = struct.Struct(">BHHHB")
_POINTER = struct.Struct(">I")

Fault = tuple[str, str]
"""The code of a finding, and a sentence on it."""


@dataclass(slots=True)
class Cell:
    """A cell at `offset` of its page, `size` bytes long (4 at least, as SQLite allots them).

    `child` is the page to its left (interior pages), `payload` the size of its record (0 in table interior
    pages), of which `local` bytes lie at `start`, the rest in the chain from `overflow` on.
    """

    offset: int
    size: int
    child: int = 0
    rowid: int = 0
    payload: int = 0
    start: int = 0
    local: int = 0
    overflow: int = 0


@dataclass(slots=True)
class Node:
    """A page as a node of a b-tree. `kind` is 0 for what is no such page; `cells` are those that lie in the page."""

    number: int
    kind: int = 0
    right: int = 0
    count: int = 0
    content: int = 0
    pointers: tuple[int, ...] = ()
    cells: list[Cell] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def interior(self) -> bool:
        """Whether it has children."""
        return self.kind in (2, 5)

    @property
    def children(self) -> list[int]:
        """The pages below it, in order."""
        return [cell.child for cell in self.cells] + [self.right] if self.interior else []


def read_cell(page: bytes, offset: int, kind: int, geometry: Geometry) -> Cell | None:
    """Return the cell at `offset`, None when it does not lie wholly in the page or its numbers are impossible."""
    at, child, rowid = offset, 0, 0
    usable = geometry.usable
    try:
        if kind in (2, 5):
            child = _POINTER.unpack_from(page, at)[0]
            at += 4
        if kind == INTERIOR_TABLE:
            rowid, at = varint.read(page, at)
            return Cell(offset, at - offset, child, varint.signed(rowid)) if at <= usable else None
        payload, at = varint.read(page, at)
        if kind == LEAF_TABLE:
            rowid, at = varint.read(page, at)
        local = geometry.local(payload, table=kind == LEAF_TABLE)
        end, overflow = at + local, 0
        if local < payload:
            overflow = _POINTER.unpack_from(page, end)[0]
            end += 4
    except (IndexError, struct.error):
        return None
    if end > usable or payload > 0x7FFFFFFF:
        return None
    return Cell(offset, max(end - offset, 4), child, varint.signed(rowid), payload, at, local, overflow)


def free_bytes(page: bytes, first: int, geometry: Geometry) -> list[tuple[int, int]] | None:
    """Return the free blocks (offset, size) of a page from `first` on; None when they are no rising chain in it."""
    blocks, at, end = [], first, 0
    while at:
        if at < end or at + 4 > geometry.usable:
            return None
        following, size = struct.unpack_from(">HH", page, at)
        end = at + size
        if size < 4 or end > geometry.usable or (following and following < end):
            return None
        blocks.append((at, size))
        at = following
    return blocks


def parse(page: bytes, number: int, geometry: Geometry) -> Node:
    """Return page `number`, of which `page` is the content, with everything that is wrong with it."""
    node = Node(number)
    base = 100 if number == 1 else 0
    kind, freeblock, count, content, fragments = _HEADER.unpack_from(page, base)
    if kind not in KINDS:
        node.faults.append(("page-header", "it is no page of a b-tree"))
        return node
    node.kind, node.count, node.content = kind, count, content or 65536
    head = base + (12 if kind in (2, 5) else 8)
    if node.interior:
        node.right = _POINTER.unpack_from(page, base + 8)[0]
    if head + 2 * count > geometry.usable:
        node.faults.append(("page-header", f"it counts {count} cells, more than it has room for"))
        return node
    node.pointers = struct.unpack_from(f">{count}H", page, head)
    if not head + 2 * count <= node.content <= geometry.usable:
        node.faults.append(("page-header", "its cell content does not begin inside the page"))
    _cells(page, node, head + 2 * count, geometry)
    _space(page, node, freeblock, fragments, geometry)
    return node


def _cells(page: bytes, node: Node, least: int, geometry: Geometry) -> None:
    bad = low = 0
    for pointer in node.pointers:
        cell = read_cell(page, pointer, node.kind, geometry) if pointer >= least else None
        if cell is None:
            bad += 1
            continue
        low += pointer < node.content
        node.cells.append(cell)
    if bad:
        node.faults.append(("cell-pointer", f"{bad} of its {node.count} cells do not lie inside it"))
    elif low:
        node.faults.append(("cell-pointer", "a cell lies before its cell content"))
    if node.kind in (5, 13):
        keys = [cell.rowid for cell in node.cells]
        if any(one >= other for one, other in itertools.pairwise(keys)):
            node.faults.append(("key-order", "its rowids do not rise"))


def _space(page: bytes, node: Node, freeblock: int, fragments: int, geometry: Geometry) -> None:
    """Compare what the cells take with what the header says is free (as SQLite's own integrity check does)."""
    blocks = free_bytes(page, freeblock, geometry)
    if blocks is None:
        node.faults.append(("free-blocks", "its free blocks are no chain inside it"))
        blocks = []
    taken = sorted([(cell.offset, cell.size) for cell in node.cells] + blocks)
    end = 0
    for offset, size in taken:
        if offset < end:
            node.faults.append(("cell-overlap", f"two of its cells share the byte {offset}"))
            return
        end = offset + size
    if not node.faults and sum(size for _, size in taken) + fragments != geometry.usable - node.content:
        node.faults.append(("free-blocks", "its free bytes are not as many as its header says"))
