"""Every screen and dialog, and the keys that lead to it, by the states in which it can be reached."""

from __future__ import annotations

import contextlib

import msgspec
from textual.pilot import Pilot
from textual.worker import WorkerCancelled

from tests.tui.acting import typed, ui
from tests.tui.idle import idle
from tests.tui.server import STATES, Server

FOUND = ("normal", "busy")
FULL = ("normal", "busy", "error")


READS_AFTER = 0.1
"""Seconds that a cursor stands still before what it is on is read."""


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """One screen: its name, the keys to it from anywhere, words that are typed then, and the states that have it.

    `answer` names what its first act is answered with (`tests/tui/answers.py`), `mine` are jobs that were started here.
    """

    name: str
    keys: tuple[str, ...]
    states: tuple[str, ...] = STATES
    words: str = ""
    then: tuple[str, ...] = ()
    answer: str = ""
    mine: tuple[str, ...] = ()


TO_CLASHES = ("2", "home", "r", "enter", "down", "down", "enter")
"""To the files that are there already, of a restore over the live data."""
DECIDING = ("p", "s", "n", "s", "s")

SCENES = (
    Scene(name="health", keys=("1",)),
    Scene(name="health-target", keys=("1", "home", "down", "down", "enter"), states=FOUND),
    Scene(name="health-menu", keys=("1", "home", "9"), states=("normal", "empty")),
    Scene(name="help", keys=("2", "question_mark"), states=("normal",)),
    Scene(name="palette", keys=("1", "colon"), states=("normal",)),
    Scene(name="plan", keys=("1", "home", "enter"), states=("normal",), answer="plan"),
    Scene(name="plan-none", keys=("1", "home", "enter"), states=("busy",), answer="none"),
    Scene(name="backups", keys=("2",)),
    Scene(name="backups-new", keys=("2", "home", "b"), states=("empty", "normal")),
    Scene(name="backups-find-name", keys=("2", "f"), states=("normal",)),
    Scene(name="backups-compare", keys=("2", "home", "v"), states=("normal",)),
    Scene(name="backups-timeline", keys=("2", "home", "l"), states=("normal",)),
    Scene(name="backups-figures", keys=("2", "m"), states=("empty", "normal")),
    Scene(name="backups-note", keys=("2", "home", "a"), states=("normal",)),
    Scene(name="backups-files", keys=("2", "home", "enter"), states=("normal",)),
    Scene(name="restore-what", keys=("2", "home", "r"), states=("normal",)),
    Scene(name="restore-where", keys=("2", "home", "r", "enter"), states=("normal",)),
    Scene(name="diagnose", keys=("3",)),
    Scene(name="diagnose-all", keys=("3", "home", "enter"), states=("normal",)),
    Scene(name="diagnose-export", keys=("3", "home", "x"), states=("normal",)),
    Scene(name="diagnose-timeline", keys=("3", "home", "t"), states=("normal",)),
    Scene(name="diagnose-search", keys=("3", "home", "t", "f"), states=("normal",)),
    Scene(name="drive", keys=("4",)),
    Scene(name="drive-there", keys=("4", "end", "enter"), states=FULL),
    Scene(name="drive-pause", keys=("4", "end", "p"), states=("normal",)),
    Scene(name="schedule", keys=("5",)),
    Scene(name="schedule-new", keys=("5", "n"), states=("normal",)),
    Scene(name="schedule-when", keys=("5", "home", "e"), states=("normal",)),
    Scene(name="schedule-run", keys=("5", "home", "enter"), states=("normal",)),
    Scene(name="schedule-keep", keys=("5", "home", "l"), states=("normal",)),
    Scene(name="schedule-figures", keys=("5", "s"), states=("normal",)),
    Scene(name="fleet", keys=("6",)),
    Scene(name="fleet-host", keys=("6", "home", "down", "enter"), states=FOUND),
    Scene(name="fleet-upgrade", keys=("6", "home", "u"), states=("normal",)),
    Scene(name="jobs", keys=("7",)),
    Scene(name="jobs-log", keys=("7", "home", "enter"), states=FULL),
    Scene(name="jobs-cancel", keys=("7", "home", "c"), states=("normal",)),
    Scene(name="jobs-answer", keys=("7", "home", "o"), states=("busy",)),
    Scene(name="setup", keys=("8",)),
    Scene(name="setup-wrong", keys=("8", "v"), states=("error",)),
    # those that add jobs: what others show of jobs stays as it is
    Scene(name="restore-clashes", keys=(*TO_CLASHES,), states=("normal",), answer="clashes"),
    Scene(name="restore-plan", keys=(*TO_CLASHES, *DECIDING, "enter"), states=("normal",), answer="clashes"),
    Scene(name="plan-name", keys=("1", "home", "enter", "enter"), states=("normal",), answer="plan"),
    Scene(name="leaving", keys=("1", "q"), states=("normal",), mine=("8e10aaaa",)),
    Scene(name="leaving-waits", keys=("1", "q", "c"), states=("normal",), mine=("8e10aaaa",)),
    Scene(name="drive-login", keys=("4", "end", "c"), states=("normal",), answer="code"),
)


async def go_to(pilot: Pilot[None], scene: Scene) -> None:
    """Go to the screen, from wherever one is."""
    await home(pilot)
    ui(pilot).mine |= set(scene.mine)
    for key in scene.keys:
        await pilot.press(key)
        await settled(pilot)
        if scene.answer:
            ui(pilot).look()
            await pilot.pause()
    if scene.words:
        await typed(pilot, scene.words)
    await pilot.press(*scene.then)
    await settled(pilot)


async def home(pilot: Pilot[None]) -> None:
    """Close what lies over the screens, in each of the eight stacks, and go to Health."""
    app = ui(pilot)
    app.mine.clear()
    for mode in list(app._screen_stacks):
        if len(app._screen_stacks.get(mode, ())) > 1:
            await app.go(mode)
            await pilot.pause()
            while len(app.screen_stack) > 1:
                app.pop_screen()
            await pilot.pause()
    await app.go("health")
    await pilot.pause()
    app.clear_notifications()


async def settled(pilot: Pilot[None]) -> None:
    """Let what reads beside the UI come to its end, and what waits for the cursor to stand still."""
    await idle(READS_AFTER)
    while list(pilot.app.workers):
        with contextlib.suppress(WorkerCancelled):
            await pilot.app.workers.wait_for_complete()
        await idle(READS_AFTER)


__all__ = ["SCENES", "Scene", "Server", "go_to", "home", "settled"]
