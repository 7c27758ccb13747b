"""Drive and other destinations: what is known without asking, signing in by code, sending, getting, speed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.makers.commands import application, lifeboat
from tests.makers.driveserver import DriveServer
from tests.makers.driveserver_ready import ANN, person
from tests.tui.acting import Starts, pasted, starts, text, typed, ui, until, until_shown
from tests.tui.conftest import OpenApp
from tests.tui.pictures import Pictures
from tests.tui.test_diagnose import assert_harmless
from toolkit.operations.offsite import pausing
from toolkit.operations.session import open_session
from tui.screens.drive import DriveScreen
from tui.screens.drive_login import LoginScreen
from tui.screens.drive_remote import RemoteScreen
from tui.screens.frame import Frame

__all__ = ["starts"]


@pytest.fixture
def server() -> Iterator[DriveServer]:
    with DriveServer() as made:
        yield made


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A server with a disk and a Drive that nobody can reach, and one backup, whose copy is on the disk."""
    app = application(tmp_path / "server" / "shop")
    (tmp_path / "server" / "disk").mkdir()
    return configured(tmp_path / "server", app, {"type": "google-drive", "endpoint": "http://127.0.0.1:9"})


def configured(folder: Path, app: Path, drive: dict[str, object]) -> Path:
    """Write a configuration with a disk and a Drive."""
    config = folder / "config.yaml"
    config.write_text(
        f"vault: {folder / 'vault'}\n"
        f"destinations: {{disk: {{type: directory, path: {folder}/disk}}, drive: {json.dumps(drive)}}}\n"
        f"profiles: {{shop: {{databases: [{app}/shop.db], destinations: [disk]}}}}\n"
    )
    config.chmod(0o600)
    return config


def reasons(pilot_screen: object) -> dict[str, str]:
    """Return why each verb cannot be used now."""
    assert isinstance(pilot_screen, Frame)
    return {verb.name: pilot_screen.against(verb) for verb in pilot_screen.verbs()}


async def test_without_destinations_it_says_how(open_app: OpenApp, picture: Pictures) -> None:
    async with open_app() as pilot:
        await pilot.press("4")
        assert "stay on this machine only" in picture.expect_text(pilot.app, "drive-empty")
        for key in ("enter", "c", "u", "g", "p", "l", "w", "t", "R"):
            await pilot.press(key)
        assert isinstance(pilot.app.screen, DriveScreen)


