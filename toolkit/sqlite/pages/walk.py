"""The structure of a whole database, walked without SQLite: every page has one place, and is sound there.

A walk calls no sound database damaged. Of the values of records it sees only lost sectors in their midst (`sectors`).
What it does not look at: the order of index keys, which `PRAGMA integrity_check` tells.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from toolkit.events import Progress, ShouldStop, never_stop, no_progress
from toolkit.sqlite.pages import node as nodes
from toolkit.sqlite.pages import record, sectors
from toolkit.sqlite.pages.chains import freelist, payload_of, pointer_map
from toolkit.sqlite.pages.geometry import KINDS, Geometry
from toolkit.sqlite.pages.scan import PageMap, scan
from toolkit.sqlite.pages.source import PageSource

MOST = 1000
"""Findings of one code that are told one by one."""


@dataclass(frozen=True, slots=True)
class PageFinding:
    """One thing that is wrong: a stable code, the page (0: none), the tree it concerns (empty: none), a sentence."""

    code: str
    page: int
    name: str
    message: str


def geometry_of(header: bytes, size: int) -> Geometry:
    """Return the geometry of a database of `size` bytes with this header (100 bytes), which has to be believable.

    The page count is the header's where it is valid, but never more than the file holds. Raises `ValueError` for
    sizes that no database has.
    """
    if len(header) < 100:
        raise ValueError("the header is cut")
    page_size = int.from_bytes(header[16:18], "big")
    page_size = 65536 if page_size == 1 else page_size
    if page_size < 512 or page_size & (page_size - 1):
        raise ValueError(f"no database has pages of {page_size} bytes")
    reserved = header[20]
    if page_size - reserved < 480:
        raise ValueError(f"no database reserves {reserved} bytes of pages of {page_size}")
    held = -(-size // page_size)
    return Geometry(page_size, reserved, min(stated_pages(header) or held, held), any(header[52:56]))


def stated_pages(header: bytes) -> int:
    """Return the page count that the header states, 0 where it is not valid (section 1.3.7)."""
    return int.from_bytes(header[28:32], "big") if header[24:28] == header[92:96] else 0


class Walker:
    """A walk over the pages of `source`. `used` says of each page which tree or list holds it (0: none yet)."""

    FREE, MAP, LOCK, SCHEMA = 1, 2, 3, 4

    def __init__(self, source: PageSource, found: PageMap, should_stop: ShouldStop = never_stop) -> None:
        from array import array

        self.should_stop = should_stop

        self.source = source
        self.found = found
        self.geometry = source.geometry
        self.encoding = {2: "UTF-16le", 3: "UTF-16be"}.get(source.page(1)[59], "UTF-8")
        self.used = array("H", bytes(2 * (self.geometry.page_count + 1)))
        self.names = ["", "freelist", "pointer map", "lock-byte page", "sqlite_schema"]
        self.roots: dict[int, str] = {}
        self.table_roots: set[int] = set()
        self.tables: set[int] = set()
        self.parents = array("I", bytes(4 * (self.geometry.page_count + 1))) if self.geometry.auto_vacuum else None
        self.roles = bytearray(self.geometry.page_count + 1) if self.geometry.auto_vacuum else None

    def take(self, page: int, owner: int, parent: int, role: int) -> PageFinding | None:
        """Note that `page` belongs to `owner`; return what is wrong with that."""
        name = self.names[owner]
        if not 1 <= page <= self.geometry.page_count:
            return PageFinding("child-outside", parent, name, f"it points to page {page}, which the file does not have")
        if self.used[page]:
            other = self.names[self.used[page]]
            return PageFinding("page-used-twice", page, name, f"it belongs to {name} and to {other}")
        self.used[page] = owner
        if self.parents is not None and self.roles is not None:
            self.parents[page], self.roles[page] = parent, role
        return None

    def tree(self, root: int, owner: int) -> Iterator[PageFinding]:
        """Walk one tree. Interior pages are visited from their parents, leaves by what the scan said of them."""
        name, found = self.names[owner], self.found
        table: bool | None = None
        stack: list[tuple[int, int, int | None, int | None]] = [(root, 0, None, None)]
        depths: set[int] = set()
        levels = {root: 0}
        while stack:
            page, parent, after, upto = stack.pop()
            wrong = self.take(page, owner, parent, 5 if parent else 1)
            if wrong is not None:
                yield wrong
                continue
            kind = found.kinds[page]
            level = levels.pop(page)
            if not kind:
                yield PageFinding("page-header", page, name, "it is no page of a b-tree")
                continue
            for code, message in found.faults.get(page, ()):
                yield PageFinding(code, page, name, message)
            if table is None:
                table = kind in (5, 13)
            elif table != (kind in (5, 13)):
                yield PageFinding("page-kind", page, name, f"it is a {KINDS[kind]} page in another kind of tree")
                continue
            inner = found.interior.get(page)
            if inner is None:
                depths.add(level)
                if table and found.counts[page]:
                    yield from self.order(page, name, after, upto)
                continue
            children, keys = inner
            bounds = [after, *keys, upto] if table else [None] * (len(children) + 1)
            if len(bounds) != len(children) + 1:
                continue
            for at in range(len(children) - 1, -1, -1):
                stack.append((children[at], page, bounds[at], bounds[at + 1]))
                levels[children[at]] = level + 1
        if len(depths) > 1:
            yield PageFinding("tree-depth", root, name, "its leaves lie at different depths")

    def order(self, page: int, name: str, after: int | None, upto: int | None) -> Iterator[PageFinding]:
        """Compare the rowids of a table leaf with the keys of the pages above it."""
        first, last = self.found.first[page], self.found.last[page]
        if (after is not None and first <= after) or (upto is not None and last > upto):
            yield PageFinding("key-order", page, name, f"its rowids {first} to {last} lie outside of its place")

    def chains(self) -> Iterator[PageFinding]:
        """Follow the overflow chains of all nodes that belong to a tree."""
        found = self.found
        for at, owner_page in enumerate(found.owners):
            owner = self.used[owner_page]
            if owner <= self.LOCK or found.kinds[owner_page] == 0:
                continue
            yield from self.chain(owner_page, owner, found.heads[at], found.lengths[at])

    def chain(self, holder: int, owner: int, head: int, length: int) -> Iterator[PageFinding]:
        """Follow one chain of `length` pages; each page is visited once."""
        page, parent, name = head, holder, self.names[owner]
        for place in range(length):
            if page == 0:
                yield PageFinding(
                    "overflow-chain", holder, name, f"an overflow chain ends after {place} of {length} pages"
                )
                return
            wrong = self.take(page, owner, parent, 3 if place == 0 else 4)
            if wrong is not None:
                yield PageFinding("overflow-chain", holder, name, f"an overflow chain is broken: {wrong.message}")
                return
            parent, page = page, self.found.following[page]
        if page:
            yield PageFinding("overflow-chain", holder, name, f"an overflow chain is longer than its {length} pages")

    def special(self) -> Iterator[PageFinding]:
        """Take the lock-byte page, the pointer-map pages and the freelist."""
        geometry = self.geometry
        if geometry.lock_page <= geometry.page_count:
            self.used[geometry.lock_page] = self.LOCK
        if geometry.auto_vacuum:
            for page in range(2, geometry.page_count + 1, geometry.usable // 5 + 1):
                place = geometry.map_page(page)
                if place <= geometry.page_count:
                    self.used[place] = self.MAP
        trunk, count = struct.unpack_from(">II", self.source.page(1), 32)
        seen = 0
        for page, parent, message in freelist(self.source, trunk):
            if message:
                yield PageFinding("freelist", parent, "freelist", message)
                continue
            wrong = self.take(page, self.FREE, 0, 2)
            if wrong is not None:
                yield PageFinding("freelist", parent, "freelist", wrong.message)
                break
            seen += 1
        if seen != count:
            yield PageFinding("freelist", 1, "freelist", f"it holds {seen} pages, the header says {count}")

    def schema(self) -> Iterator[PageFinding]:
        """Walk the schema's tree and learn the roots of all others."""
        yield from self.tree(1, self.SCHEMA)
        for page in range(1, self.geometry.page_count + 1):
            if self.used[page] != self.SCHEMA or self.found.kinds[page] != 13:
                continue
            node = nodes.parse(self.source.page(page), page, self.geometry)
            for cell in node.cells:
                self.entry(payload_of(self.source, node, cell))

    def entry(self, payload: bytes | None) -> None:
        """Note the root that a row of the schema names."""
        try:
            values = record.decode(payload or b"")
        except ValueError:
            return
        if len(values) >= 4 and isinstance(values[3], int) and values[3] > 0:
            self.roots[values[3]] = record.text(values[1], self.encoding)
            if record.text(values[0], self.encoding) == "table":
                self.table_roots.add(values[3])

    def trees(self) -> Iterator[PageFinding]:
        """Walk every tree but the schema's."""
        for root, name in self.roots.items():
            self.names.append(name)
            if root in self.table_roots:
                self.tables.add(len(self.names) - 1)
            yield from self.tree(root, len(self.names) - 1)

    def rest(self) -> Iterator[PageFinding]:
        """Find pages that nothing holds."""
        at = self.used.tobytes().find(b"\0\0", 2)
        unreached = [page for page in range(1, self.geometry.page_count + 1) if not self.used[page]] if at >= 0 else []
        for page in unreached:
            yield PageFinding("page-unreachable", page, "", "nothing refers to it")

    def maps(self) -> Iterator[PageFinding]:
        """Compare the pointer map with what the walk saw (auto_vacuum only)."""
        if self.parents is None or self.roles is None:
            return
        for page, role, parent in pointer_map(self.source):
            if self.roles[page] and (role, parent) != (self.roles[page], self.parents[page]):
                yield PageFinding(
                    "pointer-map", page, self.names[self.used[page]], f"the pointer map says {role}, {parent} of it"
                )

    def blanks(self) -> Iterator[tuple[str, sectors.Blank]]:
        """Yield the rows that lost sectors in the midst of their values, with the name of their table."""

        def table(page: int) -> int:
            return self.used[page] if self.used[page] in self.tables else 0

        for one in sectors.blanks(self.source, self.found, table, self.should_stop):
            yield self.names[one.owner], one

    def structure(self) -> Iterator[PageFinding]:
        """Walk everything but values."""
        yield from self.special()
        yield from self.schema()
        yield from self.trees()
        yield from self.chains()
        yield from self.rest()
        yield from self.maps()

    def all(self) -> Iterator[PageFinding]:
        """Walk everything."""
        yield from self.structure()
        for name, one in self.blanks():
            yield PageFinding("sectors", one.page, name, sectors.described(one))


