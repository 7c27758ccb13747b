"""A page of text over a screen: what a command said, in words that can be scrolled."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from toolkit.errors import LifeboatError
from tui.act import Act
from tui.screens.frame import Frame
from tui.text import line, lines, put

Loads = Callable[[], Iterable[Content]]
"""Returns the text. Called beside the UI; it may raise `LifeboatError`."""


class Page(Frame):
    """A page with a headline. `load` makes the text, beside the UI; `act` is the command that says the same."""

    AUTO_FOCUS = "VerticalScroll"

    def __init__(self, headline: str, load: Loads, act: Act | None = None) -> None:
        super().__init__()
        self._headline, self._load, self._act = headline, load, act
        self.loaded = False

    def body(self) -> ComposeResult:
        """Compose the headline and the text."""
        yield Static(put((f" {self._headline}", "bold")), classes="rule")
        with VerticalScroll():
            yield Static(put(" Looking …"), id="text")

    def on_mount(self) -> None:
        """Begin to make the text."""
        super().on_mount()
        self.beside(lambda _: lines(self._load()), self._show, self._failed)

    def _failed(self, error: LifeboatError) -> None:
        self._show(lines(failure_lines(error, self.size.width)))

    def _show(self, text: Content) -> None:
        self.loaded = True
        self.query_one("#text", Static).update(text)

    def commands(self) -> Iterator[Act]:
        """Yield the command that says the same."""
        if self._act is not None:
            yield self._act


def failure_lines(error: LifeboatError, width: int) -> Iterator[Content]:
    """Yield what went wrong, with what, and what to do next."""
    yield Content("")
    yield from wrapped(" It did not work: ", error.message, width, tone="bold $text-error")
    if error.subject:
        yield put(f"   {error.subject!s}")
    if error.hint:
        yield from wrapped(" Next: ", error.hint, width, tone="bold")
    yield put(" Nothing was changed.   ", ("q", "bold"), " back")


def wrapped(word: str, text: str, width: int, *, tone: str = "", indent: int | None = None) -> Iterator[Content]:
    """Yield `word` in its tone, then `text` in as many lines of `width` as it needs, below each other."""
    start = len(word) if indent is None else indent
    room = max(width - max(start, len(word)) - 1, 20)
    first, *rest = textwrap.wrap(line(text), room, break_on_hyphens=False) or [""]
    yield put((word.ljust(start), tone), first)
    yield from (put(" " * start + more) for more in rest)
