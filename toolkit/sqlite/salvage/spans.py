"""Stretches of rowids: the gaps between leaves, and whether a rowid lies in one."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence

from toolkit.sqlite.salvage.carve import LEAST, MOST, Row

Stretch = tuple[int | None, int | None]
"""What lies behind the first and before the second rowid; None is an open end."""


def edges(gaps: Sequence[Stretch]) -> list[int]:
    """Return where gaps, which rise, begin and end, one after another: for `between`."""
    return [
        edge
        for after, before in gaps
        for edge in (LEAST - 1 if after is None else after, MOST + 1 if before is None else before)
    ]


def between(rowid: int, edges: Sequence[int]) -> bool:
    """Answer whether a rowid lies in one of the gaps with these `edges`."""
    at = bisect.bisect_left(edges, rowid)
    return at % 2 == 1 and edges[at] != rowid


def holds(gap: tuple[int | None, int | None], rowids: list[int]) -> bool:
    """Answer whether one of the rising rowids lies in the gap."""
    at = 0 if gap[0] is None else bisect.bisect_right(rowids, gap[0])
    return at < len(rowids) and (gap[1] is None or rowids[at] < gap[1])


def uncovered(
    allowed: list[tuple[int, int]], covered: list[tuple[int, int]]
) -> Iterator[tuple[int | None, int | None]]:
    """Yield the stretches (after, before) inside `allowed` that nothing covers; both lists rise."""
    for after, upto in allowed:
        edge = after
        for at in range(bisect.bisect_left(covered, (after,)), len(covered)):
            first, last = covered[at]
            if first > upto:
                break
            if first > edge + 1:
                yield (None if edge == LEAST else edge), first
            edge = max(edge, last)
        if upto > edge:
            yield (None if edge == LEAST else edge), (None if upto == MOST else upto + 1)


def runs(rows: list[Row], kept: list[tuple[int, int, int]]) -> Iterator[list[Row]]:
    """Yield the rows, which rise, in runs that no kept leaf interrupts; rows inside a kept leaf are left out."""
    run: list[Row] = []
    at = 0
    for row in rows:
        while at < len(kept) and kept[at][1] < row.rowid:
            at += 1
            if run:
                yield run
                run = []
        if at < len(kept) and kept[at][0] <= row.rowid:
            continue
        run.append(row)
    if run:
        yield run
