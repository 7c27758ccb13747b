"""SHA-256 of large contents in a thread beside the one that reads or writes them; small pieces are hashed at once."""

from __future__ import annotations

import hashlib

from toolkit.beside import LARGE, Beside

_AHEAD = 4


class Digest:
    """A SHA-256 that is fed in order; pieces must not be changed after they were given to `update`."""

    __slots__ = ("_beside", "_sha")

    def __init__(self) -> None:
        self._sha = hashlib.sha256()
        self._beside: Beside | None = None

    def update(self, piece: bytes | memoryview) -> None:
        """Take the next bytes; at most a few large pieces are held at a time."""
        if len(piece) < LARGE:
            if self._beside is not None:
                self._beside.settle()
            self._sha.update(piece)
            return
        if self._beside is None:
            self._beside = Beside("hashing", ahead=_AHEAD)
        self._beside.do(self._sha.update, piece)

    def hexdigest(self) -> str:
        """Return the digest of all that was given."""
        if self._beside is not None:
            self._beside.settle()
        return self._sha.hexdigest()
