"""SHA-256 of large contents in a thread beside the one that reads or writes them.

hashlib releases the GIL, so a second core hashes one piece while the first fetches the next. Small pieces
are hashed at once: handing them over would cost more than it saves.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

LARGE = 256 * 1024
"""Bytes from which on a piece is handed to the thread."""

_AHEAD = 4

_pool: ThreadPoolExecutor | None = None


def _thread() -> ThreadPoolExecutor:
    global _pool  # noqa: PLW0603 - one thread for the process, made when the first large piece comes
    if _pool is None:
        _pool = ThreadPoolExecutor(1, "hashing")
    return _pool


def _forget_in_child() -> None:
    """A forked child has the pool but not its thread: it would wait for ever."""
    global _pool  # noqa: PLW0603
    _pool = None


os.register_at_fork(after_in_child=_forget_in_child)


class Digest:
    """A SHA-256 that is fed in order; pieces must not be changed after they were given to `update`."""

    __slots__ = ("_sha", "_waiting")

    def __init__(self) -> None:
        self._sha = hashlib.sha256()
        self._waiting: deque[Future[None]] = deque()

    def update(self, piece: bytes | memoryview) -> None:
        """Take the next bytes; at most a few large pieces are held at a time."""
        if len(piece) < LARGE:
            self._settle(0)
            self._sha.update(piece)
            return
        self._waiting.append(_thread().submit(self._sha.update, piece))
        self._settle(_AHEAD)

    def _settle(self, left: int) -> None:
        while len(self._waiting) > left:
            self._waiting.popleft().result()

    def hexdigest(self) -> str:
        """Return the digest of all that was given."""
        self._settle(0)
        return self._sha.hexdigest()
