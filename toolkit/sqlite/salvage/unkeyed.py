"""Damaged WITHOUT ROWID tables: their rows lie in index pages, interior ones too, and are taken out one by one."""

from __future__ import annotations

import itertools
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from toolkit.sqlite.account import Gap
from toolkit.sqlite.order import known, sort_key
from toolkit.sqlite.pages import node as nodes
from toolkit.sqlite.pages import record
from toolkit.sqlite.pages.chains import payload_from
from toolkit.sqlite.pages.geometry import LEAF_INDEX
from toolkit.sqlite.pages.record import Value
from toolkit.sqlite.salvage import build
from toolkit.sqlite.salvage.adopt import Known
from toolkit.sqlite.salvage.carve import carve
from toolkit.sqlite.salvage.profile import LEAST_ROWS, Profile
from toolkit.sqlite.salvage.shape import Shape
from toolkit.sqlite.salvage.stretches import Entries, gaps, stretches
from toolkit.sqlite.salvage.survey import Survey, Tree
from toolkit.sqlite.salvage.torn import is_torn, torn_blocks

SAME = 0.5
"""From this share of its rows on that a reference has with the same values, a page is of that table."""

USUAL, LIKELY = -3.0, -1.7
"""How usual (`Profile.likeness`) the rows of a page must be: as wide as the table's, or with columns missing as those
of before an ALTER, which entries of its indexes look like."""

TAUGHT = 400
"""Rows of its own from which a table's profile learns."""


@dataclass(slots=True)
class Unkeyed:
    """A plain tree of the records of a WITHOUT ROWID table in the mended copy: its root, how many were carved.

    `gaps` are the stretches of keys that its pages do not cover.
    """

    root: int
    shape: Shape
    rows: int = 0
    carved: int = 0
    gaps: tuple[Gap, ...] = ()

    @classmethod
    def collect(
        cls,
        survey: Survey,
        tree: Tree,
        shape: Shape,
        profile: Profile,
        known: Known,
        others: AbstractSet[int] = frozenset(),
        *,
        cut: bool = False,
    ) -> Unkeyed:
        """Write the records of all pages of `tree`, and of orphans that fit and have new keys, into a plain tree.

        `profile` has seen rows of a reference where only that one names the table. `others` are how many values the
        records of other trees have that may lie among the orphans; a file that is `cut` lacks pages.
        """
        return _Collecting(survey, tree, shape, profile, known, others, cut=cut).done()


