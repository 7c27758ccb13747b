"""Which page of a file lies where, when bytes or whole pages are missing in its midst, or there are too many.

Pages name each other by number (SQLite file format, sections 1.5 to 1.8), wherever they lie themselves: an interior
page its children, with the rowids that these hold; a cell its overflow chain; each page of a chain the next; the
schema its roots. A page `n` that lies `shift` bytes from its place, at `(n - 1) * page_size + shift`, is told by what
others say of page `n`. The shift changes only where bytes were put in or taken out: it is one number over long runs.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import NamedTuple

from toolkit.sqlite.pages.geometry import INTERIOR_TABLE, LEAF_INDEX, LEAF_TABLE, Geometry
from toolkit.sqlite.pages.scan import PageMap
from toolkit.sqlite.salvage.roots import Roots

MOST_SHIFTS = 12
"""Shifts that are weighed against each other."""

CHANGE = 3
"""What a change of the shift must gain: as much as one page that is surely in place, and one more that may be."""

_NOWHERE = -(1 << 30)

_TABLE, _INDEX = (INTERIOR_TABLE, LEAF_TABLE), (2, LEAF_INDEX)


class Run(NamedTuple):
    """Pages `first` to `last` that lie `shift` bytes from their place, both of them surely.

    `unsure` are roots of tables between it and the next run where the pages of both could lie, and each would fit.
    """

    first: int
    last: int
    shift: int
    unsure: frozenset[int] = frozenset()


_Part = tuple[int, int, int, "array[int]"]
"""First and last page, shift, and what speaks for each page lying there."""


@dataclass(slots=True)
class _Said:
    """What pages say of other pages: children (of a table, rowids after, up to), and what chains go on with.

    A chain is mostly written at once, so that each of its pages names the number behind it, and the last one none. One
    over freed pages often runs down instead, which looks like a chain that runs up two places further on.
    """

    children: dict[int, list[tuple[bool, int | None, int | None]]] = field(default_factory=lambda: defaultdict(list))
    heads: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    chains: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))


def runs(maps: dict[int, PageMap], geometry: Geometry, roots: Roots, size: int) -> list[Run]:
    """Return the runs of pages of a file of `size` bytes in order; one with shift 0 where nothing was moved.

    `maps` are what its pages seem to be, by the phase (the byte below the page size at which the first page begins).
    """
    return _Weighing(maps, geometry, roots, size).runs()


class _Weighing:
    def __init__(self, maps: dict[int, PageMap], geometry: Geometry, roots: Roots, size: int) -> None:
        self.maps, self.geometry, self.roots, self.size = maps, geometry, roots, size
        self.count = geometry.page_count
        self.said = _said(maps.values(), geometry)

    def runs(self) -> list[Run]:
        """Weigh every likely shift for every page, then take the row of shifts that has most for it."""
        shifts = self._likely()
        scores = {shift: self._scores(shift) for shift in shifts}
        whole = {shift: sum(one for one in score if one > 0) for shift, score in scores.items()}
        kept = sorted(shifts, key=lambda shift: (shift != 0, shift != self.end, -whole[shift]))[:MOST_SHIFTS]
        tables = {number for number, table in self.roots.table.items() if table}
        weighed = [(shift, scores[shift]) for shift in kept]
        parts = _best_row(weighed, self.count, self.geometry.page_size, self.end)
        return _sure(parts, self.geometry.page_size, tables)

    @property
    def end(self) -> int:
        """The shift of the last page, if nothing lies behind it and the header's count is right."""
        return self.size - self.count * self.geometry.page_size

    def _likely(self) -> list[int]:
        """Return shifts for which single pages speak, and those of whole pages more or less."""
        size, votes = self.geometry.page_size, Counter[int]()
        upto = defaultdict(list)
        for number, said in self.said.children.items():
            for table, after, last in said:
                if table and last is not None:
                    upto[last].append((number, after))
        for phase, found in self.maps.items():
            for place in range(1, len(found.kinds)):
                lies = phase + (place - 1) * size
                if found.kinds[place] == LEAF_TABLE and place not in found.faults:
                    for number, after in upto.get(found.last[place], ()):
                        if after is None or after < found.first[place]:
                            votes[lies - (number - 1) * size] += 1
                elif not found.kinds[place] and 2 < found.following[place] <= self.count:
                    votes[lies - (found.following[place] - 2) * size] += 1
        voted = [shift for shift, count in votes.most_common(4 * MOST_SHIFTS) if count > 1]
        near = {shift + more * size for shift in [0, self.end, *voted[:4]] for more in (-2, -1, 1, 2)}
        near |= {phase - size * more for phase in self.maps for more in (0, 1)}
        return list(dict.fromkeys([0, self.end, *voted, *sorted(near)]))

    def _scores(self, shift: int) -> array[int]:
        """Return for each page number what speaks for it (more than 0) or against it lying `shift` bytes off."""
        phase = shift % self.geometry.page_size
        found, off = self.maps.get(phase), (shift - phase) // self.geometry.page_size
        scores = array("b", bytes(self.count + 1))
        if found is None:
            return scores
        for number in range(max(2, 1 - off), min(self.count, len(found.kinds) - 1 - off) + 1):
            scores[number] = self._score(number, phase, number + off)
        if shift == 0:
            scores[1] = CHANGE
        return scores

    def _score(self, number: int, phase: int, place: int) -> int:
        found = self.maps[phase]
        faulty = place in found.faults
        kind = found.kinds[place]
        score = 0
        children = self.said.children.get(number)
        if children is not None:
            score += max(_fits(found, place, *said) for said in children)
        lengths = self.said.heads.get(number)
        if lengths is not None:
            score += max(_goes_on(found, place, length, self.count) for length in lengths)
        if number in self.said.chains and not kind:
            following = found.following[place]
            score += following in self.said.chains[number] or following == number - 1
        if number in self.roots.table and kind and not faulty:
            score += self.roots.fits(number, phase, place)
        return score


