"""Setup: where everything lies; a wrong configuration, with line and column; validate, edit, write a new one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.makers.commands import application, lifeboat
from tests.tui.acting import Starts, pasted, starts, text, typed, ui, until_shown
from tests.tui.conftest import OpenApp
from tests.tui.pictures import Pictures
from toolkit.operations import configuration
from toolkit.operations.session import Session, open_session
from tui.configuration import given, read_again
from tui.screens.page import Page
from tui.screens.setup import SetupScreen

__all__ = ["starts"]

WRONG = "vault: {path: /tmp/v}\nprofiles:\n  shop:\n    databses: [/srv/a.db]\n"


async def test_where_everything_lies_and_every_key(
    session: Session, open_app: OpenApp, starts: Starts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copied: list[str] = []
    monkeypatch.setattr("tui.app.LifeboatApp.copy", lambda _app, said: copied.append(said))
    async with open_app() as pilot:
        ui(pilot).options = ("--config", str(tmp_path / "config.yaml"))
        await pilot.press("8")
        await pilot.press("v")
        said = text(pilot)
        assert "in order" in said
        assert str(session.state)[:40] in said.replace("\n", "")
        await pilot.press("a")
        assert copied == [str(tmp_path / "config.yaml")]
        await pilot.press("enter")
        await until_shown(pilot, "vault:")
        await pilot.press("q", "K")
        await until_shown(pilot, "health.backup", "keymap")
        await pilot.press("q", "s")
        assert isinstance(pilot.app.screen, Page)
        await until_shown(pilot, "It did not work")  # there is no vault
        await pilot.press("q", "e")  # no EDITOR
        assert isinstance(pilot.app.screen, SetupScreen)
        assert "EDITOR" in pilot.app.screen.against(SetupScreen.VERBS[2])
        await pilot.press("n")
        await typed(pilot, "/nowhere")
        await pilot.press("enter", "enter")
        assert "there is no such folder" in text(pilot)
        await pilot.press("escape")
        assert starts.acts == []


async def test_a_wrong_configuration_is_named_by_line_and_column(
    session: Session, open_app: OpenApp, tmp_path: Path, picture: Pictures
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(WRONG)
    async with open_app() as pilot:
        ui(pilot).options = ("--config", str(config))
        await pilot.press("8")
        assert "WRONG" in text(pilot)
        await pilot.press("v")
        said = await until_shown(pilot, "line 4, column 5")
        assert "databses" in said.replace("\n", "")
        assert "what was read before, or defaults" in said
        assert session.config.profiles == ()
        config.write_text("vault: /tmp/v\n")
        await pilot.press("q", "v")
        assert "in order" in text(pilot)


async def test_a_new_configuration_is_written_and_in_force(open_app: OpenApp, tmp_path: Path) -> None:
    app = application(tmp_path / "app")
    config = tmp_path / "new.yaml"
    empty = open_session(vault=tmp_path / "vault")
    async with open_app(on=empty) as pilot:
        ui(pilot).options = ("--config", str(config))
        await pilot.press("8", "n")
        await pasted(pilot, str(app))
        await pilot.press("enter")
        await until_shown(pilot, "profiles       app")
        assert config.exists()
        assert [one.name for one in ui(pilot).session.config.profiles] == ["app"]


def test_problems_with_their_places(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(WRONG)
    problems = configuration.problems(config, {})
    assert [(one.line, one.column) for one in problems] == [(4, 5)]
    assert problems[0].file == str(config)
    config.write_text("profiles: [\n")
    assert configuration.problems(config, {})[0].line >= 1
    config.write_text("vault: /tmp/v\n")
    assert configuration.problems(config, {}) == []
    assert "no such" in configuration.problems(tmp_path / "none.yaml", {})[0].message


def test_reading_again_keeps_what_was_good(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("vault: /tmp/v\nprofiles: {shop: {files: [/srv]}}\n")
    session = open_session(config=config)
    options = ("--vault", str(tmp_path / "v"), "--config", str(config))
    assert given(options, "--config") == config
    assert given((), "--config") is None
    config.write_text(WRONG)
    assert "databses" in read_again(session, options)
    assert [one.name for one in session.config.profiles] == ["shop"]
    config.write_text("profiles: {mail: {files: [/srv]}}\n")
    assert read_again(session, options) == ""
    assert [one.name for one in session.config.profiles] == ["mail"]
    assert session.vault_path == tmp_path / "v"


def test_the_screens_open_with_the_defaults_where_the_configuration_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Session] = []
    monkeypatch.setattr("tui.launch.run", lambda session, **_: seen.append(session) or 0)
    config = tmp_path / "config.yaml"
    config.write_text(WRONG)
    assert lifeboat("tui", "--config", config, "--vault", tmp_path / "vault").code == 0
    config.write_text("vault: /tmp/v\nprofiles: {shop: {files: [/srv]}}\n")
    assert lifeboat("tui", "--config", config).code == 0
    assert [one.vault_path for one in seen] == [tmp_path / "vault", Path("/tmp/v")]
    assert [len(one.config.profiles) for one in seen] == [0, 1]