class _Collecting:
    def __init__(
        self,
        survey: Survey,
        tree: Tree,
        shape: Shape,
        profile: Profile,
        known: Known,
        others: AbstractSet[int],
        *,
        cut: bool,
    ) -> None:
        self.cut = cut
        self.survey, self.tree, self.shape = survey, tree, shape
        self.profile, self.known = profile, known
        self.image = survey.image
        self.read: dict[int, Entries] = {}
        self.seen: set[bytes] = set()
        self.payloads: list[bytes] = []
        self.carved = 0
        self.left_out = False
        self.widths = {len(index.columns) for index in shape.indexes} | others

    def done(self) -> Unkeyed:
        found, tree = self.survey.found, self.tree
        for page, broken in [
            *((page, False) for page in tree.inner),
            *((one.page, one.broken) for one in tree.places if one.page),
        ]:
            self._take(page, _entries(self.survey, page, self.shape, broken=broken or page in found.faults))
        if tree.holes:
            lone = [page for page in self.survey.orphans() if found.kinds[page] in (0, 2, 10)]
            narrow = [page for page in lone if not self._take_lone(page)]
            self._learn()
            for page in narrow:
                self._take_lone(page, narrow=True)
        leaves = build.write_leaves(
            self.image,
            ((at, build.cell_of(self.image, at, payload)) for at, payload in enumerate(self.payloads, 1)),
        )
        root = build.table_tree(self.image, [(page, last) for page, _, last in leaves])
        return Unkeyed(root, self.shape, len(self.payloads), self.carved, self._gaps())

    def _gaps(self) -> tuple[Gap, ...]:
        if not self.tree.damaged and all(None not in one.cells and one.whole for one in self.read.values()):
            return ()
        found = self.survey.found
        below = {child for page in self.read if page in found.interior for child in found.interior[page][0]}
        tops = [page for page in self.read if page not in below]
        roots = [self.tree.root, *(page for page in [*tops, *self.read] if page != self.tree.root)]
        held = stretches(found, [page for page in roots if page in self.read], self.read.get)
        strange = [page for page in self.survey.unexplained() if page not in self.read]
        complete = not (strange or self.left_out or self.cut)
        return gaps(held, self.shape.orders, self.image.encoding, main=self.tree.root, complete=complete)

    def _take(self, page: int, entries: Entries, *, carved: bool = False) -> None:
        self.read[page] = entries
        broken = carved or page in self.survey.found.faults or not self.survey.found.kinds[page]
        for values in entries.cells:
            if values is not None:
                key = record.encode(values[: self.shape.keys])
                if key not in self.seen:
                    self.seen.add(key)
                    self.payloads.append(record.encode(values))
                    self.carved += broken

    def _learn(self) -> None:
        """Let the profile learn from the rows that the table is known to have, where no reference taught it."""
        if not self.profile.rows:
            rows = [values for one in self.read.values() for values in one.cells if values is not None]
            for values in rows[:: max(1, len(rows) // TAUGHT)]:
                self.profile.add(values)

    def _take_lone(self, page: int, *, narrow: bool = False) -> bool:
        """Take an orphan that fits; False where narrow rows must wait for their turn."""
        found = self.survey.found
        broken = page in found.faults or not found.kinds[page]
        entries = _entries(self.survey, page, self.shape, broken=broken)
        rows = [values for values in entries.cells if values is not None]
        if len(rows) < max(1, found.counts[page]):
            return True
        if not narrow and any(len(values) < len(self.shape.columns) for values in rows):
            return False
        if not self._rise(rows, nearly=broken):
            self.left_out = True
            return True
        unsure = narrow and (len(rows) < LEAST_ROWS or len(rows[0]) in self.widths)
        if unsure and self.known.keyed(self.shape, rows, self.image.encoding) < SAME:
            self.left_out = True  # just as likely entries of an index
        elif self._strange(rows, LIKELY if narrow else USUAL):
            self.left_out = True
        else:
            self._take(page, entries, carved=True)
        return True

    def _rise(self, rows: list[list[Value]], *, nearly: bool) -> bool:
        """Answer whether the keys of a page rise, as those of a table do and those of another tree need not.

        `nearly`: most of them, since a cell that was carved has no certain place among the others.
        """
        if not known(self.shape.orders):
            return True
        keys = [sort_key(values[: self.shape.keys], self.shape.orders, self.image.encoding) for values in rows]
        rising = sum(one < other for one, other in itertools.pairwise(keys))
        return rising * 2 >= len(keys) - 1 if nearly else rising == len(keys) - 1

    def _strange(self, rows: list[list[Value]], least: float) -> bool:
        """Answer whether these are rather rows of something else: a reference does not have them or their like."""
        if self.known.keyed(self.shape, rows, self.image.encoding) >= SAME:
            return False
        if not self.profile.rows:
            return self.tree.root == 0 or least > USUAL
        return sum(map(self.profile.likeness, rows)) < least * len(rows)


def _entries(survey: Survey, number: int, shape: Shape, *, broken: bool) -> Entries:
    """Return the records of the cells of a page that fit the shape and are whole, None for each other one."""
    image = survey.image
    if broken:
        carved = carve(image, number, shape, image.encoding)
        whole = carved.whole and not carved.misfits and survey.found.kinds[number] == LEAF_INDEX
        return Entries([list(row.values) for row in carved.rows], whole=whole)
    page = image.page(number)
    torn = torn_blocks(page, image.geometry.usable)
    cells: list[list[Value] | None] = []
    for cell in nodes.parse(page, number, image.geometry).cells:
        payload = payload_from(image, page, cell)
        try:
            values = record.decode(payload or b"")
        except ValueError:
            cells.append(None)
            continue
        fits = payload is not None and shape.misfit(values, image.encoding) is None
        cells.append(values if fits and not is_torn(image, page, cell, torn, image.encoding) else None)
    return Entries(cells)


def misfits(survey: Survey, number: int, shape: Shape) -> int:
    """Count the rows of a sound page that are no records of this table."""
    read = _entries(survey, number, shape, broken=False).cells
    return survey.found.counts[number] - sum(one is not None for one in read)
