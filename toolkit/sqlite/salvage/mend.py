"""The page structure of a damaged copy is mended, so that SQLite reads every row that is still there.

Sound leaves stay where they are; new interior pages are written over them, broken leaves are replaced by new ones with
their cells, and the schema gets the new roots. Indexes that may be wrong become empty, to be filled again by SQLite.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.errors import CancelledError
from toolkit.events import Progress, ShouldStop, never_stop, no_progress
from toolkit.sqlite.account import Gap, Remains
from toolkit.sqlite.pages import scan
from toolkit.sqlite.pages.geometry import LEAF_INDEX, LEAF_TABLE
from toolkit.sqlite.salvage import (
    build,
    copied,
    counters,
    emptied,
    halfdone,
    leftover,
    orphans,
    owners,
    remains,
    spans,
    witness,
)
from toolkit.sqlite.salvage import schema as schemas
from toolkit.sqlite.salvage.adopt import Adoption, Known, Target, leaf_rows
from toolkit.sqlite.salvage.blanks import blanked
from toolkit.sqlite.salvage.carve import LEAST, MOST, Row, carve
from toolkit.sqlite.salvage.contain import contained
from toolkit.sqlite.salvage.entries import Entry, entry_of
from toolkit.sqlite.salvage.examine import Examination
from toolkit.sqlite.salvage.image import Image
from toolkit.sqlite.salvage.listed import Listed
from toolkit.sqlite.salvage.profile import Profile
from toolkit.sqlite.salvage.schema import Schema
from toolkit.sqlite.salvage.shape import Shape
from toolkit.sqlite.salvage.survey import Place, Survey, Tree
from toolkit.sqlite.salvage.unkeyed import Unkeyed
from toolkit.sqlite.salvage.unnamed import unnamed
from toolkit.sqlite.salvage.unused import free_unused

SMALL = 16 * 1024 * 1024
"""Files up to this size are looked at row by row in any case."""

MOST_UNPLACED = 1000
"""Pages that fit no table whose rows are kept in memory, so that the pages can be used again."""


@dataclass(slots=True)
class Mended:
    """What was mended: rows carved and stretches not covered by table, indexes to fill, rows that fit nowhere.

    `moved` is a sentence on each table whose tree is not where the schema says.
    `freed`: every page that no tree holds is in the freelist, so the file can stay as it is; `lone` are then the
    rows of the pages that are `unplaced`, read before.
    """

    schema: Schema
    carved: dict[str, int] = field(default_factory=dict)
    gaps: dict[str, list[tuple[int | None, int | None]]] = field(default_factory=dict)
    key_gaps: dict[str, tuple[Gap, ...]] = field(default_factory=dict)
    named: dict[str, frozenset[int]] = field(default_factory=dict)
    remains: dict[str, list[Remains]] = field(default_factory=dict)
    apart: list[tuple[str, Row]] = field(default_factory=list)
    unplaced: list[int] = field(default_factory=list)
    lone: list[leftover.Lone] | None = None
    indexes: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    unkeyed: dict[str, Unkeyed] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    freed: bool = False
    said: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


class Mender:
    """Mends one image in place."""

    def __init__(
        self,
        image: Image,
        *,
        reference: Path | None,
        thorough: bool = False,
        doubted: frozenset[str] = frozenset(),
        cut: bool = False,
        suspects: frozenset[int] = frozenset(),
        remains: Sequence[tuple[int, bytes]] = (),
        on_progress: Progress = no_progress,
        should_stop: ShouldStop = never_stop,
    ) -> None:
        self.on_progress = on_progress
        self.doubted, self.cut, self.suspects, self.remains = doubted, cut, suspects, remains
        self.image, self.reference = image, reference
        self.thorough = thorough or image.size <= SMALL
        self.should_stop = should_stop

    def run(self) -> Mended:
        """Mend the image. Raises `OSError`, `CancelledError`, `sqlite3.Error` (of the reference)."""
        self.found = scan.scan(self.image, on_progress=self.on_progress, should_stop=self.should_stop)
        if not self.thorough:
            self.suspects |= blanked(self.image, self.found, self.should_stop)
        known = Known(self.reference)
        try:
            self._begin(known, incomplete=False)
            if self._ownerless() and self.reference is not None:
                self._begin(known, incomplete=True)
            if self._ownerless():
                self.result.doubts.append("there are pages of tables or indexes that the schema does not name")
            if self.schema.short:
                self.result.doubts.append(
                    "pages of the schema are gone: tables, indexes, views or triggers may be missing"
                )
            self.result.doubts += halfdone.doubts(self.survey)
            targets = self._targets(known)
            takers = [target for target in targets.values() if target.open]
            adoption = Adoption(self.survey, takers, known, thorough=self.thorough)
            with contained(functools.partial(self._doubt, "pages that lost their table")):
                adoption.run()
            self.result.unplaced = adoption.unplaced
            self._doubt_shared()
            questions, beside = self._questions(targets), self.image.size > SMALL
            with remains.Hearing(self.survey, questions, beside=beside, should_stop=self.should_stop) as self.hearing:
                self._carve(targets)
                self._copy(targets)
                self._rebuild(targets)
            self._rebuild_unkeyed(known)
        finally:
            known.close()
        self._empty_indexes()
        self._free()
        build.write_schema(
            self.image, [(entry.rowid, entry.record(self.image.encoding)) for entry in self.schema.entries]
        )
        return self.result

    def _begin(self, known: Known, *, incomplete: bool) -> None:
        """Read the schema and the trees; `incomplete`: it lacks objects that the reference may know."""
        self.survey = Survey(self.image, self.found, cut=self.cut)
        self.schema = schemas.read(self.survey, self.reference, self.remains, incomplete=incomplete)
        self.result = Mended(self.schema)
        self._left_over: bool | None = None
        self.trees: dict[str, Tree] = {}
        self.index_trees: dict[str, Tree] = {}
        self.profiles: dict[str, Profile] = {}
        with contained(functools.partial(self._doubt, "which tree is whose")):
            self.result.moved = owners.settle(self.survey, self.schema, known)
        self._grow()

    def _ownerless(self) -> bool:
        """Answer whether there are whole trees besides those of the schema, none of which lacks a page."""
        trees = [*self.trees.values(), *self.index_trees.values()]
        return self.survey.freelist_whole and not any(tree.damaged for tree in trees) and orphans.rooted(self.survey)

    def _check(self) -> None:
        if self.should_stop():
            raise CancelledError("cancelled while repairing a database")

    def _grow(self) -> None:
        """Read the trees of all tables and indexes."""
        survey = self.survey
        empty = emptied.roots(survey, self.schema.entries)
        for entry in self.schema.tables():
            shape = self.schema.shapes.get(entry.name)
            keyed = shape is not None and shape.without_rowid
            if shape is None and 0 < entry.root <= self.image.page_count:
                keyed = self.found.kinds[entry.root] in (2, 10)
            if entry.assumed and entry.root not in empty:
                self.trees[entry.name] = Tree(entry.name, 0, not keyed, [Place(0)], damaged=True)
            else:
                self.trees[entry.name] = survey.tree(entry.name, entry.root, table=not keyed)
        for entry in self.schema.entries:
            if entry.kind == "index" and entry.root > 0 and not entry.assumed:
                self.index_trees[entry.name] = survey.tree(entry.name, entry.root, table=False)
        survey.chains()
        widths = {index.name: len(index.columns) for shape in self.schema.shapes.values() for index in shape.indexes}
        examination = Examination(survey, self.suspects, thorough=self.thorough, should_stop=self.should_stop)
        for name, tree in self.index_trees.items():
            if self.thorough and name in widths:
                examination.index(tree, widths[name])
        for name, tree in self.trees.items():
            self._check()
            shape = self.schema.shapes.get(name)
            tree.damaged = tree.damaged or name in self.doubted
            with contained(functools.partial(self._doubt, f"table {name}")):
                if tree.table:
                    examination.table(tree, shape)
                elif shape is not None and (self.thorough or tree.damaged or tree.holds(self.suspects)):
                    examination.unkeyed(tree, shape)

    def _doubt_shared(self) -> None:
        """Say of which tables rows may hold a part of other rows: two that lay claim to the same overflow pages."""
        for name, rows in self.survey.sharing().items():
            if name in self.trees:
                held = f"{rows} rows of {name} hold" if rows > 1 else f"a row of {name} holds"
                self.result.doubts.append(f"{held} pages that other rows hold as well: one of them is not right")

    def _doubt(self, what: str, why: str) -> None:
        self.result.doubts.append(f"{what} could not be looked at to the end ({why})")

    def _give_up(self, name: str, why: str) -> None:
        """Leave a table empty that cannot be mended, so that the others can be."""
        self.result.doubts.append(f"table {name} could not be mended, its rows are lost ({why})")
        entry = self.schema.find("table", name)
        if entry is None:
            return
        kind = LEAF_TABLE if self.trees[name].table else LEAF_INDEX
        entry.root = self.image.new()
        self.image.write(entry.root, build.empty_leaf(kind, self.image.geometry))
        self.result.tables.append(name)
        self.result.unkeyed.pop(name, None)
        self.result.carved[name] = 0
        self.result.key_gaps.pop(name, None)
        self.result.gaps[name] = [(None, None)]

    def _targets(self, known: Known) -> dict[str, Target]:
        """Return the rowid tables that lack leaves, ready to take some."""
        targets: dict[str, Target] = {}
        found = self.found
        self.survey.find_trunks()
        headless = self.survey.freelist_whole and any(
            found.kinds[page] in (5, 13) and page not in found.faults and found.counts[page]
            for page in self.survey.orphans()
        )
        for entry in self.schema.tables():
            tree, shape = self.trees[entry.name], self.schema.shapes.get(entry.name)
            if shape is not None and shape.without_rowid and entry.assumed:
                self.profiles[entry.name] = Profile()
                known.teach(shape, self.profiles[entry.name])
            if not tree.table or shape is None:
                continue
            if not tree.damaged and self.found.kinds[tree.root] == LEAF_TABLE and headless:
                if not found.counts[tree.root]:
                    continue  # SQLite made it so: nothing speaks for rows that fit it by chance
                tree.places = [Place(0), *tree.places, Place(0)]  # another page may have been written over its root
            elif not tree.damaged:
                continue
            counted = counters.counted(self.schema.entries, entry.name, self.image.encoding)
            target = Target(shape, tree, entry.root if entry.assumed else 0, counted)
            with contained(functools.partial(self._give_up, entry.name)):
                self._learn(target, known)
                targets[entry.name] = target
        return targets

    def _learn(self, target: Target, known: Known) -> None:
        """Work out what a table lacks, and what its rows look like."""
        target.settle(self.survey)
        target.witness = witness.of(self.survey, self.index_trees, target.shape)
        for _, _, page in target.kept[:: max(1, len(target.kept) // 20)]:
            for _, values in leaf_rows(self.image, page, 12):
                if values is not None:
                    target.profile.add(values)
        if target.profile.rows < 20:
            known.teach(target.shape, target.profile)

    def _carve(self, targets: dict[str, Target]) -> None:
        """Carve the broken pages of each table, then the broken pages that nothing refers to."""
        for target in targets.values():
            for place in target.tree.places:
                if place.page and place.broken:
                    self._check()
                    with contained(functools.partial(self._doubt, f"page {place.page}")):
                        self._carve_place(target, place)
        open_targets = [target for target in targets.values() if target.open]
        if not open_targets:
            return
        kinds, faults = self.found.kinds, self.found.faults
        pages = [
            page
            for page in self.survey.orphans()
            if not (kinds[page] in (2, 5, 10) or (kinds[page] == LEAF_TABLE and page not in faults))
        ]
        shapes = [target.shape for target in open_targets]
        for page, carved in orphans.carved(self.image, pages, shapes, self.should_stop):
            self._check()
            if isinstance(carved, Exception):
                self._doubt(f"page {page}", str(carved) or type(carved).__name__)
            else:
                self._take_orphan(carved, open_targets)

    def _copy(self, targets: dict[str, Target]) -> None:
        """Take from sound indexes the rows that are lost and that these hold whole."""
        for name, target in targets.items():
            with contained(functools.partial(self._doubt, f"what the indexes hold of table {name}")):
                rows = copied.restore(self.survey, target, self.index_trees)
                if rows:
                    self.result.said.append(f"{rows} rows of {name} were put together from its indexes")

    def _carve_place(self, target: Target, place: Place) -> None:
        after, upto = target.bounds.get(place.page, (LEAST, MOST))
        found = carve(self.image, place.page, target.shape, self.image.encoding, after=after, upto=upto)
        target.add(found.rows)
        target.apart += [row for row in found.misfits if after < row.rowid <= upto]
        place.explained = found.whole or (not found.rows and place.depth < target.tree.leaf_depth)
        if found.whole and found.rows:
            target.whole.append((found.rows[0].rowid, found.rows[-1].rowid))

    def _take_orphan(self, carved: list[list[Row]], targets: list[Target]) -> None:
        """Give the rows of one page, but for those of the schema, to the table that has room for clearly the most."""
        tried: list[tuple[int, int, list[Row]]] = []
        for at, target in enumerate(targets):
            likely = (row for row in carved[at] if target.lacks(row.rowid) and target.believes(row))
            rows = [row for row in likely if entry_of(row.rowid, row.values, self.image.encoding) is None]
            tried.append((len(rows), at, rows))
        tried.sort(key=lambda one: one[:2], reverse=True)
        if tried[0][0] < 1 or (len(tried) > 1 and tried[1][0] * 2 > tried[0][0]):
            return
        targets[tried[0][1]].add(tried[0][2])

    def _rebuild(self, targets: dict[str, Target]) -> None:
        """Write new trees over what each table has now."""
        for name, target in targets.items():
            self._check()
            if target.tree.damaged or len(target.kept) > 1 or target.carved:
                with contained(functools.partial(self._give_up, name)):
                    self._rebuild_one(name, target)

    def _rebuild_one(self, name: str, target: Target) -> None:
        rows = [target.carved[rowid] for rowid in sorted(target.carved)]
        leaves = list(target.kept)
        for run in spans.runs(rows, target.kept):
            leaves += [
                (first, last, page)
                for page, first, last in build.write_leaves(self.image, ((row.rowid, row.cell) for row in run))
            ]
        leaves.sort()
        self._gaps(name, target)
        entry = self.schema.find("table", name)
        if entry is not None:
            entry.root = build.table_tree(self.image, [(page, last) for _, last, page in leaves])
        self.result.tables.append(name)
        self.result.carved[name] = len(rows)
        self.result.apart += [(name, row) for row in target.apart]

    def _explained(self, target: Target) -> bool:
        """Answer whether no page can be missing: every hole was an inner page, no page of a whole file is left over."""
        places = [place for place in target.tree.places if not place.page or place.broken]
        if all(place.page and place.explained and place.depth == target.tree.leaf_depth for place in places):
            return True
        if self._left_over is None:
            interior, count = self.found.interior.items(), self.image.page_count
            outside = any(self.survey.used[page] and max(inner[0]) > count for page, inner in interior)
            self._left_over = self.cut or outside or bool(self.survey.unexplained() or self.result.unplaced)
        # where a page is missing in a known place, even a sound page of an index may have been written over it
        left_over = self._left_over or bool(target.tree.root and self.survey.orphans())
        inner = all(place.explained or (place.depth == 0 and target.kept) for place in places if place.page)
        return inner and not left_over

    def _gaps(self, name: str, target: Target) -> None:
        kept = [(first, last) for first, last, _ in target.kept]
        covered = sorted([*kept, *target.whole, *((rowid, rowid) for rowid in target.carved)])
        gaps = [] if self._explained(target) else list(spans.uncovered(target.allowed, covered))
        heard = target.witness
        if heard is not None and gaps:
            edges = spans.edges(gaps)
            inside = frozenset(
                rowid for rowid in heard.values if rowid not in target.carved and spans.between(rowid, edges)
            )
            self.result.named[name] = inside
            told = sorted(inside)
            gaps = [gap for gap in gaps if spans.holds(gap, told)]
        elif gaps:
            self._remains(name, target, gaps)
        self.result.gaps[name] = gaps

    def _remains(self, name: str, target: Target, gaps: list[tuple[int | None, int | None]]) -> None:
        """Hear what the damaged indexes of a table still say of the rows in its gaps."""
        for index in target.shape.indexes:
            told = self.hearing.of(index, gaps)
            if told is not None:
                self.result.remains.setdefault(name, []).append(told)

    def _questions(self, targets: dict[str, Target]) -> dict[str, remains.Question]:
        """Return what the damaged indexes of tables without a witness are asked."""
        return {
            index.name: remains.Question(
                self.index_trees[index.name],
                target.shape,
                index,
                tuple(
                    (None if after == LEAST else after, None if upto == MOST else upto + 1)
                    for after, upto in target.allowed
                ),
            )
            for target in targets.values()
            if target.witness is None and target.allowed
            for index in target.shape.indexes
            if index.name in self.index_trees
        }

    def _rebuild_unkeyed(self, known: Known) -> None:
        """Take the rows of damaged WITHOUT ROWID tables into plain trees, from which SQLite fills them again.

        First those that have leaves left, which tell what is not theirs: a page is of one table only.
        """
        hurt = []
        for entry in self.schema.tables():
            tree, shape = self.trees[entry.name], self.schema.shapes.get(entry.name)
            if not tree.table and shape is not None and (tree.damaged or self.survey.lacks_chains(tree)):
                hurt.append((entry, tree, shape))
        hurt.sort(key=lambda one: not any(place.page and not place.broken for place in one[1].places))
        for entry, tree, shape in hurt:
            self._check()
            with contained(functools.partial(self._give_up, entry.name)):
                self._rebuild_unkeyed_one(entry, tree, shape, known)

    def _rebuild_unkeyed_one(self, entry: Entry, tree: Tree, shape: Shape, known: Known) -> None:
        listed = Listed(self.image, self.schema, known)
        profile = self.profiles.get(entry.name, Profile())
        taken = Unkeyed.collect(self.survey, tree, shape, profile, known, listed, quick=not self.thorough)
        self.result.unkeyed[entry.name] = taken
        self.result.tables.append(entry.name)
        self.result.carved[entry.name] = taken.carved
        self.result.key_gaps[entry.name] = taken.gaps
        if self.thorough and not taken.gaps:
            self._doubt_unnamed(taken, shape)
        entry.root = self.image.new()
        self.image.write(entry.root, build.empty_leaf(LEAF_INDEX, self.image.geometry))

    def _doubt_unnamed(self, taken: Unkeyed, shape: Shape) -> None:
        """Say which sound indexes name rows that a table without rowids does not hold."""
        for index, tree in witness.sound_indexes(self.survey, self.index_trees, shape):
            count = unnamed(self.image, taken.root, shape, index, tree.root)
            if count:
                rows = "a row" if count == 1 else f"{count} rows"
                self.result.doubts.append(f"index {index.name} names {rows} that {shape.name} does not hold")

    def _free(self) -> None:
        """Make what no tree holds free, of a large file, so that it need not be written anew.

        Not where pages outside of trees are still wanted, nor where a file that was left so turned out broken. Few
        pages that fit no table are read before.
        """
        many = len(self.result.unplaced) > MOST_UNPLACED
        wanted = self.image.geometry.auto_vacuum or self.result.unkeyed or many or self.doubted
        if self.image.size > SMALL and not wanted:
            self.result.lone = leftover.lone_rows(self.image, self.result.unplaced)
            roots = {entry.root for entry in self.schema.entries if entry.kind in ("table", "index") and entry.root > 1}
            self.result.freed = free_unused(self.image, self.found, sorted(roots))

    def _empty_indexes(self) -> None:
        """Empty the indexes that are damaged or whose table changed; add those of constraints that the schema lost."""
        changed = set(self.result.tables)
        for entry in self.schema.entries:
            if entry.kind != "index":
                continue
            tree = self.index_trees.get(entry.name)
            if tree is None or tree.damaged or self.survey.lacks_chains(tree) or entry.table in changed:
                self._empty(entry)
        rowid = max((entry.rowid for entry in self.schema.entries), default=0)
        for name, shape in self.schema.shapes.items():
            for index in shape.indexes:
                if index.origin == "c" or (shape.without_rowid and index.origin == "pk"):
                    continue
                if self.schema.find("index", index.name) is None and not name.startswith("sqlite_"):
                    rowid += 1
                    added = Entry(rowid, "index", index.name, name, 0, None)
                    self._empty(added)
                    self.schema.entries.append(added)

    def _empty(self, entry: Entry) -> None:
        entry.root = self.image.new()
        self.image.write(entry.root, build.empty_leaf(LEAF_INDEX, self.image.geometry))
        self.result.indexes.append(entry.name)
