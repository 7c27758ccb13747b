"""Blocks of 512 zeros that a torn write left: a row that has one in its midst is no longer what it was.

The zeros of a sound page begin and end where its values do, which hardly ever is where a block does.
"""

from __future__ import annotations

from toolkit.sqlite.pages import node as nodes
from toolkit.sqlite.pages.node import Cell
from toolkit.sqlite.pages.source import PageSource

_BLOCK = bytes(512)


def torn_blocks(page: bytes, usable: int) -> list[tuple[int, int]]:
    """Return the stretches (begin, end) of a page that are whole blocks of 512 zeros, no more and no less."""
    found: list[tuple[int, int]] = []
    at = page.find(_BLOCK)
    while 0 <= at < usable:
        rest = page[at + 512 :]
        end = at + 512 + len(rest) - len(rest.lstrip(b"\0"))
        if not at % 512 and (not end % 512 or end >= usable):
            found.append((at, end))
        at = page.find(_BLOCK, end)
    return found


def is_torn(source: PageSource, cell: Cell, blocks: list[tuple[int, int]]) -> bool:
    """Answer whether a cell has one of the torn `blocks` of its page, or one in its overflow chain."""
    if any(begin < cell.offset + cell.size and cell.offset < end for begin, end in blocks):
        return True
    page, rest, room = cell.overflow, cell.payload - cell.local, source.geometry.usable - 4
    for _ in range(-(-rest // room) if cell.overflow else 0):
        if not 1 <= page <= source.page_count:
            return False
        data = source.page(page)
        if any(begin < min(rest, room) for begin, _ in torn_blocks(data, source.geometry.usable)):
            return True
        rest -= room
        page = int.from_bytes(data[:4], "big")
    return False


def has_torn(source: PageSource, number: int) -> bool:
    """Answer whether a sound page holds a torn row."""
    page = source.page(number)
    node = nodes.parse(page, number, source.geometry)
    blocks = torn_blocks(page, source.geometry.usable)
    return any(is_torn(source, cell, blocks) for cell in node.cells if blocks or cell.overflow)
