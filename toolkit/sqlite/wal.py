"""A -wal read frame by frame, without SQLite (SQLite file format, section 4): what is replayed, what can be believed.

SQLite replays the frames from the first on whose salt is the header's and whose checksums form one chain, up
to the last that ends a transaction. One wrong bit therefore hides everything behind it. Each frame holds the
sums at its end, so most frames behind a wrong one can still be proven, each by its neighbours.
"""

from __future__ import annotations

import enum
import os
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from toolkit.sqlite import walsum
from toolkit.sqlite.plausible import may_be_page

HEADER = 32
FRAME = 24
PAGE_SIZES = tuple(1 << shift for shift in range(9, 17))

_FRAME = struct.Struct(">6I")
_HEAD = struct.Struct(">8I")
_MASK = 0xFFFFFFFF
_ROUNDS = 1 << 16

HeaderState = Literal["valid", "empty", "short", "zeroed", "broken"]
"""Of a WAL's header: sound; no bytes at all; fewer than 32; all zeros; or fields, sums or version that are wrong."""


class Trust(enum.IntEnum):
    """How far the image in a frame can be believed, least first.

    `BAD`: garbage. `STALE`: left of an earlier round, since the WAL is written from its start again after a checkpoint.
    `UNCOMMITTED`: of a transaction that never ended. `PLAUSIBLE`: its sums are wrong, its page looks like one.
    `PROVEN`: SQLite does not get to it, its sums agree with its neighbours'. `REPLAYED`: SQLite replays it.
    """

    BAD = 0
    STALE = 1
    UNCOMMITTED = 2
    PLAUSIBLE = 3
    PROVEN = 4
    REPLAYED = 5


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, counted from 1. `offset` is where its page image begins in the file, `page` the number of that page.

    `commit` is the size of the database in pages after the transaction that this frame ends, else 0. Both numbers are
    corrected where the sums tell that they were damaged.
    """

    number: int
    offset: int
    page: int
    commit: int
    trust: Trust


@dataclass(slots=True)
class Wal:
    """What is in a -wal. Numbers of frames count from 1; 13 bytes of memory a frame.

    `chained` frames from the first on have right sums; the first `replayed` of them are what SQLite replays; up to
    `committed` there are transactions that ended, as far as frames can be believed. `torn` bytes at the end
    are no whole frame. `page_size` is 0 when it is not known.
    """

    path: str
    size: int
    header: HeaderState
    page_size: int
    salt: tuple[int, int] = (0, 0)
    checkpoint: int | None = None
    big: bool = False
    chained: int = 0
    replayed: int = 0
    committed: int = 0
    torn: int = 0
    current: int = 0
    pages: array[int] = field(default_factory=lambda: array("I"))
    commits: array[int] = field(default_factory=lambda: array("I"))
    trusts: bytearray = field(default_factory=bytearray)

    def __len__(self) -> int:
        return len(self.trusts)

    def frame(self, number: int) -> Frame:
        """Return the frame `number`."""
        at = number - 1
        offset = HEADER + at * (FRAME + self.page_size) + FRAME
        return Frame(number, offset, self.pages[at], self.commits[at], Trust(self.trusts[at]))

    def frames(self, least: Trust = Trust.BAD) -> Iterator[Frame]:
        """Yield the frames that are trusted at least so far, oldest first."""
        for number, trust in enumerate(self.trusts, 1):
            if trust >= least:
                yield self.frame(number)

    @property
    def hidden(self) -> int:
        """How many frames of transactions that ended SQLite does not replay: what damage to the -wal would lose."""
        return self.committed - self.replayed

    @property
    def database_pages(self) -> int:
        """The size of the database in pages after its last transaction here, 0 when there is none."""
        return self.commits[self.committed - 1] if self.committed else 0

    def newest(self, *, replayed: bool = False) -> dict[int, Frame]:
        """Return the newest image of each page that can be believed, or only of what SQLite replays.

        Pages behind the end of the database are left out.
        """
        end = self.replayed if replayed else self.committed
        last = self.commits[end - 1] if end else 0
        found: dict[int, int] = {}
        for at in range(end):
            if self.trusts[at] >= Trust.PLAUSIBLE and self.pages[at] <= last:
                found[self.pages[at]] = at + 1
        return {page: self.frame(number) for page, number in found.items()}

    def lost(self) -> set[int]:
        """Return the pages whose newest image here is garbage, as far as its number can be read."""
        newest = self.newest()
        return {
            self.pages[at]
            for at in range(self.committed)
            if self.trusts[at] == Trust.BAD
            and 0 < self.pages[at] <= self.database_pages
            and (self.pages[at] not in newest or newest[self.pages[at]].number <= at)
        }


@dataclass(slots=True)
class _Link:
    """What the next frame is judged by: the sums that it may begin with, as stored and as computed from `numbers`.

    `numbers` are page and commit mark as stored; `current` tells whether this is a frame of the last round.
    """

    starts: tuple[walsum.State, ...] = ()
    current: bool = True
    numbers: tuple[int, int] = (0, 0)


def read(path: str | os.PathLike[str], *, page_size: int = 0, database_pages: int = 0) -> Wal:
    """Read the -wal at `path`, one frame at a time in memory.

    `page_size` and `database_pages` are what the main file says, for a WAL whose header is lost and for
    judging page numbers. The sums of frames of earlier rounds are not looked at. Raises `OSError`.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _Reading(descriptor, os.fspath(path), page_size, database_pages).wal()
    finally:
        os.close(descriptor)


