"""Work beside the UI: reading that takes its time, in a thread that nobody waits for once the screens are left.

What the thread finds out is taken in the UI's own thread, in order, and only while somebody still wants it. That is
decided there, at the moment it is taken: no flag that a thread looks at can be true a moment later.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

Found = TypeVar("Found")
Work = Callable[["Beside[Found]"], Found]
"""What is done in the thread. It may ask `stopped` whether it is still wanted, and `tell` what it has by now."""


class Beside(Generic[Found]):
    """A thread beside the UI. `run` belongs to the UI's thread, `stopped` and `tell` to the work."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._news: asyncio.Queue[Callable[[], object]] = asyncio.Queue()
        self._left = threading.Event()

    def stopped(self) -> bool:
        """Say whether nobody wants the answer any more."""
        return self._left.is_set()

    def tell(self, news: Callable[[], object]) -> None:
        """Have `news` called in the UI's thread, after all that was told before."""
        if not self.stopped():
            with contextlib.suppress(RuntimeError):  # the screens are left, and their loop is closed
                self._loop.call_soon_threadsafe(self._news.put_nowait, news)

    async def run(self, work: Work[Found], then: Callable[[Found], object], wanted: Callable[[], bool]) -> None:
        """Do `work` in a thread, and call `then` with what it returned; raises what it raised.

        As soon as it is cancelled, or `wanted` says no when something is told, nothing is called any more.
        """
        ended: list[bool] = []
        context = contextvars.copy_context()
        whole = partial(context.run, self._whole, work, then, ended)
        threading.Thread(target=whole, name="beside", daemon=True).start()
        try:
            while not ended:
                news = await self._news.get()
                if not wanted():
                    return
                news()
        finally:
            self._left.set()

    def _whole(self, work: Work[Found], then: Callable[[Found], object], ended: list[bool]) -> None:
        """Work to the end, in the thread; the last thing that it tells is the answer, or what went wrong."""

        def answer(found: Found) -> None:
            ended.append(True)
            then(found)

        try:
            self.tell(partial(answer, work(self)))
        except BaseException as error:  # noqa: BLE001 - raised again where somebody hears it
            self.tell(partial(_raise, error))


def _raise(error: BaseException) -> None:
    raise error
