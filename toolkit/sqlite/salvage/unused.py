"""The pages of a mended image that no tree holds become its freelist (SQLite file format, section 1.5)."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from toolkit.sqlite.pages import node as nodes
from toolkit.sqlite.pages.scan import PageMap
from toolkit.sqlite.salvage.image import Image


def free_unused(image: Image, found: PageMap, roots: Iterable[int]) -> bool:
    """Enter all pages but those of the trees at `roots`, and page 1, in the freelist of `image`.

    `found` is what a scan saw of its first pages, which were not written since. Nothing is done, and False returned,
    when a page would have two places: then it is not known what is free. Raises `OSError`.
    """
    pages = _Used(image, found)
    if not all(pages.tree(root) for root in roots) or not pages.chains():
        return False
    geometry = image.geometry
    free = [page for page, used in enumerate(pages.used) if not used and page != geometry.lock_page]
    each = geometry.usable // 4 - 8  # the last six are left out for libraries before 3.6.0
    groups = [free[at : at + each + 1] for at in range(0, len(free), each + 1)]
    for group, following in zip(groups, [*groups[1:], [0]], strict=bool(groups)):
        leaves = group[1:]
        image.write(group[0], struct.pack(f">II{len(leaves)}I", following[0], len(leaves), *leaves))
    image.free = (free[0], len(free)) if free else (0, 0)
    return True


class _Used:
    """Which pages have a place: `used` is 1 for each."""

    def __init__(self, image: Image, found: PageMap) -> None:
        self.image, self.found = image, found
        self.used = bytearray(image.end + 1)
        self.used[0] = self.used[1] = 1

    def take(self, page: int) -> bool:
        """Note a page; answer whether it is there and was not yet taken."""
        if not 1 < page <= self.image.end or self.used[page]:
            return False
        self.used[page] = 1
        return True

    def tree(self, root: int) -> bool:
        """Take the pages of a tree, and the chains that hang on its new pages."""
        stack = [root]
        while stack:
            page = stack.pop()
            if not self.take(page):
                return False
            if page <= self.found.geometry.page_count:
                if page in self.found.interior:
                    stack.extend(self.found.interior[page][0])
                continue
            node = nodes.parse(self.image.page(page), page, self.image.geometry)
            stack.extend(node.children)
            for cell in node.cells:
                if cell.overflow and not self.chain(cell.overflow, cell.payload - cell.local):
                    return False
        return True

    def chains(self) -> bool:
        """Take the chains of the old pages that trees hold."""
        found, room = self.found, self.image.geometry.usable - 4
        return all(
            self.chain(head, length * room)
            for owner, head, length in zip(found.owners, found.heads, found.lengths, strict=True)
            if self.used[owner]
        )

    def chain(self, page: int, rest: int) -> bool:
        """Take the pages of one overflow chain that holds `rest` bytes."""
        old, room = self.found.geometry.page_count, self.image.geometry.usable - 4
        while rest > 0:
            if not self.take(page):
                return False
            page = self.found.following[page] if page <= old else int.from_bytes(self.image.page(page)[:4], "big")
            rest -= room
        return page == 0
