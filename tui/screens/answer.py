"""Answering what a job asks: its choices, one of them with the cursor, for this question or all of its kind."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static

from toolkit.operations.jobs import QuestionRow
from tui.act import Act
from tui.text import put


class Answer(ModalScreen[Act]):
    """Arrows choose, Enter answers, esc leaves the question open."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "leave", "Later")]

    def __init__(self, job: str, question: QuestionRow) -> None:
        super().__init__()
        self._job, self._question = job, question

    def compose(self) -> ComposeResult:
        """Compose the choices."""
        asked = self._question
        with Vertical(classes="box"):
            yield Static(put((f"{asked.kind}: {asked.subject}", "bold")))
            yield OptionList(*(put(choice) for choice in asked.choices))
            yield Static(put(("Enter", "bold"), " answers    ", ("q", "bold"), " leaves it open"))

    def on_mount(self) -> None:
        """Put the cursor on what the job suggests."""
        asked = self._question
        if asked.suggest in asked.choices:
            self.query_one(OptionList).highlighted = asked.choices.index(asked.suggest)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Close with the command that answers."""
        choice = self._question.choices[event.option_index]
        words = ("jobs", "answer", self._job, choice, "--question", self._question.qid)
        self.dismiss(Act(words=words, title=f"answer {choice}", job=False))

    def action_leave(self) -> None:
        """Close without an answer."""
        self.dismiss(None)
