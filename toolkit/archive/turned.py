"""Libraries turned round: one that pulls its input is pushed to, one that pushes its output is pulled from.

Each runs in a thread of its own behind a queue of a few pieces, so that memory stays flat.
"""

from __future__ import annotations

import contextlib
import io
import os
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

AHEAD = 4
_PATIENCE = 0.1


class PulledStream(io.BufferedIOBase):
    """Pieces as a file that can be read once; py7zr asks for a size, which it never uses for the data."""

    def __init__(self, pieces: Iterator[bytes | memoryview], size: int = 0) -> None:
        super().__init__()
        self._pieces = pieces
        self._rest = memoryview(b"")
        self._size = size
        self._end = False

    def readable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Note whether the end was asked for."""
        self._end = whence == os.SEEK_END
        return self._size if self._end else offset

    def tell(self) -> int:
        """Return the size after a seek to the end, else 0."""
        return self._size if self._end else 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes, at most `size`; b"" at the end."""
        while not len(self._rest):
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._rest = memoryview(piece)
        limit = len(self._rest) if size is None or size < 0 else size
        data = bytes(self._rest[:limit])
        self._rest = self._rest[limit:]
        return data


class Pushed:
    """Takes pushed bytes for `pull`, which gets them as an iterator in the thread `name` and may check `cancelled`."""

    def __init__(self, name: str, pull: Callable[[Iterator[bytes]], None]) -> None:
        self._queue: queue.Queue[bytes | None] = queue.Queue(AHEAD)
        self._failure: BaseException | None = None
        self.cancelled = False
        self._thread = threading.Thread(target=self._run, args=(pull,), name=name)
        self._thread.start()

    def _run(self, pull: Callable[[Iterator[bytes]], None]) -> None:
        try:
            pull(iter(self._queue.get, None))
        except BaseException as error:  # noqa: BLE001 - it is raised again in the caller's thread
            self._failure = error
            while not self.cancelled and self._queue.get() is not None:
                pass

    def write(self, data: bytes) -> None:
        """Take the next bytes; raises what the thread raised."""
        if self._failure is not None:
            raise self._failure
        self._queue.put(data)

    def finish(self) -> None:
        """Wait until all of it was taken; raises what the thread raised."""
        self._queue.put(None)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def cancel(self) -> None:
        """Give up."""
        self.cancelled = True
        while self._thread.is_alive():
            with contextlib.suppress(queue.Full):
                self._queue.put_nowait(None)
            self._thread.join(0.01)


class StoppedError(Exception):
    """Nobody reads on."""


class Pulled(Generic[T]):
    """What `push` hands to the function that it is given, in the thread `name`, one after another."""

    def __init__(self, name: str, push: Callable[[Callable[[T], None]], None]) -> None:
        self._queue: queue.Queue[T | Exception | None] = queue.Queue(AHEAD)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(push,), name=name, daemon=True)
        self._thread.start()

    def _run(self, push: Callable[[Callable[[T], None]], None]) -> None:
        with contextlib.suppress(StoppedError):
            try:
                push(self._put)
            except StoppedError:
                raise
            except Exception as error:  # noqa: BLE001 - it is raised again in the reader's thread
                self._put(error)
            else:
                self._put(None)

    def _put(self, item: T | Exception | None) -> None:
        while not self._stopped.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(item, timeout=_PATIENCE)
                return
        raise StoppedError

    def next(self) -> T | None:
        """Return the next one, or None at the end; raises what `push` raised."""
        item = self._queue.get()
        if isinstance(item, Exception):
            raise item
        return item

    def stop(self) -> None:
        """End the thread: what it hands over next is refused."""
        self._stopped.set()
        self._thread.join()
