"""Which tree is whose, where the schema may say it wrongly: roots that were swapped, or that two objects lay claim to.

A row of the schema names the root of its object (SQLite file format, section 2.6), and nothing on the root says whose
it is. What a tree holds does: a record has no more values than its table has columns, of types that their affinities
leave (datatypes, section 3), and an entry of an index repeats the values of the row that it names (section 2.5).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.sqlite.pages.geometry import Geometry
from toolkit.sqlite.pages.record import Value
from toolkit.sqlite.salvage import counters
from toolkit.sqlite.salvage.adopt import LEAD, Known
from toolkit.sqlite.salvage.agreement import agreement
from toolkit.sqlite.salvage.entries import Entry
from toolkit.sqlite.salvage.holding import Holding
from toolkit.sqlite.salvage.image import Image
from toolkit.sqlite.salvage.schema import Schema, sound
from toolkit.sqlite.salvage.shape import Index, Shape
from toolkit.sqlite.salvage.survey import Survey

FEW = 3
"""Entries of indexes from which on they speak against a tree."""

WITH_ROWS = 2.0
"""How much rows that fit say: into an empty tree every table fits."""

MOST_DOUBTED = 16
"""Where more tables do not fit their trees, it is rather the schema that is not known well."""

MOST_LONE = 64
"""Trees that nothing names which are looked at: where there are more, these are rather the pieces of a few."""


@dataclass(slots=True)
class Claim:
    """What speaks for a tree being of a table: how much, and how many entries of its indexes were right of how many."""

    weight: float
    right: int = 0
    asked: int = 0

    @property
    def proved(self) -> bool:
        """Whether indexes of the table name rows of the tree, with their values."""
        return self.asked >= FEW and self.right * 10 >= self.asked * 8


def settle(survey: Survey, schema: Schema, known: Known) -> dict[str, str]:
    """Give tables and indexes the roots of the trees that are theirs; return a sentence by name on each table moved.

    Nothing is changed of a table whose own tree fits it, unless another claims that tree with better right. A tree
    that two tables have the same right to is left to neither: it lies among the orphans then. Raises `OSError`.
    """
    return _Settling(survey.image, schema, known, survey).done()


def swapped(path: Path, geometry: Geometry) -> bool:
    """Answer whether tables of a database in which SQLite finds nothing wrong have the trees of each other.

    SQLite misses no page then and takes each row for one that lacks values, or has too many. Raises `sqlite3.Error`,
    `OSError`.
    """
    with Image(path, geometry) as image:
        return bool(_Settling(image, sound(path), Known(None), None).done())


@dataclass(slots=True)
class _Settling:
    """`survey` is None for a database that SQLite calls sound: then every tree has its one name."""

    image: Image
    schema: Schema
    known: Known
    survey: Survey | None
    holdings: dict[int, Holding | None] = field(default_factory=dict)
    barred: set[str] = field(default_factory=set)
    lone: list[int] = field(default_factory=list)

    def done(self) -> dict[str, str]:
        tables = [entry for entry in self.schema.tables() if not entry.assumed and entry.name in self.schema.shapes]
        doubted = self._doubted(tables)
        rootless = self._rootless_indexes()
        if not doubted and not rootless:
            return {}
        claimants = [*doubted, *self._rivals(doubted, tables)]
        if self.survey is not None:
            self.lone = _lone(self.survey, self.schema, claimants)
        before = {entry.name: entry.root for entry in claimants}
        self._write(claimants, _given(self._claims(claimants, {entry.name for entry in doubted})))
        self._return_indexes(rootless)
        return {
            entry.name: f"the rows of {entry.name} lie in the tree at page {entry.root}, not at {before[entry.name]}"
            for entry in claimants
            if entry.root and entry.root != before[entry.name]
        }

    def _at(self, root: int) -> Holding | None:
        if root not in self.holdings:
            self.holdings[root] = Holding.at(self.image, root)
        return self.holdings[root]

    def _outside(self, entry: Entry) -> bool:
        return not 1 < entry.root <= self.image.page_count

    def _doubted(self, tables: list[Entry]) -> list[Entry]:
        """Return the tables that have no root, or share it with another, or whose tree does not fit them."""
        times = Counter(entry.root for entry in tables)
        doubted = []
        for entry in tables:
            held = self._at(entry.root)
            if held is None:
                doubted += [entry] if self._outside(entry) else []
                continue
            claim = self._claim(entry, held)
            if claim is not None and self._is_an_index(entry, held, claim):
                self.barred.add(entry.name)
            if claim is None or times[entry.root] > 1 or entry.name in self.barred:
                doubted.append(entry)
            for one in (held, *(tree for _, tree in self._indexes(self.schema.shapes[entry.name]))):
                one.forget()
        return doubted

    def _is_an_index(self, entry: Entry, held: Holding, claim: Claim) -> bool:
        """Answer whether the tree of a table WITHOUT ROWID is rather that of an index that names the same root."""
        if held.table or claim.proved:
            return False
        sharing = [other for other in self.schema.entries if other.kind == "index" and other.root == entry.root]
        return any(self._is_of(other, held) for other in sharing if other.table != entry.name and not other.assumed)

    def _is_of(self, entry: Entry, tree: Holding) -> bool:
        """Answer whether a tree is an index's: its entries repeat the rows of the index's table."""
        shape, table = self.schema.shapes.get(entry.table), self.schema.find("table", entry.table)
        index = next((one for one in shape.indexes if one.name == entry.name), None) if shape else None
        rows = self._at(table.root) if table else None
        if shape is None or index is None or rows is None or tree.table or rows.table == shape.without_rowid:
            return False
        right, asked = agreement(shape, index, tree, rows)
        return Claim(0, right, asked).proved

    def _rivals(self, doubted: list[Entry], tables: list[Entry]) -> list[Entry]:
        """Return the other tables whose trees a doubted one may own, or that may own its tree, having no rows."""
        rivals = []
        for entry in tables:
            held = self._at(entry.root)
            if entry in doubted or held is None or (held.empty and self.survey is None):
                continue
            many = len(doubted) > MOST_DOUBTED
            if held.empty or (not many and any(self._claim(one, held) is not None for one in doubted)):
                rivals.append(entry)
        return rivals

    def _claims(self, claimants: list[Entry], doubted: set[str]) -> dict[str, dict[int, float]]:
        """Return for each of the tables how much speaks for each of the trees that it may own."""
        named = dict.fromkeys(entry.root for entry in claimants)
        claims: dict[str, dict[int, float]] = {}
        for entry in claimants:
            claims[entry.name] = {}
            for root in (*named, *(self.lone if entry.name in doubted else ())):
                held = self._at(root)
                claim = self._claim(entry, held) if held is not None else None
                if claim is None or (root == entry.root and entry.name in self.barred):
                    continue
                if root in named or claim.proved or claim.asked < FEW:
                    claims[entry.name][root] = claim.weight + (root == entry.root)
        wanted = {root for name in doubted for root in claims[name]}
        for entry in claimants:
            if entry.name not in doubted:  # it need not move for the others to have their trees
                claims[entry.name] = {
                    root: weight - WITH_ROWS * (root in wanted and root != entry.root)
                    for root, weight in claims[entry.name].items()
                }
        return claims

    def _claim(self, entry: Entry, held: Holding) -> Claim | None:
        """Weigh what speaks for a tree being of a table; None where it cannot be."""
        shape = self.schema.shapes[entry.name]
        if held.table == shape.without_rowid:
            return None
        encoding = self.image.encoding
        counted = counters.counted(self.schema.entries, entry.name, encoding)
        rows = [values for _, values in held.rows]
        fitting = sum(
            shape.misfit(values, encoding) is None and (counted is None or counters.is_counter(values, counted))
            for values in rows
        )
        if fitting * 10 < len(rows) * 9:
            return None
        right = asked = 0
        for index, tree in self._indexes(shape):
            one, all_ = agreement(shape, index, tree, held)
            right, asked = right + one, asked + all_
        if asked >= FEW and right * 2 < asked:
            return None
        weight = 10 * right / asked if asked else 0.0
        if rows:
            weight += WITH_ROWS - min(4.0, sum(shape.strangeness(values, encoding) for values in rows) / len(rows))
            weight += 12 * self._alike(shape, held, rows)
        return Claim(weight, right, asked)

    def _alike(self, shape: Shape, held: Holding, rows: list[list[Value]]) -> float:
        if shape.without_rowid:
            return self.known.keyed(shape, rows, self.image.encoding)
        alike = self.known.likeness(shape, held.rows, self.image.encoding)
        return alike if any(column.key for column in shape.columns) else max(0.0, alike)

    def _indexes(self, shape: Shape) -> Iterator[tuple[Index, Holding]]:
        """Yield the indexes of a table whose trees can be theirs by the width of their entries."""
        for index in shape.indexes:
            own = self.schema.find("index", index.name)
            tree = self._at(own.root) if own is not None and not own.assumed else None
            if tree is None or tree.table:
                continue
            if all(len(values) == len(index.columns) for _, values in tree.rows):
                yield index, tree

    def _write(self, tables: list[Entry], given: dict[str, int]) -> None:
        """Write the roots that were given; who lost the one it named to another has none."""
        taken = {root: name for name, root in given.items()}
        shared = [entry.root for entry in tables]
        for entry in tables:
            if entry.name in given:
                entry.root = given[entry.name]
            elif entry.root in taken or shared.count(entry.root) > 1:
                entry.root, entry.assumed = 0, True
            elif self.survey is not None and self._is_a_copy(self.survey, entry):
                _blank(self.survey, entry.root)
        roots = {entry.root for entry in self.schema.tables() if entry.name in given}
        for entry in self.schema.entries:
            if entry.kind == "index" and entry.root in roots:
                entry.root, entry.assumed = 0, True

    def _is_a_copy(self, survey: Survey, entry: Entry) -> bool:
        """Answer whether the root of a table, which does not fit it, is a leaf that is there twice: one of another."""
        held, found, root = self._at(entry.root), survey.found, entry.root
        if held is None or not held.rows or root in found.interior or self._claim(entry, held) is not None:
            return False
        page, traits = self.image.page(root), (found.kinds[root], found.counts[root], found.first[root])
        return any(
            (found.kinds[other], found.counts[other], found.first[other]) == traits and self.image.page(other) == page
            for other in range(2, self.image.page_count + 1)
            if other != root
        )

    def _rootless_indexes(self) -> list[Entry]:
        entries = self.schema.entries
        return [entry for entry in entries if entry.kind == "index" and not entry.assumed and self._outside(entry)]

    def _return_indexes(self, entries: list[Entry]) -> None:
        """Give indexes that have no root the trees that nothing names and that are theirs."""
        for entry in entries:
            for root in self.lone:
                tree = self._at(root)
                if tree is not None and self._is_of(entry, tree):
                    entry.root = root
                    self.lone.remove(root)
                    break


def _lone(survey: Survey, schema: Schema, claimants: list[Entry]) -> list[int]:
    """Return the roots of the trees that nothing names; nothing where these are too many."""
    found, free = survey.found, survey.free
    roots = {entry.root for entry in claimants}
    held: set[int] = set()
    named = {entry.root for entry in schema.entries if entry.kind in ("table", "index") and not entry.assumed}
    for root in roots | named:
        held |= _below(survey, root)
    lone = [
        page
        for page in range(2, survey.geometry.page_count + 1)
        if found.kinds[page]
        and page not in held
        and page not in free
        and not survey.used[page]
        and page not in found.faults
        and (found.counts[page] or page in found.interior or survey.freelist_whole)
    ]
    lower = {child for page in lone if page in found.interior for child in found.interior[page][0]}
    tops = [page for page in lone if page not in lower]
    return tops if len(tops) <= MOST_LONE else []


def _blank(survey: Survey, page: int) -> None:
    """Make a page of the copy, whose content is elsewhere too, one that was lost."""
    found = survey.found
    survey.image.write(page, b"")
    found.kinds[page] = found.counts[page] = 0
    for at, holder in enumerate(found.owners):
        if holder == page:
            found.owners[at] = 0


def _below(survey: Survey, root: int) -> set[int]:
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        page = waiting.pop()
        if page not in seen and 1 < page <= survey.geometry.page_count:
            seen.add(page)
            if page in survey.found.interior:
                waiting.extend(survey.found.interior[page][0])
    return seen


def _given(claims: dict[str, dict[int, float]]) -> dict[str, int]:
    """Return which table gets which root: pairs of which neither side has another that is nearly as good."""
    claims = {name: dict(roots) for name, roots in claims.items()}
    given: dict[str, int] = {}
    while True:
        pair = next(_sure(claims), None)
        if pair is None:
            return given
        name, root = pair
        given[name] = root
        del claims[name]
        for roots in claims.values():
            roots.pop(root, None)


def _sure(claims: dict[str, dict[int, float]]) -> Iterator[tuple[str, int]]:
    for name, roots in claims.items():
        if not roots:
            continue
        best = max(roots, key=lambda root: roots[root])
        mine = max((weight for root, weight in roots.items() if root != best), default=-9.0)
        theirs = max((others.get(best, -9.0) for other, others in claims.items() if other != name), default=-9.0)
        if roots[best] - max(mine, theirs) >= LEAD:
            yield name, best
