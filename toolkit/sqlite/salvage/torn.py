"""Blocks of 512 bytes that a torn write or a broken disk left: a row that has one in its midst is not what it was.

Such a block holds one byte over and over, or a short pattern. A stretch of a sound page begins and ends where its
values do, which hardly ever is where a block does. Where zeros happen to stand beside a block its values tell: SQLite
writes 0 without any bytes (file format, section 2.1), and texts hold no zeros.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from toolkit.sqlite.pages import node as nodes
from toolkit.sqlite.pages import record
from toolkit.sqlite.pages.chains import payload_from
from toolkit.sqlite.pages.node import Cell
from toolkit.sqlite.pages.record import OddInt, RawText
from toolkit.sqlite.pages.source import PageSource

BLOCK = 512
_LONGEST = 64
"""Bytes of the longest pattern that is looked for."""

_WIDE_HOLES = (b"\0\0", b"\xff\xff")
"""Letters that no text holds, but what is left of a block that was overwritten."""


@dataclass(frozen=True, slots=True)
class Torn:
    """Whole blocks of one pattern, from `begin` to `end` of a page.

    `left` and `right`: the pattern begins and ends just there. At the edge of a page that is not so: values end there
    too, or go on elsewhere. `plain`: it is one byte.
    """

    begin: int
    end: int
    left: bool
    right: bool
    plain: bool

    @property
    def exact(self) -> bool:
        """Whether nothing but a block begins and ends like this."""
        return self.left and self.right


def torn_blocks(page: bytes, usable: int) -> list[Torn]:
    """Return the stretches of a page that are whole blocks of one pattern."""
    found: list[Torn] = []
    at = 0
    while at + BLOCK <= len(page):
        period = _period(page[at : at + BLOCK])
        if not period:
            at += BLOCK
            continue
        begin, end = at, at + BLOCK
        while end < len(page) and page[end : end + BLOCK] == page[end - period : end + BLOCK - period]:
            end += BLOCK
        few = min(period, 3)
        before = begin == 0 or page[begin - few : begin] == page[begin - few + period : begin + period]
        behind = period <= 4 if end >= usable else page[end : end + few] == page[end - period : end - period + few]
        found.append(Torn(begin, end, left=not before, right=not behind, plain=period == 1))
        at = end
    return found


def _period(block: bytes) -> int:
    """Return the length of the pattern of which a block is made, 0 for none."""
    period = block.find(block[:16], 1, _LONGEST + 16)
    return period if period > 0 and block[period:] == block[:-period] else 0


def is_torn(source: PageSource, page: bytes, cell: Cell, blocks: list[Torn], encoding: str) -> bool:
    """Answer whether a cell of `page` lost a part of its values to one of its `blocks`, or one of its overflow chain.

    Only the values show it where the block does not end exactly.
    """
    hit = [
        replace(one, begin=one.begin - cell.start, end=min(one.end - cell.start, cell.local))
        for one in blocks
        if one.begin < cell.offset + cell.size and cell.offset < one.end
    ]
    at, done, usable = cell.overflow, cell.local, source.geometry.usable
    last, opened = page[cell.start + cell.local - 1 : cell.start + cell.local], len(hit)
    while cell.overflow and done < cell.payload and 1 <= at <= source.page_count:
        data = source.page(at)
        if data[4:5] != last:  # what ran to the end of the page before ends there
            hit[opened:] = [replace(one, right=one.right or (one.plain and one.end == done)) for one in hit[opened:]]
        opened = len(hit)
        for one in torn_blocks(data, usable):
            if one.begin - 4 < min(cell.payload - done, usable - 4):
                left = one.left or (one.plain and not one.begin and data[4:5] != last)
                begin, end = done + max(one.begin - 4, 0), done + min(one.end, usable) - 4
                hit.append(replace(one, begin=begin, end=end, left=left))
        last, done = data[usable - 1 : usable], done + usable - 4
        at = int.from_bytes(data[:4], "big")
    return any(one.exact for one in hit) or (bool(hit) and _shows_it(payload_from(source, page, cell), hit, encoding))


def _shows_it(payload: bytes | None, hit: list[Torn], encoding: str) -> bool:
    """Answer whether a value that reaches into one of the blocks, counted from the payload's begin, is none."""
    try:
        serials, at = record.serials(payload or b"")
        values = record.decode(payload or b"")
    except ValueError:
        return False
    for serial, value in zip(serials, values, strict=True):
        begin, at = at, at + record.serial_size(serial)
        for one in hit:
            if max(begin, one.begin) >= min(at, one.end):
                continue
            if isinstance(value, RawText):
                if holed(value, encoding):
                    return True
            elif serial < 7 and (not value or isinstance(value, OddInt)):
                return True
    return False


def holed(value: RawText, encoding: str) -> bool:
    """Answer whether a text holds letters that stand for lost bytes."""
    if encoding == "UTF-8":
        return value.find(b"\0") >= 0
    return any(value[at : at + 2] in _WIDE_HOLES for at in range(0, len(value), 2))


def has_torn(source: PageSource, number: int, encoding: str) -> bool:
    """Answer whether a sound page holds a torn row."""
    page = source.page(number)
    node = nodes.parse(page, number, source.geometry)
    blocks = torn_blocks(page, source.geometry.usable)
    return any(is_torn(source, page, cell, blocks, encoding) for cell in node.cells if blocks or cell.overflow)
