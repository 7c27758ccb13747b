"""Cells out of pages whose header or cell pointers are broken.

A cell is believed only when its record fills its payload to the last byte, its values fit the table and its rowid
lies where the page's place allows. Free space is searched only where the page's structure gives no cells.
"""

from __future__ import annotations

import bisect
import functools
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from toolkit.sqlite.pages import node as nodes
from toolkit.sqlite.pages import record, varint
from toolkit.sqlite.pages.chains import payload_from
from toolkit.sqlite.pages.geometry import INTERIOR_INDEX, LEAF_INDEX, LEAF_TABLE
from toolkit.sqlite.pages.node import Cell
from toolkit.sqlite.pages.record import RawText, Value
from toolkit.sqlite.pages.source import PageSource
from toolkit.sqlite.salvage.shape import Shape, valid
from toolkit.sqlite.salvage.torn import is_torn, torn_blocks

LEAST, MOST = -(1 << 63), (1 << 63) - 1

_GOES_ON = bytes(range(0x80, 0x100))
"""The bytes of a varint that are not its last, but for the ninth."""

LEAST_CELL = 8
"""Bytes of a page that nothing accounts for, from which on they are taken for cells."""


@dataclass(slots=True)
class Row:
    """A row that was carved: its cell as it lies in the file (overflow chain included by its page number)."""

    rowid: int
    cell: bytes
    values: list[Value]
    page: int
    offset: int


@dataclass(slots=True)
class Carved:
    """Rows of one page in the order of their rowids. `whole`: as many as the page says that it holds.

    `misfits` are rows that a cell pointer leads to and that fail the table's types or NOT NULL, or hold broken text.
    """

    rows: list[Row]
    whole: bool
    misfits: list[Row] = field(default_factory=list)


def carve(
    source: PageSource, number: int, shape: Shape, encoding: str, *, after: int = LEAST, upto: int = MOST
) -> Carved:
    """Return the rows of page `number` that belong to a table of this shape, with `after` < rowid <= `upto`.

    For a WITHOUT ROWID table `rowid` of the rows is 0 and the bounds say nothing.
    """
    page = source.page(number)
    if not page.strip(b"\0"):
        return Carved([], whole=False)
    tried = []
    for kind in (LEAF_INDEX, INTERIOR_INDEX) if shape.without_rowid else (LEAF_TABLE,):
        judge = _Judge(source, page, number, shape, encoding)
        judge.kind, judge.after, judge.upto = kind, after, upto
        tried.append(judge.carved())
    return max(tried, key=lambda one: (one.whole, len(one.rows)))