def walk(
    path: str | os.PathLike[str], *, on_progress: Progress = no_progress, should_stop: ShouldStop = never_stop
) -> Iterator[PageFinding]:
    """Yield what is wrong with the structure of the database `path`, which nobody writes; nothing when it is sound.

    Only the main file is read: sidecars must be settled before. At most `MOST` findings of a code are told, then
    one that says how many more there were (page 0). Takes each page once, some 10 microseconds a page, and flat memory.
    Raises `ValueError` for a header whose sizes no database has, `OSError`, `CancelledError`.
    """
    size = os.stat(path).st_size
    with open(path, "rb") as file:
        geometry = geometry_of(file.read(100), size)
    counts: dict[str, int] = {}
    with PageSource(path, geometry) as source:
        walker = Walker(source, scan(source, on_progress=on_progress, should_stop=should_stop), should_stop)
        for finding in (*_sizes(source, size), *walker.all()):
            counts[finding.code] = counts.get(finding.code, 0) + 1
            if counts[finding.code] <= MOST:
                yield finding
    for code, count in counts.items():
        if count > MOST:
            yield PageFinding(code, 0, "", f"{count - MOST} more of the same")


def lost_sectors(path: str | os.PathLike[str], should_stop: ShouldStop = never_stop) -> list[tuple[str, sectors.Blank]]:
    """Return what a walk of a file says of lost sectors in the midst of values: tables and rows. Raises as `walk`."""
    size = os.stat(path).st_size
    with open(path, "rb") as file:
        geometry = geometry_of(file.read(100), size)
    with PageSource(path, geometry) as source:
        walker = Walker(source, scan(source, should_stop=should_stop), should_stop)
        for _ in walker.structure():
            pass
        return list(walker.blanks())


def _sizes(source: PageSource, size: int) -> Iterator[PageFinding]:
    count = stated_pages(source.page(1)) or source.page_count
    expected = count * source.geometry.page_size
    if size < expected:
        message = f"the file has {size} bytes, the {count} pages of its header take {expected}"
        yield PageFinding("page-count", 0, "", message)
    elif size > expected and _anything_behind(source.path, expected):
        message = f"{size - expected} bytes lie behind the last of {count} pages"
        yield PageFinding("page-count", 0, "", message)


def _anything_behind(path: str, offset: int) -> bool:
    """Answer whether there is anything but zeros from `offset` on: some applications let files grow in large steps."""
    with open(path, "rb") as file:
        file.seek(offset)
        while piece := file.read(1 << 20):
            if piece.strip(b"\0"):
                return True
    return False
