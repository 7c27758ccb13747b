"""Sizes and places that follow from page size and reserved bytes (SQLite file format, sections 1.3 to 1.8)."""

from __future__ import annotations

import functools
from dataclasses import dataclass

LOCK_BYTE = 0x40000000
"""The page that holds this byte is never used (section 1.4)."""

INTERIOR_INDEX, INTERIOR_TABLE, LEAF_INDEX, LEAF_TABLE = 2, 5, 10, 13
KINDS = {
    INTERIOR_INDEX: "index interior",
    INTERIOR_TABLE: "table interior",
    LEAF_INDEX: "index leaf",
    LEAF_TABLE: "table leaf",
}


@dataclass(frozen=True)
class Geometry:
    """A database as `page_count` pages of `page_size` bytes; the last `reserved` of each are not SQLite's."""

    page_size: int
    reserved: int = 0
    page_count: int = 0
    auto_vacuum: bool = False

    @functools.cached_property
    def usable(self) -> int:
        """Bytes of a page that SQLite uses."""
        return self.page_size - self.reserved

    @functools.cached_property
    def table_local(self) -> int:
        """The longest payload of a table leaf cell without overflow (section 1.6)."""
        return self.usable - 35

    @functools.cached_property
    def index_local(self) -> int:
        """The longest payload of an index cell without overflow."""
        return (self.usable - 12) * 64 // 255 - 23

    @functools.cached_property
    def least_local(self) -> int:
        """The least that is kept on the page of a payload that overflows."""
        return (self.usable - 12) * 32 // 255 - 23

    @functools.cached_property
    def lock_page(self) -> int:
        """The number of the page with the lock bytes; it need not exist."""
        return LOCK_BYTE // self.page_size + 1

    def local(self, payload: int, *, table: bool) -> int:
        """Return how many bytes of `payload` stay on the page; the rest is in overflow pages."""
        most = self.table_local if table else self.index_local
        if payload <= most:
            return payload
        kept = self.least_local + (payload - self.least_local) % (self.usable - 4)
        return kept if kept <= most else self.least_local

    def map_page(self, page: int) -> int:
        """Return the pointer-map page that speaks of `page` (section 1.8); itself for a pointer-map page."""
        stride = self.usable // 5 + 1
        found = (page - 2) // stride * stride + 2
        return found + 1 if found == self.lock_page else found

    def is_map_page(self, page: int) -> bool:
        """Answer whether `page` is a pointer-map page."""
        return self.auto_vacuum and page >= 2 and self.map_page(page) == page

    def reserved_place(self, page: int) -> bool:
        """Answer whether `page` is the lock-byte page or a pointer-map page: never part of a tree."""
        return page == self.lock_page or (self.auto_vacuum and self.is_map_page(page))
