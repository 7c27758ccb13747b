"""The lines at the edges: what ran last, in words that say how it ended, and the keys in a narrow window."""

from __future__ import annotations

from tests.tui.acting import text, ui
from tests.tui.conftest import NOW, Acts, OpenApp, add_job, write_health
from tests.tui.scenes import settled
from toolkit.events import Advanced, JobFinished, Outcome, StepStarted
from toolkit.operations.jobs import store
from toolkit.operations.session import Session
from toolkit.operations.watch import JobWatch
from tui.screens.health import HealthScreen
from tui.verbs import EVERYWHERE
from tui.widgets.edges import job_line, keys, state_text


def test_the_last_job_is_one_that_did_something_and_damage_is_said(session: Session) -> None:
    look = "lifeboat rescue /srv/shop/shop.db --dry-run --json"
    assert "nothing has run yet" in job_line([], NOW, 80).plain
    cancelled = JobFinished(status=Outcome.CANCELLED, exit=130)
    add_job(session, "aaaa0001", "rescue", "/srv/shop/shop.db", cli=look, ended=cancelled)
    assert "nothing has run yet" in job_line(JobWatch(store(session)).look() or [], NOW, 80).plain
    add_job(session, "aaaa0002", "diagnose", "shop", minutes=9, ended=JobFinished(status=Outcome.WARN, exit=4))
    add_job(session, "aaaa0003", "backup", "shop", minutes=10, ended=JobFinished(status=Outcome.WARN, exit=3))
    rows = JobWatch(store(session)).look() or []
    assert job_line(rows, NOW, 80).plain.startswith(" diagnose shop: DAMAGE FOUND ")
    assert [state_text(row) for row in rows] == ["cancelled", "DAMAGE FOUND", "incomplete"]


def test_in_a_narrow_window_the_way_back_and_the_help_stay() -> None:
    verbs = [(verb, True) for verb in (*HealthScreen.VERBS, *EVERYWHERE)]
    assert keys(verbs, 80).plain == " Enter Open b Backup d Check f Repair r Restore ? Help q Back"
    for width in range(16, 61):
        said = keys(verbs, width).plain
        assert said.endswith(" … ? Help q Back")
        assert len(said) <= width


async def test_a_plan_that_is_made_is_not_told_as_a_rescue(session: Session, open_app: OpenApp) -> None:
    write_health(session)
    step = StepStarted(n=1, of=2, name="look", title="Checking shop.db")
    done = Advanced(step="look", done=41, total=100)
    look = "lifeboat rescue /srv/shop/shop.db --dry-run --json"
    add_job(session, "aaaa0001", "rescue", "/srv/shop/shop.db", cli=look, events=(step, done))
    async with open_app() as pilot:
        assert "plan rescue 41%" in text(pilot)


async def test_what_somebody_else_does_already_is_said_and_not_begun_again(
    session: Session, open_app: OpenApp, acts: Acts
) -> None:
    write_health(session)
    backup = add_job(session, "aaaa0001", "backup", "shop")
    async with open_app() as pilot:
        await pilot.press("b")
        said = "backup shop is under way since 03:02, by root (for alex) from 192.0.2.7 (job aaaa0001, 7 shows it)"
        assert [one.message for one in ui(pilot)._notifications] == [said]
        await pilot.press("d")  # only looks
        await settled(pilot)
        assert acts.lines == ["lifeboat diagnose /srv/shop/shop.db"]
        add_job(session, "aaaa0002", "rescue", "/srv/shop/shop.db")
        backup.append(JobFinished(status=Outcome.OK, exit=0))
        ui(pilot).look()
        await pilot.press("b", "d", "D")
        await settled(pilot)
        assert len(acts.lines) == 1
        await pilot.press("end", "b")  # another file set of the same application: its backup is not in the way
        await settled(pilot)
        assert acts.lines[1:] == ["lifeboat backup shop"]


async def test_what_is_said_again_does_not_cover_more_of_the_screen(
    session: Session, open_app: OpenApp, acts: Acts
) -> None:
    write_health(session)
    add_job(session, "deadbeef", "rescue", "/srv/shop/shop.db")
    async with open_app() as pilot:
        await pilot.press("enter")
        await settled(pilot)
        await pilot.press("enter", "enter", "enter")
        assert [one.message for one in ui(pilot)._notifications] == ["there is no plan yet"]


async def test_help_is_broken_into_lines_below_each_other(open_app: OpenApp) -> None:
    async with open_app((60, 40)) as pilot:
        await pilot.press("8", "question_mark")
        body = text(pilot).splitlines()[4:-3]
        assert all(line.startswith("  ") for line in body if line.strip())
