"""The freelist (SQLite file format, section 1.5): made of the pages of a sound private database that nothing holds."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from toolkit.sqlite.pages.geometry import Geometry
from toolkit.sqlite.pages.scan import scan
from toolkit.sqlite.pages.source import PageSource
from toolkit.sqlite.pages.walk import Walker, geometry_of


def trunks(free: Sequence[int], geometry: Geometry) -> Iterator[tuple[int, bytes]]:
    """Yield the pages, with their content, of a freelist of the pages `free`; it begins at the first of them."""
    each = geometry.usable // 4 - 8  # the last six are left out for libraries before 3.6.0
    groups = [free[at : at + each + 1] for at in range(0, len(free), each + 1)]
    for number, (trunk, *leaves) in enumerate(groups, 1):
        following = groups[number][0] if number < len(groups) else 0
        content = struct.pack(f">II{len(leaves)}I", following, len(leaves), *leaves)
        yield trunk, content.ljust(geometry.page_size, b"\0")


def free_unused(path: Path) -> int:
    """Enter all pages of `path` that no tree holds in a new freelist; return how many. The file is sound otherwise.

    Raises `OSError`, `ValueError`.
    """
    with open(path, "rb") as file:
        geometry = geometry_of(file.read(100), os.stat(path).st_size)
    with PageSource(path, geometry) as source:
        walker = Walker(source, scan(source))
        for _ in walker.all():
            pass
        unused = [page for page in range(2, geometry.page_count + 1) if not walker.used[page]]
    if not unused:
        return 0
    with open(path, "r+b") as file:
        for page, content in trunks(unused, geometry):
            file.seek((page - 1) * geometry.page_size)
            file.write(content)
        file.seek(32)
        file.write(struct.pack(">II", unused[0], len(unused)))
    return len(unused)
