"""A file whose beginning is missing: its pages lie before their places, and each is named by another number.

The children of an interior page are named by number, with the largest rowid that each holds (SQLite file format,
section 1.6): a leaf that ends with just that rowid tells where its number lies. Where most say the same, as many pages
are missing before the first.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from pathlib import Path

from toolkit.sqlite.envelope import Envelope
from toolkit.sqlite.header import is_database
from toolkit.sqlite.pages import node as nodes
from toolkit.sqlite.pages.geometry import INTERIOR_TABLE, LEAF_TABLE, Geometry
from toolkit.sqlite.pages.node import Node
from toolkit.sqlite.pages.scan import PageMap, scan
from toolkit.sqlite.pages.source import PageSource

LARGEST = 512 * 1024 * 1024
"""Files up to this size are worth a look: it takes another copy."""

_LEAST = 3


def missing(path: Path, found: Envelope) -> int:
    """Return how many bytes are missing before the first one of the file; 0 where nothing tells. Raises `OSError`."""
    if found.kind != "database" or found.first_page or found.size > LARGEST or found.pages < _LEAST:
        return 0
    with open(path, "rb") as file:
        file.seek(found.begin)
        if is_database(file.read(100)):
            return 0
    geometry = Geometry(found.page_size, found.reserved, found.pages, auto_vacuum=False)
    with PageSource(path, geometry, found.begin) as pages:
        first = nodes.parse(pages.page(1), 2, geometry)  # no page 1: its header is at its beginning
        off = _off(scan(pages), first)
    return max(0, off * found.page_size - found.begin)


def _off(found: PageMap, first: Node) -> int:
    """Return by how many places the pages lie too early, 0 where they do not or nothing tells."""
    ends = defaultdict(list)
    for place in range(2, len(found.kinds)):
        if found.kinds[place] == LEAF_TABLE and place not in found.faults and found.counts[place]:
            ends[found.last[place]].append(place)
    sound = [page for page in found.interior if page > 1 and page not in found.faults]
    named = [found.interior[page] for page in sound if found.kinds[page] == INTERIOR_TABLE]
    if first.kind == INTERIOR_TABLE and not first.faults:
        named.append((tuple(first.children), tuple(cell.rowid for cell in first.cells)))
    votes = Counter[int]()
    for children, rowids in named:
        for child, last in zip(children, rowids, strict=False):
            votes.update(child - place for place in ends.get(last, ()) if len(ends[last]) == 1)
    (off, count), *_ = votes.most_common(1) or [(0, 0)]
    return off if off > 0 and count >= _LEAST and count * 2 > votes.total() else 0


def restore(path: Path, target: Path, lost: int) -> None:
    """Copy a file to `target` with zeros where its beginning was. Raises `OSError`."""
    with open(target, "wb") as out, open(path, "rb") as file:
        out.seek(lost)
        while piece := file.read(1 << 20):
            out.write(piece)
        out.truncate(lost + os.fstat(file.fileno()).st_size)
