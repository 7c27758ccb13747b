"""A database that was taken for text in Latin-1 or Windows-1252 and written anew as UTF-8: undone byte for byte.

Each byte from 128 on became two or three.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from toolkit.sqlite.pagegrid import Read

STEP = 1 << 20
LEAST = 16
"""Characters that are no ASCII in the beginning of a file, fewer of which tell nothing."""

_WINDOWS = {
    ord(bytes([byte]).decode("cp1252")): byte for byte in range(0x80, 0xA0) if byte not in b"\x81\x8d\x8f\x90\x9d"
}


def head(sample: bytes) -> bytes | None:
    """Return the bytes that `sample`, the beginning of a file, was made of; None where it was not made so."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(sample)
        found = text.translate(_WINDOWS).encode("latin-1")
    except UnicodeError:
        return None
    return found if sum(byte >= 0x80 for byte in found) >= LEAST else None


def before(read: Read, size: int) -> Iterator[bytes]:
    """Yield the bytes of which a file was made. Raises `UnicodeError` where it was not made so after all."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for offset in range(0, size, STEP):
        text = decoder.decode(read(offset, STEP), final=offset + STEP >= size)
        yield text.translate(_WINDOWS).encode("latin-1")


def length(read: Read, size: int) -> int:
    """Return how many bytes the file had, -1 where it was not made so."""
    try:
        return sum(map(len, before(read, size)))
    except UnicodeError:
        return -1