def image(descriptor: int, wal: Wal, frame: Frame) -> bytes:
    """Return the page image of `frame` from the open -wal. Raises `OSError`."""
    return os.pread(descriptor, wal.page_size, frame.offset)


class _Reading:
    """One WAL being read."""

    def __init__(self, descriptor: int, path: str, page_size: int, pages: int) -> None:
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        self._head = os.pread(descriptor, HEADER, 0)
        self._expected = page_size
        self._limit = max(4 * pages, self._size // 256, 1 << 16)
        self._solved_commits: set[int] = set()
        self._wal = Wal(path, self._size, _header_state(self._head), 0)

    def wal(self) -> Wal:
        """Read it all."""
        wal = self._wal
        if wal.header in ("empty", "short"):
            wal.torn = self._size
            return wal
        wal.page_size = self._page_size()
        if not wal.page_size:
            return wal
        fields = _HEAD.unpack(self._head)
        wal.salt = (fields[4], fields[5]) if wal.header == "valid" else self._salt()
        wal.checkpoint = fields[3] if wal.header == "valid" else None
        wal.big = bool(fields[0] & 1) if wal.header == "valid" else self._order()
        starts: tuple[walsum.State, ...] = (fields[6:8],)
        if wal.header == "broken":
            starts = (*starts, walsum.forward(self._head[:24], (0, 0), big=wal.big))
        self._scan(_Link(starts if wal.header != "zeroed" else ()))
        self._judge()
        return wal

    def _read(self, number: int, page_size: int) -> bytes:
        return os.pread(self._descriptor, FRAME + page_size, HEADER + (number - 1) * (FRAME + page_size))

    def _page_size(self) -> int:
        """Return the page size: the header's, or the one at whose stride the salt of the frames repeats."""
        said = int.from_bytes(self._head[8:12], "big")
        if self._wal.header == "valid":
            return said
        tried = [one for one in dict.fromkeys((said, self._expected, *PAGE_SIZES)) if one in PAGE_SIZES]
        for size in tried:
            first, second = self._read(1, size), self._read(2, size)
            if len(second) >= FRAME and any(first[8:16]) and first[8:16] == second[8:16]:
                return size
        whole = [one for one in (self._expected, said, *PAGE_SIZES) if one and self._size == HEADER + FRAME + one]
        return whole[0] if whole else self._expected

    def _salt(self) -> tuple[int, int]:
        """Return the salt that most of the first frames carry."""
        seen = [self._read(number, self._wal.page_size)[8:16] for number in range(1, 10)]
        seen = [one for one in seen if len(one) == 8 and any(one)]
        if not seen:
            return (0, 0)
        common = max(seen, key=seen.count)
        return int.from_bytes(common[:4], "big"), int.from_bytes(common[4:], "big")

    def _order(self) -> bool:
        """Return whether words are summed as big-endian ones: the order in which one of the first frames links."""
        page_size = self._wal.page_size
        for number in range(1, 6):
            before, frame = self._read(number, page_size), self._read(number + 1, page_size)
            if len(frame) < FRAME + page_size:
                break
            for big in (False, True):
                sums = walsum.forward(frame[:8], _stored(before), big=big)
                if walsum.forward(frame[FRAME:], sums, big=big) == _stored(frame):
                    return big
        frame = self._read(1, page_size)
        if len(frame) < FRAME + page_size:
            return False
        return self._first_solved(frame, big=True) is not None

    def _first_solved(self, frame: bytes, *, big: bool) -> int | None:
        """Return the checkpoint number in a lost header, where the first frame proves what it was."""
        sums = walsum.backward(frame[:8], walsum.backward(frame[FRAME:], _stored(frame), big=big), big=big)
        return walsum.header_end(sums, self._wal.page_size, self._wal.salt, big=big)

    def _scan(self, link: _Link) -> None:
        wal, step = self._wal, FRAME + self._wal.page_size
        count, wal.torn = divmod(self._size - HEADER, step)
        for number in range(1, count + 1):
            frame = self._read(number, wal.page_size)
            if len(frame) < step:  # it was cut while it was read
                wal.torn = len(frame)
                break
            link = self._take(number, frame, link)

    def _take(self, number: int, frame: bytes, before: _Link) -> _Link:
        """Judge one frame by itself and by the one before; return what the next one is judged by."""
        wal = self._wal
        page, commit, *salt, _, _ = _FRAME.unpack_from(frame)
        numbers = (page, commit)
        current = tuple(salt) == wal.salt
        if current:
            wal.current += 1
        elif not before.current or self._of_earlier_round(salt):
            self._add(page, commit, Trust.STALE if any(salt) else Trust.BAD)
            return _Link((_stored(frame),), current=False)
        ends = [self._sums(frame, start) for start in before.starts]
        stored = _stored(frame)
        linked = stored in ends
        if linked and ends.index(stored) and number > 1:  # the frame before is right, only its own sums are not
            wal.trusts[-1] = Trust.PROVEN
            wal.pages[-1], wal.commits[-1] = before.numbers
        elif linked and current and number == wal.chained + 1 and wal.header == "valid":
            wal.chained = number
        if not linked:
            solved = self._solved(frame, before, first=number == 1)
            if solved is not None:
                if solved[1] and not commit:
                    self._solved_commits.add(number)
                page, commit, linked = *solved, True
        if linked:
            trust = Trust.PROVEN if current or before.current else Trust.STALE
        elif not current:
            trust = Trust.STALE if any(salt) else Trust.BAD
        else:
            trust = Trust.PLAUSIBLE if self._plausible(frame, page, commit) else Trust.BAD
        self._add(page, commit, trust)
        starts = (stored, *(end for end in ends[:1] if end != stored))
        return _Link(starts, current or (linked and before.current), numbers)

    def _of_earlier_round(self, salt: list[int]) -> bool:
        """Answer whether a salt can be of a round before: the first word counts them, the second is random (4.1)."""
        rounds = (self._wal.salt[0] - salt[0]) & _MASK
        return 0 < rounds < _ROUNDS and salt[1] != self._wal.salt[1]

    def _sums(self, frame: bytes, start: walsum.State) -> walsum.State:
        sums = walsum.forward(frame[:8], start, big=self._wal.big)
        return walsum.forward(memoryview(frame)[FRAME:], sums, big=self._wal.big)

    def _solved(self, frame: bytes, before: _Link, *, first: bool) -> tuple[int, int] | None:
        """Return page and commit mark of a frame in which only these, or the header before it, were damaged."""
        wal = self._wal
        stored_page, stored_commit, *_ = _FRAME.unpack_from(frame)
        if first and wal.header != "valid":
            checkpoint = self._first_solved(frame, big=wal.big)
            if checkpoint is not None:
                wal.checkpoint = checkpoint
                return stored_page, stored_commit
        lost = not self._numbers(stored_page, stored_commit)
        after = walsum.backward(memoryview(frame)[FRAME:], _stored(frame), big=wal.big)
        for start in before.starts:
            page, commit = (walsum.as_stored(word, big=wal.big) for word in walsum.between(start, after))
            if self._numbers(page, commit) and (lost or page == stored_page or commit == stored_commit):
                return page, commit
        return None

    def _numbers(self, page: int, commit: int) -> bool:
        return 0 < page <= self._limit and commit <= self._limit

    def _plausible(self, frame: bytes, page: int, commit: int) -> bool:
        image = memoryview(frame)[FRAME:]
        return self._numbers(page, commit) and may_be_page(image, self._limit, first=page == 1)

    def _add(self, page: int, commit: int, trust: Trust) -> None:
        self._wal.pages.append(page)
        self._wal.commits.append(commit)
        self._wal.trusts.append(trust)

    def _judge(self) -> None:
        """Find where the last transaction ends, and say of each frame whether it is replayed.

        A commit mark that only the sums tell of ends none: in a transaction that is not over, SQLite writes pages
        again into their frames, and sums them when it ends.
        """
        wal = self._wal
        trusts, commits = wal.trusts, wal.commits
        wal.replayed = next((at + 1 for at in range(wal.chained - 1, -1, -1) if commits[at]), 0)
        marked = (at + 1 for at in range(len(wal) - 1, -1, -1) if commits[at] and trusts[at] >= Trust.PLAUSIBLE)
        wal.committed = max(wal.replayed, next((one for one in marked if one not in self._solved_commits), 0))
        for at in range(len(wal)):
            if at < wal.replayed:
                trusts[at] = Trust.REPLAYED
            elif at >= wal.committed and trusts[at] >= Trust.PLAUSIBLE:
                trusts[at] = Trust.UNCOMMITTED


def _stored(frame: bytes) -> walsum.State:
    return struct.unpack_from(">2I", frame, 16)


def _header_state(head: bytes) -> HeaderState:
    if not head:
        return "empty"
    if len(head) < HEADER:
        return "short"
    if not any(head):
        return "zeroed"
    fields = _HEAD.unpack(head)
    right = fields[0] & ~1 == walsum.MAGIC and fields[1] == walsum.VERSION and fields[2] in PAGE_SIZES
    sums = walsum.forward(head[:24], (0, 0), big=bool(fields[0] & 1))
    return "valid" if right and sums == fields[6:8] else "broken"
