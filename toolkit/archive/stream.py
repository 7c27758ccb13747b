"""A sequence of byte chunks as something that tar can be read from."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.errors import ArchiveDamagedError


class ByteStream:
    """Reads exact amounts from an iterator of chunks without copying large ones."""

    __slots__ = ("_chunks", "_position", "_view")

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._view = memoryview(b"")
        self._position = 0

    def _more(self) -> bool:
        """Go to the next chunk; False at the end."""
        for chunk in self._chunks:
            if chunk:
                self._view = memoryview(chunk)
                self._position = 0
                return True
        self._view = memoryview(b"")
        self._position = 0
        return False

    def some(self, limit: int) -> memoryview:
        """Return between 1 and `limit` bytes.

        Raises `ArchiveDamagedError` at the end of the stream.
        """
        if self._position == len(self._view) and not self._more():
            raise ArchiveDamagedError("the archive ends in the middle of a member")
        piece = self._view[self._position : self._position + limit]
        self._position += len(piece)
        return piece

    def exactly(self, size: int) -> bytes:
        """Return `size` bytes.

        Raises `ArchiveDamagedError` when there are fewer.
        """
        end = self._position + size
        if end <= len(self._view):
            data = bytes(self._view[self._position : end])
            self._position = end
            return data
        parts = []
        while size:
            piece = self.some(size)
            parts.append(bytes(piece))
            size -= len(piece)
        return b"".join(parts)

    def at_hand(self, size: int, padding: int) -> memoryview | None:
        """Return the next `size` bytes and go past `padding` more; None, and stay, where they are not there yet."""
        end = self._position + size
        if end + padding > len(self._view):
            return None
        data = self._view[self._position : end]
        self._position = end + padding
        return data

    def exactly_or_end(self, size: int) -> bytes | None:
        """Return `size` bytes, or None where the stream ends before the first of them."""
        if self._position == len(self._view) and not self._more():
            return None
        return self.exactly(size)

    def skip(self, size: int) -> None:
        """Go past `size` bytes."""
        while size:
            size -= len(self.some(size))

    def drain(self) -> None:
        """Read to the end, so that what lies behind the last member is checked too."""
        while self._more():
            pass
