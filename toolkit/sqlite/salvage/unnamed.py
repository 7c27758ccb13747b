"""Entries of a sound index that name a row which a table WITHOUT ROWID does not hold: one of the two was damaged.

An entry ends with the key of its row (SQLite file format, section 2.5.1). Where bits of a key were flipped, the row
reads well under another key, and only its place and the entry tell. The one whose records do not rise is the wrong
one; where that is not the index, nothing else is left to tell of the row.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from toolkit.sqlite.order import Order, known, sort_key
from toolkit.sqlite.pages import record
from toolkit.sqlite.pages.geometry import Geometry
from toolkit.sqlite.pages.record import Value
from toolkit.sqlite.pages.rows import rows
from toolkit.sqlite.pages.source import PageSource
from toolkit.sqlite.salvage.image import Image
from toolkit.sqlite.salvage.shape import Index, Shape


def unnamed(image: Image, table: int, shape: Shape, index: Index, root: int) -> int:
    """Return how many entries of the sound index at `root` name no row of the plain tree `table` of a table's records.

    0 where only the index can be wrong. Raises `OSError`.
    """
    places = [shape.positions.get(number, -1) for number in index.columns]
    if index.partial or not shape.keys or not set(range(shape.keys)) <= set(places):
        return 0
    view = Geometry(image.geometry.page_size, image.geometry.reserved, image.end)
    with PageSource(image.path, view) as new:
        held = [values for _, values in rows(new, table)]
    entries = [values for _, values in rows(image, root) if len(values) == len(index.columns)]
    keys = {record.encode(values[: shape.keys]) for values in held}
    key = [places.index(at) for at in range(shape.keys)]
    strange = sum(record.encode([values[at] for at in key]) not in keys for values in entries)
    if strange and _rise(held, shape.orders, image.encoding) and not _rise(entries, index.orders, image.encoding):
        return 0
    return strange


def _rise(records: Iterable[list[Value]], orders: tuple[Order, ...], encoding: str) -> bool:
    """Answer whether records lie in the order of their tree; also where that order is not known."""
    if not known(orders):
        return True
    places = (sort_key(values[: len(orders)], orders, encoding) for values in records)
    return all(one <= other for one, other in pairwise(places))
