"""The whole log of one job, line by line, with the same filter as every list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.widgets import Static

from toolkit.errors import LifeboatError
from toolkit.events import Event
from toolkit.operations import jobs as operations
from toolkit.operations.eventlines import event_line, is_trouble
from toolkit.operations.watch import Tail
from tui.act import Act
from tui.screens.frame import Frame
from tui.text import put
from tui.verbs import Verb
from tui.widgets.rows import Cell, Column, Listed, Row, Rows


class LogScreen(Frame):
    """Every event of a job that says something; the cursor follows the end while it is there."""

    TITLE_LINE = "the log of one job"
    VERBS: ClassVar[tuple[Verb, ...]] = (
        Verb(name="errors", key="e", label="Errors", help="only warnings and errors; again: all"),
    )

    def __init__(self, job: str) -> None:
        super().__init__()
        self._job = job
        self._errors = False
        self._events: list[Event] = []
        self._tail: Tail | None = None

    def body(self) -> ComposeResult:
        """Compose the lines."""
        yield Static(put((f" Log of job {self._job}", "bold")), classes="rule")
        columns = (Column(name="time", title="TIME", width=8), Column(name="text", title="WHAT"))
        yield Rows(columns, Listed([], self.ui.session.now))

    def facts(self) -> None:
        """Take what was written since."""
        if self._tail is None:
            try:
                self._tail = Tail(operations.directory_of(self.ui.session, self._job))
            except LifeboatError:
                return
        fresh = [event for event in self._tail.more() if event_line(event)]
        rows = self.query_one(Rows)
        if fresh or not self._events:
            end = rows.cursor >= rows.count - 1
            self._events += fresh
            self._show()
            if end:
                rows.action_jump(-1)

    def _show(self) -> None:
        shown = [event for event in self._events if not self._errors or is_trouble(event)]
        found = [
            Row(
                key=str(event.seq),
                cells=(
                    f"{event.ts.astimezone():%H:%M:%S}",
                    Cell(event_line(event), "warn" if is_trouble(event) else ""),
                ),
                values={"time": event.ts, "text": event_line(event)},
            )
            for event in shown
        ]
        self.query_one(Rows).show(Listed(found, self.ui.session.now))

    def commands(self) -> Iterator[Act]:
        """Yield the command that shows the same."""
        yield Act(words=("jobs", "attach", self._job), title="log")

    def do_errors(self) -> None:
        """Show only trouble, or all again."""
        self._errors = not self._errors
        self._show()
