"""Signing in at Google Drive from a server: the address and the code as plain text, to be typed on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import ClassVar

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from toolkit.errors import LifeboatError
from toolkit.events import Logged
from toolkit.operations.jobs import JobRow, directory_of
from toolkit.operations.watch import Tail
from toolkit.wording import time_text
from tui.act import Act, Started
from tui.screens.frame import Frame
from tui.screens.page import failure_lines, wrapped
from tui.text import lines, put
from tui.verbs import Verb
from tui.widgets.edges import ACTIVE


class Code:
    """What a person should open and type, and until when it is good."""

    def __init__(self, url: str, code: str, until: datetime) -> None:
        self.url, self.code, self.until = url, code, until


class LoginScreen(Frame):
    """A sign-in that is under way: it is a job, which goes on when this screen is left."""

    TITLE_LINE = "on a phone or any other computer; no browser is needed here"
    VERBS: ClassVar[tuple[Verb, ...]] = (
        Verb(name="address", key="a", label="Copy URL", help="copy the address"),
        Verb(name="cancel", key="c", label="Cancel", help="end the sign-in; an earlier one stays as it is", acts=True),
        Verb(name="again", key="w", label="New code", help="begin again, with a new code", acts=True),
        Verb(name="copy", key="y", label="Copy cmd", help="copy the command line that does the same"),
    )

    def __init__(self, act: Act) -> None:
        super().__init__()
        self._act = act
        self.job = ""
        self.code: Code | None = None
        self._tail: Tail | None = None
        self._error: LifeboatError | None = None

    def body(self) -> ComposeResult:
        """Compose the text."""
        yield Static(id="text")

    def on_mount(self) -> None:
        """Begin."""
        super().on_mount()
        self.do_again()

    def do_again(self) -> None:
        """Begin (again)."""
        self.job, self.code, self._tail, self._error = "", None, None, None
        self.facts()
        self.start(self._act, self._started, self._not_started)

    def _started(self, started: Started) -> None:
        self.job = started.job
        self.facts()

    def _not_started(self, error: LifeboatError) -> None:
        self._error = error
        self.facts()

    @property
    def row(self) -> JobRow | None:
        """The job, as it is known now."""
        return next((one for one in self.ui.jobs if one.id == self.job), None) if self.job else None

    def facts(self) -> None:
        """Take the code from the job's journal, and show how far it is."""
        self._read()
        self.query_one("#text", Static).update(lines(self._text(self.size.width)))
        self.edges()

    def _read(self) -> None:
        if not self.job:
            return
        if self._tail is None:
            try:
                self._tail = Tail(directory_of(self.ui.session, self.job))
            except LifeboatError:
                return
        for event in self._tail.more():
            if isinstance(event, Logged) and event.code == "sign-in":
                told = event.params
                until = event.ts + timedelta(seconds=float(str(told.get("seconds", 0))))
                self.code = Code(str(told.get("url", "")), str(told.get("user_code", "")), until)

    def _text(self, width: int) -> Iterator[Content]:
        row = self.row
        over = row is not None and row.state not in ACTIVE
        yield put((f" {self._act.title}", "bold"))
        yield Content("")
        if over and row is not None:
            yield from self._ended(row, width)
        elif self._error is not None:
            yield from failure_lines(self._error, width)
        elif self.code is None:
            yield put(" Asking Google for a code …")
        else:
            yield put(" On a phone or another computer, open")
            yield Content("")
            yield put("     ", (self.code.url, "bold"))
            yield Content("")
            yield put(" and type this code")
            yield Content("")
            yield put("     ", (self.code.code, "bold reverse"))
            yield Content("")
            now = self.ui.session.now()
            yield put(f" It is good until {time_text(self.code.until, now)}. This page says when it was used.")
            yield put(" Google shows what is asked for: only the files that Lifeboat makes itself.")
        yield Content("")
        yield from wrapped(" Same as   ", self.ui.line(self._act), width, tone="bold")
        if not over and self._error is None:
            yield put((" q", "bold"), " leaves this page; the sign-in goes on as a job   ", ("c", "bold"), " ends it")

    def _ended(self, row: JobRow, width: int) -> Iterator[Content]:
        if row.state in ("ok", "warn"):
            yield put((" Connected.", "bold $text-success"))
            if row.state == "warn":
                yield put(" It said something more: ", ("7", "bold"), " shows it.")
            yield put((" t", "bold"), " on Drive looks at everything else that an upload needs.")
            return
        yield from wrapped(" Not connected: ", row.error or row.summary or row.state, width, tone="bold $text-error")
        if row.hint:
            yield from wrapped(" Next: ", row.hint, width, tone="bold")
        yield put(" An earlier sign-in stays as it was.   ", ("w", "bold"), " begins again, with a new code")

    def against(self, verb: Verb) -> str:
        """Say why a verb cannot be used now."""
        row = self.row
        going = bool(self.job) and (row is None or row.state in ACTIVE)
        if verb.name == "address" and (self.code is None or not going):
            return "there is no address yet" if self.code is None else "the code was used or has ended"
        if verb.name == "cancel" and not going:
            return "no sign-in is under way"
        if verb.name == "again" and going:
            return "a sign-in is under way: c ends it"
        return super().against(verb)

    def commands(self) -> Iterator[Act]:
        """Yield the command that does the same."""
        yield self._act

    def do_address(self) -> None:
        """Copy the address."""
        if self.code is not None:
            self.ui.copy(self.code.url)

    def do_cancel(self) -> None:
        """End the sign-in."""
        self.ui.start(Act(words=("jobs", "cancel", self.job), title="cancel the sign-in", job=False))
