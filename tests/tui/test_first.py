"""The eight screens open by digit; Health shows the worst first and leads to the way out."""

from __future__ import annotations

from tests.tui.conftest import OpenApp, add_jobs, write_health
from tests.tui.pictures import Pictures, shown
from toolkit.operations.session import Session


async def test_health_and_jobs_as_a_tired_person_sees_them(
    session: Session, open_app: OpenApp, picture: Pictures
) -> None:
    write_health(session)
    add_jobs(session)
    async with open_app() as pilot:
        text = picture.expect_text(pilot.app, "health-busy")
        assert "shop.db is damaged" in text
        picture.keep_for_docs(pilot.app, "health")
        await pilot.press("down")
        picture.expect_text(pilot.app, "health-warn")
        await pilot.press("7")
        picture.expect_text(pilot.app, "jobs-running")
        picture.keep_for_docs(pilot.app, "jobs")
        await pilot.press("down")
        picture.expect_text(pilot.app, "jobs-interrupted")
        await pilot.press("question_mark")
        picture.expect_text(pilot.app, "jobs-help")


async def test_an_empty_server_says_what_to_do(open_app: OpenApp, picture: Pictures) -> None:
    async with open_app() as pilot:
        assert "Nothing is looked after yet" in picture.expect_text(pilot.app, "health-empty")
        for digit in "2345678":
            await pilot.press(digit)
        assert "[8 Setup]" in shown(pilot.app)
        await pilot.press("7")
        assert "Nothing has run yet" in picture.expect_text(pilot.app, "jobs-empty")
