"""Pictures of screens: what they show as text, and as SVG where colours count, compared with the kept ones.

`LIFEBOAT_PICTURES=write make test TESTS=tests/tui` keeps the new ones; look at the difference before you commit them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from textual.app import App

KEPT = Path(__file__).parent / "pictures"
SHOWN = Path(__file__).parents[2] / "docs" / "screenshots"
WRITE = "LIFEBOAT_PICTURES"
_WRITING = bool(os.environ.get(WRITE))  # tests take everything out of the environment


def shown(app: App[None]) -> str:
    """Return the screen as lines of text, without trailing spaces."""
    width, height = app.size
    strips = app.screen._compositor.render_strips()
    lines = [strip.text.rstrip() for strip in strips[:height]]
    assert all(len(line) <= width for line in lines)
    return "\n".join(lines) + "\n"


def _on_a_server(found: re.Match[str]) -> str:
    """Return a path of a server, as long as the one of the test."""
    return "&#160;/srv/shop/uploads".ljust(len(found[0].replace("&#160;", " ")) + 5).replace(" ", "&#160;")


def _svg(app: App[None]) -> str:
    svg = app.export_screenshot(title="lifeboat")
    svg = re.sub(r"terminal-\d+-", "terminal-", svg)
    return re.sub(r"\s*@font-face \{.*?\}\n", "\n", svg, flags=re.DOTALL)


class Pictures:
    """The pictures of one test."""

    def __init__(self, test: str) -> None:
        self._test = test

    def expect_text(self, app: App[None], name: str) -> str:
        """Compare the text of the screen with the kept one; return it."""
        text = shown(app)
        self._expect(KEPT / f"{name}.txt", text)
        return text

    def expect_lines(self, name: str, text: str) -> None:
        """Compare text that was taken from screens with the kept one."""
        self._expect(KEPT / f"{name}.txt", text)

    def expect_golden(self, path: Path, text: str) -> None:
        """Compare words with those that are kept elsewhere."""
        self._expect(path, text)

    def expect_svg(self, app: App[None], name: str) -> None:
        """Compare colours and text with the kept picture."""
        self._expect(KEPT / f"{name}.svg", _svg(app))

    def keep_for_docs(self, app: App[None], name: str) -> None:
        """Keep the screen as a picture of the documentation, when pictures are kept; it must be there otherwise."""
        if _WRITING:
            SHOWN.mkdir(exist_ok=True)
            somewhere = re.compile(r"(?<=>)(?:&#160;)*/tmp/[^<]*")
            (SHOWN / f"{name}.svg").write_text(somewhere.sub(_on_a_server, _svg(app)))
        assert (SHOWN / f"{name}.svg").exists(), f"there is no {name}.svg in docs: {WRITE}=write keeps one"

    def _expect(self, path: Path, made: str) -> None:
        if _WRITING:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made)
        assert path.exists(), f"there is no picture {path.name}: {WRITE}=write keeps one"
        assert made == path.read_text(), f"{path.name} looks different (test {self._test})"
