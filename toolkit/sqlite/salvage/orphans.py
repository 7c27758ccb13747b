"""Pages that nothing refers to, carved for every table that could have held them; many by two processes."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

from toolkit.events import ShouldStop
from toolkit.sqlite import second
from toolkit.sqlite.salvage.carve import Row, carve
from toolkit.sqlite.salvage.contain import of_all
from toolkit.sqlite.salvage.image import Image
from toolkit.sqlite.salvage.shape import Shape
from toolkit.sqlite.salvage.survey import Survey

BATCH = 8 * 1024 * 1024
"""Bytes of pages whose rows are in memory at once."""

FEW = 200
"""Pages that are carved sooner than a second process has begun."""

Carved = list[list[Row]] | Exception
"""The rows of a page by table; or why there are none."""


def carved(
    image: Image, pages: Sequence[int], shapes: Sequence[Shape], should_stop: ShouldStop
) -> Iterator[tuple[int, Carved]]:
    """Yield the rows that each page has for a table of each shape. Raises `OSError`, `CancelledError`."""
    step = max(1, BATCH // image.geometry.page_size)
    for at in range(0, len(pages), step):
        batch = pages[at : at + step]
        if len(batch) < FEW or not second.has_room():
            yield from _carved(image, batch, shapes)
            continue
        half = functools.partial(_all_carved, image, batch[1::2], shapes)
        with second.Second(half, keep=[image.descriptor]) as other:
            mine = _all_carved(image, batch[::2], shapes)
            found = dict([*mine, *other.result(should_stop)])
        yield from ((page, found[page]) for page in batch)


def _carved(image: Image, pages: Sequence[int], shapes: Sequence[Shape]) -> Iterator[tuple[int, Carved]]:
    for page in pages:
        try:
            yield page, [carve(image, page, shape, image.encoding).rows for shape in shapes]
        except Exception as error:
            if of_all(error):
                raise
            yield page, error


def _all_carved(image: Image, pages: Sequence[int], shapes: Sequence[Shape]) -> list[tuple[int, Carved]]:
    return list(_carved(image, pages, shapes))


def rooted(survey: Survey) -> bool:
    """Answer whether sound pages of trees, with cells, belong to nothing."""
    found = survey.found
    return any(found.kinds[page] and found.counts[page] and page not in found.faults for page in survey.orphans())
