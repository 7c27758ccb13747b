"""Damaged WITHOUT ROWID tables: their rows lie in index pages, interior ones too, and are taken out one by one."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from toolkit.sqlite.pages import node as nodes
from toolkit.sqlite.pages import record
from toolkit.sqlite.pages.chains import payload_from
from toolkit.sqlite.salvage import build
from toolkit.sqlite.salvage.carve import carve
from toolkit.sqlite.salvage.profile import Profile
from toolkit.sqlite.salvage.shape import Shape
from toolkit.sqlite.salvage.survey import Survey, Tree


@dataclass(slots=True)
class Unkeyed:
    """A plain tree of the records of a WITHOUT ROWID table in the mended copy: its root, how many were carved.

    `missing` are cells of its pages that could not be read.
    """

    root: int
    shape: Shape
    rows: int = 0
    carved: int = 0
    missing: int = 0

    @classmethod
    def collect(
        cls, survey: Survey, tree: Tree, shape: Shape, profile: Profile | None = None, *, assumed: bool = False
    ) -> Unkeyed:
        """Write the records of all pages of `tree`, and of orphans that fit and have new keys, into a plain tree."""
        image = survey.image
        taken = cls(0, shape)
        seen: set[bytes] = set()
        held = [(page, False) for page in tree.inner] + [(one.page, one.broken) for one in tree.places if one.page]
        lone = []
        if tree.holes:
            lone = [page for page in survey.orphans() if survey.found.kinds[page] in (0, 2, 10)]
        payloads = []

        def short(records: list[tuple[bytes, bytes]]) -> bool:
            """Answer whether these are rather entries of an index: fewer values, or others than the table's."""
            if any(len(record.serials(payload)[0]) < len(shape.columns) for payload, _ in records):
                return True
            if profile is None or not profile.rows:
                return assumed
            return sum(profile.likeness(record.decode(payload)) for payload, _ in records) < -3 * len(records)

        for page, broken in [*held, *((page, True) for page in lone)]:
            records = _records(survey, page, shape, broken=broken or page in survey.found.faults)
            if page in lone and (len(records) < max(1, survey.found.counts[page]) or short(records)):
                continue
            if page not in lone:
                taken.missing += max(0, min(survey.found.counts[page], 65535) - len(records))
            for payload, key in records:
                if key not in seen:
                    seen.add(key)
                    payloads.append(payload)
                    taken.carved += broken
        taken.rows = len(payloads)
        leaves = build.write_leaves(
            image, ((at, build.cell_of(image, at, payload)) for at, payload in enumerate(payloads, 1))
        )
        taken.root = build.table_tree(image, [(page, last) for page, _, last in leaves])
        return taken


def _records(survey: Survey, number: int, shape: Shape, *, broken: bool) -> list[tuple[bytes, bytes]]:
    """Return (record, its key as bytes) of the cells of a page that fit the shape."""
    image = survey.image
    if broken:
        rows = carve(image, number, shape, image.encoding).rows
        return [(record.encode(row.values), record.encode(row.values[: shape.keys])) for row in rows]
    page = image.page(number)
    found = []
    for cell in nodes.parse(page, number, image.geometry).cells:
        payload = payload_from(image, page, cell)
        with contextlib.suppress(ValueError):
            values = record.decode(payload or b"")
            if payload is not None and shape.misfit(values, image.encoding) is None:
                found.append((payload, record.encode(values[: shape.keys])))
    return found


def misfits(survey: Survey, number: int, shape: Shape) -> int:
    """Count the rows of a sound page that are no records of this table."""
    return survey.found.counts[number] - len(_records(survey, number, shape, broken=False))
