"""The whole log of one job, line by line, with the same filter as every list."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import takewhile
from typing import ClassVar

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from toolkit.errors import LifeboatError
from toolkit.events import Event
from toolkit.operations import jobs as operations
from toolkit.operations.eventlines import event_line, is_trouble
from toolkit.operations.watch import Tail
from tui.act import Act
from tui.beside import Beside
from tui.screens.frame import Frame
from tui.text import put
from tui.verbs import Verb
from tui.widgets.rows import Cell, Column, Listed, Row, Rows

MOST = 10_000
"""Lines that are kept, the newest; as many again of warnings and errors, which others do not push out."""
AT_ONCE = 1 << 20
"""Bytes that are read while the keys wait; more is read beside them."""


class LogScreen(Frame):
    """What a job said, the newest lines of it; the cursor follows the end while it is there."""

    TITLE_LINE = "the log of one job"
    VERBS: ClassVar[tuple[Verb, ...]] = (
        Verb(name="errors", key="e", label="Errors", help="only warnings and errors; again: all"),
    )

    def __init__(self, job: str) -> None:
        super().__init__()
        self._job = job
        self._errors = False
        self._lines: deque[Row] = deque(maxlen=MOST)
        self._trouble: deque[Row] = deque(maxlen=MOST)
        self._counts = [0, 0]
        self._tail: Tail | None = None
        self._reading = False

    def body(self) -> ComposeResult:
        """Compose the lines."""
        yield Static(self._title(), id="title", classes="rule")
        columns = (Column(name="time", title="TIME", width=8), Column(name="text", title="WHAT"))
        yield Rows(columns, Listed([], self.ui.session.now))

    def _title(self) -> Content:
        """Return the job, and how many of its lines are kept where it said more."""
        kept, said = len(self._kept), self._counts[self._errors]
        more = f"   the newest {kept:,} of {said:,} lines; y copies the command that shows all"
        return put((f" Log of job {self._job}", "bold"), (more if said > kept else "", "$text-muted"))

    @property
    def _kept(self) -> deque[Row]:
        return self._trouble if self._errors else self._lines

    def facts(self) -> None:
        """Take what was written since."""
        if self._tail is None:
            try:
                self._tail = Tail(operations.directory_of(self.ui.session, self._job))
            except LifeboatError:
                return
        if self._reading:
            return
        if self._tail.left() > AT_ONCE:
            self._reading = True
            self._read_beside(self._tail)
        else:
            self._shown_after(self._take(self._tail.more()))

    def _read_beside(self, tail: Tail) -> None:
        """Read a long journal in a thread; nothing else touches the lines until it is done."""

        def read(line: Beside[int]) -> int:
            return self._take(takewhile(lambda _: not line.stopped(), tail.more()))

        self.beside(read, self._read_to_the_end)

    def _read_to_the_end(self, fresh: int) -> None:
        self._reading = False
        self._shown_after(fresh)

    def _take(self, events: Iterator[Event]) -> int:
        """Keep what `events` say; return how many lines that is."""
        before = self._counts[0]
        for event in events:
            text = event_line(event)
            if not text:
                continue
            self._counts[0] += 1
            row = Row(
                key=str(self._counts[0]),
                cells=(f"{event.ts.astimezone():%H:%M:%S}", Cell(text, "warn" if is_trouble(event) else "")),
                values={"time": event.ts, "text": text},
            )
            self._lines.append(row)
            if is_trouble(event):
                self._counts[1] += 1
                self._trouble.append(row)
        return self._counts[0] - before

    def _shown_after(self, fresh: int) -> None:
        rows = self.query_one(Rows)
        if fresh or not self._lines:
            end = rows.cursor >= rows.count - 1
            self._show()
            if end:
                rows.action_jump(-1)

    def _show(self) -> None:
        self.put("#title", self._title())
        self.query_one(Rows).show(Listed(list(self._kept), self.ui.session.now))

    def commands(self) -> Iterator[Act]:
        """Yield the command that shows the same."""
        yield Act(words=("jobs", "attach", self._job), title="log")

    def do_errors(self) -> None:
        """Show only trouble, or all again."""
        self._errors = not self._errors
        if not self._reading:
            self._show()
