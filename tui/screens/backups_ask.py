"""One line of text from the user: a note, a tag, a folder. Enter takes it, esc leaves everything as it is."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from tui.text import lines, put


class AskText(ModalScreen[str]):
    """Asks for a line; None means that nothing was decided. `empty` says what an empty line does, if it may be."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Back")]

    def __init__(self, question: str, *, value: str = "", more: str = "", empty: str = "") -> None:
        super().__init__()
        self._question, self._value, self._more, self._empty = question, value, more, empty

    def compose(self) -> ComposeResult:
        """Compose the box around the field."""
        said = [put((self._question, "bold")), *([put(self._more)] if self._more else []), Content("")]
        empty = f"; an empty line {self._empty}" if self._empty else ""
        said.append(put(("Enter", "bold"), f" takes it{empty}; esc goes back"))
        with Vertical(classes="box"):
            yield Static(lines(said))
            yield Input(value=self._value, select_on_focus=False, id="word")
            yield Static(id="said")

    def on_mount(self) -> None:
        """Keep the cursor still: a blinking one is never silent on the wire."""
        self.query_one(Input).cursor_blink = False

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Close with the line."""
        event.stop()
        if event.value.strip() or self._empty:
            self.dismiss(event.value)
            return
        self.query_one("#said", Static).update(put(("Nothing was typed, nothing was done.", "bold $text-warning")))

    def action_leave(self) -> None:
        """Close without a line."""
        self.dismiss(None)
