"""A plain map of a sound database's pages (SQLite file format, section 1.6), for those who damage it.

It is not the walker of the product: it trusts what it reads.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

TYPES = {2: "index-interior", 5: "table-interior", 10: "index-leaf", 13: "table-leaf"}


@dataclass(frozen=True)
class Page:
    """A page: what it is, whose, and which page points at it (0 for a root)."""

    number: int
    kind: str
    owner: str
    owner_kind: str
    parent: int

    @property
    def leaf(self) -> bool:
        """Whether it is a leaf of a b-tree."""
        return self.kind.endswith("-leaf") and not self.kind.startswith("free")


@dataclass(frozen=True)
class Cell:
    """A cell: where it begins in its page, its child (interior), payload size and first overflow page (0: none)."""

    at: int
    child: int
    rowid: int
    payload: int
    payload_at: int
    local: int
    overflow: int

    @property
    def end(self) -> int:
        """Where its bytes end."""
        return self.payload_at + self.local + (4 if self.overflow else 0)


def varint(data: bytes | bytearray, at: int) -> tuple[int, int]:
    """Return a variable-length integer (section 1.6) and where it ends."""
    value = 0
    for count in range(8):
        byte = data[at + count]
        value = (value << 7) | (byte & 0x7F)
        if byte < 0x80:
            return value, at + count + 1
    return (value << 8) | data[at + 8], at + 9


class PageMap:
    """The pages of `data`, found by walking from `roots` (type, name, table, root page)."""

    def __init__(self, data: bytes, roots: list[tuple[str, str, str, int]], shadows: frozenset[str]) -> None:
        self.data = data
        size = struct.unpack_from(">H", data, 16)[0]
        self.size = 65536 if size == 1 else size
        self.usable = self.size - data[20]
        self.count = len(data) // self.size
        self.pages: dict[int, Page] = {}
        self.chains: dict[int, list[int]] = {}
        self._tree(1, "sqlite_master", "schema", 0)
        for kind, name, table, root in roots:
            owner_kind = "system" if name.startswith("sqlite_") and kind == "table" else kind
            self._tree(root, name, "shadow" if table in shadows else owner_kind, 0)
        self._freelist()
        if struct.unpack_from(">I", data, 52)[0]:
            self._pointer_map()

    def start(self, number: int) -> int:
        """Return where the page begins in the file."""
        return (number - 1) * self.size

    def header(self, number: int) -> int:
        """Return where its b-tree header begins in the page."""
        return 100 if number == 1 else 0

    def page(self, number: int) -> bytes:
        """Return the bytes of a page."""
        return self.data[self.start(number) : self.start(number) + self.size]

    def cells(self, number: int, page: bytes | None = None) -> list[Cell]:
        """Return the cells of a b-tree page in the order of its pointers."""
        page = self.page(number) if page is None else page
        head = self.header(number)
        kind = page[head]
        interior = kind in (2, 5)
        count = struct.unpack_from(">H", page, head + 3)[0]
        pointers = struct.unpack_from(f">{count}H", page, head + (12 if interior else 8))
        return [self._cell(page, at, kind) for at in pointers]

    def _cell(self, page: bytes, at: int, kind: int) -> Cell:
        position, child, rowid, payload = at, 0, 0, 0
        if kind in (2, 5):
            child = struct.unpack_from(">I", page, at)[0]
            position += 4
        if kind == 5:
            rowid, position = varint(page, position)
            return Cell(at, child, rowid, 0, position, 0, 0)
        payload, position = varint(page, position)
        if kind == 13:
            rowid, position = varint(page, position)
        local = self._local(payload, table=kind == 13)
        overflow = struct.unpack_from(">I", page, position + local)[0] if local < payload else 0
        return Cell(at, child, rowid, payload, position, local, overflow)

    def _local(self, payload: int, *, table: bool) -> int:
        most = self.usable - 35 if table else (self.usable - 12) * 64 // 255 - 23
        if payload <= most:
            return payload
        least = (self.usable - 12) * 32 // 255 - 23
        wanted = least + (payload - least) % (self.usable - 4)
        return wanted if wanted <= most else least

    def _tree(self, root: int, owner: str, owner_kind: str, parent: int) -> None:
        todo = [(root, parent)]
        while todo:
            number, above = todo.pop()
            page = self.page(number)
            kind = page[self.header(number)]
            self.pages[number] = Page(number, TYPES[kind], owner, owner_kind, above)
            for cell in self.cells(number, page):
                if cell.child:
                    todo.append((cell.child, number))
                if cell.overflow:
                    self._chain(cell.overflow, owner, owner_kind, number)
            if kind in (2, 5):
                todo.append((struct.unpack_from(">I", page, self.header(number) + 8)[0], number))

    def _chain(self, first: int, owner: str, owner_kind: str, parent: int) -> None:
        chain, number = [], first
        while number:
            chain.append(number)
            self.pages[number] = Page(number, "overflow", owner, owner_kind, parent)
            number = struct.unpack_from(">I", self.data, self.start(number))[0]
        self.chains[first] = chain

    def _freelist(self) -> None:
        trunk = struct.unpack_from(">I", self.data, 32)[0]
        while trunk:
            self.pages[trunk] = Page(trunk, "free-trunk", "", "free", 0)
            following, count = struct.unpack_from(">II", self.data, self.start(trunk))
            for leaf in struct.unpack_from(f">{count}I", self.data, self.start(trunk) + 8):
                self.pages[leaf] = Page(leaf, "free-leaf", "", "free", trunk)
            trunk = following

    def _pointer_map(self) -> None:
        step = self.usable // 5 + 1
        for number in range(2, self.count + 1, step):
            if number not in self.pages:
                self.pages[number] = Page(number, "pointer-map", "", "pointer-map", 0)

    def of(self, *kinds: str, owners: tuple[str, ...] = ("table",)) -> list[Page]:
        """Return the pages of some kinds whose owners are of some kinds, by number."""
        return [page for _, page in sorted(self.pages.items()) if page.kind in kinds and page.owner_kind in owners]

    def without_rowid(self, page: Page) -> bool:
        """Whether a page of a table has the shape of an index."""
        return page.owner_kind == "table" and page.kind.startswith("index")
