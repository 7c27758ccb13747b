"""The restore wizard: four Enters restore beside; clashes are decided one by one; a live database needs its name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.makers import databases
from tests.makers.applications import Shop
from tests.tui.backups import NAMES, app_of, heard, hostile_shop, is_clean, on, text_until, until
from tests.tui.conftest import OpenApp
from tests.tui.pictures import Pictures, shown
from toolkit.operations.jobs import JobRow, store
from toolkit.operations.restoring import decisions
from toolkit.operations.watch import JobWatch
from tui.screens.restore_clashes import RestoreClashes
from tui.screens.restore_plan import RestorePlanScreen
from tui.widgets.edges import ACTIVE
from tui.widgets.rows import Rows


@pytest.fixture
def made(tmp_path: Path) -> Shop:
    return hostile_shop(tmp_path)


def is_plan(row: JobRow) -> bool:
    """Say whether a job only planned."""
    return "--dry-run" in row.cli


def ended(pilot: Pilot[None]) -> list[str]:
    """Return how the restores ended that are over."""
    jobs = [row for row in app_of(pilot).jobs if row.operation == "restore" and not is_plan(row)]
    return [f"{row.state} {row.exit}" for row in jobs if row.state not in ACTIVE]


def restores(made: Shop) -> list[str]:
    """Return the command lines of all restores that were started, plans not counted."""
    rows = JobWatch(store(made.session())).look() or []
    return [row.cli for row in rows if row.operation == "restore" and not is_plan(row)]


async def test_four_enters_restore_beside_the_live_data(made: Shop, open_app: OpenApp) -> None:
    ident = made.back_up("shop").id
    before = (made.uploads / "logo.png").read_text()
    async with open_app(**on(made)) as pilot:
        await pilot.press("2", "r")
        await text_until(pilot, "step 1/4")
        await pilot.press("enter")
        await text_until(pilot, "step 2/4")
        await pilot.press("enter")
        assert "Nothing clashes" in await text_until(pilot, "0 undecided")
        await pilot.press("enter")
        text = await text_until(pilot, "give everything its name")
        assert is_clean(text)
        assert "nothing has been changed yet" in text
        await pilot.press("enter")
        await until(pilot, lambda: ended(pilot) == ["ok 0"])
        await until(pilot, lambda: app_of(pilot).current_mode == "jobs")
        await pilot.press("2")
        assert len(app_of(pilot).screen_stack) == 1  # the wizard is gone
    place = Path(f"{made.root}/shop.restored-{ident}")
    restored = Path(f"{place}{made.uploads}")
    assert set(os.listdir(restored)) >= set(NAMES)
    assert databases.row_counts(Path(f"{place}{made.database}"))["orders"] == 20
    assert (made.uploads / "logo.png").read_text() == before
    (line,) = restores(made)
    assert f"--to {place} --plan " in line


def change(made: Shop) -> None:
    """Make clashes of several kinds: four newer files, a link, a folder."""
    for name in (*NAMES[:3], "logo.png"):
        (made.uploads / name).write_text("changed since")
    (made.uploads / "report.txt").unlink()
    (made.uploads / "report.txt").symlink_to("/etc/passwd")
    (made.uploads / NAMES[3]).unlink()
    (made.uploads / NAMES[3]).mkdir()
    made.execute("delete from orders where id > 5")


async def test_clashes_are_decided_and_the_name_is_typed(made: Shop, open_app: OpenApp, picture: Pictures) -> None:
    ident = made.back_up("shop").id
    change(made)
    async with open_app(**on(made)) as pilot:
        await pilot.press("2", "r", "enter", "down", "down")
        await text_until(pilot, "step 2/4")
        await pilot.press("enter")
        text = await text_until(pilot, "6 undecided")
        assert is_clean(text)
        assert "link -> /etc/passwd" in text
        picture.keep_for_docs(pilot.app, "restore-clashes")
        screen = pilot.app.screen
        assert isinstance(screen, RestoreClashes)
        assert screen.plan_file is not None

        said = heard(pilot)
        await pilot.press("enter", "enter")  # undecided: nothing goes on
        assert pilot.app.screen is screen
        rows = screen.query_one(Rows)
        rows.go_to(str(made.uploads / "logo.png"))
        await pilot.press("n")
        rows.go_to(str(made.uploads / NAMES[0]))
        await pilot.press("p")
        rows.go_to(str(made.uploads / NAMES[1]))
        await pilot.press("A")  # what was chosen last for this kind
        assert said[-1] == "replace: 2 files of this kind"
        rows.go_to(str(made.uploads / "report.txt"))
        await pilot.press("s")
        rows.go_to(str(made.uploads / NAMES[3]))
        await pilot.press("s")
        assert "0 undecided" in shown(pilot.app)

        await pilot.press("enter")
        text = await text_until(pilot, "asks for the name")
        assert "1 rename, 3 replace, 2 skip" in text
        await pilot.press("enter", "enter", "enter", "enter", "enter")
        await pilot.press(*"wrong", "enter")
        assert "That is not the name. Nothing was done." in shown(pilot.app)
        assert restores(made) == []
        assert databases.row_counts(made.database)["orders"] == 5

        await pilot.press(*"shop", "enter")
        await until(pilot, lambda: ended(pilot) == ["ok 0"])
    assert databases.row_counts(made.database)["orders"] == 20
    for name in NAMES[:3]:
        assert (made.uploads / name).read_text().startswith("in the backup")
    assert (made.uploads / "logo.png").read_text() == "changed since"
    (beside,) = [one for one in os.listdir(made.uploads) if one.startswith("logo.restored-")]
    assert (made.uploads / beside).read_text() == "a logo"
    assert (made.uploads / "report.txt").is_symlink()
    assert (made.uploads / NAMES[3]).is_dir()
    (line,) = restores(made)
    assert line.startswith(f"lifeboat restore {ident} --plan ")
    assert "shop" not in line.partition("--plan")[0]  # in a shell it asks for the name again


async def test_a_target_that_changed_since_is_refused(made: Shop, open_app: OpenApp) -> None:
    made.back_up("shop")
    (made.uploads / "logo.png").write_text("changed")
    async with open_app(**on(made)) as pilot:
        await pilot.press("2", "r", "enter", "down", "down")
        await text_until(pilot, "step 2/4")
        await pilot.press("enter")
        await text_until(pilot, "1 undecided")
        await pilot.press("p", "enter")
        await text_until(pilot, "asks for the name")
        (made.uploads / "logo.png").write_text("changed again, after the plan")
        await pilot.press("enter", *"shop", "enter")
        await until(pilot, lambda: ended(pilot))
        assert ended(pilot)[0].endswith(" 5")
    assert (made.uploads / "logo.png").read_text() == "changed again, after the plan"


async def test_one_step_back_and_away_and_back(made: Shop, open_app: OpenApp) -> None:
    made.back_up("shop")
    async with open_app(**on(made)) as pilot:
        await pilot.press("2", "r", "enter")
        await text_until(pilot, "step 2/4")
        await pilot.press("7", "2")  # away and back: the wizard is where it was
        await text_until(pilot, "step 2/4")
        await pilot.press("q")
        await text_until(pilot, "step 1/4")
        await pilot.press("q")
        assert "TESTED" in await text_until(pilot, "WHERE")
    assert restores(made) == []


async def test_a_new_folder_is_asked_for_and_its_clashes_too(made: Shop, open_app: OpenApp, tmp_path: Path) -> None:
    made.back_up("shop")
    place = tmp_path / "else"
    there = Path(f"{place}{made.uploads}")
    os.makedirs(there)
    (there / "logo.png").write_text("mine")
    async with open_app(**on(made)) as pilot:
        await pilot.press("2", "r", "down", "down", "enter", "down")
        await text_until(pilot, "step 2/4")
        said = heard(pilot)
        await pilot.press("enter", *"nopath", "enter")
        assert "a whole path begins with /" in said[-1]
        await pilot.press("enter")
        for char in str(place):
            await pilot.press(
                "minus" if char == "-" else "slash" if char == "/" else "underscore" if char == "_" else char
            )
        await pilot.press("enter")
        await text_until(pilot, "1 undecided")
        await pilot.press("s", "enter")
        await text_until(pilot, "1 skip")
        screen = pilot.app.screen
        assert isinstance(screen, RestorePlanScreen)
        words = screen.final.started_as
        assert words[words.index("--to") + 1] == str(place)
        assert words[words.index("--only") + 1] == str(made.uploads)
        plan = decisions.read(Path(words[words.index("--plan") + 1]))
        assert [row.choice for row in plan.clashes] == ["skip"]
        await pilot.press("R")
        await text_until(pilot, "1 undecided")  # looked at again: asked again
    assert (there / "logo.png").read_text() == "mine"


async def test_read_only_screens_plan_and_start_nothing(made: Shop, open_app: OpenApp) -> None:
    made.back_up("shop")
    async with open_app(**on(made), read_only=True) as pilot:
        await pilot.press("2", "r", "enter")
        await text_until(pilot, "step 2/4")
        await pilot.press("enter")
        await text_until(pilot, "Nothing clashes")
        await pilot.press("enter")
        await text_until(pilot, "give everything its name")
        said = heard(pilot)
        await pilot.press("enter", "enter")
        assert "only show" in said[-1]
    assert restores(made) == []
