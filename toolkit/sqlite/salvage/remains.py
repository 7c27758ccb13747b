"""What is left of a damaged index speaks of the rows of its table: in the keys that it still holds without a hole."""

from __future__ import annotations

from collections.abc import Callable

from toolkit.sqlite.account import Remains
from toolkit.sqlite.order import known, sort_key
from toolkit.sqlite.pages import node as nodes
from toolkit.sqlite.pages import record
from toolkit.sqlite.pages.chains import payload_from
from toolkit.sqlite.salvage.shape import Index, Shape
from toolkit.sqlite.salvage.stretches import Entries, Entry, stretches
from toolkit.sqlite.salvage.survey import Survey, Tree

MOST_ENTRIES = 400_000
"""Entries of an index that are looked at."""


def remains(survey: Survey, tree: Tree, shape: Shape, index: Index, inside: Callable[[int], bool]) -> Remains | None:
    """Return what the index at `tree` still says of the rows whose rowid is `inside` a gap; None where it says nothing.

    None also for an index of some rows only, of expressions, by a collation that is the application's.
    """
    places = [shape.positions.get(number, -1) for number in index.columns[:-1]]
    found, image = survey.found, survey.image
    pages = {*tree.inner, *(one.page for one in tree.places if one.page and not one.broken)}
    if index.partial or not places or min(places) < 0 or not known(index.orders) or tree.root not in pages:
        return None
    if sum(found.counts[page] for page in pages) > MOST_ENTRIES:
        return None
    named: dict[int, tuple[object, ...]] = {}

    def entries(number: int) -> Entries | None:
        if number not in pages:
            return None
        page = image.page(number)
        cells: list[Entry] = []
        for cell in nodes.parse(page, number, image.geometry).cells:
            payload = payload_from(image, page, cell)
            try:
                values = record.decode(payload or b"")
            except ValueError:
                values = []
            sound = payload is not None and len(values) == len(index.columns) and isinstance(values[-1], int)
            cells.append(values if sound else None)
            rowid = values[-1] if sound else None
            if isinstance(rowid, int) and inside(rowid):
                named[rowid] = sort_key(values, index.orders, image.encoding)
        return Entries(cells)

    held = [
        (
            None if one.before == 0 and at == 0 else sort_key(one.first, index.orders, image.encoding),
            None if one.behind == 0 else sort_key(one.last, index.orders, image.encoding),
        )
        for at, one in enumerate(stretches(found, [tree.root], entries))
    ]
    columns = tuple(shape.columns[place].name for place in places)
    return Remains(columns, index.orders, image.encoding, tuple(held), named) if held else None
