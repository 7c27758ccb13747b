"""Half of some work in a second process: what is done in Python keeps one processor busy only, of however many."""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import warnings
from collections.abc import Callable, Collection
from typing import Generic, NoReturn, TypeVar

from toolkit.errors import CancelledError
from toolkit.events import ShouldStop, never_stop

Result = TypeVar("Result")

_POLL_MS = 100


_working: set[int] = set()


def has_room() -> bool:
    """Answer whether a second process is worth its memory: there is a processor for it, and none works yet."""
    return not _working and len(os.sched_getaffinity(0)) > 1


class Second(Generic[Result]):
    """Does `work` in a forked process meanwhile. It must only read: memory, and the open files `keep`.

    The child has no other file open, so it keeps no lock and no pipe of this process alive, and is ended by `close`.
    Where there can be none, or it ends before its time, the work is done by `result` in this process.
    """

    def __init__(self, work: Callable[[], Result], *, keep: Collection[int] = ()) -> None:
        self._work, self._child = work, 0
        self._reading, writing = os.pipe2(os.O_CLOEXEC)
        try:
            with warnings.catch_warnings():  # the child takes no lock that another thread may hold
                warnings.simplefilter("ignore", DeprecationWarning)
                self._child = os.fork()
        except OSError:
            os.close(writing)
            return
        if not self._child:
            _serve(work, writing, {*keep, writing})
        os.close(writing)
        _working.add(self._child)

    def __enter__(self) -> Second[Result]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def result(self, should_stop: ShouldStop = never_stop) -> Result:
        """Wait for the result and return it. Raises what the work raises, `CancelledError`."""
        pieces: list[bytes] = []
        poll = select.poll()
        poll.register(self._reading, select.POLLIN)
        while True:
            if should_stop():
                raise CancelledError("cancelled while reading pages")
            if poll.poll(_POLL_MS):
                piece = os.read(self._reading, 1 << 20)
                if not piece:
                    break
                pieces.append(piece)
        if self._ended() or not pieces:
            return self._work()
        result: Result = pickle.loads(b"".join(pieces))  # noqa: S301 - of our own child
        return result

    def close(self) -> None:
        """End the child where it still runs."""
        if self._child:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGKILL)
            self._ended()
        if self._reading >= 0:
            os.close(self._reading)
            self._reading = -1

    def _ended(self) -> int:
        """Wait for the end of the child and return how it ended: 0 is well."""
        child, self._child = self._child, 0
        _working.discard(child)
        try:
            return os.waitpid(child, 0)[1] if child else 1
        except ChildProcessError:
            return 1


def _serve(work: Callable[[], object], writing: int, keep: Collection[int]) -> NoReturn:
    """Do the work in the child, write its result and end: nothing of the parent's may be undone or closed by it."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        for descriptor in {int(name) for name in os.listdir("/proc/self/fd")}.difference(keep):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        data = memoryview(pickle.dumps(work(), protocol=5))
        while data:
            data = data[os.write(writing, data) :]
        os._exit(0)
    finally:
        os._exit(1)
