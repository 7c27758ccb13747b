"""Which pages of a mended image no tree holds: they become its freelist, without a walk over what was not written."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from toolkit.sqlite.pages import node as nodes
from toolkit.sqlite.pages.geometry import INTERIOR_TABLE
from toolkit.sqlite.pages.scan import PageMap
from toolkit.sqlite.salvage.freeing import trunks
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
    for page, content in trunks(free, geometry):
        image.write(page, content)
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
        stack, used, end = [root], self.used, self.image.end
        interior, old = self.found.interior, self.found.geometry.page_count
        while stack:
            page = stack.pop()
            if not 1 < page <= end or used[page]:
                return False
            used[page] = 1
            if page <= old:
                if page in interior:
                    stack.extend(interior[page][0])
            elif not self.new(page, stack):
                return False
        return True

    def new(self, page: int, stack: list[int]) -> bool:
        """Take the chains of a page that was written since, and add its children to `stack`."""
        data = self.image.page(page)
        if data[0] == INTERIOR_TABLE:
            count = int.from_bytes(data[3:5], "big")
            stack += [int.from_bytes(data[at : at + 4], "big") for at in struct.unpack_from(f">{count}H", data, 12)]
            stack.append(int.from_bytes(data[8:12], "big"))
            return True
        node = nodes.parse(data, page, self.image.geometry)
        stack.extend(node.children)
        return all(self.chain(cell.overflow, cell.payload - cell.local) for cell in node.cells if cell.overflow)

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
