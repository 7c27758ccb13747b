"""Waiting until the screens are idle: as long as that takes, and no longer.

Textual's own pilot sleeps a fiftieth of a second twice for each key and looks whether the process used the processor
meanwhile: that is most of the time of a test of keys, and says nothing on a machine that is loaded. Whether the loop of
events has anything left to do is known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from textual._context import active_app
from textual.app import App
from textual.message_pump import MessagePump
from textual.timer import Timer

SHORT = 0.06
"""Seconds of timers that are part of what a key does: of a change of screens, of a resize."""
ROUNDS = 2000


def pumps(app: App[object]) -> Iterator[MessagePump]:
    """Yield the app and the screens of the stack that is shown."""
    yield app
    yield from app._screen_stacks.get(app._current_mode, ())


def waits(app: App[object], most: float) -> bool:
    """Say whether something is to happen by itself within `most` seconds."""
    return any(_pending(timer) and timer._interval <= most for pump in pumps(app) for timer in list(pump._timers))


def _pending(timer: Timer) -> bool:
    return timer._repeat == 0 and timer._task is not None and not timer._task.done()


async def _quiet() -> None:
    """Let the loop go on until nothing is ready to run, also after it has looked at its files again."""
    ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
    rest = 0
    while rest < 3:
        await asyncio.sleep(0)
        rest = 0 if ready else rest + 1


async def idle(most: float = SHORT) -> None:
    """Wait until all keys, messages and timers of up to `most` seconds are dealt with, and the screen is drawn."""
    app = active_app.get()
    for _ in range(ROUNDS):
        await _quiet()
        if app._exit or not app._running or not app._screen_stacks.get(app._current_mode):
            return
        if waits(app, most):
            await asyncio.sleep(0.001)
            continue
        for screen in app.screen_stack:  # those below a dialog have something to do too, after a resize
            screen._on_timer_update()
        await _quiet()
        if not waits(app, most):
            return
    pytest.fail("the screens never come to rest")


async def as_textual_asks(min_sleep: float = 0, max_sleep: float = 1) -> None:
    """Stand where Textual's pilot waits."""
    del min_sleep, max_sleep
    await idle()
