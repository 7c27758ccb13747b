"""What the tree at one root holds, looked at here and there: rows from all over it, one row by its key.

Only the pages on the way are read, so that a look at a table of any size costs the same.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass, field

from toolkit.sqlite.pages import node as nodes
from toolkit.sqlite.pages import record
from toolkit.sqlite.pages.chains import payload_from
from toolkit.sqlite.pages.geometry import INTERIOR_TABLE, LEAF_TABLE
from toolkit.sqlite.pages.node import Node
from toolkit.sqlite.pages.record import Value
from toolkit.sqlite.pages.source import PageSource
from toolkit.sqlite.salvage.adopt import SAMPLE, leaf_rows

LEAVES = 6
"""Leaves that are looked at of a tree."""

DEEPEST = 20
"""No b-tree that SQLite writes has as many levels (its file format, section 1.6)."""

MOST_KEYED = 20_000
"""Records of a tree that are kept in memory by their keys."""

MOST_PAGES = 500
"""Pages that are kept in memory of a tree."""

Seen = tuple[int, list[Value]]
"""A row as its rowid (no meaning in an index) and its values."""


@dataclass(slots=True)
class Holding:
    """The tree at `root`, which is a sound page of a b-tree, as far as its pages lead. `table`: of rowids."""

    source: PageSource
    root: int
    table: bool
    empty: bool
    rows: list[Seen] = field(default_factory=list)
    _nodes: dict[int, Node | None] = field(default_factory=dict)
    _keyed: dict[int, dict[bytes, list[Value]] | None] = field(default_factory=dict)

    @classmethod
    def at(cls, source: PageSource, root: int) -> Holding | None:
        """Look at the tree at `root`; None where no sound page of a tree is. Raises `OSError`."""
        holding = cls(source, root, table=False, empty=False)
        node = holding._node(root)
        if node is None:
            return None
        holding.table = node.kind in (INTERIOR_TABLE, LEAF_TABLE)
        holding.empty = not node.count and not node.interior
        leaves = list(dict.fromkeys(holding._leaf((at + 0.5) / LEAVES) for at in range(LEAVES)))
        for page in leaves:
            if page:
                rows = leaf_rows(source, page, max(4, SAMPLE // len(leaves)))
                holding.rows += [(rowid, values) for rowid, values in rows if values is not None]
        return holding

    def _node(self, page: int) -> Node | None:
        """Return a page, None for one that is no sound page of a tree."""
        if page not in self._nodes:
            if len(self._nodes) > MOST_PAGES:
                self._nodes.clear()
            node = nodes.parse(self.source.page(page), page, self.source.geometry) if page > 1 else Node(page)
            self._nodes[page] = node if node.kind and not node.faults else None
        return self._nodes[page]

    def _leaf(self, part: float) -> int:
        """Return the sound leaf at a `part` (0 to 1) of the tree's width, 0 where the way there is broken."""
        page = self.root
        for _ in range(DEEPEST):
            node = self._node(page)
            if node is None:
                return 0
            if not node.interior:
                return page
            children = node.children
            place = int(part * len(children))
            part, page = part * len(children) - place, children[place]
        return 0

    def find(self, rowid: int) -> list[Value] | None:
        """Return the row with that rowid of a tree of rowids; None when it has none, or that cannot be read."""
        page = self.root
        for _ in range(DEEPEST):
            node = self._node(page)
            if node is None:
                return None
            if not node.interior:
                return self._row(node, rowid)
            page = node.children[bisect.bisect_left([cell.rowid for cell in node.cells], rowid)]
        return None

    def _row(self, leaf: Node, rowid: int) -> list[Value] | None:
        cell = next((one for one in leaf.cells if one.rowid == rowid), None)
        payload = payload_from(self.source, self.source.page(leaf.number), cell) if cell is not None else None
        try:
            return record.decode(payload or b"")
        except ValueError:
            return None

    def forget(self) -> None:
        """Let go of the pages that were read: there can be thousands of trees."""
        self._nodes.clear()
        self._keyed.clear()

    def keyed(self, keys: int) -> dict[bytes, list[Value]] | None:
        """Return the records of a tree without rowids by their first `keys` values; None when these are too many."""
        if keys not in self._keyed:
            held: dict[bytes, list[Value]] = {}
            for values in self._records():
                held[record.encode(values[:keys])] = values
                if len(held) > MOST_KEYED:
                    break
            self._keyed[keys] = held if len(held) <= MOST_KEYED else None
        return self._keyed[keys]

    def _records(self) -> Iterator[list[Value]]:
        waiting, seen = [self.root], set[int]()
        while waiting:
            number = waiting.pop()
            node = self._node(number) if number not in seen else None
            seen.add(number)
            if node is None or node.kind in (INTERIOR_TABLE, LEAF_TABLE):
                continue
            waiting.extend(node.children)
            page = self.source.page(number)
            for cell in node.cells:
                payload = payload_from(self.source, page, cell)
                try:
                    yield record.decode(payload or b"")
                except ValueError:
                    continue
