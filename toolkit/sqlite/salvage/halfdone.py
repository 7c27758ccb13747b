"""A transaction that is half written: page 1 still has the freelist of before, of which pages are in use already.

SQLite takes pages off the freelist for what it writes, and writes page 1, which names the first of them, at the end of
the transaction only (SQLite file format, section 1.5). Where page 1 names a page of a tree, either its number was
damaged, and then the freelist is there all the same, with as many pages as page 1 counts, or page 1 is older.
"""

from __future__ import annotations

from toolkit.sqlite.pages.chains import freelist
from toolkit.sqlite.salvage.survey import Survey


def doubts(survey: Survey) -> list[str]:
    """Return a sentence where page 1 is older than the trees, nothing otherwise. Raises `OSError`."""
    header, found = survey.image.header, survey.found
    first, count = int.from_bytes(header[32:36], "big"), int.from_bytes(header[36:40], "big")
    if not count or not 1 < first <= survey.geometry.page_count or not survey.used[first]:
        return []
    if not found.kinds[first] or first in found.faults or _elsewhere(survey, count):
        return []
    return [f"page {first} is free by the header, and in use: a transaction may be half written"]


def _elsewhere(survey: Survey, count: int) -> bool:
    """Answer whether a freelist of as many pages begins on one that nothing refers to."""
    return any(_length(survey, page, count) == count for page in survey.orphans() if not survey.found.kinds[page])


def _length(survey: Survey, trunk: int, most: int) -> int:
    pages = 0
    for _, _, wrong in freelist(survey.image, trunk):
        if wrong or pages > most:
            return -1
        pages += 1
    return pages
