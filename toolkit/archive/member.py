"""What every reader yields: one member of an archive, whatever the format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from toolkit.filelist import FileType
from toolkit.hashing import Digest

PIECE = 1024 * 1024
_ZEROS = bytes(PIECE)


@dataclass(slots=True)
class Member:
    """A member as the archive has it; its name is unescaped and not yet checked by `names.NameGuard`.

    `size` is the logical size in bytes, `pieces` yields `size` bytes less those in `holes`, once, and
    only until the next member is asked for. `data` has them too where all of them were at hand. A member with
    `link_to` has no content of its own.
    """

    name: bytes
    type: FileType
    size: int
    pieces: Iterator[bytes | memoryview]
    target: bytes = b""
    link_to: bytes | None = None
    holes: tuple[tuple[int, int], ...] = ()
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime_ns: int = 0
    user: bytes = b""
    group: bytes = b""
    data: memoryview | None = None

    @property
    def data_size(self) -> int:
        """Bytes that `pieces` yields."""
        return self.size - sum(length for _, length in self.holes)


class HoleDigest:
    """The SHA-256 of a logical content whose holes (which read as zeros) are not in the data."""

    __slots__ = ("_holes", "_position", "_sha", "data")

    def __init__(self, holes: Iterable[tuple[int, int]] = ()) -> None:
        self._sha = Digest()
        self._holes = list(holes)[::-1]
        self._position = 0
        self.data = 0

    def update(self, piece: bytes | memoryview) -> None:
        """Take the next bytes of data."""
        self.data += len(piece)
        if not self._holes:
            self._sha.update(piece)
            return
        view = memoryview(piece)
        while self._holes and self._position + len(view) > self._holes[-1][0]:
            offset, length = self._holes.pop()
            until = offset - self._position
            self._sha.update(view[:until])
            view = view[until:]
            self._zeros(length)
            self._position = offset + length
        self._sha.update(view)
        self._position += len(view)

    def hexdigest(self) -> str:
        """Return the digest, after the holes at the end."""
        while self._holes:
            self._zeros(self._holes.pop()[1])
        return self._sha.hexdigest()

    def _zeros(self, length: int) -> None:
        whole, rest = divmod(length, PIECE)
        for _ in range(whole):
            self._sha.update(_ZEROS)
        self._sha.update(memoryview(_ZEROS)[:rest])


def fill_holes(pieces: Iterable[bytes | memoryview], size: int, holes: tuple[tuple[int, int], ...]) -> Iterator[bytes]:
    """Yield the `size` bytes of a logical content from its data `pieces`, holes as zeros."""
    position = 0
    waiting = list(holes)[::-1]
    for piece in pieces:
        view = memoryview(piece)
        while waiting and position + len(view) > waiting[-1][0]:
            offset, length = waiting.pop()
            until = offset - position
            if until:
                yield bytes(view[:until])
            view = view[until:]
            yield from _zero_pieces(length)
            position = offset + length
        if view:
            yield bytes(view)
        position += len(view)
    yield from _zero_pieces(size - position)


def _zero_pieces(length: int) -> Iterator[bytes]:
    whole, rest = divmod(length, PIECE)
    for _ in range(whole):
        yield _ZEROS
    if rest:
        yield _ZEROS[:rest]
