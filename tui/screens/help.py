"""The help of the screen one is on, made from its verbs: it cannot say less than the keys do."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from toolkit.errors import LifeboatError
from tui.screens.frame import Frame
from tui.text import line, lines, pad, put
from tui.verbs import NAMES, Verb


class HelpScreen(Frame):
    """All keys of one screen, with what they do and why they cannot be used now."""

    AUTO_FOCUS = "VerticalScroll"

    def __init__(self, screen: Frame) -> None:
        super().__init__()
        self._of = screen

    def body(self) -> ComposeResult:
        """Compose the text."""
        with VerticalScroll():
            yield Static(lines(self._text()), id="text")

    def _text(self) -> list[Content]:
        title = NAMES.get(self._of.MODE, "")
        said = [put((f" {title or 'Keys'}", "bold"), f"   {self._of.TITLE_LINE}"), Content("")]
        said += [self._row(verb) for verb in self._of.verbs()]
        said += [Content(""), put(("  1-8        ", "bold"), "the screens, from anywhere; 9 the menu of this one")]
        said += [put(("  arrows j k ", "bold"), "move; g G first and last; > sorts, < turns; Space marks")]
        said += [put(("  ctrl+q     ", "bold"), "leave; jobs go on     ", ("ctrl+l", "bold"), "  draw all of it again")]
        return said

    def _row(self, verb: Verb) -> Content:
        keys = self.ui.keys_of(self._of, verb)
        try:
            reason = self._of.against(verb)
        except LifeboatError:
            reason = ""
        key = ("  " + pad(line(keys), 10) + " ", "bold" if not reason else "dim")
        said = put(key, verb.help)
        if not reason:
            return said
        return lines([said, put("             not now: ", (reason, "$text-warning"))])

    def do_help(self) -> None:
        """Close the help again."""
        self.ui.back()
