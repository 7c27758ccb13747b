"""Pages of a private database that nothing holds become its freelist (SQLite file format, section 1.5)."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from toolkit.sqlite.pages.scan import scan
from toolkit.sqlite.pages.source import PageSource
from toolkit.sqlite.pages.walk import Walker, geometry_of


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
    each = geometry.usable // 4 - 8  # the last six are left out for libraries before 3.6.0
    groups = [unused[at : at + each + 1] for at in range(0, len(unused), each + 1)]
    with open(path, "r+b") as file:
        for group, following in zip(groups, [*groups[1:], [0]], strict=True):
            file.seek((group[0] - 1) * geometry.page_size)
            leaves = group[1:]
            file.write(
                struct.pack(f">II{len(leaves)}I", following[0], len(leaves), *leaves).ljust(geometry.page_size, b"\0")
            )
        file.seek(32)
        file.write(struct.pack(">II", unused[0] if unused else 0, len(unused)))
    return len(unused)
