"""Rows whose page was lost, put together from the indexes of their table, where these hold every column of it.

An entry of an index is a copy of some columns of a row, with its rowid. The indexes of a table that only says what
belongs to what often hold all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from toolkit.sqlite.order import known, sort_key
from toolkit.sqlite.pages import record, rows
from toolkit.sqlite.pages.record import Value
from toolkit.sqlite.salvage import build
from toolkit.sqlite.salvage.adopt import Target
from toolkit.sqlite.salvage.carve import Row
from toolkit.sqlite.salvage.image import Image
from toolkit.sqlite.salvage.shape import Index, Shape
from toolkit.sqlite.salvage.survey import Survey, Tree
from toolkit.sqlite.salvage.witness import sound_indexes


@dataclass(frozen=True, slots=True)
class _Copy:
    """A sound index of all rows: its root, and the place in the records of each of its columns (-1: none)."""

    root: int
    index: Index
    places: tuple[int, ...]


def restore(survey: Survey, target: Target, trees: Mapping[str, Tree]) -> int:
    """Give `target` the rows that it lacks and that its sound indexes, among `trees`, hold whole; return how many.

    Raises `OSError`.
    """
    copies = list(_copies(survey, target.shape, trees))
    needed = {at for at, column in enumerate(target.shape.columns) if not column.key}
    if not target.allowed or target.shape.nodes or not needed <= {place for one in copies for place in one.places}:
        return 0
    before = len(target.carved)
    for rowid, values in list(_joined(survey.image, target, copies, sorted(needed))):
        payload = record.encode(values)
        target.carved[rowid] = Row(rowid, build.cell_of(survey.image, rowid, payload), values, 0, 0)
    return len(target.carved) - before


def _copies(survey: Survey, shape: Shape, trees: Mapping[str, Tree]) -> Iterator[_Copy]:
    for index, tree in sound_indexes(survey, trees, shape):
        if known(index.orders):
            yield _Copy(tree.root, index, tuple(shape.positions.get(number, -1) for number in index.columns))


def _joined(
    image: Image, target: Target, copies: Sequence[_Copy], needed: Sequence[int]
) -> Iterator[tuple[int, list[Value]]]:
    """Yield (rowid, values) of the rows that are whole in the indexes, which agree on them."""
    parts: dict[int, dict[int, Value]] = {}
    contested: set[int] = set()
    for one in copies:
        for rowid, values in _entries(image, one, target).items():
            part = parts.setdefault(rowid, {})
            for place, value in zip(one.places, values, strict=False):
                if place in needed and part.setdefault(place, value) != value:
                    contested.add(rowid)
    for rowid in sorted(parts.keys() - contested):
        part = parts[rowid]
        if all(place in part for place in needed):
            row = [part.get(place) for place in range(len(target.shape.columns))]
            if target.fits(row, image.encoding):
                yield rowid, row


def _entries(image: Image, one: _Copy, target: Target) -> dict[int, list[Value]]:
    """Return by rowid the entries of rows that are missing; none of an index whose keys do not rise.

    For that one holds a page of something else.
    """
    told: dict[int, list[Value]] = {}
    last: tuple[object, ...] | None = None
    for _, values in rows.rows(image, one.root):
        if len(values) != len(one.places) or not isinstance(values[-1], int):
            return {}
        key = sort_key(values, one.index.orders, image.encoding)
        if last is not None and key <= last:
            return {}
        last = key
        if target.lacks(values[-1]):
            told[values[-1]] = values
    return told
