"""Does a block of bytes look like a page of a database? Strict enough to find the page size by it."""

from __future__ import annotations

import struct

LEAVES = {0x0A: "index leaf", 0x0D: "table leaf"}
INTERIORS = {0x02: "index interior", 0x05: "table interior"}
TYPES = {**LEAVES, **INTERIORS}
"""The first byte of a b-tree page (SQLite file format, section 1.6)."""

FIRST = 100
"""Where the b-tree header begins on page 1, behind the header of the database."""

_HEADER = struct.Struct(">BHHHB")
_SMALLEST_CELL = 4


def varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """Return the variable-length integer at `at` and where it ends (section 1.6). Raises `IndexError` at the end."""
    value = 0
    for index in range(8):
        byte = data[at + index]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + index + 1
    return value << 8 | data[at + 8], at + 9


def pointers(page: bytes | memoryview, *, first: bool = False) -> tuple[int, ...]:
    """Return the cell pointers of a b-tree page as they stand there, none where they would not fit."""
    begin = FIRST if first else 0
    count = int.from_bytes(page[begin + 3 : begin + 5], "big")
    start = begin + (12 if page[begin] in INTERIORS else 8)
    if start + 2 * count > len(page):
        return ()
    return struct.unpack_from(f">{count}H", page, start)


def is_btree(page: bytes | memoryview, *, first: bool = False, reserved: int = 0) -> bool:
    """Answer whether `page` has the header of a b-tree page and pointers that such a header allows.

    The page may be empty of cells. `first` is page 1, whose header lies behind that of the database.
    """
    begin = FIRST if first else 0
    kind, freeblock, count, content, fragments = _HEADER.unpack_from(page, begin)
    if kind not in TYPES or fragments > 60:
        return False
    usable = len(page) - reserved
    content = content or 65536
    end = begin + (12 if kind in INTERIORS else 8) + 2 * count
    if not end <= content <= len(page) or (freeblock and not content <= freeblock <= usable - _SMALLEST_CELL):
        return False
    if kind in INTERIORS and not count and not first:
        return False
    found = pointers(page, first=first)
    return all(content <= one <= usable - _SMALLEST_CELL for one in found)


def cell_end(page: bytes | memoryview, at: int, kind: int, usable: int) -> int | None:
    """Return where the cell at `at` ends, None when it reaches over the usable part of the page (section 1.6)."""
    try:
        begin = at + (4 if kind in INTERIORS else 0)
        if kind == 0x05:
            end = varint(page, begin)[1]
        else:
            payload, begin = varint(page, begin)
            if kind == 0x0D:
                begin = varint(page, begin)[1]
            end = begin + local_size(payload, kind, usable)
    except IndexError:
        return None
    end = max(end, at + _SMALLEST_CELL)
    return end if end <= usable else None


def local_size(payload: int, kind: int, usable: int) -> int:
    """Return how many bytes a payload takes on its page, the number of its first overflow page among them."""
    most = usable - 35 if kind == 0x0D else (usable - 12) * 64 // 255 - 23
    if payload <= most:
        return payload
    least = (usable - 12) * 32 // 255 - 23
    kept = least + (payload - least) % (usable - 4)
    return (kept if kept <= most else least) + 4


def cells_fit(page: bytes | memoryview, *, first: bool = False, reserved: int = 0) -> bool:
    """Answer whether `page` is a b-tree page all of whose cells end inside it and do not lie over each other."""
    if not is_btree(page, first=first, reserved=reserved):
        return False
    kind = page[FIRST if first else 0]
    usable = len(page) - reserved
    last = 0
    for at in sorted(pointers(page, first=first)):
        end = cell_end(page, at, kind, usable)
        if end is None or at < last:
            return False
        last = end
    return True


def may_be_page(page: bytes | memoryview, pages: int, *, first: bool = False, reserved: int = 0) -> bool:
    """Answer whether `page` can be a page of a database of `pages` pages: a b-tree, overflow, freelist or map page."""
    if first:
        return is_btree(page, first=True, reserved=reserved)
    if page[0] in TYPES:
        if is_btree(page, reserved=reserved):
            return True
    elif page[0] in range(1, 6):
        return True
    return int.from_bytes(page[:4], "big") <= pages and any(page)
