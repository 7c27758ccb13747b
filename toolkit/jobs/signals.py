"""What signals mean to a job: TERM and INT cancel it, a second INT ends it at once, HUP is nothing."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any


@contextlib.contextmanager
def handled_signals(note: Callable[[str], None]) -> Iterator[None]:
    """Tell `note` the name of each SIGTERM or SIGINT that comes while the block runs; ignore SIGHUP.

    `note` runs between two instructions of the main thread: it must take no lock. A second SIGINT raises
    `KeyboardInterrupt`. A signal that was ignored before (nohup) stays so. Outside of the main thread,
    where Python cannot set handlers, nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupts = 0

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal interrupts
        if number == signal.SIGINT:
            interrupts += 1
            if interrupts > 1:
                raise KeyboardInterrupt
        note(signal.Signals(number).name)

    before: dict[signal.Signals, Any] = {}
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, handle)
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
