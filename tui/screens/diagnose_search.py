"""Since when a row is there, or gone: the backups are asked by a job, and its answer is shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import msgspec
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from toolkit.operations.eventlines import progress_text
from toolkit.operations.timeline import Search, TimelineReport
from toolkit.wording import count_text, time_text
from tui.act import Act
from tui.screens.awaited import Awaited
from tui.screens.frame import Frame
from tui.screens.page import wrapped
from tui.text import lines, put
from tui.verbs import Verb


class SearchScreen(Frame):
    """What the job of `act` (`timeline --find … --json`) found out; leaving this page does not end it."""

    AUTO_FOCUS = "VerticalScroll"
    TITLE_LINE = "since when a row is there, or gone"
    VERBS: ClassVar[tuple[Verb, ...]] = (
        Verb(name="copy", key="y", label="Copy cmd", help="copy the command line that does the same"),
    )

    def __init__(self, act: Act) -> None:
        super().__init__()
        self._act = act
        self._looking = Awaited(self)
        self._search: Search | None = None

    def body(self) -> ComposeResult:
        """Compose the text."""
        yield Static(put((f" {self._act.title}", "bold")), classes="rule")
        with VerticalScroll():
            yield Static(id="text")

    def on_mount(self) -> None:
        """Begin to ask."""
        super().on_mount()
        self._looking.begin(msgspec.structs.replace(self._act, words=(*self._act.words, "--json")))

    def facts(self) -> None:
        """Show how far the search is, or what it found."""
        row, found = self._looking.row, self._looking.read()
        if self._search is None and found is not None and found.error is None:
            self._search = msgspec.convert(self._looking.document, TimelineReport).search
        going = f"{row.step or row.state}  {progress_text(row)}" if row is not None else ""
        self.put("#text", lines(self._said(going)))

    def _said(self, going: str) -> Iterator[Content]:
        yield Content("")
        width, now = self.size.width, self.ui.session.now()
        if self._search is not None:
            for turn in self._search.turns:
                yield from wrapped("  ", turn.text, width, tone="bold")
            asked = f"{count_text(len(self._search.looked), 'backup')} of {self._search.backups:,} were asked:"
            yield Content("")
            yield put(f"  {asked}")
            for look in self._search.looked:
                answer = look.why_not or ("has it" if look.holds else "lacks it")
                yield put(f"   {look.id}  {time_text(look.when, now):>16}  {answer}")
        elif self._looking.found is not None:
            error = self._looking.found.error
            yield from wrapped("  Not found out: ", error.message if error else "no answer", width, tone="bold")
            if error is not None and error.hint:
                yield from wrapped("  Next: ", error.hint, width, tone="bold")
            yield put("  Nothing was changed.   ", ("q", "bold"), " back")
        else:
            yield put("  Asking the backups, on copies; nothing is changed.  ", going)
            yield put("  ", ("q", "bold"), " leaves this page; the search goes on as a job")

    def commands(self) -> Iterator[Act]:
        """Yield the command."""
        yield self._act
