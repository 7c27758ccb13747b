"""Leaving while own jobs run: they go on, or are cancelled and waited for; nothing is decided by accident."""

from __future__ import annotations

import pytest

from tests.tui.acting import text, ui
from tests.tui.conftest import Acts, OpenApp, add_job, write_health
from toolkit.events import CancelEffect, CancelRequested, JobFinished, Outcome, StepStarted
from toolkit.operations.session import Session

OPEN = "leaving ends none of them"
SWAP = StepStarted(n=3, of=6, name="place", title="give it its name", cancel=CancelEffect.NEVER)


async def test_c_cancels_and_leaves_when_the_last_job_is_over(session: Session, open_app: OpenApp, acts: Acts) -> None:
    write_health(session)
    backup = add_job(session, "aaaa0001", "backup", "shop")
    rescue = add_job(session, "aaaa0002", "rescue", "/srv/shop/shop.db", events=(SWAP,))
    other = add_job(session, "aaaa0003", "verify", "shop")
    async with open_app() as pilot:
        app = ui(pilot)
        app.mine |= {"aaaa0001", "aaaa0002"}
        await pilot.press("q")
        assert "2 jobs of yours still run" in text(pilot)
        assert "too late to cancel: it goes on" in text(pilot)
        await pilot.press("c", "c")
        await app.workers.wait_for_complete()
        assert sorted(acts.lines) == ["lifeboat jobs cancel aaaa0001", "lifeboat jobs cancel aaaa0002"]
        backup.append(CancelRequested(effective=CancelEffect.NOW))
        backup.append(JobFinished(status=Outcome.CANCELLED, exit=130))
        app.look()
        await pilot.pause()
        assert "1 job of yours still runs; asked to end" in text(pilot)
        assert app.is_running
        rescue.append(JobFinished(status=Outcome.OK, exit=0))
        app.look()
        await pilot.pause()
        assert app._exit
    other.append(JobFinished(status=Outcome.OK, exit=0))  # whose job it is not, goes on


@pytest.mark.parametrize(("key", "left"), [("enter", True), ("q", False), ("escape", False), ("x", False)])
async def test_without_c_no_job_is_cancelled(
    key: str, left: bool, session: Session, open_app: OpenApp, acts: Acts
) -> None:
    write_health(session)
    add_job(session, "aaaa0001", "backup", "shop")
    async with open_app() as pilot:
        ui(pilot).mine.add("aaaa0001")
        await pilot.press("q")
        assert OPEN in text(pilot)
        await pilot.press(key)
        await pilot.pause()
        assert ui(pilot)._exit == left
        assert (OPEN in text(pilot)) == (key == "x")
    assert acts.lines == []


async def test_a_job_that_ends_meanwhile_is_not_left_behind_unseen(
    session: Session, open_app: OpenApp, acts: Acts
) -> None:
    write_health(session)
    backup = add_job(session, "aaaa0001", "backup", "shop")
    async with open_app() as pilot:
        ui(pilot).mine.add("aaaa0001")
        await pilot.press("q")
        backup.append(JobFinished(status=Outcome.FAILED, exit=1))
        ui(pilot).look()
        await pilot.pause()
        assert "Nothing of yours runs any more" in text(pilot)
        assert not ui(pilot)._exit
    assert acts.lines == []
