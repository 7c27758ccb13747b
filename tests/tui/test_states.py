"""Every screen in every state, at two sizes and in three themes: as it is kept, legible, and none of it cut off."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from rich.segment import Segment
from textual.app import App
from textual.strip import Strip

from tests.tui.acting import ui
from tests.tui.answers import ANSWERS
from tests.tui.conftest import Acts, OpenApp
from tests.tui.pictures import Pictures, shown
from tests.tui.scenes import SCENES, go_to, settled
from tests.tui.server import STATES, Server, as_kept, folder
from tests.tui.test_looks import UNSAFE
from toolkit.operations import launch
from tui.screens.frame import Frame
from tui.widgets.edges import keys as footer

THEMES = ("ansi-dark", "textual-light", "textual-dark")
COLOURED = (
    "plan",
    "plan-name",
    "restore-clashes",
    "jobs-cancel",
    "jobs-answer",
    "schedule-when",
    "schedule-new",
    "drive-there",
)
"""Those besides the eight screens whose colours are looked at."""


@pytest.mark.parametrize("state", STATES)
async def test_every_screen(
    state: str, open_app: OpenApp, acts: Acts, picture: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    with folder() as root:
        for name in ("STATE", "LOGS"):
            monkeypatch.setenv(f"{name}_DIRECTORY", str(root / name.lower()))
        made = Server(root, state)
        monkeypatch.setattr(launch, "document", made.document)
        async with open_app(on=made.session) as pilot:
            app = ui(pilot)
            app.options = ("--config", str(made.root / "config.yaml"))
            for number, scene in enumerate(SCENES):
                if state not in scene.states:
                    continue
                acts.jobs = [ANSWERS[scene.answer](made.session, f"ab12cd{number:02}")] if scene.answer else []
                await go_to(pilot, scene)
                app.look()
                await settled(pilot)
                looks = []
                for size in ((120, 40), (80, 24)):
                    await pilot.resize_terminal(*size)
                    await settled(pilot)
                    text = shown(app)
                    assert not UNSAFE.search(text)
                    looks.append(text)
                picture.expect_lines(f"states/{scene.name}-{state}", as_kept("".join(reversed(looks))))
                for theme in THEMES if len(scene.keys) == 1 or scene.name in COLOURED else ():
                    app.theme = theme
                    await pilot.pause()
                    assert not list(unreadable(app)), f"{scene.name} in {theme}"
                if isinstance(app.screen, Frame):
                    verbs = [(verb, True) for verb in app.screen.verbs()]
                    assert footer(verbs, 500).cell_length <= 80, f"the keys of {scene.name} do not fit"


def unreadable(app: App[None]) -> Iterator[str]:
    """Yield the words that are drawn in the colour of what is behind them."""
    for strip in app.screen._compositor.render_strips():
        yield from (segment.text for segment in _visible(strip) if _same(segment))


def _visible(strip: Strip) -> Iterator[Segment]:
    yield from (segment for segment in strip if segment.text.strip() and segment.style is not None)


def _same(segment: Segment) -> bool:
    style = segment.style
    if style is None or style.color is None or style.color.is_default:
        return False
    return style.color == style.bgcolor
