"""Every key of every screen does something that can be seen, is in the help, and has its command line."""

from __future__ import annotations

import shlex

import pytest

from tests.tui.conftest import Acts, OpenApp, add_jobs, write_health
from tests.tui.pictures import shown
from tests.tui.scenes import settled
from toolkit.cli.main import COMMANDS
from toolkit.display import cells
from toolkit.operations.session import Session
from tui.app import LifeboatApp
from tui.screens.frame import Frame
from tui.verbs import NAMES
from tui.widgets.rows import Rows


def frame(app: object) -> Frame:
    assert isinstance(app, LifeboatApp)
    assert isinstance(app.screen, Frame)
    return app.screen


@pytest.mark.parametrize("mode", NAMES)
async def test_every_key_does_something_and_is_explained(
    mode: str, session: Session, open_app: OpenApp, acts: Acts
) -> None:
    write_health(session)
    add_jobs(session)
    async with open_app() as pilot:
        app = pilot.app
        assert isinstance(app, LifeboatApp)
        digit = str(list(NAMES).index(mode) + 1)
        await pilot.press(digit)
        await pilot.press("question_mark")
        help_text = "\n".join(str(one.content) for one in app.screen.query("#text"))  # type: ignore[attr-defined]
        await pilot.press("q")
        for verb in frame(app).verbs():
            assert verb.help in help_text
            assert len(verb.label) <= 9
            if verb.name == "back" and mode == "health":
                continue
            app.clear_notifications()
            before = (shown(app), len(acts.lines), app.screen)
            await pilot.press(verb.key.partition(",")[0])
            await settled(pilot)
            after = (shown(app), len(acts.lines), app.screen)
            assert after != before or app._notifications, f"{verb.name} of {mode} did nothing that can be seen"
            while len(app.screen_stack) > 1:
                app.pop_screen()
            await app.go(mode)
            await pilot.pause()
            for rows in app.screen.query(Rows):
                rows.narrow("", type(rows.filter)())
        for act in frame(app).commands():
            assert shlex.split(app.line(act))[1] in COMMANDS


async def test_footers_fit_and_have_at_most_eight_verbs(session: Session, open_app: OpenApp) -> None:
    write_health(session)
    async with open_app() as pilot:
        for digit in "12345678":
            await pilot.press(digit)
            labelled = [verb for verb in frame(pilot.app).verbs() if verb.label]
            assert 1 <= len(labelled) <= 8
            assert sum(cells(verb.key_text) + cells(verb.label) + 2 for verb in labelled) <= 80


async def test_a_ui_that_only_shows_starts_nothing_and_says_why(
    session: Session, open_app: OpenApp, acts: Acts
) -> None:
    write_health(session)
    async with open_app(read_only=True) as pilot:
        assert "READ-ONLY" in shown(pilot.app)
        for key in "bdD":
            pilot.app.clear_notifications()
            await pilot.press(key)
            assert "only show" in next(iter(pilot.app._notifications)).message
        assert acts.lines == []


async def test_the_users_own_keys_count(session: Session, open_app: OpenApp, acts: Acts, tmp_path: object) -> None:
    from pathlib import Path

    from tests.tui.conftest import session_at

    assert isinstance(tmp_path, Path)
    own = session_at(tmp_path, "ui: {keymap: {health.backup: x}}\n")
    write_health(own)
    async with open_app(on=own) as pilot:
        await pilot.press("x")
        await pilot.app.workers.wait_for_complete()
    assert acts.lines == ["lifeboat backup shop"]


async def test_filter_sort_and_marks_of_a_list(session: Session, open_app: OpenApp) -> None:
    write_health(session)
    async with open_app() as pilot:
        rows = pilot.app.screen.query_one(Rows)
        await pilot.press("slash", *"state:ok")
        assert (rows.count, rows.total) == (2, 4)
        assert "2 of 4 /state:ok" in shown(pilot.app)
        await pilot.press("enter", "q")
        assert rows.count == 4
        await pilot.press("greater_than_sign", "greater_than_sign")
        assert [rows.row(at).cells[1] for at in range(4)][:2] == ["shop.db", "uploads/"]  # type: ignore[union-attr]
        await pilot.press("less_than_sign")
        assert "TARGET<" in shown(pilot.app)


async def test_a_window_that_is_too_small_says_so(session: Session, open_app: OpenApp) -> None:
    write_health(session)
    async with open_app(size=(59, 14)) as pilot:
        assert shown(pilot.app).startswith("needs 60x15, now 59x14")
        await pilot.resize_terminal(60, 15)
        await pilot.pause()
        assert "shop.db is damaged" in shown(pilot.app)
        await pilot.resize_terminal(120, 40)
        await pilot.pause()
        assert shown(pilot.app).splitlines()[1].startswith("[1 Health]")
