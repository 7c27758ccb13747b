"""A plan is shown before it is done, asks for the name, and starts exactly what it showed."""

from __future__ import annotations

from tests.tui.answers import PLAN, dry_run, no_plan
from tests.tui.conftest import Acts, OpenApp, write_health
from tests.tui.pictures import Pictures, shown
from toolkit.operations.session import Session


async def test_a_rescue_takes_ten_keys_and_wrong_words_start_nothing(
    session: Session, open_app: OpenApp, acts: Acts, picture: Pictures
) -> None:
    write_health(session)
    acts.jobs = [dry_run(session), "ffff0000"]
    async with open_app() as pilot:
        app = pilot.app
        await pilot.press("enter")
        await app.workers.wait_for_complete()
        app.look()  # type: ignore[attr-defined]
        await pilot.pause()
        assert acts.lines == ["lifeboat rescue /srv/shop/shop.db --dry-run --json"]
        picture.expect_text(app, "plan-rescue")
        picture.keep_for_docs(app, "rescue-plan")
        for _ in range(5):
            await pilot.press("enter")
        picture.expect_text(app, "plan-name")
        await pilot.press(*"shop", "enter")
        assert "That is not the name. Nothing was done." in shown(app)
        assert len(acts.lines) == 1
        await pilot.press("escape", "enter", *"shop.db", "enter")
        await app.workers.wait_for_complete()
        await pilot.pause()
        started = f"lifeboat rescue /srv/shop/shop.db --digest {PLAN.digest} --confirm shop.db"
        assert acts.lines[1:] == [started]
        assert app.current_mode == "jobs"
    keys = ["enter", "enter", *"shop.db", "enter"]
    assert len(keys) == 10


async def test_another_way_is_planned_anew(session: Session, open_app: OpenApp, acts: Acts) -> None:
    write_health(session)
    acts.jobs = [dry_run(session), dry_run(session, "ab12cd35")]
    async with open_app() as pilot:
        await pilot.press("enter")
        await pilot.app.workers.wait_for_complete()
        pilot.app.look()  # type: ignore[attr-defined]
        await pilot.pause()
        await pilot.press("w")
        await pilot.app.workers.wait_for_complete()
        assert acts.lines[1] == "lifeboat rescue /srv/shop/shop.db --way salvage --dry-run --json"


async def test_without_a_plan_the_reason_and_the_next_step_are_said(
    session: Session, open_app: OpenApp, acts: Acts, picture: Pictures
) -> None:
    write_health(session)
    acts.jobs = [no_plan(session)]
    async with open_app() as pilot:
        await pilot.press("enter")
        await pilot.app.workers.wait_for_complete()
        pilot.app.look()  # type: ignore[attr-defined]
        await pilot.pause()
        text = picture.expect_text(pilot.app, "plan-none")
        assert "in use by gunicorn" in text
        await pilot.press("enter")
        assert len(acts.lines) == 1
