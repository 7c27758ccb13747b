"""Damaged WITHOUT ROWID tables: their rows lie in index pages, interior ones too, and are taken out one by one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from toolkit.sqlite.account import Gap
from toolkit.sqlite.order import known, sort_key
from toolkit.sqlite.pages import node as nodes
from toolkit.sqlite.pages import record
from toolkit.sqlite.pages.chains import payload_from
from toolkit.sqlite.pages.geometry import INTERIOR_INDEX, LEAF_INDEX
from toolkit.sqlite.pages.record import Value
from toolkit.sqlite.salvage import build
from toolkit.sqlite.salvage.adopt import Known
from toolkit.sqlite.salvage.carve import carve
from toolkit.sqlite.salvage.covered import Covered, Key
from toolkit.sqlite.salvage.listed import Listed
from toolkit.sqlite.salvage.plainrows import PlainRows, checksum
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

LOOKED_AT = 6
"""Rows of a page of a large file that tell whether it is of the table."""

LEAST_BITS, MOST_BITS = 1 << 23, 1 << 28
"""Marks by which rows are counted once that lie on two pages."""


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
        listed: Listed,
        *,
        quick: bool = False,
    ) -> Unkeyed:
        """Write the records of all pages of `tree`, and of orphans that fit and have new keys, into a plain tree.

        `profile` has seen rows of a reference where only that one names the table. `listed` tells the entries of
        indexes among the orphans. `quick`: of sound leaves only the types of the values are looked at. Memory is a few
        bytes a row.
        """
        return _Collecting(survey, tree, shape, profile, known, listed, quick=quick).done()


class _Collecting:
    def __init__(
        self,
        survey: Survey,
        tree: Tree,
        shape: Shape,
        profile: Profile,
        known: Known,
        listed: Listed,
        *,
        quick: bool,
    ) -> None:
        self.listed = listed
        self.survey, self.tree, self.shape = survey, tree, shape
        self.profile, self.known = profile, known
        self.image = survey.image
        self.read: dict[int, Entries | None] = {}
        self.plain = PlainRows(self.image, survey.found, shape) if quick else None
        pages = [*tree.inner, *(one.page for one in tree.places)]
        bits = LEAST_BITS
        while bits < MOST_BITS and bits < 32 * sum(survey.found.counts[page] for page in pages):
            bits *= 2
        self.marks, self.mask = bytearray(bits // 8), bits - 1
        self.waiting: list[bytes] = []
        self.rows = self.carved = 0
        self.left_out = self.damaged = False
        self.covered: Covered | None = None
        self.widths = {len(index.columns) for index in shape.indexes} | listed.widths(shape)

    def done(self) -> Unkeyed:
        cells = ((at, build.cell_of(self.image, at, payload)) for at, payload in enumerate(self._payloads(), 1))
        leaves = build.write_leaves(self.image, cells)
        root = build.table_tree(self.image, [(page, last) for page, _, last in leaves])
        return Unkeyed(root, self.shape, self.rows, self.carved, self._gaps())

    def _payloads(self) -> Iterator[bytes]:
        """Yield every record: those of sound pages first, which SQLite keeps where two have the same key."""
        found, tree = self.survey.found, self.tree
        pages = [*tree.inner, *(one.page for one in tree.places if one.page and not one.broken)]
        late = [one.page for one in tree.places if one.page and one.broken]
        late += [page for page in pages if page in found.faults]
        pages = [page for page in pages if page not in found.faults]
        self._learn(pages)
        for page in pages:
            yield from self._sound(page)
        for page in late:
            self._take(page, _entries(self.survey, page, self.shape, broken=True))
            yield from self._taken()
        if not tree.holes or tree.cut_off:
            return
        self.covered = self._cover(pages) if known(self.shape.orders) else None
        narrow = []
        for page in [page for page in self.survey.orphans() if found.kinds[page] in (0, 2, 10)]:
            if not self._take_lone(page):
                narrow.append(page)
            yield from self._taken()
        self._learn([page for page in self.read if found.kinds[page] and page not in found.faults], least=1)
        for page in narrow:
            self._take_lone(page, narrow=True)
            yield from self._taken()

    def _sound(self, page: int) -> Iterator[bytes]:
        """Yield the records of a sound page."""
        rows = self.plain.of(page) if self.plain is not None else None
        if rows is None:
            self._take(page, _entries(self.survey, page, self.shape, broken=False))
            yield from self._taken()
            return
        self.read[page] = None
        self.rows += len(rows)
        for payload, key in rows:
            self._is_new(key)
            yield payload

    def _taken(self) -> Iterator[bytes]:
        yield from self.waiting
        self.waiting.clear()

    def _is_new(self, key: int) -> bool:
        """Mark the key of this checksum; answer whether it was not marked before.

        Some keys share a mark, one in 32 at most: they are written all the same, and only not counted.
        """
        place, bit = (key & self.mask) >> 3, 1 << (key & 7)
        new = not self.marks[place] & bit
        self.marks[place] |= bit
        return new

    def _gaps(self) -> tuple[Gap, ...]:
        if not self.tree.damaged and not self.damaged:
            return ()
        found = self.survey.found
        below = {child for page in self.read if page in found.interior for child in found.interior[page][0]}
        tops = [page for page in self.read if page not in below]
        roots = [self.tree.root, *(page for page in [*tops, *self.read] if page != self.tree.root)]
        held = stretches(found, [page for page in roots if page in self.read], self._held)
        strange = [page for page in self.survey.unexplained() if page not in self.read]
        complete = not (strange or self.left_out or self.survey.cut)
        return gaps(held, self.shape.orders, self.image.encoding, main=self.tree.root, complete=complete)

    def _take(self, page: int, entries: Entries, *, carved: bool = False) -> None:
        found, keys = self.survey.found, self.shape.keys
        lossy = None in entries.cells or not entries.whole
        broken = carved or page in found.faults or not found.kinds[page]
        self.damaged |= lossy
        if lossy or page in found.faults or found.kinds[page] != LEAF_INDEX:
            self.read[page] = Entries([one and one[:keys] for one in entries.cells], whole=entries.whole)
        else:
            self.read[page] = None
        for values in entries.cells:
            if values is not None:
                self.waiting.append(record.encode(values))
                new = self._is_new(checksum(record.encode(values[:keys])))
                self.rows += new
                self.carved += new and broken

    def _learn(self, pages: list[int], *, least: int = TAUGHT // 10) -> None:
        """Let the profile learn from the rows of these sound pages of the table, where no reference taught it."""
        if self.profile.rows:
            return
        rows: list[list[Value]] = []
        chosen = pages[:: max(1, len(pages) // 20)]
        for page in chosen:
            there = [one for one in _entries(self.survey, page, self.shape, broken=False).cells if one is not None]
            rows += there[:: max(1, len(there) * len(chosen) // TAUGHT)]
        for values in rows if len(rows) >= least else ():
            self.profile.add(values)

    def _held(self, page: int) -> Entries | None:
        """Return the cells of a page that was taken; of a sound leaf the first and the last stand for all."""
        if page not in self.read:
            return None
        known = self.read[page]
        if known is not None:
            return known
        count = self.survey.found.counts[page]
        return Entries([_read(self.survey, page, at) for at in ((0, count - 1) if count > 1 else range(count))])

    def _take_lone(self, page: int, *, narrow: bool = False) -> bool:
        """Take an orphan that fits; False where narrow rows must wait for their turn."""
        found = self.survey.found
        broken = page in found.faults or not found.kinds[page]
        entries = _entries(self.survey, page, self.shape, broken=broken)
        rows = [values for values in entries.cells if values is not None]
        if len(rows) < max(1, found.counts[page]):
            return True
        if self._is_of_an_index(rows):
            return True
        leaf = found.kinds[page] == LEAF_INDEX
        if self._is_covered(rows, leaf=leaf):
            return True
        if not narrow and any(len(values) < len(self.shape.columns) for values in rows):
            return False
        if not self._rise(rows, nearly=broken):
            self.left_out = True
            return True
        mixed = len(set(map(len, rows))) > 1  # the entries of an index are all of one width
        unsure = narrow and not mixed and (len(rows) < LEAST_ROWS or len(rows[0]) in self.widths)
        if unsure and self.known.keyed(self.shape, rows, self.image.encoding) < SAME:
            self.left_out = True  # just as likely entries of an index
        elif self._strange(rows, LIKELY if narrow and not mixed else USUAL):
            self.left_out = True
        else:
            self._take(page, entries, carved=True)
            self.survey.used[page] = 1  # no other table takes it as well
            if leaf and self.covered is not None:
                self.covered.add(*self._ends(rows))
        return True

    def _cover(self, pages: list[int]) -> Covered:
        """Return which keys the sound leaves of the table cover."""
        ends = []
        for page in pages:
            held = self._held(page) if self.survey.found.kinds[page] == LEAF_INDEX else None
            rows = [one for one in held.cells if one is not None] if held is not None else []
            if rows:
                ends.append(self._ends(rows))
        return Covered(ends)

    def _ends(self, rows: list[list[Value]]) -> tuple[Key, Key]:
        keys = [self._key(rows[0]), self._key(rows[-1])]
        return min(keys), max(keys)

    def _is_covered(self, rows: list[list[Value]], *, leaf: bool) -> bool:
        """Answer whether leaves of the table hold keys between these; those of an inner page lie between leaves."""
        if self.covered is None:
            return False
        if leaf:
            return self.covered.touches(*self._ends(rows))
        return any(self.covered.touches(key, key) for key in map(self._key, rows))

    def _key(self, values: list[Value]) -> Key:
        return sort_key(values[: self.shape.keys], self.shape.orders, self.image.encoding)

    def _rise(self, rows: list[list[Value]], *, nearly: bool) -> bool:
        """Answer whether the keys of a page rise, as those of a table do and those of another tree need not.

        `nearly`: most of them, since a cell that was carved has no certain place among the others.
        """
        if not known(self.shape.orders):
            return True
        keys = list(map(self._key, rows))
        rising = sum(one < other for one, other in itertools.pairwise(keys))
        return rising * 2 >= len(keys) - 1 if nearly else rising == len(keys) - 1

    def _is_of_an_index(self, rows: list[list[Value]]) -> bool:
        """Answer whether these are entries of an index, by the rows that they name, and not so well rows of here."""
        share = self.listed.share(rows)
        return share >= SAME and share > self.known.keyed(self.shape, rows, self.image.encoding)

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


def misfits(survey: Survey, number: int, shape: Shape, *, quick: bool = False) -> int:
    """Count the rows of a sound page that are no records of this table; `quick`: none where none of a few is one."""
    if quick and all(_fits(survey, number, at, shape) for at in _spread(survey.found.counts[number])):
        return 0
    read = _entries(survey, number, shape, broken=False).cells
    return survey.found.counts[number] - sum(one is not None for one in read)


def _spread(count: int) -> range:
    return range(0, count, max(1, count // LOOKED_AT))


def _fits(survey: Survey, number: int, at: int, shape: Shape) -> bool:
    values = _read(survey, number, at)
    return values is not None and shape.misfit(values, survey.image.encoding) is None


def _read(survey: Survey, number: int, at: int) -> list[Value] | None:
    """Return the values of one cell of a sound page, None where it cannot be read."""
    image, kind = survey.image, survey.found.kinds[number]
    page = image.page(number)
    place = (12 if kind == INTERIOR_INDEX else 8) + 2 * at
    cell = nodes.read_cell(page, int.from_bytes(page[place : place + 2], "big"), kind, image.geometry)
    payload = payload_from(image, page, cell) if cell is not None else None
    try:
        return record.decode(payload or b"")
    except ValueError:
        return None
