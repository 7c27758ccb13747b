"""Each field of the header of a database (SQLite file format, section 1.3) checked by what the file itself tells."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from toolkit.sqlite.header import ENCODINGS, MAGIC, SIZE
from toolkit.sqlite.pagegrid import Grid, Read, numbers
from toolkit.sqlite.plausible import FIRST, INTERIORS, is_btree, pointers
from toolkit.sqlite.textforms import most_used

FRACTIONS = b"\x40\x20\x20"
_PTRMAP = struct.Struct(">BI")
_MODERN = 3_007_000


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with a header or an envelope: a stable code, a sentence, what was seen.

    `certain` tells whether the right bytes are known; where not, the best guess is taken.
    """

    code: str
    text: str
    evidence: tuple[str, ...] = ()
    certain: bool = True


@dataclass(slots=True)
class Facts:
    """What is known of the file besides its header. `settled` is False while a journal may explain other sizes."""

    read: Read
    size: int
    begin: int
    grid: Grid
    wal: bool = False
    settled: bool = True

    @property
    def pages(self) -> int:
        """How many whole pages there are."""
        return (self.size - self.begin) // self.grid.page_size

    def page(self, number: int) -> bytes:
        """Return the page `number`, counted from 1."""
        return self.read(self.begin + (number - 1) * self.grid.page_size, self.grid.page_size)


def guess_encoding(facts: Facts) -> int | None:
    """Return the number of the encoding (section 1.3.13) in which the schema, or the most texts, are written."""
    first = facts.page(1)
    looked = [(first, True)]
    if len(first) == facts.grid.page_size and first[FIRST] in INTERIORS and is_btree(first, first=True):
        places = (FIRST + 8, *pointers(first, first=True)[:4])
        children = [int.from_bytes(first[at : at + 4], "big") for at in places]
        looked += [(facts.page(child), False) for child in children if 1 < child <= facts.pages]
    found = most_used(looked if len(first) == facts.grid.page_size else ())
    if found is None:
        found = most_used((facts.page(number + 1), False) for number in numbers(facts.pages)[1:])
    return found


def largest_root(facts: Facts) -> int:
    """Return the largest page that a pointer map calls the root of a tree: what the header says too (section 1.8)."""
    each = (facts.grid.page_size - facts.grid.reserved) // 5
    largest = 1
    for number in range(2, facts.pages + 1, each + 1):
        page = facts.page(number)
        for index in range(min(each, facts.pages - number)):
            if page[5 * index] == 1:
                largest = number + 1 + index
    return largest


