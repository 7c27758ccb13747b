"""Rows without SQLite, of one tree or off one page: slow (some 0.5 million a second), for few rows and tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from toolkit.sqlite.pages import node as nodes
from toolkit.sqlite.pages import record
from toolkit.sqlite.pages.chains import payload_from
from toolkit.sqlite.pages.geometry import INTERIOR_TABLE, Geometry
from toolkit.sqlite.pages.record import Value
from toolkit.sqlite.pages.source import PageSource

LONGEST = 1 << 20
"""Records up to this size are filled with zeros where a part of them is elsewhere."""


def payloads(source: PageSource, root: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield (page, rowid, payload) of the tree at `root` in the order of its keys; what cannot be read is left out.

    Rowids are 0 in an index. Each page is visited at most once, so this ends for any bytes.
    """
    seen: set[int] = set()
    stack: list[int | tuple[int, int, bytes]] = [root]
    while stack:
        item = stack.pop()
        if not isinstance(item, int):
            yield item
            continue
        if item in seen or not 1 <= item <= source.page_count:
            continue
        seen.add(item)
        page = source.page(item)
        node = nodes.parse(page, item, source.geometry)
        ahead: list[int | tuple[int, int, bytes]] = []
        for cell in node.cells:
            if node.interior:
                ahead.append(cell.child)
            if node.kind != INTERIOR_TABLE:
                payload = payload_from(source, page, cell)
                if payload is not None:
                    ahead.append((item, cell.rowid, payload))
        if node.interior:
            ahead.append(node.right)
        stack.extend(reversed(ahead))


def rows(source: PageSource, root: int) -> Iterator[tuple[int, list[Value]]]:
    """Yield (rowid, values) of the tree at `root`; payloads that are no record are left out."""
    for _, rowid, payload in payloads(source, root):
        try:
            yield rowid, record.decode(payload)
        except ValueError:
            continue


def on_page(
    page: bytes, number: int, geometry: Geometry, *, most: int | None = None, cut: bool = False
) -> Iterator[list[Value]]:
    """Yield the values of the first `most` records of a leaf, without a look at other pages.

    With `cut` also those that do not lie on it whole, with zeros for what is elsewhere: up to `LONGEST` bytes.
    """
    for cell in nodes.parse(page, number, geometry).cells[:most]:
        if cell.local == cell.payload or (cut and cell.payload < LONGEST):
            with contextlib.suppress(ValueError):
                yield record.decode(page[cell.start : cell.start + cell.local].ljust(cell.payload, b"\0"))
