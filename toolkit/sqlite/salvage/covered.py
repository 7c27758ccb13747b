"""Which keys the pages of a WITHOUT ROWID table cover: a page whose keys lie among those of another is none of it.

The pages of a b-tree share its keys out (SQLite file format, section 1.6): between the first and the last key of a leaf
there is none of any other leaf. So the leaf of another table, or an older copy of a leaf, is told.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from itertools import pairwise

Key = tuple[object, ...]
"""As of `order.sort_key`."""


class Covered:
    """Stretches of keys, from the first to the last of a leaf, that do not touch each other."""

    def __init__(self, stretches: Iterable[tuple[Key, Key]]) -> None:
        """Take the stretches of sound leaves; two that overlap do not count, since one of them is wrong."""
        rising = sorted(stretches, key=lambda one: one[0])
        doubted = {
            at + more for at, (one, other) in enumerate(pairwise(rising)) if one[1] >= other[0] for more in (0, 1)
        }
        self._stretches = [one for at, one in enumerate(rising) if at not in doubted and one[0] <= one[1]]

    def touches(self, first: Key, last: Key) -> bool:
        """Answer whether one of the leaves holds keys between these two, or they lie between its own."""
        at = bisect.bisect_right(self._stretches, last, key=lambda one: one[0])
        return at > 0 and self._stretches[at - 1][1] >= first

    def add(self, first: Key, last: Key) -> None:
        """Add the stretch of a leaf that touches no other."""
        bisect.insort(self._stretches, (first, last), key=lambda one: one[0])
