"""Fleet: other servers. Empty until its operations are there."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from tui.screens.frame import Frame
from tui.text import lines, put


class FleetScreen(Frame):
    """The hosts of the fleet."""

    MODE = "fleet"
    TITLE_LINE = "the same over many servers"

    def body(self) -> ComposeResult:
        """Say honestly that there is nothing to show."""
        yield Static(
            lines(
                [
                    Content(""),
                    put((" No hosts.", "bold"), " This Lifeboat looks after this server only:"),
                    put(" the commands for many servers are not in this version yet."),
                    Content(""),
                    put(" Until then, on each host:   ", ("lifeboat status --json", "bold")),
                ]
            ),
            id="text",
        )
