"""Does a -wal belong to the database beside it? One left of an older or another database undoes it when replayed.

Counters of the header only grow (SQLite file format, sections 1.3.5 and 1.3.9), and a checkpoint writes what the WAL
holds: so the file is never newer than its WAL, and never in rollback mode while frames wait.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from toolkit.sqlite import header as headers
from toolkit.sqlite.plausible import FIRST, TYPES
from toolkit.sqlite.wal import Frame, Wal, image

Sign = Literal["page-size", "encoding", "rollback-mode", "older", "schema-older", "hole", "kinds"]

_SEEN = 4
"""Pages of which both the file and the WAL hold a b-tree page, from which on their kinds are compared."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """One sign that a -wal is not of this database. Uncertain signs also have innocent reasons."""

    sign: Sign
    text: str
    certain: bool = True


def misfits(main: int, beside: int, wal: Wal) -> tuple[Misfit, ...]:
    """Return the signs that `wal`, open as `beside`, does not belong to the database that is open as `main`.

    Only frames that SQLite would replay are looked at. Nothing is said of a main file whose own header is broken.
    Raises `OSError`.
    """
    head = os.pread(main, headers.SIZE, 0)
    newest = wal.newest(replayed=True)
    if not newest or not headers.is_database(head) or len(head) < headers.SIZE:
        return ()
    page_size = headers.stated_page_size(head)
    if page_size != wal.page_size:
        text = f"its pages have {wal.page_size} bytes, those of the database {page_size}"
        return (Misfit("page-size", text),)
    found = _headers(head, image(beside, wal, newest[1])) if 1 in newest else []
    if head[18:20] == b"\x01\x01":
        found.append(Misfit("rollback-mode", "the database is in rollback mode, and leaves no WAL with frames"))
    pages = os.fstat(main).st_size // page_size
    after = wal.commits[wal.replayed - 1]
    hole = next((page for page in range(pages + 1, after + 1) if page not in newest), None)
    if hole is not None:
        text = f"after it the database has {after} pages, but page {hole} is neither in the file nor in the WAL"
        found.append(Misfit("hole", text, certain=False))
    return (*found, *_kinds(main, beside, wal, newest))


def _number(head: bytes, at: int) -> int:
    return int.from_bytes(head[at : at + 4], "big")


def _headers(file: bytes, wal: bytes) -> list[Misfit]:
    """Compare the header in the file with the newest one in the WAL."""
    found = []
    if _number(file, 56) not in (0, _number(wal, 56)):  # 0: it was empty when the WAL began
        found.append(Misfit("encoding", "its texts have another encoding than the database's"))
    if _number(file, 24) > _number(wal, 24):
        text = f"its change counter is {_number(wal, 24)}, the database is further on at {_number(file, 24)}"
        found.append(Misfit("older", text))
    if _number(file, 40) > _number(wal, 40):
        text = f"its schema is version {_number(wal, 40)}, the database has version {_number(file, 40)} already"
        found.append(Misfit("schema-older", text, certain=_number(file, 24) >= _number(wal, 24)))
    return found


def _kinds(main: int, beside: int, wal: Wal, newest: dict[int, Frame]) -> list[Misfit]:
    seen = other = 0
    for page, frame in newest.items():
        at = FIRST if page == 1 else 0
        old = os.pread(main, 1, (page - 1) * wal.page_size + at)
        new = os.pread(beside, 1, frame.offset + at)
        if old and old[0] in TYPES and new and new[0] in TYPES:
            seen += 1
            other += (old[0] in (0x02, 0x0A)) != (new[0] in (0x02, 0x0A))
    if seen < _SEEN or other * 2 < seen:
        return []
    return [Misfit("kinds", f"{other} of {seen} pages change between tables and indexes", certain=False)]


def unsaved(main: int, beside: int, wal: Wal) -> int:
    """Return how many pages SQLite would not get from `wal` and that the database does not hold as they were there.

    What was copied into the database by a checkpoint is lost to nobody when the WAL is. Raises `OSError`.
    """
    count = len(wal.lost()) if wal.hidden else 0
    for page, frame in wal.newest().items():
        if frame.number > wal.replayed:
            count += os.pread(main, wal.page_size, (page - 1) * wal.page_size) != image(beside, wal, frame)
    return count
