"""Which pages each tree still has, and where it has holes.

A tree is read from its root as far as it leads. What is believed of its leaves is their own rowids, not the keys
above them: the longest rising row of leaves stays, a leaf that does not fit in is taken out, and the pool of
orphans holds it with all pages that nothing refers to.
"""

from __future__ import annotations

import bisect
import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from toolkit.sqlite.pages import node as nodes
from toolkit.sqlite.pages.chains import freelist
from toolkit.sqlite.pages.geometry import Geometry
from toolkit.sqlite.pages.scan import PageMap
from toolkit.sqlite.salvage.image import Image

TABLES, INDEXES = (5, 13), (2, 10)


@dataclass(slots=True)
class Place:
    """A place for a leaf in the order of a tree: a sound leaf, a page to be carved (`broken`), or a hole (page 0).

    `beyond`: the page of the hole lay behind the end of a file that was cut.
    """

    page: int
    broken: bool = False
    depth: int = 0
    explained: bool = False
    beyond: bool = False


@dataclass(slots=True)
class Tree:
    """A tree and what is left of it. `places` are in the order of its keys; `inner` are its sound interior pages."""

    name: str
    root: int
    table: bool
    places: list[Place] = field(default_factory=list)
    inner: list[int] = field(default_factory=list)
    damaged: bool = False
    leaf_depth: int = -1

    @property
    def holes(self) -> bool:
        """Whether leaves may be missing."""
        return any(not place.page or place.broken for place in self.places)

    @property
    def cut_off(self) -> bool:
        """Whether all that may be missing lay behind the end of the file: no page that is there can be of this tree.

        All leaves of a b-tree are as deep (SQLite file format, section 1.6), so nothing hung below such a hole.
        """
        lost = [place for place in self.places if not place.page or place.broken]
        there = all(place.depth == self.leaf_depth and (place.beyond or place.page) for place in lost)
        return there and any(place.beyond for place in lost)

    def holds(self, pages: frozenset[int]) -> bool:
        """Answer whether one of the pages is of this tree."""
        return any(page in pages for page in (*self.inner, *(place.page for place in self.places)))


