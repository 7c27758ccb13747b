"""Questions over a screen: one line and Enter, or the name that must be typed. Nothing happens without an answer."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from tui.text import lines, put


class Confirm(ModalScreen[bool]):
    """A harmless act, asked in one line: Enter does it, everything else leaves it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "answer(True)", "Do it"),
        Binding("escape,q,n", "answer(False)", "Leave it"),
    ]

    def __init__(self, question: str, command: str, more: Sequence[str] = ()) -> None:
        super().__init__()
        self._question, self._command, self._more = question, command, more

    def compose(self) -> ComposeResult:
        """Compose the box."""
        said = [put((self._question, "bold")), *(put(one) for one in self._more), Content("")]
        said += [put("Same as:  ", self._command), Content(""), put(("Enter", "bold"), " do it    q leave it")]
        with Vertical(classes="box"):
            yield Static(lines(said))

    def action_answer(self, yes: bool) -> None:  # noqa: FBT001 - Textual passes it by place
        """Close with the answer."""
        self.dismiss(yes)


class TypeName(ModalScreen[bool]):
    """Asks for `word`, letter by letter. A wrong one is cleared and starts nothing, and so does an empty one.

    A keyboard of another script may have no letter of it: then the number is typed that stands beside it, which is
    another one for each plan.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Back")]

    def __init__(self, question: str, word: str, command: str, more: Sequence[str] = ()) -> None:
        super().__init__()
        self._question, self._word, self._command, self._more = question, word, command, more
        self.number = "" if word.isdigit() else str(1000 + zlib.crc32(command.encode(errors="surrogateescape")) % 9000)

    def compose(self) -> ComposeResult:
        """Compose the box around the field."""
        instead = (
            [put("  or  ", (self.number, "bold"), "  where the keyboard has other letters")] if self.number else []
        )
        with Vertical(classes="box"):
            yield Static(
                lines(
                    [
                        put((self._question, "bold")),
                        *(put(one) for one in self._more),
                        put("Same as:  ", self._command),
                        Content(""),
                        put("Type  ", (self._word, "bold"), "  and Enter to start; esc goes back"),
                        *instead,
                    ]
                )
            )
            yield Input(placeholder=put(self._word).plain, select_on_focus=False, id="word")
            yield Static(id="said")

    def on_mount(self) -> None:
        """Keep the cursor still: a blinking one is never silent on the wire."""
        self.query_one(Input).cursor_blink = False

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Close with yes for the right word only."""
        event.stop()
        if event.value and event.value in (self._word, put(self._word).plain, self.number):
            self.dismiss(result=True)
            return
        said = f"That is not {self._what}. Nothing was done." if event.value else "Nothing was done."
        event.input.value = ""
        self.query_one("#said", Static).update(put((said, "bold $text-warning")))

    @property
    def _what(self) -> str:
        return "the name" if self.number else "the number"

    def action_leave(self) -> None:
        """Close without doing anything."""
        self.dismiss(result=False)
