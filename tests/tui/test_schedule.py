"""Schedule: entries, next runs, what retention would delete now; each key and its command line."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.makers.applications import Clock, Shop
from tests.makers.applications import shop as make_shop
from tests.tui.acting import Starts, starts, text, typed, ui, until, until_shown
from tests.tui.conftest import NOW, OpenApp, session_at
from tests.tui.pictures import Pictures
from toolkit.errors import UsageError
from toolkit.operations.schedule_set import when_options
from toolkit.operations.session import Session, open_session
from toolkit.retention import Kind
from tui.screens.dialog import TypeName
from tui.screens.schedule import ScheduleScreen
from tui.screens.schedule_prune import PruneScreen, rule_words

__all__ = ["starts"]

ENTRIES = (
    "schedule: [{kind: daily, at: '03:00'}, {kind: hourly, every: 6h, scope: database}, {job: prune, at: '04:00'}]"
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "server" / "shop").mkdir(parents=True)
    profile = f"{{files: [{tmp_path}/server/shop], {ENTRIES}, retention: {{daily: 1}}}}"
    session_at(tmp_path / "server", f"profiles: {{shop: {profile}}}\n")
    return tmp_path / "server" / "config.yaml"


async def test_entries_runs_and_every_key(
    config: Path, open_app: OpenApp, starts: Starts, picture: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")  # no crontab: not installed, whatever this machine has
    monkeypatch.setenv("TZ", "UTC")
    session = open_session(config=config, now=lambda: NOW)
    async with open_app(on=session) as pilot:
        ui(pilot).options = ("--config", str(config))
        await pilot.press("5")
        said = await until_shown(pilot, "NOT INSTALLED", "retention would delete nothing")
        assert "shop-hourly-database" in said
        assert said.count("03:00") >= 1
        assert "1 daily" in said
        screen = pilot.app.screen
        assert isinstance(screen, ScheduleScreen)
        assert screen.report is not None
        assert [len(entry.next) for entry in screen.report.entries] == [5] * 4
        await pilot.press("enter", "enter")
        assert starts.lines == ["backup shop --kind daily --lock-wait 1h --quiet"]
        await pilot.press("space", "q", "space", "enter", "e", "enter")
        assert starts.lines[1:] == ["schedule set shop --kind daily --off", "schedule set shop --kind daily --at 03:00"]
        await pilot.press("down", "e")
        await pilot.press(*["backspace"] * 9, "x", "enter", "enter")
        assert "is no time span" in text(pilot)
        assert len(starts.lines) == 3
        await pilot.press("backspace")
        await typed(pilot, "every 4h")
        assert "--every 4h" in text(pilot)
        await pilot.press("enter")
        assert starts.lines[-1] == "schedule set shop --kind hourly --scope database --every 4h"
        await pilot.press("n", "down", "down", "enter")
        assert "--kind weekly --scope files" in text(pilot)
        await pilot.press("enter", "i", "down", "enter", "enter")
        assert starts.lines[-2:] == [
            "schedule set shop --kind weekly --scope files --at 'sun 02:00'",
            "schedule install --with cron",
        ]
        await pilot.press("down", "enter")
        assert isinstance(pilot.app.screen, PruneScreen)  # what deletes shows its plan, it is not simply run
        await pilot.press("q", "down")
        reasons = {verb.name: pilot.app.screen.against(verb) for verb in ScheduleScreen.VERBS}  # type: ignore[attr-defined]
        assert "follows from the others" in reasons["edit"]
        assert "follows from the others" in reasons["off"]


async def test_without_a_profile_it_says_what_to_do(session: Session, open_app: OpenApp) -> None:
    async with open_app() as pilot:
        ui(pilot).options = ("--vault", str(session.vault_path))
        await pilot.press("5")
        await until_shown(pilot, "nothing is scheduled")
        await pilot.press("enter", "e", "space", "n", "i")
        assert isinstance(pilot.app.screen, ScheduleScreen)


async def test_a_change_is_really_made_and_shown(config: Path, open_app: OpenApp) -> None:
    async with open_app(on=open_session(config=config, now=lambda: NOW)) as pilot:
        ui(pilot).options = ("--config", str(config))
        await pilot.press("5")
        await until_shown(pilot, "shop-daily")
        await pilot.press("e", *["backspace"] * 5)
        await typed(pilot, "04:30")
        await pilot.press("enter")
        await until_shown(pilot, "shop-daily            04:30")
        entry = open_session(config=config).config.profile("shop").schedule[0]
        assert entry.at == "04:30"


@pytest.fixture
def kept(tmp_path: Path) -> Shop:
    """A shop with three daily backups, of which its retention keeps one."""
    made = make_shop(tmp_path / "app", orders=5)
    made.vault = tmp_path / "app" / "vault"
    made.clock = Clock(NOW - timedelta(days=3))
    database = made.database
    session_at(
        tmp_path / "app", f"profiles: {{shop: {{databases: [{database}], {ENTRIES}, retention: {{daily: 3}}}}}}\n"
    )
    made.config = tmp_path / "app" / "config.yaml"
    for _ in range(3):
        made.back_up("shop", kind=Kind.DAILY)
        made.clock.move(hours=20)
    made.config.write_text(made.config.read_text().replace("daily: 3", "daily: 1"))
    return made


async def test_retention_is_previewed_and_the_number_typed(kept: Shop, open_app: OpenApp) -> None:
    assert kept.config is not None
    async with open_app(on=open_session(config=kept.config, now=lambda: NOW)) as pilot:
        ui(pilot).options = ("--config", str(kept.config))
        await pilot.press("5")
        await until_shown(pilot, "retention would delete 2 backups")
        await pilot.press("p")
        screen = pilot.app.screen
        assert isinstance(screen, PruneScreen)
        await until_shown(pilot, "2 would go, 1 stay")
        before = len(ui(pilot).jobs)
        await pilot.press("enter")
        dialog = pilot.app.screen
        assert isinstance(dialog, TypeName)
        await pilot.press("enter", "enter", "enter", "enter", "enter", "3", "enter")
        assert "Nothing was done" in text(pilot)
        ui(pilot).look()
        assert len(ui(pilot).jobs) == before
        await pilot.press("2", "enter")
        left = kept.vault / "shop" / "daily"
        await until(pilot, lambda: len(list(left.glob("*.manifest.json"))) == 1)
        await until_shown(pilot, "prune")


async def test_the_figures_have_charts_also_without_unicode(kept: Shop, open_app: OpenApp) -> None:
    assert kept.config is not None
    for plain in (False, True):
        async with open_app(on=open_session(config=kept.config, now=lambda: NOW), only_ascii=plain) as pilot:
            ui(pilot).options = ("--config", str(kept.config))
            await pilot.press("5", "s")
            said = await until_shown(pilot, "success  [############] 100%")
            held = next(line for line in said.splitlines() if line.startswith("  held"))
            assert ("#" in held, "█" in held) == (plain, not plain)


@pytest.mark.parametrize(
    ("typed_in", "options"),
    [
        ("03:00", ("--at", "03:00")),
        ("SUN 02:00", ("--at", "sun 02:00")),
        ("every 6h", ("--every", "6h")),
        ("90m", ("--every", "90m")),
    ],
)
def test_when_options(typed_in: str, options: tuple[str, ...]) -> None:
    assert when_options(typed_in) == options


@pytest.mark.parametrize("typed_in", ["", "every", "25:00", "never", "every 03:00", "sun", "03:00; rm -rf /"])
def test_when_it_is_no_time(typed_in: str) -> None:
    with pytest.raises(UsageError):
        when_options(typed_in)


@pytest.mark.parametrize(
    ("typed_in", "options", "wrong"),
    [
        ("", (), ""),
        ("daily=7 weekly 4", ("--keep-daily", "7", "--keep-weekly", "4"), ""),
        ("max-age 90d", ("--max-age", "90d"), ""),
        ("daily", (), "how many"),
        ("daily x", ("--keep-daily", "x"), "no number"),
        ("--yes 1", (), "no rule"),
        ("'", (), "closing quotation"),
    ],
)
def test_rules_that_are_tried(typed_in: str, options: tuple[str, ...], wrong: str) -> None:
    words, said = rule_words(typed_in)
    assert wrong.lower() in said.lower()
    assert bool(wrong) == bool(said)
    assert wrong or words == options
