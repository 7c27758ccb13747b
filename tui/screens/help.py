"""The help of the screen one is on, made from its verbs: it cannot say less than the keys do."""

from __future__ import annotations

from collections.abc import Iterator

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from toolkit.errors import LifeboatError
from tui.screens.frame import Frame
from tui.screens.page import wrapped
from tui.text import line, lines, pad
from tui.verbs import NAMES, Verb

ALWAYS = (
    ("1-8", "the screens, from anywhere; 9 the menu of this one"),
    ("arrows j k", "move; g G first and last; > sorts, < turns; Space marks"),
    ("ctrl+q", "leave; jobs go on"),
    ("ctrl+l", "draw all of it again"),
)
"""Keys that are no verbs, and what they do."""


class HelpScreen(Frame):
    """All keys of one screen, with what they do and why they cannot be used now."""

    AUTO_FOCUS = "VerticalScroll"

    def __init__(self, screen: Frame) -> None:
        super().__init__()
        self._of = screen

    def body(self) -> ComposeResult:
        """Compose the text."""
        with VerticalScroll():
            yield Static(id="text")

    def facts(self) -> None:
        """Say all keys, in the width that there is."""
        self.put("#text", lines(self._text(self.size.width)))

    def _text(self, width: int) -> list[Content]:
        title = NAMES.get(self._of.MODE, "") or "Keys"
        said = [*wrapped(f" {title}   ", self._of.TITLE_LINE, width, tone="bold"), Content("")]
        said += [one for verb in self._of.verbs() for one in self._row(verb, width)]
        said.append(Content(""))
        return [*said, *(one for keys, what in ALWAYS for one in wrapped(f"  {keys:10} ", what, width, tone="bold"))]

    def _row(self, verb: Verb, width: int) -> Iterator[Content]:
        keys = self.ui.keys_of(self._of, verb)
        try:
            reason = self._of.against(verb)
        except LifeboatError:
            reason = ""
        yield from wrapped("  " + pad(line(keys), 10) + " ", verb.help, width, tone="bold" if not reason else "dim")
        if reason:
            yield from wrapped(" " * 13, f"not now: {reason}", width)

    def do_help(self) -> None:
        """Close the help again."""
        self.ui.back()
