"""What hangs together by page numbers: overflow chains, the freelist, the pointer map."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from toolkit.sqlite.pages.node import Cell, Node
from toolkit.sqlite.pages.source import PageSource


def payload_of(source: PageSource, node: Node, cell: Cell) -> bytes | None:
    """Return the whole payload of `cell` of the page `node`, None when its overflow chain is broken."""
    return payload_from(source, source.page(node.number), cell)


def payload_from(source: PageSource, page: bytes, cell: Cell) -> bytes | None:
    """Return the whole payload of `cell` of the content `page`, None when its overflow chain is broken."""
    pieces = [page[cell.start : cell.start + cell.local]]
    rest, at = cell.payload - cell.local, cell.overflow
    room = source.geometry.usable - 4
    seen = set()
    while rest > 0:
        if not 1 <= at <= source.page_count or at in seen or source.geometry.reserved_place(at):
            return None
        seen.add(at)
        page = source.page(at)
        pieces.append(page[4 : 4 + min(rest, room)])
        rest -= room
        at = int.from_bytes(page[:4], "big")
    return b"".join(pieces) if at == 0 else None


def freelist(source: PageSource, trunk: int) -> Iterator[tuple[int, int, str]]:
    """Yield (page, the page that names it, "") of the freelist from `trunk` on (section 1.5).

    What is wrong is (0, page, sentence).
    Ends at what is wrong; loops end since each trunk is visited once.
    """
    geometry = source.geometry
    parent, seen = 1, set()
    most = geometry.usable // 4 - 2
    while trunk:
        if not 2 <= trunk <= geometry.page_count:
            yield 0, parent, f"it goes on at page {trunk}, which the file does not have"
            return
        if trunk in seen:
            yield 0, parent, f"it comes back to page {trunk}"
            return
        seen.add(trunk)
        yield trunk, parent, ""
        page = source.page(trunk)
        following, count = struct.unpack_from(">II", page)
        if count > most:
            yield 0, trunk, f"its trunk names {count} pages, more than it has room for"
            return
        for leaf in struct.unpack_from(f">{count}I", page, 8):
            yield leaf, trunk, ""
        parent, trunk = trunk, following


def pointer_map(source: PageSource) -> Iterator[tuple[int, int, int]]:
    """Yield (page, role, parent) of each page of which the pointer map speaks (section 1.8)."""
    geometry = source.geometry
    stride = geometry.usable // 5
    for start in range(2, geometry.page_count + 1, stride + 1):
        place = geometry.map_page(start)
        if place > geometry.page_count:
            return
        data = source.page(place)
        # entry k of a map page speaks of page `place + 1 + k`, but for the lock-byte page the last are shifted
        for at, (role, parent) in enumerate(struct.iter_unpack(">BI", data[: stride * 5])):
            page = place + 1 + at
            if page > geometry.page_count:
                return
            if geometry.map_page(page) == place and page != geometry.lock_page:
                yield page, role, parent
