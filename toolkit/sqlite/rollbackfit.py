"""Where a database stands: before, in or after the transaction of the -journal beside it.

SQLite asks the first byte of the journal only. The pages tell more: the change counter of page 1 grows with each
commit in rollback mode (SQLite file format, section 1.3.5), and page 1 is never written before the others may be.
"""

from __future__ import annotations

import enum
import os
from dataclasses import dataclass

from toolkit.sqlite import header as headers
from toolkit.sqlite.pages import rows
from toolkit.sqlite.pages.geometry import Geometry
from toolkit.sqlite.pages.record import RawText, Value
from toolkit.sqlite.plausible import is_btree
from toolkit.sqlite.rollback import Journal, image


class Standing(enum.StrEnum):
    """Where the database stands.

    `NONE`: the journal holds no page. `HOT`: cut off, and SQLite rolls it back. `FINISHED`: committed or rolled back.
    `HALF`: cut off, but SQLite does not see that and takes what is half written for good. `STALE`: SQLite would roll
    it back over a database that is not the one it was written for. `UNSURE`: the pages do not tell, since in
    locking_mode=EXCLUSIVE most commits leave page 1 alone.
    """

    NONE = "none"
    HOT = "hot"
    FINISHED = "finished"
    HALF = "half"
    STALE = "stale"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The standing, why, and of how many pages the database holds another image than the journal."""

    standing: Standing
    text: str
    changed: int = 0


def judge(main: int, beside: int, journal: Journal) -> Judgement:
    """Judge the database that is open as `main` by its `journal`, open as `beside`. Raises `OSError`."""
    if journal.state == "empty" or not any(journal.sound):
        return Judgement(Standing.NONE, "the journal holds no page")
    head = os.pread(main, headers.SIZE, 0)
    if journal.state == "hot":
        return _of_hot(main, beside, journal, head)
    changed, first = _changed(main, beside, journal)
    if not changed:
        return Judgement(Standing.FINISHED, "the database holds the same pages")
    if first is not None and headers.is_database(head):
        step = _counter(head) - _counter(first)
        if step > 0:
            return Judgement(Standing.FINISHED, f"the database is {step} commits further on", changed)
        if step == 0 and first[28:100] == head[28:100]:
            text = f"its transaction never ended, but {changed} of its pages are written already"
            return Judgement(Standing.HALF, text, changed)
    return Judgement(Standing.UNSURE, f"{changed} pages differ, and page 1 does not tell why", changed)


def _of_hot(main: int, beside: int, journal: Journal, head: bytes) -> Judgement:
    hot = Judgement(Standing.HOT, "a transaction was cut off")
    if journal.super_journal is not None and not os.path.exists(journal.super_journal):
        return Judgement(Standing.FINISHED, "its super-journal is gone: all databases of it are committed")
    if not headers.is_database(head) or len(head) < headers.SIZE:
        return hot
    page_size = headers.stated_page_size(head)
    if page_size != journal.page_size:
        text = f"its pages have {journal.page_size} bytes, those of the database {page_size}"
        return Judgement(Standing.STALE, text)
    held = journal.originals().get(1)
    if held is None:
        return _without_page_1(main, beside, journal, head) or hot
    first = image(beside, journal, held)
    step = _counter(head) - _counter(first)
    if step not in (0, 1):
        text = f"the change counter of the database is {_counter(head)}, in the journal it is {_counter(first)}"
        return Judgement(Standing.STALE, text)
    if head[56:60] != first[56:60]:
        return Judgement(Standing.STALE, "its texts have another encoding than the database's")
    now = os.pread(main, page_size, 0)
    whole = len(now) == len(first) and is_btree(now, first=True) and is_btree(first, first=True)
    if head[40:44] == first[40:44] and whole and _unlike(now[headers.SIZE :], first[headers.SIZE :]):
        return Judgement(Standing.STALE, "its schema is another one, though of the same version")
    if whole and _share_few_objects(now, first, head[20]):
        return Judgement(Standing.STALE, "its schema has hardly one of the objects of the database's")
    return hot


def _without_page_1(main: int, beside: int, journal: Journal, head: bytes) -> Judgement | None:
    """Judge a journal without page 1: so the database's still says how many pages there were before.

    Where these are others, a journal of another database has other kinds of pages too; or its header is damaged.
    """
    count = int.from_bytes(head[28:32], "big")
    if head[24:28] != head[92:96] or journal.original_pages in (None, count):
        return None
    found = [
        (os.pread(main, 1, (page - 1) * journal.page_size), os.pread(beside, 1, record.offset))
        for page, record in journal.originals().items()
        if page <= count
    ]
    if sum(ours == theirs for ours, theirs in found) * 4 > len(found) * 3:
        return None
    return Judgement(
        Standing.STALE, f"it was written for a database of {journal.original_pages} pages, this one had {count}"
    )


def _share_few_objects(now: bytes, first: bytes, reserved: int) -> bool:
    """Answer whether two first pages name objects of a schema, of which hardly one is the same.

    A transaction adds and drops some, and hardly ever most of several.
    """
    ours, theirs = (_objects(page, Geometry(len(page), reserved)) for page in (now, first))
    fewer = min(len(ours), len(theirs))
    return fewer > 1 and len(ours & theirs) * 4 < fewer


def _objects(page: bytes, geometry: Geometry) -> set[tuple[Value, ...]]:
    """Return type and name of the objects that the first page names itself (section 2.6)."""
    found = {tuple(values[:2]) for values in rows.on_page(page, 1, geometry, cut=True) if len(values) == 5}
    return {one for one in found if isinstance(one[1], RawText) and b"sqlite_" not in one[1].replace(b"\0", b"")}


def _unlike(ours: bytes, theirs: bytes) -> bool:
    """Answer whether more than half of the bytes that are not zeros differ."""
    pairs = [(one, other) for one, other in zip(ours, theirs, strict=False) if one or other]
    return sum(one != other for one, other in pairs) * 2 > len(pairs)


def _counter(head: bytes) -> int:
    return int.from_bytes(head[24:28], "big")


def _changed(main: int, beside: int, journal: Journal) -> tuple[int, bytes | None]:
    """Return how many original pages the database holds otherwise, and the original page 1 where there is one."""
    changed, first = 0, None
    for page, held in journal.originals().items():
        old = image(beside, journal, held)
        changed += os.pread(main, journal.page_size, (page - 1) * journal.page_size) != old
        if page == 1:
            first = old
    return changed, first
