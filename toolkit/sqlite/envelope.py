"""What a file should be whose header or outline is damaged: examined read-only, mended in a private copy.

Damage around the pages can often be undone byte for byte, and hides everything until it is: bytes put before the file,
line ends changed by a transfer, a header of which fields or all are lost, bytes behind the last page.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from toolkit.sqlite import newlines, otherkinds, pagegrid, recoded
from toolkit.sqlite.header import MAGIC, SIZE, stated_page_size
from toolkit.sqlite.headerfields import Facts, Fault, Fields
from toolkit.sqlite.pagegrid import Grid, Read
from toolkit.sqlite.plausible import FIRST, INTERIORS, is_btree, may_be_page

Kind = Literal["database", "empty", "other", "encrypted", "unknown"]

LARGEST_PREFIX = 64 << 20
LEAST_CHUNK = 8 << 10
"""Applications that let SQLite grow a file in steps (Firefox) choose multiples of this; the rest is zeros."""

_STEP = 1 << 20
_SAMPLE = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What was found out of a file of `size` bytes.

    `kind` `other` is named by `what`. Page 1 begins at `begin`, the last whole page ends at `end`. `header` are
    the 100 bytes that it should begin with, and `page_size` is 0 where neither can be known yet: first undo what
    `newlines` names. `first_page` tells whether page 1 still is a page of a table. `faults` are in the order in which
    they are mended.
    """

    size: int
    kind: Kind
    what: str = ""
    begin: int = 0
    end: int = 0
    newlines: Literal["", "crlf", "lf", "utf-8"] = ""
    page_size: int = 0
    reserved: int = 0
    pages: int = 0
    header: bytes = b""
    first_page: bool = True
    faults: tuple[Fault, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.kind == "database" and not self.faults


@dataclass(frozen=True, slots=True)
class Mending:
    """What was done to a private copy: the faults that were undone, and the envelope as it is now.

    `certain` tells whether the bytes of the original are there again, wherever a fault had changed them.
    """

    mended: tuple[Fault, ...]
    now: Envelope
    certain: bool


def examine(
    path: str | os.PathLike[str],
    *,
    wal: bool = False,
    settled: bool = True,
    reference: bytes = b"",
    page_size: int = 0,
    thorough: bool = False,
) -> Envelope:
    """Find out what the file `path` is and what is wrong around its pages; it is only read, a sample of its pages.

    `wal` tells that a -wal with frames belongs to it, `page_size` what the frames say. Sizes and counts are not
    compared when it is not `settled`, with a journal beside it. `reference` is the header of another state of it,
    such as of a backup, for what no page tells (user_version, say). A file that lost carriage returns is told from
    one that was cut only when it is `thorough`, which takes a while. Raises `OSError`.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return examine_open(
            descriptor,
            wal=wal,
            settled=settled,
            reference=reference,
            page_size=page_size,
            thorough=thorough,
        )
    finally:
        os.close(descriptor)


def examine_open(
    descriptor: int,
    *,
    wal: bool = False,
    settled: bool = True,
    reference: bytes = b"",
    page_size: int = 0,
    thorough: bool = False,
) -> Envelope:
    """Do what `examine` does with a file that is open as `descriptor`."""

    def read(offset: int, length: int) -> bytes:
        return os.pread(descriptor, length, offset)

    size = os.fstat(descriptor).st_size
    if not size:
        return Envelope(size=0, kind="empty", faults=(Fault("empty", "the file has 0 bytes", certain=False),))
    return _Examination(
        read, size, wal=wal, settled=settled, reference=reference, page_size=page_size, thorough=thorough
    ).envelope()


class _Examination:
    """One file being examined."""

    def __init__(
        self, read: Read, size: int, *, wal: bool, settled: bool, reference: bytes, page_size: int, thorough: bool
    ) -> None:
        self._read = read
        self._size = size
        self._wal = wal
        self._settled = settled
        self._reference = reference
        self._hint = page_size
        self._thorough = thorough
        self._head = read(0, _SAMPLE)
        self._faults: list[Fault] = []

    def envelope(self) -> Envelope:
        begin, size = 0 if self._head.startswith(MAGIC) else self._magic(), self._size
        self._leave_out_another(begin or 0)
        return replace(self._examined(begin), size=size)

    def _leave_out_another(self, begin: int) -> None:
        """Look no further than the pages that the header counts where the next byte is the first of another database.

        No page but the first begins with the magic: in others it would be a kind of page that there is not, or the
        number of a page beyond all.
        """
        head = self._read(begin, SIZE)
        page_size, pages = stated_page_size(head), int.from_bytes(head[28:32], "big")
        end = begin + pages * page_size
        if head.startswith(MAGIC) and end > begin and self._read(end, len(MAGIC)) == MAGIC:
            text = f"another database lies behind the last page: {self._size - end} bytes"
            self._faults.append(Fault("trailing", text, (_shown(self._read(end, 16)),)))
            self._size = end

    def _examined(self, begin: int | None) -> Envelope:
        other = otherkinds.name_of(self._head[:1024])
        if begin and other and not other.endswith(("text", "page", "script")):
            return self._no_database("other", other)
        found = self._grid(begin or 0)
        if found is None and begin is None:
            found = self._grid_without_magic(other)
            if found is None:
                return self._nothing_known(other)
        begin = found.begin if found is not None else begin or 0
        if begin:
            self._faults.append(Fault("prefix", f"{begin} bytes lie before the database", (_shown(self._head),)))
        changed = self._recoded() or self._line_ends(found, begin)
        if changed is not None:
            return changed
        if found is None:
            return self._blank(begin, other)
        return self._fields(found)

    def _magic(self) -> int | None:
        """Return where the file has the magic of a database behind other bytes, with a page 1 behind it."""
        for offset in range(0, min(self._size, LARGEST_PREFIX), _STEP):
            data = self._read(offset, _STEP + FIRST + 16)
            at = data.find(MAGIC)
            while 0 <= at < _STEP:
                head = self._read(offset + at, 4096)
                if len(head) > FIRST + 8 and head[FIRST] in (0x05, 0x0D) and head[21:24] == b"\x40\x20\x20":
                    return offset + at
                at = data.find(MAGIC, at + 1)
        return None

    def _grid(self, begin: int) -> Grid | None:
        """Return the grid of the size that the header or the WAL names, if pages have it, else the one they have.

        Where the page size and the page count of the header give the size of the file, one page is enough, and so is
        page 1, when its cells end where the header says: the others may hold parts of long rows, or of a database
        that is a value of this one.
        """
        head = self._read(begin, SIZE)
        pages = int.from_bytes(head[28:32], "big")
        for size in (stated_page_size(head), self._hint):
            if size in pagegrid.PAGE_SIZES and self._size - begin >= size:
                grid = pagegrid.measure(self._read, self._size, size, begin)
                if grid.votes >= 3 and grid.votes * 2 > grid.seen:
                    return grid
                if grid.votes and self._size - begin == pages * size:
                    return grid
                first = pagegrid.measure(self._read, begin + size, size, begin)
                if first.votes and first.reserved == head[20]:
                    return grid
        return pagegrid.find(self._read, self._size, begin)

    def _grid_without_magic(self, other: str | None) -> Grid | None:
        if other is not None:
            return None
        return pagegrid.find_anywhere(self._read, self._size)

    def _no_database(self, kind: Kind, what: str) -> Envelope:
        fault = Fault("not-a-database", f"this is {what}", (_shown(self._head),), certain=False)
        return Envelope(size=self._size, kind=kind, what=what, faults=(fault,))

    def _nothing_known(self, other: str | None) -> Envelope:
        """Return the envelope of a file in which no page of a database can be seen."""
        if other is not None:
            return self._no_database("other", other)
        sample = b"".join(self._read(at, 1 << 14) for at in range(0, self._size, max(1 << 14, self._size // 8)))
        if otherkinds.is_random(sample):
            text = "it looks encrypted: no page, no text and no order in it"
            fault = Fault("encrypted", text, (_shown(self._head),), certain=False)
            return Envelope(size=self._size, kind="encrypted", what="an encrypted file", faults=(fault,))
        what = "a file of zeros" if not any(sample) else "no database"
        fault = Fault("not-a-database", f"this is {what}", (_shown(self._head),), certain=False)
        return Envelope(size=self._size, kind="unknown", what=what, faults=(fault,))

    def _recoded(self) -> Envelope | None:
        """Return the envelope of a file that was written anew as UTF-8, None of every other."""
        head = recoded.head(self._head) if self._head.startswith(MAGIC) else None
        if head is None or len(head) < SIZE:
            return None
        page_size, pages = stated_page_size(head), int.from_bytes(head[28:32], "big")
        if page_size not in pagegrid.PAGE_SIZES or recoded.length(self._read, self._size) != pages * page_size:
            return None
        text = f"a transfer as text changed it: {self._size - pages * page_size} bytes were added to make it UTF-8"
        fault = Fault("line-ends", text, (_shown(self._head[16:]),))
        return Envelope(size=self._size, kind="database", newlines="utf-8", faults=(fault,))

    def _line_ends(self, grid: Grid | None, begin: int) -> Envelope | None:
        """Return the envelope of a file whose line ends were changed, None of every other."""
        head = self._read(begin, SIZE)
        page_size = stated_page_size(head)
        if page_size not in pagegrid.PAGE_SIZES or not head.startswith(MAGIC):
            return None
        pages = int.from_bytes(head[28:32], "big")
        off = self._size - begin - pages * page_size
        whole = not (self._size - begin) % page_size
        drifted = grid is None or grid.page_size != page_size or grid.votes * 4 < grid.seen
        if (whole and not drifted) or (not off and grid is not None and grid.page_size == page_size):
            return None
        ends = newlines.count(self._read, self._size)
        changed: Literal["crlf", "lf"]
        if ends.crlf == ends.lf >= 2 and (drifted or off == ends.crlf):
            changed, text = "crlf", f"each of its {ends.lf} line feeds has a carriage return before it"
        elif self._thorough and not ends.crlf and 0 > off >= -ends.lf and self._comes_out(page_size, pages, begin):
            changed, text = "lf", f"it lost {-off} carriage returns"
        else:
            return None
        evidence = (f"{ends.crlf} CR LF, {ends.lf} LF, {off} bytes too many",)
        fault = Fault("line-ends", f"a transfer as text changed it: {text}", evidence, certain=changed == "crlf")
        return Envelope(size=self._size, kind="database", begin=begin, newlines=changed, faults=(*self._faults, fault))

    def _comes_out(self, page_size: int, pages: int, begin: int) -> bool:
        def read(offset: int, length: int) -> bytes:
            return self._read(begin + offset, length)

        return newlines.explains(read, self._size - begin, page_size, pages)

    def _blank(self, begin: int, other: str | None) -> Envelope:
        """Return the envelope of a file whose header is one of a database, but in which no page has cells."""
        head = self._read(begin, SIZE)
        page_size = stated_page_size(head)
        if page_size not in pagegrid.PAGE_SIZES:
            page_size = self._hint
        sample = self._read(begin + SIZE, 1 << 18)
        if len(head) < SIZE or page_size not in pagegrid.PAGE_SIZES or self._size - begin < 512:
            return self._no_database("unknown", other or "the beginning of a database at most")
        if otherkinds.is_random(sample):
            text = "its pages look encrypted: no order in them"
            return Envelope(size=self._size, kind="encrypted", faults=(*self._faults, Fault("encrypted", text)))
        return self._fields(Grid(page_size, begin, 0, 0, head[20], sure=False))

    def _fields(self, grid: Grid) -> Envelope:
        """Check the header by the grid, then where the pages end."""
        begin, page_size = grid.begin, grid.page_size
        facts = Facts(self._read, self._size, begin, grid, wal=self._wal, settled=self._settled)
        before = self._read(begin, SIZE)
        fields = Fields(before, facts, self._reference)
        fields.check()
        first = facts.page(1)
        whole = len(first) > FIRST + 8 and is_btree(first, first=True) and first[FIRST] in (0x05, 0x0D)
        faults = [*self._faults, *fields.faults]
        if not whole:
            what = "an inner page" if first[FIRST : FIRST + 1] in map(bytes, INTERIORS) else "no page"
            faults.append(Fault("page-1", f"page 1, which holds the schema, is {what} of a table", certain=False))
        pages, rest = divmod(self._size - begin, page_size)
        faults, pages = self._ends(faults, fields, facts, pages, rest)
        fields.data[28:32] = pages.to_bytes(4, "big") if self._size_known(fields) else fields.data[28:32]
        return Envelope(
            size=self._size,
            kind="database",
            begin=begin,
            end=begin + pages * page_size,
            page_size=page_size,
            reserved=fields.data[20],
            pages=pages,
            header=bytes(fields.data),
            first_page=whole,
            faults=tuple(faults),
        )

    def _size_known(self, fields: Fields) -> bool:
        return self._settled and fields.number(24) == fields.number(92)

    def _ends(
        self, faults: list[Fault], fields: Fields, facts: Facts, pages: int, rest: int
    ) -> tuple[list[Fault], int]:
        """Say how the number of pages differs from the header's; return the faults and the pages that there are."""
        said = int.from_bytes(self._read(facts.begin + 28, 4), "big")
        known = self._settled and fields.number(24) == fields.number(92) and said > 0
        other = [fault for fault in faults if fault.code != "page-count"]
        if any(fault.code == "header" for fault in faults):
            known = False
        if known and said < pages:
            return self._behind(faults, other, facts, said, pages)
        if known and said > pages:
            text = f"the file is cut: {pages} pages are whole, the header counts {said}"
            return [*other, Fault("cut", text, (f"{rest} bytes of the next",), certain=False)], pages
        if rest and (known or self._settled):
            text = f"{rest} bytes lie behind the last page"
            return [*other, Fault("trailing", text, certain=known)], pages
        return (other if not known else faults), pages

    def _behind(
        self, faults: list[Fault], other: list[Fault], facts: Facts, said: int, pages: int
    ) -> tuple[list[Fault], int]:
        """Judge what lies behind the pages that the header counts: pages of the database, nothing, or foreign bytes."""
        start = facts.begin + said * facts.grid.page_size
        length = self._size - start
        if _zeros(self._read, start, self._size):
            if not self._size % LEAST_CHUNK and not length % facts.grid.page_size:
                return other, said
            return [*other, Fault("trailing", f"{length} zeros lie behind the last page")], said
        step = max(1, (pages - said) // 64)
        behind = [facts.page(number) for number in range(said + 1, pages + 1, step)]
        like = sum(may_be_page(page, pages) for page in behind)
        if like and not length % facts.grid.page_size and like * 2 >= len(behind):
            return faults, pages
        shown = (_shown(self._read(start, 16)),)
        return [*other, Fault("trailing", f"{length} bytes lie behind the last page", shown, certain=not like)], said


def _zeros(read: Read, start: int, end: int) -> bool:
    return not any(any(read(at, _STEP)) for at in range(start, end, _STEP))


def _shown(head: bytes) -> str:
    return "it begins with " + head[:16].hex(" ")


def mend(
    path: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    wal: bool = False,
    settled: bool = True,
    reference: bytes = b"",
    page_size: int = 0,
) -> Mending:
    """Write the file `path` to the new private file `target` (0600) with every fault undone that can be.

    The options are those of `examine`. Where nothing is wrong, or the file is no database, `target` is a copy. It is
    not synced. Raises `OSError`; then the target may be there in part.
    """
    envelope = examine(path, wal=wal, settled=settled, reference=reference, page_size=page_size, thorough=True)
    certain = all(fault.certain for fault in envelope.faults)
    mended = list(envelope.faults)
    source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        written = os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            certain &= _write(source, written, envelope)
            now = examine_open(written, wal=wal, settled=settled, reference=reference, page_size=page_size)
            if envelope.newlines:
                mended += now.faults
                certain &= all(fault.certain for fault in now.faults)
            if envelope.newlines and now.kind == "database" and now.header:
                _set_right(written, now)
            now = examine_open(written, wal=wal, settled=settled, reference=reference, page_size=page_size)
        finally:
            os.close(written)
    finally:
        os.close(source)
    left = {fault.code for fault in now.faults}
    done = tuple(fault for fault in mended if fault.code not in left)
    return Mending(done, replace(now, size=now.size), certain and not left)


def _set_right(written: int, envelope: Envelope) -> None:
    os.pwrite(written, envelope.header, 0)
    os.ftruncate(written, envelope.end)


def _write(source: int, written: int, envelope: Envelope) -> bool:
    """Write what the file should be; return False where bytes had to be guessed."""
    begin, end = envelope.begin, envelope.end or envelope.size
    sure = True
    at = 0

    def read(offset: int, length: int) -> bytes:
        return os.pread(source, min(length, max(0, end - begin - offset)), begin + offset)

    for data, certain in _content(read, end - begin, envelope):
        at += os.pwrite(written, data, at)
        sure &= certain
    if envelope.header:
        os.pwrite(written, envelope.header, 0)
    return sure


def _content(read: Read, size: int, envelope: Envelope) -> Iterator[tuple[bytes, bool]]:
    if envelope.newlines == "crlf":
        yield from ((data, True) for data in newlines.without_cr(read, size))
    elif envelope.newlines == "utf-8":
        yield from ((data, True) for data in recoded.before(read, size))
    elif envelope.newlines == "lf":
        head = read(0, SIZE)
        page_size = stated_page_size(head)
        yield from newlines.with_cr(read, size, page_size, int.from_bytes(head[28:32], "big"))
    else:
        yield from ((read(offset, _STEP), True) for offset in range(0, size, _STEP))
