"""Every key of every screen in every state: it does what it says or says why not, and its command line exists."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import pytest
from textual.pilot import Pilot

from tests.tui.acting import pasted, text, ui
from tests.tui.answers import ANSWERS, dry_run
from tests.tui.conftest import HOSTILE, Acts, OpenApp
from tests.tui.pictures import shown
from tests.tui.scenes import SCENES, Scene, go_to, home, settled
from tests.tui.server import STATES, Server, folder, hostile
from tests.tui.test_looks import UNSAFE
from toolkit.cli.main import cli
from toolkit.operations import launch
from toolkit.operations.session import Session
from tui.app import LifeboatApp
from tui.screens.dialog import TypeName
from tui.screens.frame import Frame
from tui.screens.plan import PlanScreen
from tui.verbs import NAMES
from tui.widgets.rows import Rows

MOVING = {"up", "down", "pageup", "pagedown", "home", "end", "left", "right", "j", "k", "g", "G", "tab", "shift+tab"}
MOVING |= {"greater_than_sign", "less_than_sign", "ctrl+q", "ctrl+p", "ctrl+pageup", "ctrl+pagedown", *"12345678"}
MOVING |= {"ctrl+home", "ctrl+end", "ctrl+c", "super+c", "ctrl+a", "ctrl+up", "ctrl+down", "ctrl+l"}


READING = ("again", "space")
"""Verbs that read once more: what they show can be what was there."""


NAMELESS = ("help", "palette", "backups-find-name", "schedule-new", "schedule-when", "schedule-run", "schedule-keep")
"""Scenes on which no name stands that comes from a server."""


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TZ", "UTC")
    with folder() as made:
        yield made


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was copied; nothing reaches a terminal or a file."""
    found: list[str] = []
    monkeypatch.setattr(LifeboatApp, "copy", lambda _app, said: found.append(said))
    monkeypatch.setattr(LifeboatApp, "shell", lambda _app, where: found.append(where))
    return found


def assert_known(words: Sequence[str]) -> None:
    """Check that `lifeboat WORDS` is a command with these options; a `UsageError` otherwise."""
    command: click.Command = cli
    context, rest = click.Context(cli), list(words)
    while isinstance(command, click.Group):
        found = command.get_command(context, rest.pop(0))
        assert found is not None, words
        command, context = found, click.Context(found, parent=context)
    command.make_parser(context).parse_args(args=rest)


def frame(pilot: Pilot[None]) -> Frame | None:
    return pilot.app.screen if isinstance(pilot.app.screen, Frame) else None


def assert_declared(pilot: Pilot[None], screen: Frame) -> None:
    """Check that each key that is bound is a declared verb or moves about, and each verb is bound."""
    bound = set(pilot.app.active_bindings)
    declared = {key for verb in screen.verbs() for key in verb.key.split(",")}
    assert bound - declared - MOVING == set(), type(screen)
    assert declared <= bound, type(screen)


