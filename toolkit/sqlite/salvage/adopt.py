"""Pages that lost their parent find their table: by shape, by the gap that their rowids fill, by its other rows."""

from __future__ import annotations

import bisect
import contextlib
import sqlite3
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import eq
from pathlib import Path

from toolkit.sqlite.connect import connect_private, quoted
from toolkit.sqlite.pages import node as nodes
from toolkit.sqlite.pages import record
from toolkit.sqlite.pages.chains import payload_from
from toolkit.sqlite.pages.record import Value
from toolkit.sqlite.pages.source import PageSource
from toolkit.sqlite.salvage import counters
from toolkit.sqlite.salvage.carve import LEAST, MOST, Row
from toolkit.sqlite.salvage.entries import entry_of
from toolkit.sqlite.salvage.profile import LEAST_ROWS, Profile
from toolkit.sqlite.salvage.shape import Shape
from toolkit.sqlite.salvage.survey import Place, Survey, Tree
from toolkit.sqlite.salvage.torn import has_torn
from toolkit.sqlite.salvage.witness import Witness

SAMPLE = 24
"""Rows that are looked at of a group of pages, and of a table's own."""

LEAD = 1.0
"""How much better than the next table the best one must be."""


@dataclass(slots=True)
class Target:
    """A table that lacks leaves: what it holds, where it has holes, and what its rows look like.

    `counted` is for the table of counters only: the names of the tables that have one.
    """

    shape: Shape
    tree: Tree
    assumed_root: int = 0
    counted: frozenset[bytes] | None = None
    kept: list[tuple[int, int, int]] = field(default_factory=list)
    allowed: list[tuple[int, int]] = field(default_factory=list)
    profile: Profile = field(default_factory=Profile)
    bounds: dict[int, tuple[int, int]] = field(default_factory=dict)
    witness: Witness | None = None
    carved: dict[int, Row] = field(default_factory=dict)
    apart: list[Row] = field(default_factory=list)
    whole: list[tuple[int, int]] = field(default_factory=list)

    @property
    def open(self) -> bool:
        """Whether pages of the file that nothing refers to can be of the table."""
        return bool(self.allowed) and not self.tree.cut_off

    def settle(self, survey: Survey) -> None:
        """Work out, from the places of the tree, the leaves that are kept and the rowids that are not covered."""
        found = survey.found
        self.kept, self.allowed = [], []
        after, hole = LEAST, False
        waiting: list[Place] = []
        for place in self.tree.places:
            if not place.page or place.broken:
                hole = True
                waiting.append(place)
                continue
            if not found.counts[place.page]:
                continue
            first, last = found.first[place.page], found.last[place.page]
            if hole:
                self.allowed.append((after, first - 1))
            self.bounds.update({other.page: (after, first - 1) for other in waiting})
            waiting.clear()
            hole, after = False, last
            self.kept.append((first, last, place.page))
        if hole:
            self.allowed.append((after, MOST))
        self.bounds.update({other.page: (after, MOST) for other in waiting})

    def fits(self, values: list[Value], encoding: str) -> bool:
        """Answer whether the table can hold these values."""
        if self.counted is not None and not counters.is_counter(values, self.counted):
            return False
        return self.shape.misfit(values, encoding) is None

    def believes(self, row: Row) -> bool:
        """Answer whether nothing speaks against a row that was carved for this table."""
        if self.counted is not None and not counters.is_counter(row.values, self.counted):
            return False
        return self.witness is None or self.witness.confirms(row.rowid, row.values)

    def lacks(self, rowid: int) -> bool:
        """Answer whether a row may be missing that has this rowid."""
        return rowid not in self.carved and self.room_for(rowid, rowid)

    def add(self, rows: list[Row]) -> None:
        """Take carved rows; what is not believed is kept apart, but for noise among the counters."""
        for row in rows:
            if self.lacks(row.rowid):
                if self.believes(row):
                    self.carved[row.rowid] = row
                elif self.counted is None or counters.is_another(row.values, self.counted):
                    self.apart.append(row)

    def room_for(self, first: int, last: int) -> bool:
        """Answer whether rowids from `first` to `last` lie in a stretch where leaves are missing."""
        place = bisect.bisect_left(self.allowed, (first,)) - 1  # these rise, and none reaches into the next
        if place < 0 or last > self.allowed[place][1]:
            return False
        at = bisect.bisect_left(self.kept, (first, LEAST, 0))
        if at < len(self.kept) and self.kept[at][0] <= last:
            return False
        return not (at and self.kept[at - 1][1] >= first)

    def take(self, first: int, last: int, page: int) -> None:
        """Keep one more leaf."""
        bisect.insort(self.kept, (first, last, page))


