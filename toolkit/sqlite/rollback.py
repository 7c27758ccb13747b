"""A rollback -journal read without SQLite (SQLite file format, section 3): the pages as they were before a transaction.

A journal is a header, padded to a sector, and records of one page each; after each sync a new header begins at the next
sector, with a new nonce. Only the first header says whether the journal is hot: a finished one is zeroed
(journal_mode=PERSIST), cut to nothing or removed. The checksum of a record is the nonce plus every 200th byte, so that
any one record gives the nonce back, and the records of one header are told by having the same.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from toolkit.sqlite.plausible import may_be_page

MAGIC = bytes.fromhex("d9d505f920a163d7")
SECTORS = (512, 4096, 1024, 2048, 8192, 16384, 32768, 65536)
PAGE_SIZES = tuple(1 << shift for shift in range(9, 17))
PENDING = 0x40000000
"""The byte whose page no database uses; its number in a record stands for the name of a super-journal."""

UNKNOWN = 0xFFFFFFFF

_HEADER = struct.Struct(">8s5I")
_LEAST = 3

State = Literal["empty", "hot", "unsynced", "zeroed", "broken"]
"""`hot`: a sound header with records to play back. `unsynced`: a header without magic and count, which SQLite writes
only when records are on disk and pages may be overwritten. `zeroed`: no header, as after a finished transaction.
`broken`: something else stands there, by which SQLite throws the journal away.
"""


@dataclass(frozen=True, slots=True)
class Record:
    """One page as it was, counted from 1 in the order of the file. `offset` is where its image begins.

    `sound` tells whether its checksum is right; where the header is lost, whether the nonce is its neighbours'.
    """

    number: int
    offset: int
    page: int
    sound: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """The records between two headers: those from `first` on, `count` of them; `said` is the header's count or None."""

    offset: int
    nonce: int
    first: int
    count: int
    said: int | None
    lost: bool


@dataclass(slots=True)
class Journal:
    """What is in a -journal. `original_pages` is the size of the database before, in pages; None where it is lost.

    What an older and longer transaction left behind the records of the last one is not read. `super_journal` is the
    name of the file that ties several databases together. `stops` is how many records SQLite plays back before it
    meets a wrong one; `missing` are counted by headers and not in the file.
    """

    path: str
    size: int
    state: State
    page_size: int = 0
    sector: int = 0
    original_pages: int | None = None
    super_journal: str | None = None
    stops: int = 0
    missing: int = 0
    segments: list[Segment] = field(default_factory=list)
    pages: array[int] = field(default_factory=lambda: array("I"))
    offsets: array[int] = field(default_factory=lambda: array("Q"))
    sound: bytearray = field(default_factory=bytearray)

    def __len__(self) -> int:
        return len(self.sound)

    def record(self, number: int) -> Record:
        """Return the record `number`."""
        at = number - 1
        return Record(number, self.offsets[at], self.pages[at], bool(self.sound[at]))

    def records(self) -> Iterator[Record]:
        """Yield all records, in the order of the file."""
        return (self.record(number) for number in range(1, len(self) + 1))

    def originals(self) -> dict[int, Record]:
        """Return the oldest sound image of each page, which is what the page was before the transaction."""
        found: dict[int, Record] = {}
        for record in self.records():
            if record.sound and (self.original_pages is None or record.page <= self.original_pages):
                found.setdefault(record.page, record)
        return found


def checksum(page: bytes | memoryview, nonce: int) -> int:
    """Return the checksum of a record (section 3): the nonce and every 200th byte, counted from the end."""
    return (nonce + sum(page[len(page) - 200 : 0 : -200])) & 0xFFFFFFFF