@pytest.mark.parametrize("state", STATES)
async def test_every_own_key_has_an_effect_that_is_seen(
    state: str, root: Path, open_app: OpenApp, acts: Acts, copied: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Server(root, state)
    monkeypatch.setattr(launch, "document", made.document)
    walked: set[type] = set()
    async with open_app(on=made.session) as pilot:
        for number, scene in enumerate(SCENES):
            if state not in scene.states or (state != "normal" and len(scene.keys) > 1):
                continue
            acts.jobs = [ANSWERS[scene.answer](made.session, f"ab12cd{number:02}")] if scene.answer else []
            await go_to(pilot, scene)
            screen = frame(pilot)
            if screen is None or type(screen) in walked:
                continue
            walked.add(type(screen))
            assert_declared(pilot, screen)
            for verb in (one for one in screen.verbs() if one.name in {own.name for own in screen.VERBS}):
                if verb.name in ("back", *READING):
                    continue
                await press(pilot, scene, verb.key.partition(",")[0], acts, copied)
            screen = frame(pilot)
            for act in screen.commands() if screen is not None else ():
                assert_known(act.words)
    for said in acts.lines:
        assert_known(shlex.split(said)[1:])


async def press(pilot: Pilot[None], scene: Scene, key: str, acts: Acts, copied: list[str]) -> None:
    """Press `key` on the screen of `scene`, see an effect, and go back there."""
    app = ui(pilot)
    app.clear_notifications()
    before = (shown(app), len(acts.lines), app.screen, len(copied))
    await pilot.press(key)
    await settled(pilot)
    after = (shown(app), len(acts.lines), app.screen, len(copied))
    assert after != before or app._notifications, f"{key} of {scene.name} did nothing that can be seen\n{after[0]}"
    if after[0] != before[0] or after[2] is not before[2]:
        await go_to(pilot, scene)


async def test_screens_that_only_show_start_nothing_and_say_why(
    root: Path, open_app: OpenApp, acts: Acts, copied: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Server(root, "busy")
    monkeypatch.setattr(launch, "document", made.document)
    walked: set[type] = set()
    async with open_app(on=made.session, read_only=True) as pilot:
        for scene in (one for one in SCENES if "busy" in one.states):
            await go_to(pilot, scene)
            screen = frame(pilot)
            if screen is None or type(screen) in walked:
                continue
            walked.add(type(screen))
            for verb in screen.verbs():
                if verb.acts:
                    ui(pilot).clear_notifications()
                    assert screen.against(verb), f"{verb.name} of {scene.name} is not greyed"
                    await pilot.press(verb.key.partition(",")[0])
                    await settled(pilot)
                    assert pilot.app._notifications, f"{verb.name} of {scene.name} gives no reason"
                    assert pilot.app.screen is screen
    assert all("--dry-run" in said for said in acts.lines), acts.lines


async def test_no_name_takes_over_any_screen_or_command_line(
    root: Path, open_app: OpenApp, acts: Acts, copied: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = hostile(root)
    monkeypatch.setattr(launch, "document", Server.document.__get__(_nothing(session)))
    async with open_app(on=session) as pilot:
        for scene in (
            one
            for one in SCENES
            if "normal" in one.states and one.name not in NAMELESS and not (one.answer or one.mine)
        ):
            await go_to(pilot, scene)
            for _ in HOSTILE if scene.name in ("health", "backups", "diagnose", "fleet", "jobs") else ("",):
                assert_harmless(pilot)
                screen = frame(pilot)
                if screen is not None:
                    await pilot.press("y")
                    for act in screen.commands():
                        assert not UNSAFE.search(ui(pilot).line(act)), scene.name
                await pilot.press("down")
    assert len(copied) > len(HOSTILE)
    assert not any(UNSAFE.search(said) for said in copied)


def _nothing(session: Session) -> Server:
    server = Server.__new__(Server)
    server.root, server.state, server.session = session.vault_path.parent, "normal", session
    return server


def assert_harmless(pilot: Pilot[None]) -> None:
    said = text(pilot)
    assert not UNSAFE.search(said)


async def test_everything_is_reached_without_letters(
    root: Path, open_app: OpenApp, acts: Acts, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Server(root, "normal")
    monkeypatch.setattr(launch, "document", made.document)
    done: list[str] = []

    async def spy(screen: Frame, name: str) -> None:
        done.append(f"{screen.screen_name()}.{name}")

    async with open_app(on=made.session) as pilot:
        for digit, mode in enumerate(NAMES, 1):
            await pilot.press(str(digit))
            await settled(pilot)
            screen = frame(pilot)
            assert screen is not None
            await pilot.press("9")
            with monkeypatch.context() as patch:
                patch.setattr(Frame, "action_verb", spy)
                rows = pilot.app.screen.query_one(Rows)
                offered = [found.key for at in range(rows.count) if (found := rows.row(at)) is not None]
                assert offered == [verb.name for verb in screen.verbs() if verb.name not in ("menu", "palette", "stop")]
                await pilot.press("down", "down", "enter")
                await pilot.pause()
                assert done == [f"{mode}.{offered[2]}"]
            done.clear()
        # a rescue, from the first screen to its start
        await home(pilot)
        acts.jobs = [dry_run(made.session), "ffff0000"]
        await pilot.press("1", "home", "enter")
        await settled(pilot)
        ui(pilot).look()
        await settled(pilot)
        await pilot.press("enter")
        dialog = pilot.app.screen
        assert isinstance(dialog, TypeName)
        await pilot.press(*dialog.number, "enter")
        await settled(pilot)
        assert acts.lines[-1].endswith("--confirm shop.db")
        ui(pilot).clear_notifications()
        await pilot.press("ж")
        assert "9 is a menu" in next(iter(pilot.app._notifications)).message


PLANS = {
    "rescue": ("1", "home", "enter"),
    "repair": ("3", "home", "f"),
    "delete": ("2", "home", "X"),
    "prune": ("5", "home", "p"),
    "rules": ("5", "home", "l", "enter"),
    "there": ("4", "end", "enter", "X"),
    "fleet": ("6", "home", "down", "f"),
}


async def test_enter_again_and_again_starts_no_plan(
    root: Path, open_app: OpenApp, acts: Acts, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Server(root, "normal")
    monkeypatch.setattr(launch, "document", made.document)
    async with open_app(on=made.session) as pilot:
        for number, (name, keys) in enumerate(PLANS.items()):
            acts.lines.clear()
            acts.jobs = [dry_run(made.session, f"ab12cd{number:02}"), "ffff0000"]
            await go_to(pilot, Scene(name=name, keys=keys))
            ui(pilot).look()
            await settled(pilot)
            assert isinstance(pilot.app.screen, PlanScreen), name
            await pilot.press(*["enter"] * 6)
            assert isinstance(pilot.app.screen, TypeName), name
            await pasted(pilot, "shop.db ")
            await pilot.press("enter")
            assert [line for line in acts.lines if "--dry-run" not in line] == [], name
            await pasted(pilot, "shop.db")
            await pilot.press("enter")
            await settled(pilot)
            (said,) = [line for line in acts.lines if "--dry-run" not in line]
            assert "--digest" in said, name
            for line in acts.lines:
                assert_known(shlex.split(line)[1:])
