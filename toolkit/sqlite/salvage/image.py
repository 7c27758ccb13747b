"""The private copy that is mended: its pages can be written, and new ones are added at its end."""

from __future__ import annotations

import os
import struct

from toolkit.sqlite.header import MAGIC
from toolkit.sqlite.pages.geometry import Geometry
from toolkit.sqlite.pages.source import PageSource

ENCODINGS = {1: "UTF-8", 2: "UTF-16le", 3: "UTF-16be"}


class Image(PageSource):
    """A copy of a database whose header is believable. Raises `OSError`, as all that writes."""

    def __init__(self, path: str | os.PathLike[str], geometry: Geometry) -> None:
        super().__init__(path, geometry)
        self._writing = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        self.end = geometry.page_count
        self.free = (0, 0)
        self.header = self.page(1)[:100]
        self.encoding = ENCODINGS.get(self.header[59], "UTF-8")

    def close(self) -> None:
        """Close the file."""
        super().close()
        if self._writing >= 0:
            os.close(self._writing)
            self._writing = -1

    def write(self, number: int, page: bytes) -> None:
        """Replace the page `number`."""
        size = self.geometry.page_size
        os.pwrite(self._writing, page.ljust(size, b"\0"), (number - 1) * size)

    def new(self) -> int:
        """Return the number of a new page at the end; it holds zeros until it is written."""
        self.end += 1
        if self.end == self.geometry.lock_page:
            self.end += 1
        return self.end

    def finish(self) -> bytes:
        """Make the file as long as its pages; return a header for it: no pointer map, rollback mode.

        Its freelist is `free`: the first trunk, and how many pages.
        """
        header = bytearray(self.header)
        size = self.geometry.page_size
        os.ftruncate(self._writing, self.end * size)
        header[:16] = MAGIC
        header[16:18] = (size & 0xFFFF if size < 65536 else 1).to_bytes(2, "big")
        header[18:24] = bytes((1, 1, self.geometry.reserved, 64, 32, 32))
        counter = struct.unpack_from(">I", header, 24)[0]
        struct.pack_into(">4I", header, 24, counter, self.end, *self.free)
        if not 1 <= int.from_bytes(header[44:48], "big") <= 4:
            header[44:48] = b"\0\0\0\4"
        header[52:56] = header[64:68] = bytes(4)
        if not 1 <= int.from_bytes(header[56:60], "big") <= 3:
            header[56:60] = b"\0\0\0\1"
        struct.pack_into(">I", header, 92, counter)
        header[72:92] = bytes(20)
        return bytes(header)