def read(path: str | os.PathLike[str], *, page_size: int = 0, database_pages: int = 0) -> Journal:
    """Read the -journal at `path`, one record at a time in memory.

    `page_size` and `database_pages` are what the main file says, for a journal whose header is lost. Raises `OSError`.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _Reading(descriptor, os.fspath(path), page_size, database_pages).journal()
    finally:
        os.close(descriptor)


def wiped(path: str | os.PathLike[str]) -> bool:
    """Answer whether there is a -journal at `path` that once held pages and is zeros now. Raises `OSError`.

    A finished transaction takes away the header only, or the file (section 3): what zeros the pages is a crash of the
    file system, which had given the file its size but not its content.
    """
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            return size > SECTORS[0] + PAGE_SIZES[0] and not any(
                piece.strip(b"\0") for piece in iter(lambda: file.read(1 << 20), b"")
            )
    except FileNotFoundError:
        return False


def image(descriptor: int, journal: Journal, record: Record) -> bytes:
    """Return the page image of `record` from the open -journal. Raises `OSError`."""
    return os.pread(descriptor, journal.page_size, record.offset)


@dataclass(frozen=True, slots=True)
class _Head:
    count: int
    nonce: int
    original: int
    sector: int
    page_size: int


@dataclass(frozen=True, slots=True)
class _Hidden:
    """What a lost header stood before: where the next one is, and how many records lie between; None: not known."""

    end: int
    count: int | None


class _Reading:
    """One journal being read."""

    def __init__(self, descriptor: int, path: str, page_size: int, pages: int) -> None:
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        self._expected = page_size
        self._limit = max(4 * pages, self._size // 256, 1 << 16)
        self._journal = Journal(path, self._size, "empty")
        self._later: list[tuple[int, int]] | None = None

    def journal(self) -> Journal:
        """Read it all."""
        journal = self._journal
        if not self._size:
            return journal
        head = self._head(0)
        start = os.pread(self._descriptor, _HEADER.size, 0)
        if head is not None:
            journal.state = "hot"
            journal.page_size, journal.sector = head.page_size, head.sector
            journal.original_pages = head.original
            journal.super_journal = self._super()
        else:
            begun = len(start) == _HEADER.size and not any(start[:12]) and _HEADER.unpack(start)[5] in PAGE_SIZES
            journal.state = "unsynced" if begun else "broken" if any(start) else "zeroed"
            self._guess(start.ljust(_HEADER.size, b"\0"))
        if journal.page_size:
            self._segments(head)
        if journal.state == "hot" and not journal.stops and head is not None and not head.count:
            journal.state = "unsynced"
        return journal

    def _head(self, offset: int) -> _Head | None:
        """Return the header at `offset`, None when there is none that SQLite would take."""
        data = os.pread(self._descriptor, _HEADER.size, offset)
        if len(data) < _HEADER.size:
            return None
        magic, count, nonce, original, sector, page_size = _HEADER.unpack(data)
        if magic != MAGIC or (offset == 0 and (page_size not in PAGE_SIZES or sector not in (32, *SECTORS))):
            return None
        return _Head(count, nonce, original, sector, page_size)

    def _super(self) -> str | None:
        """Return the name of the super-journal at the end, None when there is none (section 3)."""
        tail = os.pread(self._descriptor, 16, max(0, self._size - 16))
        if len(tail) < 16 or tail[8:] != MAGIC:
            return None
        length, said = struct.unpack_from(">2I", tail)
        if not 0 < length < min(4096, self._size - 16):
            return None
        name = os.pread(self._descriptor, length, self._size - 16 - length)
        return os.fsdecode(name) if sum(name) & 0xFFFFFFFF == said else None

    def _guess(self, start: bytes) -> None:
        """Find page and sector size of a journal without a header: those with which records share a nonce."""
        journal, later = self._journal, self._later_header()
        _, _, _, original, sector, page_size = _HEADER.unpack(start)
        sizes = (later.page_size,) if later else (page_size, self._expected, *PAGE_SIZES)
        sectors = (later.sector,) if later else (sector, *SECTORS)
        tries = [
            (one, other)
            for one in dict.fromkeys(size for size in sizes if size in PAGE_SIZES)
            for other in dict.fromkeys(size for size in sectors if size in SECTORS)
        ]
        best = 0
        for one, other in tries:
            found = self._run(other, one, _LEAST)
            if found > best:
                best, journal.page_size, journal.sector = found, one, other
            if best == _LEAST:
                break
        if later is not None or page_size == journal.page_size:  # the rest of the header stands
            journal.original_pages = (later.original if later is not None else original) or None

    def _later_header(self) -> _Head | None:
        """Return the first header behind the first one, by its magic at a sector."""
        for offset in range(512, min(self._size, 64 << 20), 512):
            if os.pread(self._descriptor, 8, offset) == MAGIC:
                head = self._head(offset)
                if head is not None and head.page_size in PAGE_SIZES:
                    return head
        return None

    def _run(self, offset: int, page_size: int, most: int) -> int:
        """Return how many records from `offset` on share their nonce, `most` at most."""
        nonce = None
        for found in range(most):
            data = os.pread(self._descriptor, page_size + 8, offset + found * (page_size + 8))
            if not self._possible(data, page_size):
                return found
            this = _nonce(data)
            if nonce is not None and this != nonce:
                return found
            nonce = this
        return most

    def _possible(self, data: bytes, page_size: int) -> bool:
        if len(data) < page_size + 8:
            return False
        page = int.from_bytes(data[:4], "big")
        image = memoryview(data)[4:-4]
        return 0 < page <= self._limit and may_be_page(image, self._limit, first=page == 1)

    def _segments(self, head: _Head | None) -> None:
        """Read header after header, as SQLite would, and on where it would not."""
        journal = self._journal
        offset, stopped = 0, head is None
        while offset + journal.sector < self._size:
            head = self._head(offset)
            hidden = self._hidden(offset) if head is None and offset else None
            if hidden is not None and hidden.count is None:
                journal.missing += max(1, (hidden.end - offset) // (journal.page_size + 8))
                offset, stopped = hidden.end, True
                continue
            if head is None and offset and hidden is None:
                return
            before = len(journal)
            begin = offset + journal.sector
            wanted = None if head is None or head.count == UNKNOWN else head.count
            if hidden is not None:
                wanted, stopped = hidden.count, True
            if head is not None and not head.count:
                wanted = None if stopped or self._head_beyond(begin) else 0
            nonce = head.nonce if head is not None else self._lost_nonce(begin)
            end = self._records(begin, wanted, nonce, guessed=head is None or not head.count)
            count = len(journal) - before
            said = None if head is None or head.count == UNKNOWN else head.count
            journal.segments.append(Segment(offset, nonce, before + 1, count, said, head is None))
            if not stopped:
                sound = journal.sound[before:]
                right = sound.index(0) if 0 in sound else len(sound)
                journal.stops += right
                stopped = right < count or (said is not None and count < said) or said == 0
            if said is not None and count < said:
                journal.missing += said - count
            if journal.state == "unsynced":  # what follows was left by an earlier transaction
                return
            offset = -(-end // journal.sector) * journal.sector

    def _hidden(self, offset: int) -> _Hidden | None:
        """Return what lies behind a header that is lost at `offset`; None where the transaction ends there.

        An older and longer transaction may have left headers behind (journal_mode=PERSIST). It is this one that goes
        on where no page is in the journal twice (section 3), and where either the records behind the lost header
        share their nonce, or the last header has no magic yet: it gets it when its records are on disk.
        """
        journal, step = self._journal, self._journal.page_size + 8
        if journal.state == "zeroed" or self._unsynced(offset):
            return None
        begin, seen = offset + journal.sector, set(journal.pages)
        shared = self._run(begin, journal.page_size, 1 << 20)
        if self._later is None:
            self._later = list(self._headers(offset))
            goes_on = shared > 1 or any(not count for _, count in self._later)
            if not goes_on or any(self._again(at + journal.sector, count, seen) for at, count in self._later):
                self._later = []
        following = next((at for at, _ in self._later if at > offset), None)
        if following is None:
            return _Hidden(self._size, shared) if shared > 1 and not self._again(begin, shared, seen) else None
        count = (following - begin) // step
        fits = count > 0 and -(-(begin + count * step) // journal.sector) * journal.sector == following
        return _Hidden(following, count if fits and not self._again(begin, count, seen) else None)

    def _unsynced(self, offset: int) -> bool:
        """Answer whether the header at `offset` is of this journal and waits for its records to be on disk."""
        data = os.pread(self._descriptor, _HEADER.size, offset)
        if len(data) < _HEADER.size or any(data[:12]):
            return False
        journal = self._journal
        return _HEADER.unpack(data)[3:] == (journal.original_pages, journal.sector, journal.page_size)

    def _headers(self, offset: int) -> Iterator[tuple[int, int]]:
        """Yield (offset, records) of the headers behind `offset` that are of the same journal by what they say.

        One that waits to be on disk counts no records.
        """
        journal, step = self._journal, self._journal.page_size + 8
        wanted = (journal.original_pages, journal.sector, journal.page_size)
        for at in range((offset // journal.sector + 1) * journal.sector, self._size, journal.sector):
            start = os.pread(self._descriptor, len(MAGIC), at)
            head = self._head(at) if start == MAGIC else None
            if head is not None and (head.original, head.sector, head.page_size) == wanted:
                yield at, min(head.count, (self._size - at) // step)
            elif not any(start) and self._unsynced(at):
                yield at, 0

    def _again(self, offset: int, count: int, seen: set[int]) -> bool:
        """Answer whether a page was seen before among `count` records from `offset` on; now all of them are."""
        step = self._journal.page_size + 8
        pages = [int.from_bytes(os.pread(self._descriptor, 4, offset + one * step), "big") for one in range(count)]
        repeated = len(set(pages)) < count or not seen.isdisjoint(pages)
        seen.update(pages)
        return repeated

    def _head_beyond(self, offset: int) -> bool:
        """Answer whether records begin at `offset` although their header counts none, and a header follows them."""
        journal = self._journal
        found = self._run(offset, journal.page_size, 1 << 20)
        after = -(-(offset + found * (journal.page_size + 8)) // journal.sector) * journal.sector
        return bool(found) and self._head(after) is not None

    def _lost_nonce(self, offset: int) -> int:
        """Return the nonce that most of the first records at `offset` agree on."""
        step = self._journal.page_size + 8
        seen = []
        for number in range(7):
            data = os.pread(self._descriptor, step, offset + number * step)
            if len(data) == step and 0 < int.from_bytes(data[:4], "big") <= self._limit:
                seen.append(_nonce(data))
        return max(seen, key=seen.count) if seen else 0

    def _records(self, offset: int, wanted: int | None, nonce: int, *, guessed: bool) -> int:
        """Take in records from `offset` on; return where they end.

        With a known count that many are taken, sound or not. Else they end where a header begins, or
        where two in a row have another nonce: an older transaction's.
        """
        journal, step = self._journal, self._journal.page_size + 8
        taken = wrong = 0
        while (wanted is None or taken < wanted) and offset + step <= self._size:
            data = os.pread(self._descriptor, step, offset)
            page = int.from_bytes(data[:4], "big")
            right = int.from_bytes(data[-4:], "big") == checksum(memoryview(data)[4:-4], nonce)
            if wanted is None and (
                data[:8] == MAGIC or (not right and offset % journal.sector == 0 and self._head(offset))
            ):
                break
            right = right and page != 0 and page <= self._limit
            wrong = 0 if right else wrong + 1
            if wanted is None and wrong > (1 if guessed else 2):
                break
            journal.pages.append(page)
            journal.offsets.append(offset + 4)
            journal.sound.append(right)
            taken, offset = taken + 1, offset + step
        if wanted is None:
            while len(journal) and taken and not journal.sound[-1]:
                del journal.pages[-1], journal.offsets[-1], journal.sound[-1]
                taken, offset = taken - 1, offset - step
        return offset


def _nonce(record: bytes) -> int:
    return (int.from_bytes(record[-4:], "big") - checksum(memoryview(record)[4:-4], 0)) & 0xFFFFFFFF