async def test_what_is_known_without_asking_and_every_key(
    config: Path, open_app: OpenApp, starts: Starts, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lifeboat("backup", "--config", config).code == 0
    asked: list[object] = []
    monkeypatch.setattr("toolkit.operations.launch.document", lambda *words: asked.append(words))
    async with open_app(on=open_session(config=config)) as pilot:
        await pilot.press("4")
        said = text(pilot)
        assert "1 copy of this host" in said
        assert "SIGN IN" in said
        assert asked == []
        assert "nobody signs in" in reasons(pilot.app.screen)["connect"]
        assert "nothing waits" in reasons(pilot.app.screen)["retry"]
        await pilot.press("t", "enter")
        await pilot.press("down", "u", "c")
        assert isinstance(pilot.app.screen, LoginScreen)
        await pilot.press("q")
        assert starts.lines == [
            "destination check disk",
            "drive upload latest --destination drive",
            "drive login --destination drive",
        ]
        await pilot.press("l")
        await typed(pilot, "fast")
        await pilot.press("enter")
        assert "is no speed" in text(pilot)
        await pilot.press(*["backspace"] * 4)
        await typed(pilot, "2MB/s")
        assert "destination limit drive 2MB/s" in text(pilot)
        await pilot.press("enter")
        assert starts.lines[-1] == "destination limit drive 2MB/s"
        assert asked == []


async def test_a_copy_that_waits_is_said_with_its_error_and_tried_again(config: Path, open_app: OpenApp) -> None:
    disk = config.parent / "disk"
    disk.rmdir()
    disk.write_text("no folder")
    assert lifeboat("backup", "--config", config).code == 3
    async with open_app(on=open_session(config=config)) as pilot:
        ui(pilot).options = ("--config", str(config))
        await pilot.press("4")
        said = text(pilot)
        assert "ERROR" in said
        assert "1 try, next" in said
        disk.unlink()
        disk.mkdir()
        await pilot.press("w")
        await until_shown(pilot, "1 copy of this host")
        assert "waits    nothing" in text(pilot)


async def test_connecting_shows_address_and_code_and_says_when_it_is_done(
    server: DriveServer, tmp_path: Path, open_app: OpenApp
) -> None:
    server.sign.interval = 1
    folder = tmp_path / "server"
    app = application(folder / "shop")
    settings = person(server, tmp_path / "etc")
    assert settings.credentials is not None
    file = str(settings.credentials.file)
    drive = {"type": "google-drive", "credentials_file": file, "endpoint": server.address}
    config = configured(folder, app, drive)
    async with open_app(on=open_session(config=config)) as pilot:
        ui(pilot).options = ("--config", str(config))
        await pilot.press("4", "down", "c")
        await until(pilot, lambda: server.sign.pending)
        code = next(iter(server.sign.pending.values())).user_code
        said = await until_shown(pilot, f"{server.address}/device", code)
        assert "no browser" in said or "phone" in said
        assert "under way" in reasons(pilot.app.screen)["again"]
        server.sign.approve(code, ANN)
        await until_shown(pilot, "Connected.")
        assert "client_secret" not in text(pilot)
        await pilot.press("q")
        await until_shown(pilot, f"signed in as {ANN}")
        assert "a service account" not in reasons(pilot.app.screen)["connect"]


async def test_pausing_and_going_on(config: Path, open_app: OpenApp) -> None:
    async with open_app(on=open_session(config=config)) as pilot:
        ui(pilot).options = ("--config", str(config))
        await pilot.press("4", "p")
        assert "cannot be paused" in reasons(pilot.app.screen)["pause"]
        await pilot.press("down", "p")
        await typed(pilot, "soon")
        await pilot.press("enter")
        assert "this is no time span" in text(pilot)
        await pilot.press(*["backspace"] * 4, "3", "h", "enter")
        await until_shown(pilot, "PAUSED", "uploads, by")
        assert pausing.paused(ui(pilot).session, "drive") is not None
        await pilot.press("p")
        await until(pilot, lambda: pausing.paused(ui(pilot).session, "drive") is None)
        await until(pilot, lambda: "PAUSED" not in text(pilot))


async def test_what_is_there_and_getting_it_back(config: Path, tmp_path: Path, open_app: OpenApp) -> None:
    assert lifeboat("backup", "--config", config).code == 0
    async with open_app(on=open_session(config=config)) as pilot:
        ui(pilot).options = ("--config", str(config))
        await pilot.press("4", "enter")
        screen = pilot.app.screen
        assert isinstance(screen, RemoteScreen)
        await until_shown(pilot, "here too")
        assert "no links" in reasons(screen)["link"]
        await pilot.press("g")
        await typed(pilot, "back")
        await pilot.press("enter")
        await until_shown(pilot, "begins with /")
        await pasted(pilot, str(tmp_path / "back"))
        await pilot.press("enter")
        await until(pilot, lambda: any(job.operation == "restore" and job.exit is not None for job in ui(pilot).jobs))
        assert [job.exit for job in ui(pilot).jobs if job.operation == "restore"] == [0]
    assert list((tmp_path / "back").rglob("shop.db"))


async def test_a_drive_that_cannot_be_reached_says_so_and_what_next(config: Path, open_app: OpenApp) -> None:
    async with open_app(on=open_session(config=config)) as pilot:
        ui(pilot).options = ("--config", str(config))
        await pilot.press("4", "down", "enter")
        await until_shown(pilot, "It did not work", "Next:")
        await pilot.press("q", "t")
        assert "SIGN IN" not in await until_shown(pilot, "The next upload will fail")
        await pilot.press("q", "R")
        await until_shown(pilot, "not reached")


async def test_hostile_names_of_copies(config: Path, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {
        "destination": "disk", "id": "k3jq7a2m", "host": "[/b]\x1b]0;x\x07", "profile": "a\u202eb", "kind": "daily",
        "started": "2026-11-20T03:00:00Z", "size": 5, "complete": True, "by_hand": False, "here": False,
        "link": "\x1bc",
    }  # fmt: skip
    monkeypatch.setattr("toolkit.operations.launch.document", lambda *_: {"backups": [row], "destinations": []})
    async with open_app(on=open_session(config=config)) as pilot:
        await pilot.press("4", "enter")
        await until_shown(pilot, "only there")
        assert_harmless(text(pilot))
        await pilot.press("g")
        assert_harmless(text(pilot))
