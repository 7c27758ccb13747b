"""A plan is shown before it is done, asks for the name, and starts exactly what it showed."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from tests.tui.conftest import Acts, OpenApp, add_job, write_health
from tests.tui.pictures import Pictures, shown
from toolkit.events import JobFinished, Outcome
from toolkit.operations.plan import Loss, Needs, Plan, Step
from toolkit.operations.session import Session

PLAN = Plan(
    op="rescue",
    targets=("/srv/shop/shop.db",),
    steps=(
        Step(n=1, name="stop", title="stop shop.service", offline=True),
        Step(n=2, name="stage", title="copy shop.db from backup k3jq7a2m beside its place", writes_bytes=1_200_000_000),
        Step(
            n=3, name="safety", title="keep the old files, bit for bit, in a safety backup", writes_bytes=1_200_000_000
        ),
        Step(n=4, name="place", title="give it its name", offline=True, cancel="never", undo="manual"),
        Step(n=5, name="check", title="check it once more under its name", offline=True, cancel="never"),
        Step(n=6, name="start", title="start shop.service", cancel="never"),
    ),
    loses=Loss(text="what was written since 02:01; 28 rows of orders"),
    keeps="the old files stay, bit for bit, in a safety backup; `lifeboat undo` puts them back",
    needs=Needs(free=2_600_000_000, have=11_000_000_000),
    confirm="word",
    confirm_word="shop.db",
    cli="lifeboat rescue /srv/shop/shop.db",
).sealed()

DATABASE = {
    "path": "/srv/shop/shop.db",
    "ways": [
        {"name": "mend", "possible": False, "why_not": "the schema is gone"},
        {"name": "salvage", "possible": True, "rows": 34_000, "loses": "436 rows: 436 of orders", "lost": 436},
        {"name": "restore", "possible": True, "rows": 35_472, "loses": "28 rows: 28 of orders", "lost": 28},
    ],
    "recommended": "restore",
    "because": "it loses least",
    "way": "restore",
}


def dry_run(session: Session, ident: str = "ab12cd34", **fields: Any) -> str:
    """Write the job of a dry run that is over, with what it printed."""
    document = {"exit": 0, "plan": msgspec.to_builtins(PLAN), "databases": [DATABASE], "warnings": []} | fields
    add_job(session, ident, "rescue", "/srv/shop/shop.db", ended=JobFinished(status=Outcome.OK, exit=0))
    (session.state / "jobs" / ident / "log.txt").write_text(json.dumps(document) + "\n")
    return ident


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
    error = {"code": "in-use", "message": "in use by gunicorn", "subject": "/srv/shop/shop.db", "hint": "stop it"}
    acts.jobs = [dry_run(session, plan=None, databases=[], error=error, exit=5)]
    async with open_app() as pilot:
        await pilot.press("enter")
        await pilot.app.workers.wait_for_complete()
        pilot.app.look()  # type: ignore[attr-defined]
        await pilot.pause()
        text = picture.expect_text(pilot.app, "plan-none")
        assert "in use by gunicorn" in text
        await pilot.press("enter")
        assert len(acts.lines) == 1
