"""The records of sound leaves of a WITHOUT ROWID table as bytes: of a large file, in which not every row is read.

How records lie that begin with the same header is worked out once, as that of an index (`remains`).
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from toolkit.sqlite.pages import record, varint
from toolkit.sqlite.pages.geometry import LEAF_INDEX
from toolkit.sqlite.pages.scan import PageMap
from toolkit.sqlite.salvage.image import Image
from toolkit.sqlite.salvage.shape import Shape
from toolkit.sqlite.salvage.torn import torn_blocks


class _Layout(NamedTuple):
    """How long a record with this header is, and where in it the key ends: among the serial types, among the values."""

    size: int
    types: int
    values: int


class PlainRows:
    """Reads leaves of one table."""

    def __init__(self, image: Image, found: PageMap, shape: Shape) -> None:
        self._image, self._found, self._shape = image, found, shape
        self._layouts: dict[bytes, _Layout | None] = {}

    def of(self, number: int) -> list[tuple[bytes, int]] | None:
        """Return each record of a sound leaf with the checksum of its key; None for a page that must be read by value.

        That is one with a record that overflows, or whose types alone do not tell that it is one of the table.
        """
        found, geometry = self._found, self._image.geometry
        if found.kinds[number] != LEAF_INDEX or number in found.faults:
            return None
        page, layouts, most = self._image.page(number), self._layouts, min(0x3FFF, geometry.index_local)
        if torn_blocks(page, geometry.usable):
            return None
        rows = []
        for pointer in struct.unpack_from(f">{found.counts[number]}H", page, 8):
            size, start = page[pointer], pointer + 1
            if size > 0x7F:
                size, start = (size & 0x7F) << 7 | page[start], start + 1
                if page[start - 1] > 0x7F:
                    return None
            end = page[start]
            header = page[start : start + end]
            if header not in layouts:
                layouts[header] = self._layout(header)
            layout = layouts[header]
            if layout is None or size > most or size != layout.size:
                return None
            payload = page[start : start + size]
            rows.append((payload, zlib.crc32(payload[end : layout.values], zlib.crc32(payload[1 : layout.types]))))
        return rows

    def _layout(self, header: bytes) -> _Layout | None:
        """Return how records with this header lie; None where they are none of the table, or only their values tell."""
        try:
            serials, at = record.serials(header)
            sizes = [record.serial_size(serial) for serial in serials]
        except ValueError:
            return None
        columns = self._shape.columns
        if at > 0x7F or not self._shape.least <= len(serials) <= len(columns):
            return None
        for column, serial in zip(columns, serials, strict=False):
            text = serial > 12 and serial % 2 == 1
            if column.strict or column.key or (serial == 0 and column.not_null):
                return None
            if column.affinity == "TEXT" and 0 < serial < 12:
                return None
            if text and column.affinity in ("INTEGER", "REAL", "NUMERIC"):
                return None
        key = b"".join(map(varint.write, serials[: self._shape.keys]))
        return _Layout(at + sum(sizes), 1 + len(key), at + sum(sizes[: self._shape.keys]))


def checksum(key: bytes) -> int:
    """Return the checksum of a key that is a record of its own, the one that `PlainRows.of` gives with it."""
    end = key[0]
    return zlib.crc32(key[end:], zlib.crc32(key[1:end]))