def _said(maps: Iterable[PageMap], geometry: Geometry) -> _Said:
    said, count = _Said(), geometry.page_count
    for found in maps:
        for page, (children, keys) in found.interior.items():
            if page in found.faults:
                continue
            table = found.kinds[page] == INTERIOR_TABLE
            bounds = [None, *keys, None] if table else [None] * (len(children) + 1)
            for child, after, upto in zip(children, bounds, bounds[1:], strict=False):
                if 1 < child <= count:
                    said.children[child].append((table, after, upto))
        for owner, head, length in zip(found.owners, found.heads, found.lengths, strict=True):
            if owner not in found.faults and 1 < head <= count:
                said.heads[head].append(length)
    for head, lengths in said.heads.items():
        for length in set(lengths):
            _expect(said.chains, head, length, geometry)
    return said


def _expect(chains: dict[int, set[int]], head: int, length: int, geometry: Geometry) -> None:
    """Note which page follows each of a chain that was written at once, as far as there are pages."""
    number = head
    for _ in range(length - 1):
        behind = number + 1
        while geometry.reserved_place(behind):
            behind += 1
        if behind > geometry.page_count or behind in chains[number]:
            return
        chains[number].add(behind)
        number = behind
    chains[number].add(0)


def _fits(found: PageMap, place: int, table: bool, after: int | None, upto: int | None) -> int:  # noqa: FBT001
    """Answer how surely a page is the child of which a parent says this: 2 beyond chance, -1 it is another."""
    kind = found.kinds[place]
    if not kind or place in found.faults:
        return 0
    if kind not in (_TABLE if table else _INDEX):
        return -1
    if kind == LEAF_TABLE and found.counts[place]:
        if (after is not None and found.first[place] <= after) or (upto is not None and found.last[place] > upto):
            return -1
        return 2 if found.last[place] == upto or (after is not None and found.first[place] == after + 1) else 1
    if kind == INTERIOR_TABLE and place in found.interior:
        keys = found.interior[place][1]
        if (after is not None and keys[0] <= after) or (upto is not None and keys[-1] > upto):
            return -1
        return 2
    return 1


def _goes_on(found: PageMap, place: int, length: int, count: int) -> int:
    """Answer whether a page may be the first of an overflow chain of this length."""
    if found.kinds[place] and place not in found.faults and found.counts[place]:
        return -1
    following = found.following[place]
    return int((following == 0) == (length == 1) and following <= count)


def _best_row(weighed: list[tuple[int, array[int]]], count: int, page_size: int, end: int) -> list[_Part]:
    """Return the parts that have most for them, each change of shift taken off; page 1 lies at its place.

    Behind bytes that are missing, the pages that lay there have no place. A change is made where a page speaks for it.
    """
    shifts = [shift for shift, _ in weighed]
    gaps = [[max(0, -(-(one - other) // page_size)) for one in shifts] for other in shifts]  # to `other` from `one`
    nowhere = [_NOWHERE] * (len(shifts) - 1)
    best = [array("i", [0, *nowhere]), array("i", [weighed[0][1][1], *nowhere])]
    came: dict[tuple[int, int], tuple[int, int]] = {}
    for number in range(2, count + 1):
        row = []
        for here, (_, scores) in enumerate(weighed):
            value = best[-1][here]
            if scores[number] > 0:
                for one in range(len(shifts)):
                    before = number - 1 - gaps[here][one]
                    if one != here and before >= 1 and best[before][one] - CHANGE > value:
                        value = best[before][one] - CHANGE
                        came[number, here] = before, one
            row.append(value + scores[number])
        best.append(array("i", row))
    bonus = [1 if shift == end else 0 for shift in shifts]
    at = max(range(len(shifts)), key=lambda one: (best[count][one] + bonus[one], -one))
    number, parts = count, list[_Part]()
    while number > 0:
        first = next((n for n in range(number, 1, -1) if (n, at) in came), 1)
        parts.append((first, number, *weighed[at]))
        if first == 1:
            break
        number, at = came[first, at]
    return parts[::-1]


def _sure(parts: list[_Part], page_size: int, tables: set[int]) -> list[Run]:
    """Return the runs without the pages that may as well belong to the one beside it."""
    firsts, lasts, unsure = [parts[0][0]], [], []
    for (begin, _, shift, scores), (_, end, other, others) in pairwise(parts):
        gap = max(0, -(-(shift - other) // page_size))
        ahead = list(accumulate(scores[begin : end - gap]))
        behind = list(accumulate(reversed(others[begin + gap + 1 : end + 1])))[::-1]
        sums = [one + two for one, two in zip(ahead, behind, strict=True)]
        same = [begin + at for at, value in enumerate(sums) if value == max(sums)]
        lasts.append(same[0])
        firsts.append(same[-1] + gap + 1)
        unsure.append(
            frozenset(n for n in tables & {*range(same[0] + 1, firsts[-1])} if scores[n] > 0 or others[n] > 0)
        )
    lasts.append(parts[-1][1])
    found = []
    for (_, _, shift, scores), first, last, roots in zip(parts, firsts, lasts, [*unsure, frozenset()], strict=True):
        sure = [number for number in range(first, last + 1) if scores[number] > 0]
        if sure:
            found.append(Run(sure[0], sure[-1], shift, roots))
    return found
