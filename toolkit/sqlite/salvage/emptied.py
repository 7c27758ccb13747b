"""Tables that were empty before the schema was lost: their roots still say so."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.sqlite.pages.geometry import LEAF_INDEX, LEAF_TABLE
from toolkit.sqlite.salvage.entries import Entry
from toolkit.sqlite.salvage.survey import Survey


def roots(survey: Survey, entries: Sequence[Entry]) -> frozenset[int]:
    """Return the roots of a database that holds no row, where the schema is another's (`assumed`) altogether.

    SQLite frees a leaf with its last row, unless it is a root: a leaf without cells is the root of something empty.
    Where no other page is left over and each of these is the root of a table or index of that schema, nothing can be
    missing. Pages that look like a lost freelist are taken for free then. Nothing is returned for any other database.
    """
    wanted = {entry.root for entry in entries if entry.root > 0}
    if not wanted or not all(entry.assumed for entry in entries):
        return frozenset()
    kinds, found = survey.found.kinds, survey.found
    survey.find_trunks()
    left = survey.orphans()
    empty = all(kinds[page] in (LEAF_TABLE, LEAF_INDEX) and not found.counts[page] for page in left)
    return frozenset(wanted) if empty and not found.faults.keys() & set(left) and set(left) == wanted else frozenset()
