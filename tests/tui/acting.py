"""What the tests of several screens share: waiting for what a job or a thread does, and what was started."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import cast

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.pictures import shown
from tui.act import Act
from tui.app import LifeboatApp

ROUNDS = 2000
"""Looks before a test gives up; each lets others run for a hundredth of a second."""


def ui(pilot: Pilot[None]) -> LifeboatApp:
    """Return the app by its own type."""
    return cast("LifeboatApp", pilot.app)


def text(pilot: Pilot[None]) -> str:
    """Return what the screen shows."""
    return shown(pilot.app)


async def until(pilot: Pilot[None], condition: Callable[[], object]) -> None:
    """Let the app go on until `condition` holds."""
    for _ in range(ROUNDS):
        if condition():
            return
        await pilot.pause(0.01)
        ui(pilot).look()
    pytest.fail("it did not happen; the screen shows:\n" + text(pilot))


async def until_shown(pilot: Pilot[None], *words: str) -> str:
    """Let the app go on until the screen shows all `words`; return it."""
    await until(pilot, lambda: all(word in text(pilot) for word in words))
    return text(pilot)


async def typed(pilot: Pilot[None], words: str) -> None:
    """Type `words` letter by letter."""
    for letter in words:
        names = {" ": "space", "/": "slash", "-": "minus", ":": "colon", ".": "full_stop", "_": "underscore"}
        await pilot.press(names.get(letter, letter))


async def pasted(pilot: Pilot[None], words: str) -> None:
    """Put `words` into the field of the dialog that is open, as a paste does."""
    pilot.app.screen.query_one(Input).value = words
    await pilot.pause()


class Starts:
    """Catches what the screens would start, instead of starting it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.acts: list[Act] = []
        monkeypatch.setattr(LifeboatApp, "start", lambda _app, act, *_, **__: self.acts.append(act))

    @property
    def lines(self) -> list[str]:
        """The command lines, as started, without `lifeboat`."""
        return [shlex.join(act.started_as) for act in self.acts]


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Starts:
    """What the screens started."""
    return Starts(monkeypatch)
