"""Backups: the list off the catalog, what is said of each, every key; deleting, comparing, the files, and versions."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.makers.applications import Shop
from tests.tui.backups import NAMES, app_of, heard, hostile_shop, is_clean, on, text_until, until
from tests.tui.conftest import OpenApp
from tests.tui.pictures import shown
from toolkit.jobs.context import Job
from toolkit.operations import keeping
from toolkit.operations.browsing import BackupList, facts_of
from toolkit.operations.session import Session
from toolkit.retention import Kind
from tui.act import Act
from tui.screens.backups import BackupsScreen
from tui.screens.backups_charts import columns
from tui.screens.backups_detail import detail
from tui.screens.contents import ContentsScreen
from tui.screens.frame import Frame
from tui.widgets.rows import Rows


@pytest.fixture
def made(tmp_path: Path) -> Shop:
    return hostile_shop(tmp_path)


def test_the_key_of_a_rehearsal_fits_behind_any_date(made: Shop) -> None:
    made.back_up("shop")
    found = BackupList(made.session())
    found.arrange([], "", reverse=False)
    (one,) = found.rows(0, 1)
    facts = facts_of(made.session(), one.backup.id)
    when = facts.manifest.evidence.when
    assert when is not None
    for days in (0, 1, 60, 400, 4000):  # at midnight a year ends too
        lines = [line.plain.rstrip() for line in detail(one, facts, None, when + timedelta(days=days))]
        (said,) = (line for line in lines if line.startswith("   proof "))
        assert said.endswith("; t rehearses it")
        assert len(said) < 80


def started(pilot: Pilot[None]) -> list[Act]:
    """Return a list that takes the acts from now on, which are not started."""
    acts: list[Act] = []

    def start(act: Act, *_: object, **__: object) -> None:
        acts.append(act)

    app_of(pilot).start = start  # type: ignore[method-assign]
    return acts


def backups(pilot: Pilot[None]) -> BackupsScreen:
    screen = pilot.app.screen
    assert isinstance(screen, BackupsScreen)
    return screen


def annotate(made: Shop, ident: str, text: str) -> None:
    def body(session: Session, job: Job) -> None:
        keeping.note(session, ident, text, job)

    made.job("note", body)


async def test_without_backups_the_way_to_the_first_one(made: Shop, open_app: OpenApp) -> None:
    async with open_app(**on(made)) as pilot:
        await pilot.press("2")
        assert "No backup yet. b makes the first one." in shown(pilot.app)
        said = heard(pilot)
        await pilot.press("enter", "X", "t", "plus")
        assert len(said) == 4
        assert all("there is no backup here" in one for one in said)
        acts = started(pilot)
        await pilot.press("b", "enter")
        assert [act.words for act in acts] == [("backup", "shop")]


async def test_the_list_narrows_sorts_and_tells(made: Shop, open_app: OpenApp) -> None:
    first = made.back_up("shop").id
    second = made.back_up("shop", kind=Kind.DAILY).id
    annotate(made, first, "before the [red]upgrade\x1b[2J")
    async with open_app(**on(made)) as pilot:
        await pilot.press("2")
        text = await text_until(pilot, "kept  ")
        assert second in text
        assert "shop.db 20 rows in 1 table" in text or "rows in" in text
        await pilot.press("down")
        text = await text_until(pilot, "before the [red]upgrade")
        assert is_clean(text)
        await pilot.press("slash", *"kind:daily", "enter")
        rows = backups(pilot).query_one(Rows)
        assert (rows.count, rows.total) == (1, 2)
        await pilot.press("q", "slash", *"upgrade", "enter")
        assert rows.current is not None
        assert rows.current.key == first
        await pilot.press("q", "slash", *"nothing", "enter")
        assert "No backup passes this filter" in shown(pilot.app)


async def test_every_key_does_what_it_says(made: Shop, open_app: OpenApp) -> None:
    first, second = made.back_up("shop").id, made.back_up("shop").id
    async with open_app(**on(made)) as pilot:
        await pilot.press("2")
        await text_until(pilot, "kept  ")
        acts, said = started(pilot), heard(pilot)
        await pilot.press("t", "i", "plus", "P")
        await pilot.press("a", *"-ok", "enter")
        await pilot.press("T", *"-old", "enter", "T", *"new", "enter")
        await pilot.press("c", *"x", "enter")
        await pilot.press("T", "space", "enter")
        assert "Nothing was typed, nothing was done." in shown(pilot.app)
        await pilot.press("escape", "a", "enter")  # an empty line is an answer there
        assert [act.words for act in acts] == [
            ("verify", second, "--rehearse"),
            ("verify", second),
            ("rate", second, "3"),
            ("pin", second),
            ("note", second, " -ok"),
            ("tag", second, "--remove", "old"),
            ("tag", second, "+new"),
            ("copy", second, "x"),
            ("note", second, ""),
        ]
        acts.clear()
        await pilot.press("minus", "u", "F")
        assert acts == []
        assert ["not rated" in said[0], "no destination" in said[1], "at no destination" in said[2]] == [True] * 3
        await pilot.press("space", "space", "t", "U", "k", "i")
        assert [act.words for act in acts] == [("verify", *sorted((first, second)), "--rehearse"), ("verify", second)]
        for key, words in (
            ("l", "rows, now"),
            ("m", "bytes held"),
            ("v", "the same as in the backup"),
            ("z", "Looking"),
        ):
            await pilot.press(key)
            await text_until(pilot, words)
            await pilot.press("q")
        assert "compared" in await text_until(pilot, "the same as in the backup")
        screen = backups(pilot)
        assert {verb.name for verb in screen.VERBS} == {
            name.removeprefix("do_") for name in dir(screen) if name.startswith("do_") and not hasattr(Frame, name)
        }


async def test_delete_lists_exactly_which_and_asks_for_the_number(made: Shop, open_app: OpenApp) -> None:
    ids = [made.back_up("shop").id for _ in range(3)]
    async with open_app(**on(made)) as pilot:
        await pilot.press("2", "down", "space", "space", "X")
        text = await text_until(pilot, "move 2 backups to the trash")
        assert ids[0] in text
        assert ids[1] in text
        assert ids[2] not in text
        await pilot.press("enter", "enter", "enter", "enter", "enter", *"3", "enter")
        assert "That is not the number. Nothing was done." in shown(pilot.app)
        await pilot.press(*"2", "enter")
        await until(
            pilot,
            lambda: any(
                row.operation == "delete" and row.state == "ok" and "--dry-run" not in row.cli
                for row in app_of(pilot).jobs
            ),
        )
        await pilot.press("2")
        await until(pilot, lambda: backups(pilot).query_one(Rows).count == 1)


async def test_a_last_good_copy_is_refused_until_it_is_allowed(made: Shop, open_app: OpenApp) -> None:
    ident = made.back_up("shop").id
    async with open_app(**on(made)) as pilot:
        await pilot.press("2", "X")
        assert ident in await text_until(pilot, "allows it")
        said = heard(pilot)
        await pilot.press("enter")
        assert "A allows that" in said[-1]
        await pilot.press("A")
        await text_until(pilot, "--allow-last-good")
        await until(pilot, lambda: "Refused" not in shown(pilot.app) and "to the trash" in shown(pilot.app))


async def test_the_tree_opens_finds_and_leads_to_the_wizard(made: Shop, open_app: OpenApp) -> None:
    made.back_up("shop")
    (made.uploads / "logo.png").write_text("a second version")
    made.back_up("shop")
    async with open_app(**on(made)) as pilot:
        await pilot.press("2", "enter")
        await text_until(pilot, "/ finds one")
        screen = pilot.app.screen
        assert isinstance(screen, ContentsScreen)
        rows = screen.query_one(Rows)
        await until(pilot, lambda: rows.count == len(NAMES) + 4 or rows.count == 2)
        if rows.count == 2:
            await pilot.press("enter")
        text = shown(pilot.app)
        assert is_clean(text)
        assert all(part in text for part in ("logo.png", "\\u202egnp.exe", "caf\\xe9.db", "new\\nline.db"))
        await pilot.press("left")
        await until(pilot, lambda: rows.count == 2)
        await pilot.press("right", "right", "left", "slash", *"logo", "enter")
        assert rows.count == 1
        await pilot.press("v")
        text = await text_until(pilot, "older")
        assert "16 B" in text
        await pilot.press("down", "enter")
        text = await text_until(pilot, "Only this")
        assert str(made.uploads / "logo.png")[:20] in text
        await pilot.press("q", "q", "q", "q", "r")
        await text_until(pilot, "step 1/4")
        await pilot.press("q")
        assert backups(pilot)


async def test_a_file_is_found_by_name_first(made: Shop, open_app: OpenApp) -> None:
    made.back_up("shop")
    async with open_app(**on(made)) as pilot:
        await pilot.press("2", "f", *"db", "enter")
        text = await text_until(pilot, "in 1 backup")
        assert is_clean(text)
        assert "a[" in text


@pytest.mark.parametrize("size", [(80, 24), (60, 15), (120, 40)])
async def test_it_fits_the_window(made: Shop, open_app: OpenApp, size: tuple[int, int]) -> None:
    made.back_up("shop")
    async with open_app(size, **on(made), environ={"TERM": "linux"}, only_ascii=True) as pilot:
        for keys in (["2"], ["enter"], ["q", "r"], ["enter"], ["q", "q", "m"], ["q", "b"]):
            await pilot.press(*keys)
            await pilot.pause()
            assert {char for char in shown(pilot.app) if not char.isascii()} <= set("▁▂▃▄▅▆▇")  # of a scroll bar


def test_charts_are_as_high_as_what_they_show() -> None:
    assert columns([0, 1, 2, 4, None], height=2, width=10, fine=False) == ["   # ", " ### "]
    assert columns([1, 8], height=1, width=10, fine=True) == ["▁█"]
    assert columns([], height=2, width=10, fine=True) == ["", ""]
    assert columns([5] * 20, height=1, width=3, fine=False) == ["###"]
