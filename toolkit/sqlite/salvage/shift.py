"""Bytes or pages put into the midst of a file, or taken out of it: what lies behind them is moved back to its place."""

from __future__ import annotations

import contextlib
import os
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from toolkit.sqlite.pages.geometry import Geometry
from toolkit.sqlite.pages.scan import scan
from toolkit.sqlite.pages.source import PageSource
from toolkit.sqlite.pages.walk import geometry_of, stated_pages
from toolkit.sqlite.salvage.borders import border
from toolkit.sqlite.salvage.jumps import jumps
from toolkit.sqlite.salvage.phases import phases
from toolkit.sqlite.salvage.places import Run, runs
from toolkit.sqlite.salvage.roots import Roots

LARGE = 512 * 1024 * 1024
"""Bytes from which on only the places are looked for at which pages leave their grid: they are too many to weigh."""


class Realigned(NamedTuple):
    """What was done, and what may be wrong where the borders lie, in sentences; the pages with a row given up for it.

    Such a row has no record any more, which SQLite reads as one of NULLs: who takes the file has to look at them.
    """

    said: list[str]
    doubts: list[str]
    given_up: frozenset[int]


def realign(source: Path, target: Path) -> Realigned | None:
    """Write `source` to `target` with its pages where they belong; None when they are there, or nothing tells where.

    `source` begins with a believable header. Pages that are missing hold nothing. Raises `OSError`.
    """
    size = os.stat(source).st_size
    with open(source, "rb") as file:
        geometry = _geometry(file.read(100), size)
    if geometry is None:
        return None
    found = _runs(source, size, geometry)
    return _write(source, target, geometry, found) if len(found) > 1 else None


def worth_a_look(source: Path, head: bytes) -> bool:
    """Answer whether pages of a file may have been moved, before it is copied for `realign`. Raises `OSError`.

    `head` is the header that the file should have. Small files are always worth it.
    """
    size = os.stat(source).st_size
    if size <= LARGE:
        return True
    geometry = _geometry(head, size)
    return geometry is not None and len(_jumps(source, size, geometry)) > 1


def _geometry(head: bytes, size: int) -> Geometry | None:
    try:
        geometry = geometry_of(head, size)
    except ValueError:
        return None
    count = stated_pages(head)
    if not 2 < count <= size // geometry.page_size * 2 + 2:
        return None
    return Geometry(geometry.page_size, geometry.reserved, count, geometry.auto_vacuum)


def _jumps(source: Path, size: int, geometry: Geometry) -> list[Run]:
    with open(source, "rb") as file:
        return jumps(file.fileno(), size, geometry)


def _runs(source: Path, size: int, geometry: Geometry) -> list[Run]:
    if size > LARGE:
        return _jumps(source, size, geometry)
    with contextlib.ExitStack() as stack:
        pages = {}
        for phase in dict.fromkeys([0, size % geometry.page_size, *phases(source, geometry)]):
            held = max(1, -(-(size - phase) // geometry.page_size))
            view = Geometry(geometry.page_size, geometry.reserved, held, geometry.auto_vacuum)
            pages[phase] = stack.enter_context(PageSource(source, view, phase))
        maps = {phase: scan(one) for phase, one in pages.items()}
        return runs(maps, geometry, Roots(pages, maps), size)


def _write(source: Path, target: Path, geometry: Geometry, found: list[Run]) -> Realigned:
    said: list[str] = []
    doubts: list[str] = []
    given_up: set[int] = set()
    number = 1
    with open(source, "rb") as file, open(target, "wb") as out:
        for before, behind in pairwise(found):
            between = border(file.fileno(), geometry, before, behind)
            _copy(file.fileno(), out.fileno(), geometry.page_size, range(number, between.first), before.shift)
            os.pwrite(out.fileno(), b"".join(between.pages), (between.first - 1) * geometry.page_size)
            number = between.first + len(between.pages)
            given_up |= set(between.given_up)
            said.append(_said(behind.shift - before.shift, between.first))
            if between.blurred or not between.given_up:
                doubts.append(f"what lies at the border on page {between.first} may hold wrong bytes")
        rest = range(number, geometry.page_count + 1)
        _copy(file.fileno(), out.fileno(), geometry.page_size, rest, found[-1].shift)
        out.truncate(geometry.page_count * geometry.page_size)
    return Realigned(said, doubts, frozenset(given_up))


def _copy(file: int, out: int, size: int, pages: range, shift: int) -> None:
    """Write pages that lie `shift` bytes off."""
    for first in range(pages.start, pages.stop, max(1, (1 << 20) // size)):
        upto = min(pages.stop, first + max(1, (1 << 20) // size))
        os.pwrite(out, os.pread(file, (upto - first) * size, (first - 1) * size + shift), (first - 1) * size)


def _said(moved: int, page: int) -> str:
    what = f"{moved} bytes were put in" if moved > 0 else f"{-moved} bytes were taken out"
    return f"{what} at page {page}: what lies behind was moved back"
