"""What the tests of Backups, contents and the wizard share: a real shop with hostile names, and waiting for the UI."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from tests.makers.applications import Shop, configured, shop
from tests.tui.conftest import HOSTILE
from tests.tui.pictures import shown
from tui.app import LifeboatApp

PATIENCE = 30.0
NAMES = (*(name.replace("/", "-") for name in HOSTILE if len(os.fsencode(name)) < 250), "数" * 80)


def hostile_shop(folder: Path) -> Shop:
    """Return a shop with a configuration, whose uploads have names of every kind."""
    made = shop(folder / "server", orders=20)
    for name in NAMES:
        (made.uploads / name).write_text(f"in the backup: {len(name)}")
        os.utime(made.uploads / name, (1_790_000_000, 1_790_000_000))
    text = f"databases: [{{path: {made.database}}}]\nfiles: [{{path: {made.uploads}}}]"
    return configured(made, text)


def on(made: Shop) -> dict[str, Any]:
    """Return what `open_app` needs for the shop: its session, and the configuration for every command."""
    return {"on": made.session(), "options": ("--config", str(made.config))}


def app_of(pilot: Pilot[None]) -> LifeboatApp:
    """Return the app by its own type."""
    assert isinstance(pilot.app, LifeboatApp)
    return pilot.app


async def until(pilot: Pilot[None], holds: Callable[[], object]) -> None:
    """Wait until `holds` is true, with jobs and screens brought up to date meanwhile."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, shown(pilot.app)
        app_of(pilot).look()
        await pilot.pause(0.02)


async def text_until(pilot: Pilot[None], words: str) -> str:
    """Wait until the screen shows `words`; return all that it shows."""
    await until(pilot, lambda: words in shown(pilot.app))
    return shown(pilot.app)


def is_clean(text: str) -> bool:
    """Say whether nothing in `text` can drive a terminal or turn its direction."""
    return not any(
        (ord(char) < 32 and char != "\n")
        or 0x7F <= ord(char) < 0xA0
        or 0xD800 <= ord(char) < 0xE000
        or char in "\u202e\u2066"
        for char in text
    )


def heard(pilot: Pilot[None]) -> list[str]:
    """Return a list that takes what the app says from now on: toasts are not drawn in tests."""
    said: list[str] = []
    app = app_of(pilot)

    def say(text: str, **_: object) -> None:
        said.append(text)

    app.say = say  # type: ignore[method-assign]
    return said