def is_pointer_map(facts: Facts) -> bool:
    """Answer whether page 2 is a pointer map, as in databases with auto_vacuum (section 1.8)."""
    if facts.pages < 3:
        return False
    page = facts.page(2)
    entries = min(facts.pages - 2, (facts.grid.page_size - facts.grid.reserved) // 5)
    for index in range(entries):
        kind, parent = _PTRMAP.unpack_from(page, 5 * index)
        if kind not in range(1, 6) or (kind < 3 and parent) or (kind >= 3 and not 0 < parent <= facts.pages):
            return False
    return entries > 0


class Fields:
    """A header being checked: `data` is set right field by field, `faults` say what was wrong."""

    def __init__(self, data: bytes, facts: Facts, reference: bytes = b"") -> None:
        self.data = bytearray(data[:SIZE].ljust(SIZE, b"\0"))
        self.facts = facts
        self.reference = reference if len(reference) >= SIZE else b""
        self.faults: list[Fault] = []

    def number(self, at: int) -> int:
        """Return the 4-byte field at `at`."""
        return int.from_bytes(self.data[at : at + 4], "big")

    def mend(self, at: int, right: bytes, code: str, text: str, *evidence: str, certain: bool = True) -> None:
        """Set a field right and note the fault."""
        self.data[at : at + len(right)] = right
        self.faults.append(Fault(code, text, evidence, certain))

    def check(self) -> None:
        """Check all fields."""
        if self.lost():
            self.rebuild()
            return
        self.basics()
        self.encoding()
        self.format()
        self.lists()

    def lost(self) -> bool:
        """Answer whether so little of the header stands that nothing in it can be believed."""
        data, size = self.data, self.facts.grid.page_size
        said = int.from_bytes(data[16:18], "big")
        signs = (
            data[:16] == MAGIC,
            said == (1 if size == 65536 else size),
            data[18] in (1, 2) and data[19] in (1, 2),
            data[21:24] == FRACTIONS,
            not any(data[72:92]),
            self.number(56) in (1, 2, 3),
            self.number(44) in (1, 2, 3, 4),
        )
        return sum(signs) <= 3 or not any(data)

    def rebuild(self) -> None:
        """Write a new header from what the pages tell, and from the reference where there is one."""
        facts = self.facts
        kept = bytes(self.reference)
        self.data[:] = kept or bytes(SIZE)
        self.data[:16] = MAGIC
        size = facts.grid.page_size
        self.data[16:18] = (1 if size == 65536 else size).to_bytes(2, "big")
        self.data[18:20] = b"\2\2" if facts.wal or kept[18:20] == b"\2\2" else b"\1\1"
        self.data[20] = facts.grid.reserved
        self.data[21:24] = FRACTIONS
        numbers = {24: self.number(24) + 1, 28: facts.pages, 32: 0, 36: 0, 40: self.number(40) + 1, 44: 4}
        encoding = guess_encoding(facts) or int.from_bytes(kept[56:60], "big") or 1
        roots = largest_root(facts) if is_pointer_map(facts) else 0
        numbers |= {52: roots, 56: encoding, 64: self.number(64) if roots else 0}
        numbers |= {92: numbers[24], 96: self.number(96) or _MODERN}
        for at, value in numbers.items():
            self.data[at : at + 4] = value.to_bytes(4, "big")
        self.faults.append(Fault("header", "the header is lost", certain=False))

    def basics(self) -> None:
        """Check magic, page size, versions, reserved bytes and fractions."""
        data, grid = self.data, self.facts.grid
        if data[:16] != MAGIC:
            self.mend(0, MAGIC, "magic", "the header does not begin as a database does")
        said = int.from_bytes(data[16:18], "big")
        right = 1 if grid.page_size == 65536 else grid.page_size
        if said != right:
            text = f"the header names pages of {said} bytes, they have {grid.page_size}"
            self.mend(16, right.to_bytes(2, "big"), "page-size", text)
        if data[18] not in (1, 2) or data[19] not in (1, 2) or data[18] != data[19]:
            both = {data[18], data[19]} & {1, 2}
            version = both.pop() if len(both) == 1 else 2 if self.facts.wal else 1
            text = f"the header names the format versions {data[18]} and {data[19]}"
            self.mend(18, bytes((version, version)), "versions", text, certain=False)
        self.reserved()
        if data[21:24] != FRACTIONS:
            self.mend(21, FRACTIONS, "fractions", "the header names shares of payloads that no database has")

    def reserved(self) -> None:
        """Check the bytes reserved at the end of each page: cells never reach into them."""
        data, grid = self.data, self.facts.grid
        reached = grid.votes >= 2 and grid.reserved < data[20]
        if grid.page_size - data[20] < 480 or reached or (grid.sure and grid.reserved != data[20]):
            text = f"the header reserves {data[20]} bytes of each page, the pages {grid.reserved}"
            self.mend(20, bytes((grid.reserved,)), "reserved", text)

    def encoding(self) -> None:
        """Check the encoding of texts by the texts."""
        said, found = self.number(56), guess_encoding(self.facts)
        if said in (1, 2, 3) and found in (said, None):
            return
        if said == 0 and found is None:  # a database without a schema
            return
        known = found or int.from_bytes(self.reference[56:60], "big") or 1
        name = ENCODINGS.get(said, f"none that exists ({said})") if said else "none"
        text = f"the header names the encoding {name}, the texts are {ENCODINGS[known]}"
        self.mend(56, known.to_bytes(4, "big"), "encoding", text, certain=found is not None)

    def format(self) -> None:
        """Check the format of the schema and the bytes that must be zero."""
        said = self.number(44)
        first = self.facts.page(1)
        used = len(first) > FIRST + 5 and (first[FIRST] in INTERIORS or any(first[FIRST + 3 : FIRST + 5]))
        if said > 4 or (said == 0 and used):
            text = f"the header names the schema format {said}"
            self.mend(44, (4).to_bytes(4, "big"), "schema-format", text)
        if any(self.data[72:92]):
            self.mend(72, bytes(20), "expansion", "bytes of the header that are zero in every database are not")

    def lists(self) -> None:
        """Check the free list, auto_vacuum and the number of pages."""
        facts = self.facts
        trunk, free = self.number(32), self.number(36)
        if facts.settled and (trunk > facts.pages or free >= max(1, facts.pages) or bool(trunk) != bool(free)):
            text = f"the header names {free} free pages from page {trunk} on, of {facts.pages}"
            self.mend(32, bytes(8), "free-list", text, certain=False)
        self.vacuum()
        counts = facts.settled and self.number(24) == self.number(92)
        if counts and self.number(28) and self.number(28) != facts.pages:
            self.mend(28, facts.pages.to_bytes(4, "big"), "page-count", *self._said_pages(), certain=False)

    def vacuum(self) -> None:
        """Check that databases with auto_vacuum, and no others, say so."""
        facts, largest = self.facts, self.number(52)
        mapped = is_pointer_map(facts)
        if mapped and not largest and self._no_tree(2):
            text = "the header does not tell of auto_vacuum, but page 2 maps pointers"
            self.mend(52, largest_root(facts).to_bytes(4, "big"), "auto-vacuum", text)
        elif largest and facts.pages >= 3 and not mapped and is_btree(facts.page(2)):
            self.mend(52, bytes(4), "auto-vacuum", "the header tells of auto_vacuum, but page 2 is no map of pointers")
            self.data[64:68] = bytes(4)
        elif self.number(64) and not self.number(52):
            self.mend(64, bytes(4), "auto-vacuum", "the header tells of incremental vacuum without auto_vacuum")

    def _no_tree(self, number: int) -> bool:
        return not is_btree(self.facts.page(number), reserved=self.facts.grid.reserved)

    def _said_pages(self) -> Iterator[str]:
        yield f"the header counts {self.number(28)} pages, the file has {self.facts.pages}"