class _Judge:
    """What is known of one page while its cells are looked for."""

    kind = LEAF_TABLE
    after, upto = LEAST, MOST

    def __init__(self, source: PageSource, page: bytes, number: int, shape: Shape, encoding: str) -> None:
        self.source, self.page, self.number = source, page, number
        self.shape, self.encoding = shape, encoding
        self.misfits: list[Row] = []
        self.torn = torn_blocks(page, source.geometry.usable)

    def carved(self) -> Carved:
        """Carve the page as one of the kind `kind`."""
        base = 100 if self.number == 1 else 0
        count = struct.unpack_from(">H", self.page, base + 3)[0]
        head = base + (12 if self.kind == INTERIOR_INDEX else 8)
        pointed, listed = self.pointed(head, count)
        if listed == count and len(pointed) == count and count > 0:
            more = self.beyond(base, head, pointed)
            if more:
                return Carved(self.searched(base, head, more), whole=False)
            rows = self.searched(base, head, pointed) if self.lacks_cells(base, head, pointed) else pointed
            return Carved(rows, whole=len(rows) == count or not self.lacks_cells(base, head, rows))
        misfits = self.misfits if listed == count and len(pointed) * 2 >= count else []
        whole = 0 < count == len(pointed) + len(misfits)
        return Carved(self.searched(base, head, pointed), whole, misfits)

    def beyond(self, base: int, head: int, pointed: list[Row]) -> list[Row]:
        """Return the rows of all cell pointers where the header is broken and they go on behind its count, else none.

        Where the cell content cannot begin where the header says, the count beside it may have been lost as well
        (file format, section 1.6). Pointers of deleted cells stay behind the others, but these are hardly ever more
        than one whose cells are still whole and rise.
        """
        content = struct.unpack_from(">H", self.page, base + 5)[0] or 65536
        border = head + 2 * len(pointed)
        if self.kind != LEAF_TABLE or border <= content <= min(row.offset for row in pointed):
            return []
        rows, _ = self.pointed(head, 0)
        apart = _disjoint(sorted(rows, key=lambda row: row.offset), set())
        return rows if len(rows) > len(pointed) + 1 and len(apart) == len(rows) else []

    def lacks_cells(self, base: int, head: int, pointed: list[Row]) -> bool:
        """Answer whether the cell content holds more than cells and free blocks: then the count is wrong."""
        first, _, content = struct.unpack_from(">HHH", self.page, base + 1)
        free = nodes.free_bytes(self.page, first, self.source.geometry) if first else []
        lowest = min(row.offset for row in pointed)
        if free is None or not head + 2 * len(pointed) <= content <= lowest:
            return False
        taken = sum(max(4, len(row.cell)) for row in pointed) + sum(size for _, size in free) + self.page[base + 7]
        return bool(self.source.geometry.usable - content - taken >= LEAST_CELL)

    def row(self, cell: Cell | None, *, strict: bool) -> Row | None:
        """Return the row of a cell, None when it is not believable."""
        if cell is None or cell.payload == 0 or (self.kind == LEAF_TABLE and not self.after < cell.rowid <= self.upto):
            return None
        payload = payload_from(self.source, self.page, cell)
        if payload is None:
            return None
        try:
            values = record.decode(payload)
        except ValueError:
            return None
        end = cell.start + cell.local + (4 if cell.overflow else 0)
        row = Row(cell.rowid, self.page[cell.offset : end], values, self.number, cell.offset)
        if not self.shape.nodes and is_torn(self.source, self.page, cell, self.torn, self.encoding):
            if not strict:
                self.misfits.append(row)
            return None
        if self.shape.misfit(values, self.encoding) is not None:
            if not strict and len(values) == len(self.shape.columns):
                self.misfits.append(row)
            return None
        if not all(valid(value, self.encoding) for value in values if isinstance(value, RawText)):
            if not strict:
                self.misfits.append(row)
            return None
        return row

    def pointed(self, head: int, count: int) -> tuple[list[Row], int]:
        """Return the rows that the cell pointers lead to, and how many pointers were followed.

        Where the count of the header is impossible, pointers are followed as long as they lead to cells of
        rising rowids: one that is left behind by a deletion repeats the last.
        """
        geometry = self.source.geometry
        known = 0 < count <= (geometry.usable - head) // 6
        most = count if known else (geometry.usable - head) // 6
        found: list[Row] = []
        failed = listed = 0
        for at in range(head, head + 2 * most, 2):
            pointer = struct.unpack_from(">H", self.page, at)[0]
            cell = None
            if pointer >= head + 2 * (count if known else listed + 1):
                cell = nodes.read_cell(self.page, pointer, self.kind, geometry)
            row = self.row(cell, strict=False)
            listed += 1
            falls = row is not None and found and self.kind == LEAF_TABLE and row.rowid <= found[-1].rowid
            if row is None or (falls and not known):
                failed += 1
                if not known or failed > 8 + count // 2:
                    break
                continue
            found.append(row)
        if known and self.kind == LEAF_TABLE:
            found = _rising(found)
        return found, listed if known else len(found)

    def searched(self, base: int, head: int, pointed: list[Row]) -> list[Row]:
        """Return a set of cells that do not overlap, of rising rowids: those that are pointed at, and others found."""
        content = struct.unpack_from(">H", self.page, base + 5)[0] or 65536
        lowest = min((row.offset for row in pointed), default=head)
        believed = pointed and head + 2 * len(pointed) <= content <= lowest
        # what lies before the cell content was deleted: SQLite moves its border over the last cell
        candidates = {row.offset: row for row in self.everywhere(content if believed else lowest)}
        candidates.update({row.offset: row for row in pointed})
        certain = {row.offset for row in pointed}
        if believed:  # the rest of the header is sound too, and tells which bytes are free
            first = struct.unpack_from(">H", self.page, base + 1)[0]
            for begin, size in nodes.free_bytes(self.page, first, self.source.geometry) or ():
                for offset in [at for at in candidates if begin <= at < begin + size and at not in certain]:
                    del candidates[offset]
        by_key: dict[int | bytes, Row] = {}
        for row in _disjoint(sorted(candidates.values(), key=lambda row: row.offset), certain):
            key = record.encode(row.values[: self.shape.keys]) if self.shape.without_rowid else row.rowid
            other = by_key.get(key)
            if other is None or (row.offset in certain and other.offset not in certain):
                by_key[key] = row
        places = {row.offset: at for at, row in enumerate(pointed)}
        return sorted(by_key.values(), key=lambda row: (row.rowid, places.get(row.offset, len(places))))

    def everywhere(self, head: int) -> Iterator[Row]:
        """Yield every believable cell of the page, wherever it begins."""
        page, geometry = self.page, self.source.geometry
        usable, shape = geometry.usable, self.shape
        longest, least, columns = 9 * len(shape.columns) + 9, shape.least, len(shape.columns)
        most = min(0x7FFFFFFF, self.source.page_count * geometry.page_size)
        pattern, back = header_pattern(shape)
        for match in pattern.finditer(page, head + back, usable):
            at = match.start() - back
            if page[at - 1] >= 0x80 and (page[at - 2] < 0x80 or min(page[at - 9 : at - 1], default=0) < 0x80):
                continue  # no rowid ends there: only the last of nine bytes can be so
            end = at + page[at]
            if page[at] < 0x80 and (
                end > usable
                or page[end - 1] >= 0x80
                or not least <= len(page[at + 1 : end].translate(None, _GOES_ON)) <= columns
            ):
                continue  # nearly all of what is no header, at little cost: its serial types are as many as their ends
            try:
                size = record.record_size(page[at : min(usable, at + longest)])
            except ValueError:
                continue
            if size > most or (size <= geometry.table_local and at + size > usable):
                continue
            for begin in self._begins(head, at, varint.write(size)):
                row = self.row(nodes.read_cell(page, begin, self.kind, geometry), strict=True)
                if row is not None:
                    yield row

    def _begins(self, head: int, at: int, length: bytes) -> Iterator[int]:
        """Yield where a cell can begin whose record begins at `at` and whose payload size is written as `length`."""
        page = self.page
        if self.kind != LEAF_TABLE:
            begin = at - len(length)
            if page[begin:at] == length:
                yield begin - (4 if self.kind == INTERIOR_INDEX else 0)
            return
        for width in range(1, 10):
            begin = at - width - len(length)
            key = page[at - width : at]
            if begin < head or min(key[:-1], default=0x80) < 0x80:
                return
            if key[-1] >= 0x80 and width < 9:  # only the last of nine bytes can be so
                continue
            if page[begin : at - width] == length:
                yield begin


