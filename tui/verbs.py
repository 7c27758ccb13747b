"""What can be done on a screen: each verb with its key, its word for the footer and its sentence for the help."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from textual.binding import Binding, BindingType


class Verb(msgspec.Struct, frozen=True, kw_only=True):
    """One verb. The screen has a method `do_NAME`; `acts` says that it starts or changes something.

    `label` is at most nine letters, for the footer (empty: only in the help). `key` is Textual's name of the key,
    `shown` what people call it.
    """

    name: str
    key: str
    label: str
    help: str
    acts: bool = False
    shown: str = ""

    @property
    def key_text(self) -> str:
        """The key as people call it."""
        return self.shown or _KEYS.get(self.key, self.key)


_KEYS = {"enter": "Enter", "space": "Space", "question_mark": "?", "plus": "+", "minus": "-", "escape": "Esc"}

NAMES = {
    "health": "Health",
    "backups": "Backups",
    "diagnose": "Diagnose",
    "drive": "Drive",
    "schedule": "Schedule",
    "fleet": "Fleet",
    "jobs": "Jobs",
    "setup": "Setup",
}
"""The screens in the order of their digits."""

EVERYWHERE = (
    Verb(name="filter", key="slash", label="", shown="/", help="filter the list: text  !not  state:bad  age>7d"),
    Verb(name="copy", key="y", label="", help="copy the command line that does the same"),
    Verb(name="log", key="L", label="", help="open the log of the job at the bottom"),
    Verb(
        name="shell", key="exclamation_mark", label="", shown="!", help="a shell in the folder of the data", acts=True
    ),
    Verb(name="menu", key="9", label="", help="all that can be done here as a menu: arrows and Enter, no letters"),
    Verb(name="palette", key="colon", label="", shown=":", help="all commands by name (also ctrl+p)"),
    Verb(name="help", key="question_mark", label="Help", help="this help"),
    Verb(name="back", key="q,escape", label="Back", shown="q", help="one step back; at the top: leave"),
    Verb(name="stop", key="ctrl+c", label="", help="tells how to cancel and how to leave; ends nothing"),
)
"""The verbs that each screen has."""


def bindings(screen: str, verbs: Iterable[Verb]) -> list[BindingType]:
    """Return Textual's bindings of `verbs`; their ids, for the user's keymap, are `SCREEN.NAME`."""
    return [
        Binding(verb.key, f"verb('{verb.name}')", verb.help, show=False, id=f"{screen}.{verb.name}", system=False)
        for verb in verbs
    ]
