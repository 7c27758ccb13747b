"""The rows of a tree that is opened folder by folder: only what is seen is read, whatever the number of files."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import msgspec

from toolkit.filelist import FileType
from toolkit.operations.browsing import ROOT, FileTree, Node
from toolkit.operations.session import Session
from toolkit.operations.show import moment
from toolkit.wording import size_text, time_text
from tui.filter import Filter
from tui.screens.backups_source import conditions
from tui.widgets.rows import Cell, Column, Row

MOST_FOUND = 2000
"""Names that a filter shows."""

COLUMNS = (
    Column(name="name", title="NAME"),
    Column(name="files", title="FILES", width=9, right=True),
    Column(name="size", title="SIZE", width=8, right=True),
    Column(name="age", title="CHANGED", width=16),
)


class Run(msgspec.Struct):
    """Neighbours in the list: `count` names of the folder `parent` from `first` on, `depth` levels in."""

    parent: int
    first: int
    count: int
    depth: int


class TreeRows:
    """A tree as rows. `toggle` opens and closes the folder of a row; a filter shows a flat list of what passes."""

    def __init__(self, tree: FileTree, session: Session) -> None:
        self.tree = tree
        self.flat: list[Node] | None = None
        self.seen: dict[str, Node] = {}
        self.open: set[int] = set()
        self._session = session
        self._runs: list[Run] = []
        self._starts: list[int] = []
        self._depths: dict[int, int] = {}

    # ---- as the list asks

    def arrange(self, wanted: Filter, sort: str, *, reverse: bool) -> tuple[int, int]:
        """Count anew, for more may have been read by now; the order is that of the backup."""
        del sort, reverse
        self.seen.clear()
        if wanted:
            self.flat = self.tree.search(conditions(wanted), now=self._session.now(), limit=MOST_FOUND)
            return len(self.flat), self.tree.count
        self.flat = None
        self._runs = list(self._unfold(ROOT, 0))
        self._count()
        return self._starts[-1], self._starts[-1]

    def _unfold(self, parent: int, depth: int) -> Sequence[Run]:
        """Return the runs below `parent`: its names, cut where a folder is open and has its own runs."""
        count = self.tree.children(parent)
        opened = [node for ident in self.open if (node := self.tree.node(ident)) is not None and node.parent == parent]
        cuts = sorted((self.tree.place(node), node) for node in opened) if opened else []
        runs: list[Run] = []
        at = 0
        for place, node in cuts:
            runs.append(Run(parent, at, place + 1 - at, depth))
            runs += self._unfold(node.id, depth + 1)
            at = place + 1
        runs.append(Run(parent, at, count - at, depth))
        return [run for run in runs if run.count]

    def _count(self) -> None:
        self._starts = [0]
        for run in self._runs:
            self._starts.append(self._starts[-1] + run.count)

    def rows(self, offset: int, limit: int) -> list[Row]:
        """Return a page."""
        if self.flat is not None:
            return [self._row(node, -1) for node in self.flat[offset : offset + limit]]
        found: list[Row] = []
        at = max(bisect_right(self._starts, offset) - 1, 0)
        while len(found) < limit and at < len(self._runs):
            run = self._runs[at]
            skip = max(offset - self._starts[at], 0)
            nodes = self.tree.page(run.parent, run.first + skip, min(run.count - skip, limit - len(found)))
            found += [self._row(node, run.depth) for node in nodes]
            at += 1
        return found

    def place_of(self, key: str) -> int | None:
        """Return where the name is now; None when a folder above it is closed."""
        node = self.tree.node(int(key))
        if node is None:
            return None
        if self.flat is not None:
            return next((at for at, one in enumerate(self.flat) if one.id == node.id), None)
        place = self.tree.place(node)
        for start, run in zip(self._starts, self._runs, strict=False):
            if run.parent == node.parent and run.first <= place < run.first + run.count:
                return start + place - run.first
        return None

    # ---- opening

    def toggle(self, node: Node) -> None:
        """Open the folder, or close it with all in it; then the list must arrange again."""
        if node.id in self.open:
            self.close(node)
        else:
            self.open.add(node.id)

    def close(self, node: Node) -> None:
        """Close the folder and those in it."""
        self.open.discard(node.id)
        for ident in list(self.open):
            inner = self.tree.node(ident)
            if inner is not None and inner.parent == node.id:
                self.close(inner)

    def _row(self, node: Node, depth: int) -> Row:
        self.seen[str(node.id)] = node
        name = self.tree.path(node) if depth < 0 else node.name
        if depth >= 0:
            sign = ("- " if node.id in self.open else "+ ") if node.folder else "  "
            name = "  " * min(depth, 15) + sign + name
        if node.folder:
            name = name.rstrip("/") + "/"
        elif node.target:
            name = f"{name} -> {node.target}"
        when = moment(node.mtime_ns)
        return Row(
            key=str(node.id),
            cells=(
                Cell(name, "" if not node.folder else "mark"),
                f"{node.files:,}" if node.folder else "",
                size_text(node.size) if node.type is not FileType.SYMLINK else "link",
                Cell(time_text(when, self._session.now()) if when is not None else "-", "dim"),
            ),
        )
