"""Leaving while jobs run that were started here: they go on, or are cancelled and waited for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from toolkit.operations.jobs import JobRow
from toolkit.wording import count_text
from tui.act import Act
from tui.text import lines, put
from tui.widgets.edges import ACTIVE, what

if TYPE_CHECKING:
    from tui.app import LifeboatApp

MOST = 5
"""Jobs that are named; the others are counted."""


class Leaving(ModalScreen[str]):
    """Enter leaves and lets the jobs run, `c` asks them to end and leaves when the last one has, `q` stays."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "answer('leave')", "Leave"),
        Binding("c", "cancel", "Cancel and wait"),
        Binding("q,escape,n", "answer('stay')", "Stay"),
    ]

    def __init__(self, jobs: Sequence[JobRow]) -> None:
        super().__init__()
        self._ids = [job.id for job in jobs]
        self._waiting = False

    @property
    def _ui(self) -> LifeboatApp:
        return cast("LifeboatApp", self.app)

    @property
    def _going(self) -> list[JobRow]:
        return [job for job in self._ui.jobs if job.id in self._ids and job.state in ACTIVE]

    def compose(self) -> ComposeResult:
        """Compose the box."""
        with Vertical(classes="box"):
            yield Static(lines(self._said()), id="jobs")

    def facts(self) -> None:
        """Show how far they are; leave when those that are waited for are over."""
        if self._waiting and not self._going:
            self.dismiss("leave")
        else:
            self.query_one("#jobs", Static).update(lines(self._said()))

    def _said(self) -> Iterator[Content]:
        going = self._going
        if not going:
            yield put(("Nothing of yours runs any more.", "bold"))
            yield Content("")
            yield put(("Enter", "bold"), " leave    ", ("q", "bold"), " stay, and see how it ended")
            return
        jobs = f"{count_text(len(going), 'job')} of yours still " + ("runs" if len(going) == 1 else "run")
        waits = "; asked to end, this leaves when they have."
        yield put((jobs, "bold"), waits if self._waiting else "; leaving ends none of them.")
        yield from (put(f"  {job.id}  {what(job)}  {_state(job)}") for job in going[:MOST])
        if len(going) > MOST:
            yield put(f"  and {len(going) - MOST} more")
        yield Content("")
        if self._waiting:
            yield put(("Enter", "bold"), " leave at once    ", ("q", "bold"), " stay; they end all the same")
        else:
            keys = (("Enter", " leave, they go on    "), ("c", " cancel and wait    "), ("q", " stay"))
            yield put(*(piece for key, said in keys for piece in ((key, "bold"), said)))

    def action_cancel(self) -> None:
        """Ask all of them to end, once; each by the command that does it."""
        if self._ui.read_only:
            self._ui.say("these screens only show (--read-only); nothing was cancelled", severity="warning")
        elif not self._waiting:
            self._waiting = True
            for job in self._going:
                if job.state != "cancelling":
                    self._ui.start(Act(words=("jobs", "cancel", job.id), title=f"cancel {job.id}", job=False))
            self.facts()

    def action_answer(self, answer: str) -> None:
        """Close with the answer."""
        self.dismiss(answer)


def _state(job: JobRow) -> str:
    """Return where a job is, or that a cancellation would not stop it now."""
    late = {"after_step": "gives way after this step", "never": "too late to cancel: it goes on to its end"}
    return late.get(job.cancel, job.step or job.state)