def _rising(rows: list[Row]) -> list[Row]:
    """Return the longest part of the rows, in their order, whose rowids rise: a wrong one costs no other."""
    if all(one.rowid < other.rowid for one, other in pairwise(rows)):
        return rows
    ends: list[int] = []
    tails: list[int] = []
    before: list[int] = []
    for at, row in enumerate(rows):
        spot = bisect.bisect_left(ends, row.rowid)
        before.append(tails[spot - 1] if spot else -1)
        ends[spot:] = [row.rowid, *ends[spot + 1 :]]
        tails[spot:] = [at, *tails[spot + 1 :]]
    chain, at = [], tails[-1]
    while at >= 0:
        chain.append(rows[at])
        at = before[at]
    return chain[::-1]


def _disjoint(rows: list[Row], certain: set[int]) -> list[Row]:
    """Return the cells, sorted by offset, that cover the most bytes without overlapping; certain ones count more."""
    ends: list[int] = []
    order = sorted(rows, key=lambda row: row.offset + len(row.cell))
    total = [0]
    taken: list[tuple[bool, int]] = []
    for row in order:
        before = bisect.bisect_right(ends, row.offset)
        weight = len(row.cell) + (1 << 20 if row.offset in certain else 0)
        with_it = total[before] + weight
        if with_it > total[-1]:
            total.append(with_it)
            taken.append((True, before))
        else:
            total.append(total[-1])
            taken.append((False, len(taken)))
        ends.append(row.offset + len(row.cell))
    chosen, at = [], len(order)
    while at:
        use, before = taken[at - 1]
        if use:
            chosen.append(order[at - 1])
            at = before
        else:
            at -= 1
    return chosen


_KEY = rb"(?:\x00)"
_TYPES = {
    "key": rb"\x00",
    "INTEGER": rb"[\x00-\x09]|[\x0d-\x7f]|[\x81-\xff][\x00-\x7f]",
    "any": rb"[\x00-\x09\x0c-\x7f]|[\x81-\xff][\x80-\xff]{0,3}[\x00-\x7f]",
    "TEXT": rb"[\x00\x0c-\x7f]|[\x81-\xff][\x80-\xff]{0,3}[\x00-\x7f]",
}


@functools.lru_cache(maxsize=64)
def _compiled(kinds: tuple[str, ...], most: int) -> tuple[re.Pattern[bytes], int]:
    """Return an expression, and how far before its matches the header begins.

    A single byte that is rare stands first in it: other places are then passed over several times as fast.
    """
    body = b"".join(b"(?:" + _TYPES[kind] + b")" for kind in kinds)
    if most > 31:
        two = rb"[\x81\x82][\x00-\x7f]" + body
        one = rb"|[\x02-\x7f]" + body if most <= 126 else b""
        return re.compile(b"(?=" + two + one + b")", re.DOTALL), 0
    head = b"[\x02-" + re.escape(bytes((most + 1,))) + b"]"
    if kinds[:1] == ("key",):
        return re.compile(rb"\x00(?<=" + head + rb"\x00)(?=" + body[len(_KEY) :] + b")", re.DOTALL), 1
    return re.compile(head + b"(?=" + body + b")", re.DOTALL), 0


def header_pattern(shape: Shape) -> tuple[re.Pattern[bytes], int]:
    """Return an expression that matches wherever the header of a record of this shape can begin, and how far behind.

    For every match there is one header, that many bytes before its beginning.
    """
    kinds = []
    for column in shape.columns[: min(shape.least, 24)]:
        if column.key:
            kinds.append("key")
        elif column.affinity == "TEXT":
            kinds.append("TEXT")
        else:
            kinds.append("any")
    return _compiled(tuple(kinds), 4 * len(shape.columns))
