"""Line ends of a database that a transfer as text has changed: every LF to CR LF, or every CR LF to LF; and back.

The first can be undone byte for byte. The second loses bytes: the pages, which must have one size each, tell in which a
CR is missing, and its cells, before which LF.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from toolkit.sqlite.pagegrid import Read
from toolkit.sqlite.plausible import FIRST, TYPES, cell_end, cells_fit, is_btree, pointers

STEP = 1 << 20
_MOST_MISSING = 3
_MOST_TRIES = 4000


@dataclass(frozen=True, slots=True)
class Counts:
    """How many LF there are, and how many of them follow a CR."""

    lf: int
    crlf: int


def count(read: Read, size: int) -> Counts:
    """Count the line ends of a file."""
    lf = crlf = 0
    last = b""
    for offset in range(0, size, STEP):
        data = read(offset, STEP)
        lf += data.count(b"\n")
        crlf += data.count(b"\r\n") + (last == b"\r" and data[:1] == b"\n")
        last = data[-1:]
    return Counts(lf, crlf)


def without_cr(read: Read, size: int) -> Iterator[bytes]:
    """Yield the bytes of a file with each CR LF as LF."""
    held = b""
    for offset in range(0, size, STEP):
        data = held + read(offset, STEP)
        held = b"\r" if data.endswith(b"\r") else b""
        yield data[: len(data) - len(held)].replace(b"\r\n", b"\n")
    yield held


def with_cr(read: Read, size: int, page_size: int, pages: int) -> Iterator[tuple[bytes, bool]]:
    """Yield the pages of a file that lost every CR before an LF, and whether each is right beyond doubt.

    Ends early where the file does not come out: then fewer than `pages` were yielded, or bytes are left.
    """
    position = 0
    for number in range(pages):
        window = read(position, 2 * page_size)
        left = pages - number - 1
        page, used, sure = _page(window, page_size, first=number == 0, last=not left, left=size - position)
        if len(page) < page_size:
            return
        yield page, sure
        position += used
    if position != size:
        yield b"", False


def explains(read: Read, size: int, page_size: int, pages: int) -> bool:
    """Answer whether a file comes out with the carriage returns that it lost.

    Not where more pages are nodes of trees if all its missing bytes are taken out in one place: text that is cut
    elsewhere has line feeds too, and in a page of an overflow chain a carriage return can be put before any of them.
    """
    counted = nodes = 0
    for page, _ in with_cr(read, size, page_size, pages):
        nodes += len(page) == page_size and is_btree(page, first=not counted)
        counted += len(page) == page_size
    return counted == pages and nodes >= _nodes_if_cut_once(read, size, page_size, pages)


def _nodes_if_cut_once(read: Read, size: int, page_size: int, pages: int) -> int:
    """Return how many pages are nodes if the missing bytes are those of one place, the one that leaves most of them."""
    lost = pages * page_size - size

    def node(number: int, off: int) -> bool:
        page = read(number * page_size - off, page_size)
        return len(page) == page_size and is_btree(page, first=not number)

    behind = sum(node(number, lost) for number in range(1, pages))
    most = ahead = 0
    for number in range(pages):  # the cut lies behind this page, or in it
        most = max(most, ahead + behind)
        ahead += node(number, 0)
        behind -= number + 1 < pages and node(number + 1, lost)
        most = max(most, ahead + behind)
    return most


def _page(window: bytes, page_size: int, *, first: bool, last: bool, left: int) -> tuple[bytes, int, bool]:
    """Return the first page of `window`, how many bytes of it that took, and whether it is certain."""
    kind = window[FIRST if first else 0 :][:1]
    btree = bool(kind) and kind[0] in TYPES
    ends = [at for at in range(min(len(window), page_size)) if window[at] == 0x0A]
    weak: tuple[bytes, int, bool] | None = None
    for missing in range(min(_MOST_MISSING, len(ends)) + 1):
        used = page_size - missing
        if last and used != left:
            continue
        follows = last or _begins(window[used : used + page_size], page_size)
        tried = itertools.islice(itertools.combinations(ends, missing), _MOST_TRIES)
        found = [page for places in tried if _fits(page := _inserted(window[:used], places), btree, first=first)]
        if found and follows:
            return found[0], used, btree and len(found) == 1
        if found and btree and weak is None:
            weak = found[0], used, False
    return weak or (window[:page_size], page_size, False)


def _inserted(data: bytes, places: tuple[int, ...]) -> bytes:
    for place in reversed(places):
        data = data[:place] + b"\r" + data[place:]
    return data


def _begins(data: bytes, page_size: int) -> bool:
    """Answer whether a page of any kind can begin here: a b-tree, or the number of an overflow page or of none."""
    if not data:
        return False
    if data[0] in TYPES:
        return is_btree(data.ljust(page_size, b"\0"))
    return data[0] == 0


def _fits(page: bytes, btree: bool, *, first: bool) -> bool:  # noqa: FBT001
    """Answer whether a b-tree page is whole, its last cell ending where it ends; of other pages nothing can be told."""
    if not btree:
        return True
    if not cells_fit(page, first=first):
        return False
    found = pointers(page, first=first)
    kind = page[FIRST if first else 0]
    return not found or cell_end(page, max(found), kind, len(page)) == len(page)