class Survey:
    """The trees of one image, and the pages that none of them holds. `cut`: its header counts more than it has."""

    def __init__(self, image: Image, found: PageMap, *, cut: bool = False) -> None:
        self.image, self.found, self.cut = image, found, cut
        self.geometry: Geometry = image.geometry
        self.used = array("H", bytes(2 * (self.geometry.page_count + 1)))
        self.trees: list[Tree] = []
        self.broken_chains: dict[int, int] = {}
        self.crossed: set[int] = set()
        self._chained = bytearray(self.geometry.page_count + 1)
        self.guessed: dict[int, Place] = {}
        self._followed = bytearray(len(found.owners))
        self.free = self._freelist()

    def _freelist(self) -> set[int]:
        """Return the pages of the freelist as far as it can be read; note whether it is whole."""
        trunk = int.from_bytes(self.image.header[32:36], "big")
        pages: set[int] = set()
        self.freelist_whole = False
        for page, _, wrong in freelist(self.image, trunk):
            if wrong or page in pages or not 1 < page <= self.geometry.page_count:
                break
            pages.add(page)
        self.freelist_whole = len(pages) == int.from_bytes(self.image.header[36:40], "big")
        return pages

    def tree(self, name: str, root: int, *, table: bool) -> Tree:
        """Read one tree from its root, and keep it."""
        tree = Tree(name, root, table)
        self.trees.append(tree)
        owner = len(self.trees)
        kinds = TABLES if table else INDEXES
        found, used, places = self.found, self.used, tree.places
        last, reserved = self.geometry.page_count, self.geometry.reserved_place
        stack = [(root, 0)]
        while stack:
            page, depth = stack.pop()
            if not 1 <= page <= last or used[page] or reserved(page):
                places.append(Place(0, depth=depth, beyond=self.cut and page > last))
                tree.damaged = True
                continue
            kind, faults = found.kinds[page], found.faults.get(page)
            if kind not in kinds:
                tree.damaged = True
                if kind and not faults:  # a sound page of another kind of tree
                    places.append(Place(0))
                    continue
                used[page] = owner
                places.append(Place(page, broken=True, depth=depth))
                if not kind:
                    self.guessed[page] = places[-1]
                continue
            used[page] = owner
            if page not in found.interior:
                broken = bool(faults) or (depth > 0 and not found.counts[page])  # SQLite frees a leaf with its last row
                tree.damaged = tree.damaged or broken
                places.append(Place(page, broken, depth))
                tree.leaf_depth = max(tree.leaf_depth, depth)
                continue
            tree.inner.append(page)
            children: Sequence[int] = found.interior[page][0]
            if faults:
                tree.damaged = True
                children = self._children(page)
                if not any(0 < child <= last and found.kinds[child] in kinds for child in children):
                    places.append(Place(page, broken=True, depth=depth))  # a leaf that lost its header
            stack.extend((child, depth + 1) for child in reversed(children))
        if table:
            self._straighten(tree)
        return tree

    def _children(self, page: int) -> list[int]:
        """Return the children of a damaged interior page in their order, page 0 where cells cannot be read."""
        node = nodes.parse(self.image.page(page), page, self.geometry)
        there = {cell.offset: cell.child for cell in node.cells}
        below = [*(there.get(pointer, 0) for pointer in node.pointers), node.right]
        return [child for at, child in enumerate(below) if child or not at or below[at - 1]]

    def _straighten(self, tree: Tree) -> None:
        """Take out the leaves that break the order of rowids, as few rows as can be."""
        found = self.found
        leaves = [place for place in tree.places if place.page and not place.broken and found.counts[place.page]]
        before = None
        for place in leaves:
            first = found.first[place.page]
            if before is not None and first <= before:
                break
            before = found.last[place.page]
        else:
            return
        tree.damaged = True
        kept = set(map(id, self._rising(leaves)))
        for place in leaves:
            if id(place) not in kept:
                self.used[place.page] = 0
                place.page = 0

    def _rising(self, leaves: list[Place]) -> list[Place]:
        """Return the heaviest (by rows) chain of leaves of which each begins behind the end of the one before."""
        found = self.found
        ends: list[int] = []  # last rowids of the best chains, rising with their weight
        best: list[tuple[int, int]] = []  # (weight, leaf)
        parent = [-1] * len(leaves)
        for at, place in enumerate(leaves):
            first, last, weight = found.first[place.page], found.last[place.page], found.counts[place.page]
            spot = bisect.bisect_left(ends, first)
            if spot:
                weight += best[spot - 1][0]
                parent[at] = best[spot - 1][1]
            spot = bisect.bisect_left(ends, last)
            if spot and best[spot - 1][0] >= weight:
                continue
            stop = spot
            while stop < len(ends) and best[stop][0] <= weight:
                stop += 1
            ends[spot:stop] = [last]
            best[spot:stop] = [(weight, at)]
        chain, at = [], best[-1][1] if best else -1
        while at >= 0:
            chain.append(leaves[at])
            at = parent[at]
        return chain[::-1]

    def drop(self, tree: Tree, place: Place) -> None:
        """Take a leaf out of its tree, into the pool of orphans."""
        self.used[place.page] = 0
        place.page = 0
        tree.damaged = True

    def chains(self) -> None:
        """Give the pages of overflow chains to the trees that hold them; note the leaves with a broken chain."""
        found, count = self.found, self.geometry.page_count
        for at, holder in enumerate(found.owners):
            owner = self.used[holder]
            if not owner or self._followed[at]:
                continue
            self._followed[at] = 1
            page = found.heads[at]
            pages = []
            for _ in range(found.lengths[at]):
                guess = self.guessed.pop(page, None) if 1 <= page <= count else None
                if guess is not None:  # a wrong child pointer led here before the chain that owns the page
                    guess.page, self.used[page] = 0, 0
                if not 1 <= page <= count or self.used[page] or self.geometry.reserved_place(page):
                    if 1 <= page <= count and self._chained[page]:
                        self.crossed.add(page)
                    page = -1
                    break
                self.used[page] = owner
                self._chained[page] = 1
                pages.append(page)
                page = found.following[page]
            if page:
                for taken in pages:
                    self.used[taken] = self._chained[taken] = 0
                self.broken_chains[holder] = self.broken_chains.get(holder, 0) + 1

    def sharing(self) -> dict[str, int]:
        """Return how many rows of each tree hold overflow pages that another row holds as well.

        One of them has a part of the other, and where both chains have the right length nothing tells which.
        """
        rows: dict[str, int] = {}
        found = self.found
        for at, holder in enumerate(found.owners if self.crossed else ()):
            owner, page = self.used[holder], found.heads[at]
            for _ in range(found.lengths[at] if owner else 0):
                if page in self.crossed:
                    name = self.trees[owner - 1].name
                    rows[name] = rows.get(name, 0) + 1
                    break
                if not 1 <= page <= self.geometry.page_count:
                    break
                page = found.following[page]
        return rows

    def lacks_chains(self, tree: Tree) -> bool:
        """Answer whether a page of `tree` holds a cell whose overflow pages are not all there."""
        return any(page in self.broken_chains for page in (*tree.inner, *(place.page for place in tree.places)))

    def find_trunks(self) -> None:
        """Take pages that nothing holds and that look like trunks of a lost freelist, and what they name, as free."""
        geometry = self.geometry
        most = geometry.usable // 4 - 2
        for page in self.orphans():
            following = self.found.following[page]
            if self.found.kinds[page] or following > geometry.page_count:
                continue
            data = self.image.page(page)
            count = int.from_bytes(data[4:8], "big")
            if not 0 < count <= most:
                continue
            leaves = struct.unpack_from(f">{count}I", data, 8)
            if len(set(leaves)) == count and all(
                1 < leaf <= geometry.page_count and not self.used[leaf] for leaf in leaves
            ):
                self.free.add(page)
                self.free.update(leaves)

    def orphans(self) -> list[int]:
        """Return the pages that belong to nothing: neither a tree nor the freelist, nor what has its fixed place."""
        free, reserved = self.free, self.geometry.reserved_place
        return [
            page
            for page, owner in enumerate(self.used)
            if not owner and page > 1 and page not in free and not reserved(page)
        ]

    def unexplained(self) -> list[int]:
        """Return the orphans that may be what a table lacks: all but sound pages of indexes and what hangs on these."""
        found = self.found
        orphans = self.orphans()
        indexes = {page for page in orphans if found.kinds[page] in INDEXES and page not in found.faults}
        hanging: set[int] = set()
        for at, holder in enumerate(found.owners):
            if holder in indexes:
                page = found.heads[at]
                for _ in range(found.lengths[at]):
                    if not 1 < page <= self.geometry.page_count:
                        break
                    hanging.add(page)
                    page = found.following[page]
        return [page for page in orphans if page not in indexes and page not in hanging]