def leaf_rows(source: PageSource, number: int, most: int) -> Iterator[tuple[int, list[Value] | None]]:
    """Yield (rowid, values) of up to `most` cells spread over a sound leaf; None for a row that cannot be read."""
    page, geometry = source.page(number), source.geometry
    base = 100 if number == 1 else 0
    kind, _, count = struct.unpack_from(">BHH", page, base)
    head = base + (12 if kind in (2, 5) else 8)
    pointers = struct.unpack_from(f">{min(count, (geometry.usable - head) // 2)}H", page, head)
    for pointer in pointers[:: max(1, len(pointers) // most)][:most]:
        cell = nodes.read_cell(page, pointer, kind, geometry)
        if cell is None:
            continue
        payload = page[cell.start : cell.start + cell.local] if not cell.overflow else payload_from(source, page, cell)
        try:
            yield cell.rowid, record.decode(payload) if payload is not None else None
        except ValueError:
            yield cell.rowid, None


class Known:
    """The rows that a reference has, looked up by rowid; nothing without one."""

    def __init__(self, reference: Path | None) -> None:
        self.connection = connect_private(reference) if reference is not None else None
        if self.connection is not None:
            self.connection.text_factory = bytes

    def close(self) -> None:
        """Close the reference."""
        if self.connection is not None:
            self.connection.close()

    def row(self, shape: Shape, rowid: int) -> list[object] | None:
        """Return the row of the reference with that rowid, in the order of the shape; None when it has none."""
        if self.connection is None:
            return None
        names = ",".join(quoted(column.name) for column in shape.columns)
        with contextlib.suppress(sqlite3.Error):
            row = self.connection.execute(
                f"SELECT {names} FROM {quoted(shape.name)} WHERE rowid=?",  # noqa: S608
                (rowid,),
            ).fetchone()
            return None if row is None else list(row)
        return None

    def likeness(self, shape: Shape, rows: list[tuple[int, list[Value]]], encoding: str) -> float:
        """Return -1 to 1: how many of the values with the same rowid are the same; 0: nothing to compare."""
        same = other = 0
        for rowid, values in rows:
            known = self.row(shape, rowid)
            if known is None:
                continue
            for column, value, old in zip(shape.columns, values, known, strict=False):
                if not column.key:
                    plain = (
                        record.text(value, encoding).encode("utf-8", "surrogateescape")
                        if isinstance(value, record.RawText)
                        else value
                    )
                    same, other = same + (plain == old), other + (plain != old)
        return (same - other) / (same + other) if same + other else 0.0

    def keyed(self, shape: Shape, rows: list[list[Value]], encoding: str) -> float:
        """Return which share of rows of a WITHOUT ROWID table the reference has under their keys, mostly the same."""
        if self.connection is None or not shape.keys:
            return 0.0
        names = ",".join(quoted(column.name) for column in shape.columns[shape.keys :]) or "1"
        keyed = " AND ".join(f"{quoted(column.name)} = {{}}" for column in shape.columns[: shape.keys])
        found = 0
        sample = rows[:: max(1, len(rows) // SAMPLE)]
        for values in sample:
            plain = [
                record.text(value, encoding).encode("utf-8", "surrogateescape")
                if isinstance(value, record.RawText)
                else value
                for value in values
            ]
            marks = ["CAST(? AS TEXT)" if isinstance(value, record.RawText) else "?" for value in values]
            sql = f"SELECT {names} FROM {quoted(shape.name)} WHERE {keyed.format(*marks)}"  # noqa: S608
            with contextlib.suppress(sqlite3.Error):
                row = self.connection.execute(sql, plain[: shape.keys]).fetchone()
                rest = plain[shape.keys :]
                found += row is not None and sum(map(eq, row, rest)) * 2 >= len(rest)
        return found / len(sample)

    def teach(self, shape: Shape, profile: Profile) -> None:
        """Let a profile learn from rows of the reference, taken from all over the table."""
        if self.connection is None:
            return
        names = ",".join(quoted(column.name) for column in shape.columns)
        with contextlib.suppress(sqlite3.Error):
            self.connection.text_factory = record.RawText
            try:
                (count,) = self.connection.execute(f"SELECT count(*) FROM {quoted(shape.name)}").fetchone()  # noqa: S608
                sql = f"SELECT {names} FROM {quoted(shape.name)} LIMIT 20 OFFSET ?"  # noqa: S608
                for offset in range(0, count, max(20, count // 10)):
                    for row in self.connection.execute(sql, (offset,)):
                        profile.add(
                            [None if column.key else value for column, value in zip(shape.columns, row, strict=True)]
                        )
            finally:
                self.connection.text_factory = bytes


class Adoption:
    """Gives groups of orphan leaves to tables; `thorough` looks for torn rows on each of them."""

    def __init__(self, survey: Survey, targets: list[Target], known: Known, *, thorough: bool = False) -> None:
        self.survey, self.targets, self.known, self.thorough = survey, targets, known, thorough
        self.image = survey.image
        self.unplaced: list[int] = []

    def groups(self) -> list[Tree]:
        """Return the trees that nothing refers to, largest first: interior pages with their leaves, single leaves."""
        survey, found = self.survey, self.survey.found
        orphans = survey.orphans()
        inner = [page for page in orphans if found.kinds[page] == 5 and page not in found.faults]
        below = {child for page in inner for child in found.interior[page][0]}
        groups: list[Tree] = []
        lone = [page for page in orphans if found.kinds[page] == 13 and page not in found.faults and found.counts[page]]
        for page in [*(page for page in inner if page not in below), *lone]:
            if not survey.used[page]:
                groups.append(survey.tree("", page, table=True))  # noqa: PERF401 - each takes pages from the next
        survey.chains()
        return sorted(groups, key=lambda group: -len(group.places))

    def leaves(self, group: Tree) -> list[int]:
        """Return the sound leaves of a group."""
        counts = self.survey.found.counts
        return [place.page for place in group.places if place.page and not place.broken and counts[place.page]]

    def sample(self, group: Tree) -> list[tuple[int, list[Value] | None]]:
        """Return rows of a group; one whose overflow pages are lost says nothing, and is left out."""
        leaves = self.leaves(group)
        step = max(1, len(leaves) // 6)
        each = max(4, SAMPLE // max(1, len(leaves[::step])))
        broken = self.survey.broken_chains
        return [
            row
            for page in leaves[::step]
            for row in leaf_rows(self.image, page, each)
            if row[1] is not None or page not in broken
        ]

    def run(self) -> None:
        """Place every group that has one place only, or a clearly best one; the others stay in `unplaced`."""
        waiting = self.groups()
        for _ in range(3):  # what was placed narrows the holes for what is left
            left = []
            for group in waiting:
                target = self.best(group)
                if target is None:
                    left.append(group)
                else:
                    self.give(group, target)
            if len(left) == len(waiting):
                break
            waiting = left
        self.unplaced = [page for group in waiting for page in self.leaves(group)]

    def best(self, group: Tree) -> Target | None:
        """Return the table to which a group belongs for certain enough."""
        rows = self.sample(group)
        good = [(rowid, values) for rowid, values in rows if values is not None]
        if not good or len(good) * 10 < len(rows) * 8:
            return None
        if all(entry_of(rowid, values, self.image.encoding) for rowid, values in good):
            return None  # rows of the schema: any table of five columns would take them
        found = self.survey.found
        leaves = self.leaves(group)
        spans = [(found.first[page], found.last[page]) for page in leaves]
        unsure = any(page in self.survey.broken_chains for page in leaves)
        scores: list[tuple[float, int, Target]] = []
        for at, target in enumerate(self.targets):
            fitting = sum(target.fits(values, self.image.encoding) for _, values in good)
            room = sum(target.room_for(first, last) for first, last in spans)
            if fitting * 10 < len(good) * 9 or room * 10 < len(spans) * 9:
                continue
            if target.witness is not None and not target.witness.agrees(good):
                continue
            if unsure and target.witness is None and target.profile.rows < LEAST_ROWS:
                continue  # half of what is on the page is unread, and nothing tells what rows of that table are like
            scores.append((self.score(group, target, good), at, target))
        scores.sort(key=lambda score: score[:2], reverse=True)
        if not scores or scores[0][0] < -6:
            return None
        if len(scores) > 1 and scores[0][0] - scores[1][0] < LEAD:
            return None
        return scores[0][2]

    def score(self, group: Tree, target: Target, rows: list[tuple[int, list[Value]]]) -> float:
        """Weigh what speaks for a table: rows of the reference, its own rows, the root, how natural the values are."""
        encoding = self.image.encoding
        strange = sum(target.shape.strangeness(values, encoding) for _, values in rows) / len(rows)
        score = -min(strange, 4.0)
        alike = self.known.likeness(target.shape, rows, encoding)
        # VACUUM numbers rows anew that have no key of their own: then other values under a rowid say nothing
        score += 12 * (alike if any(column.key for column in target.shape.columns) else max(0.0, alike))
        score += 4 * (target.witness is not None)
        if target.assumed_root and group.root == target.assumed_root:
            score += 3
        if target.profile.rows >= LEAST_ROWS:
            score += 2 * (2.5 + sum(target.profile.likeness(values) for _, values in rows) / len(rows))
        return score

    def give(self, group: Tree, target: Target) -> None:
        """Hang the leaves of a group into a table; those that are broken, or lack overflow pages, are to be carved."""
        found = self.survey.found
        for place in group.places:
            if place.page and not place.broken:
                place.broken = place.page in self.survey.broken_chains or self._is_torn(place.page, target.shape)
            if not place.page or place.broken:
                target.tree.places.append(Place(place.page, broken=place.broken))
                continue
            if found.counts[place.page]:
                first, last = found.first[place.page], found.last[place.page]
                if target.room_for(first, last):
                    target.take(first, last, place.page)
                    self.learn(target, place.page)
                else:
                    self.unplaced.append(place.page)
        target.tree.inner.extend(group.inner)

    def _is_torn(self, page: int, shape: Shape) -> bool:
        return self.thorough and not shape.nodes and has_torn(self.image, page, self.image.encoding)

    def learn(self, target: Target, page: int) -> None:
        """Let the profile of a table learn a few rows of a leaf."""
        if target.profile.rows < 400:
            for _, values in leaf_rows(self.image, page, 8):
                if values is not None:
                    target.profile.add(values)
