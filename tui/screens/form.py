"""Small questions that change something: one field with the command line that it makes, or one of a few choices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from tui.text import lines, put
from tui.widgets.rows import Cell, Column, Listed, Row, Rows


class AskLine(ModalScreen[str | None]):
    """Asks for one line of text. `shows` says what Enter would do with it: a command line, and why it is wrong.

    Enter closes with the text only where nothing is wrong with it; esc closes with None. Nothing is done here.
    Without `shows` every text is right; an empty one only where `empty` says what that does ("removes the note").
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Back")]

    def __init__(
        self,
        question: str,
        shows: Callable[[str], tuple[str, str]] | None = None,
        *,
        value: str = "",
        more: Sequence[str] = (),
        empty: str = "",
    ) -> None:
        super().__init__()
        self._question, self._shows, self._value, self._more, self._empty = question, shows, value, more, empty

    def compose(self) -> ComposeResult:
        """Compose the box around the field."""
        with Vertical(classes="box"):
            yield Static(lines([put((self._question, "bold")), *(put(one) for one in self._more), Content("")]))
            yield Input(value=self._value, select_on_focus=False, id="word")
            yield Static(id="said")

    def on_mount(self) -> None:
        """Keep the cursor still, which is never silent on the wire else, and say what the text as it is would do."""
        self.query_one(Input).cursor_blink = False
        self._say(self._value)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Say what the text would do."""
        event.stop()
        self._say(event.value)

    def _say(self, text: str) -> None:
        said = [Content("")]
        if self._shows is None:
            empty = f"; an empty line {self._empty}" if self._empty else ""
            said.append(put(("Enter", "bold"), f" takes it{empty}; esc goes back"))
        else:
            command, wrong = self._shows(text.strip())
            said += [put("Same as:  ", command), Content("")]
            ready = put(("Enter", "bold"), " do it    esc leave it")
            said.append(put((wrong, "bold $text-warning")) if wrong else ready)
        self.query_one("#said", Static).update(lines(said))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Close with the text where it can be used."""
        event.stop()
        text = event.value.strip()
        if self._shows is None and not (text or self._empty):
            said = [Content(""), put(("Nothing was typed, nothing was done.", "bold $text-warning"))]
            self.query_one("#said", Static).update(lines(said))
        elif self._shows is None or not self._shows(text)[1]:
            self.dismiss(text)

    def action_leave(self) -> None:
        """Close without an answer."""
        self.dismiss(None)


class Choice(Row, frozen=True, kw_only=True):
    """One of the choices, by its key."""


def choice(key: str, title: str, about: str = "", *, tone: str = "") -> Choice:
    """Return a choice with what is said of it."""
    return Choice(key=key, cells=(Cell(title, tone), Cell(about, "dim")), values={"title": title, "about": about})


class Choose(ModalScreen[str | None]):
    """Asks for one of a few things: arrows and Enter, esc closes with None. The first one has the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "Back"),
        Binding("enter", "take", "Take", priority=True),
    ]
    AUTO_FOCUS = "Rows"

    def __init__(self, question: str, choices: Sequence[Choice], *, current: str = "", wide: int = 18) -> None:
        super().__init__()
        self._question, self._choices, self._current, self._wide = question, choices, current, wide

    def compose(self) -> ComposeResult:
        """Compose the box around the choices."""
        columns = (Column(name="title", title="", width=self._wide), Column(name="about", title=""))
        with Vertical(classes="box"):
            yield Static(put((self._question, "bold")))
            rows = Rows(columns, Listed(self._choices, lambda: datetime.now(UTC)))
            rows.styles.height = min(len(self._choices), 12, self.app.size.height - 7) + 1
            yield rows
            yield Static(put(("Enter", "bold"), " take it    q leave it"))

    def on_mount(self) -> None:
        """Put the cursor on what is taken now."""
        if self._current:
            self.query_one(Rows).go_to(self._current)

    def action_take(self) -> None:
        """Close with the choice under the cursor."""
        row = self.query_one(Rows).current
        self.dismiss(row.key if row is not None else None)

    def action_leave(self) -> None:
        """Close without an answer."""
        self.dismiss(None)
