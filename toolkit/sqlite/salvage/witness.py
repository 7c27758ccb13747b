"""A sound index of a damaged table as a witness: which rowids existed, and with which values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from toolkit.sqlite.pages import rows as reading
from toolkit.sqlite.pages.record import Value
from toolkit.sqlite.pages.source import PageSource
from toolkit.sqlite.salvage.shape import Index, Shape
from toolkit.sqlite.salvage.survey import Survey, Tree

MOST_ROWS = 400_000
"""Entries of an index that are kept in memory."""


@dataclass(slots=True)
class Witness:
    """What one index says: its first column by rowid, and which column of the records that is (-1: not compared)."""

    column: int
    values: dict[int, Value] = field(default_factory=dict)

    def agrees(self, rows: list[tuple[int, list[Value]]]) -> bool:
        """Answer whether the index names nine in ten of these rows, with their values."""
        return sum(self.confirms(rowid, values) for rowid, values in rows) * 10 >= len(rows) * 9

    def confirms(self, rowid: int, values: list[Value]) -> bool:
        """Answer whether the index has an entry for this very row."""
        if rowid not in self.values:
            return False
        if not 0 <= self.column < len(values):
            return True
        said, value = self.values[rowid], values[self.column]
        if isinstance(value, int | float) and isinstance(said, int | float):
            return float(value) == float(said)
        return said == value


def listen(source: PageSource, root: int, shape: Shape, index: Index) -> Witness | None:
    """Return what the sound index at `root` says of a rowid table; None when it is too large or not of whole rows."""
    first = index.columns[0] if index.columns else -2
    column = shape.positions.get(first, -1)
    if column >= 0 and shape.columns[column].key:
        column = -1
    witness = Witness(column)
    for count, (_, values) in enumerate(reading.rows(source, root)):
        if count >= MOST_ROWS:
            return None
        if len(values) < 2 or not isinstance(values[-1], int):
            return None
        witness.values[values[-1]] = values[0]
    return witness if witness.values else None


def sound_indexes(survey: Survey, trees: Mapping[str, Tree], shape: Shape) -> Iterator[tuple[Index, Tree]]:
    """Yield the indexes of all rows of a table that are whole, with their trees; not those too large to be read."""
    for index in shape.indexes:
        tree = trees.get(index.name)
        if tree is None or tree.damaged or index.partial:
            continue
        pages = [*tree.inner, *(place.page for place in tree.places)]
        broken = any(page in survey.broken_chains for page in pages)
        if not broken and sum(survey.found.counts[page] for page in pages) <= MOST_ROWS:
            yield index, tree


def of(survey: Survey, trees: Mapping[str, Tree], shape: Shape) -> Witness | None:
    """Return what one of the sound indexes of a rowid table, among `trees`, says of it."""
    for index, tree in sound_indexes(survey, trees, shape):
        heard = listen(survey.image, tree.root, shape, index)
        if heard is not None:
            return heard
    return None
