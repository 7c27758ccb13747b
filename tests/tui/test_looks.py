"""Themes, sizes, terminals without colours or Unicode, and names that want to take over the screen."""

from __future__ import annotations

import re

import pytest

from tests.tui.conftest import HOSTILE, Acts, OpenApp, add_job, add_jobs, good, target, write_health
from tests.tui.pictures import Pictures, shown
from toolkit.events import JobFinished, Outcome
from toolkit.operations.session import Session

UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@pytest.mark.parametrize(
    "look",
    [
        ("dark-120x40", (120, 40), {"TERM": "xterm-256color"}),
        ("light-80x24", (80, 24), {"TERM": "xterm-256color", "COLORFGBG": "0;15"}),
        ("ansi-80x24", (80, 24), {"TERM": "linux"}),
        ("nocolor-80x24", (80, 24), {"TERM": "xterm-256color", "NO_COLOR": "1"}),
    ],
)
async def test_health_in_other_colours_and_sizes(
    look: tuple[str, tuple[int, int], dict[str, str]],
    session: Session,
    open_app: OpenApp,
    picture: Pictures,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name, size, environ = look
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)
    write_health(session)
    add_jobs(session)
    async with open_app(size, environ=environ) as pilot:
        assert "BAD" in shown(pilot.app)
        picture.expect_svg(pilot.app, f"health-{name}")


async def test_plain_characters_only(session: Session, open_app: OpenApp, picture: Pictures) -> None:
    write_health(session)
    add_jobs(session)
    async with open_app(only_ascii=True) as pilot:
        text = picture.expect_text(pilot.app, "health-ascii")
        assert text.isascii()
        for keys in (["7", "enter"], ["colon"], ["question_mark"], ["9"], ["1", "home", "d"], ["8", "n"], ["2"], ["3"]):
            await pilot.press(*keys)
            await pilot.pause()
            assert shown(pilot.app).isascii(), keys
            await pilot.press("escape")


async def test_hostile_names_stay_names(session: Session, open_app: OpenApp, acts: Acts) -> None:
    write_health(
        session,
        tuple(
            target(f"/srv/{name}", "bad", ("damaged", f"damaged {name}"), last_good=good(2), open_by=(name,))
            for name in HOSTILE
        ),
    )
    for number, name in enumerate(HOSTILE):
        ended = JobFinished(status=Outcome.FAILED, exit=1, summary=name)
        add_job(session, f"000000{number:02}", "rescue", f"/srv/{name.encode(errors='replace').decode()}", ended=ended)
    async with open_app() as pilot:
        for start in (["1"], ["7"]):
            await pilot.press(*start)
            for _ in HOSTILE:
                assert not UNSAFE.search(shown(pilot.app))
                assert all(len(line) <= 80 for line in shown(pilot.app).splitlines())
                await pilot.press("enter")
                assert not UNSAFE.search(shown(pilot.app))
                await pilot.press("q", "down")
        await pilot.press("1", "slash", *"[/b]", "enter")
        assert "[/b]" in shown(pilot.app)
