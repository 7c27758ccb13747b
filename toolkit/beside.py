"""Work in one thread beside the one that asks for it, in order and with little in hand.

Hashing and writing release the GIL, so a second core does them while the first fetches the next piece.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

LARGE = 256 * 1024
"""Bytes from which on a piece is worth handing over; less costs more than it saves."""

_threads: dict[str, ThreadPoolExecutor] = {}


def _forget_in_child() -> None:
    """A forked child has the pools but not their threads: it would wait for ever."""
    _threads.clear()


os.register_at_fork(after_in_child=_forget_in_child)


class Beside:
    """Has things done one after another in the thread `name`, which is one for the process; at most `ahead` wait."""

    __slots__ = ("_ahead", "_name", "_waiting")

    def __init__(self, name: str, *, ahead: int) -> None:
        self._name = name
        self._ahead = ahead
        self._waiting: deque[Future[object]] = deque()

    def do(self, work: Callable[..., object], *arguments: object) -> None:
        """Have `work` done later; raises what earlier work raised."""
        if self._name not in _threads:
            _threads[self._name] = ThreadPoolExecutor(1, self._name)
        self._waiting.append(_threads[self._name].submit(work, *arguments))
        self._settle(self._ahead)

    def settle(self) -> None:
        """Wait until all is done; raises what it raised, the first error first."""
        self._settle(0)

    def abandon(self) -> None:
        """Wait until nothing is being done any more, whatever comes of it."""
        while self._waiting:
            future = self._waiting.pop()  # the last first: none may begin when the one before it ends
            if not future.cancel():
                future.exception()

    def _settle(self, left: int) -> None:
        while len(self._waiting) > left:
            self._waiting.popleft().result()
