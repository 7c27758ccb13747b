"""Leaving while jobs run that were started here: they go on, unless they are cancelled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from toolkit.operations.jobs import JobRow
from toolkit.wording import count_text
from tui.text import lines, put


class Leaving(ModalScreen[str]):
    """Enter leaves and lets the jobs run, `q` stays."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "answer('leave')", "Leave"),
        Binding("q,escape,n", "answer('stay')", "Stay"),
    ]

    def __init__(self, jobs: Sequence[JobRow]) -> None:
        super().__init__()
        self._jobs = jobs

    def compose(self) -> ComposeResult:
        """Compose the box."""
        said = [
            put((f"{count_text(len(self._jobs), 'job')} of yours still run", "bold"), "; leaving ends none of them.")
        ]
        said += [put(f"  {job.id}  {job.operation} {' '.join(job.targets)}  {job.step}") for job in self._jobs[:5]]
        said += [
            Content(""),
            put(("Enter", "bold"), " leave, they go on    ", ("q", "bold"), " stay (7 then c cancels)"),
        ]
        with Vertical(classes="box"):
            yield Static(lines(said))

    def action_answer(self, answer: str) -> None:
        """Close with the answer."""
        self.dismiss(answer)
