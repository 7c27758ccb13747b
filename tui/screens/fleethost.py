"""One server of the fleet: its databases and file sets with their last good backups, as they were seen last."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from toolkit.operations.fleet_status import FleetSeen, FleetTarget
from toolkit.wording import age_text, time_text
from tui.act import Act
from tui.screens import health
from tui.screens.frame import Frame
from tui.text import TONES, lines, pad, put
from tui.verbs import Verb


class HostScreen(Frame):
    """What the server `host` has."""

    AUTO_FOCUS = "VerticalScroll"
    TITLE_LINE = "one server"
    VERBS: ClassVar[tuple[Verb, ...]] = (
        Verb(name="copy", key="y", label="Copy cmd", help="copy the command that lists what this server has"),
    )

    def __init__(self, host: str, seen: FleetSeen) -> None:
        super().__init__()
        self.host = host
        self._seen = seen

    def body(self) -> ComposeResult:
        """Compose the text."""
        with VerticalScroll():
            yield Static(id="text")

    def facts(self) -> None:
        """Show the server."""
        self.query_one("#text", Static).update(lines(self._text()))

    def _text(self) -> Iterator[Content]:
        now = self.ui.session.now()
        yield put((f" {self.host}", "bold"), (f"   seen {age_text(self._seen.at, now)}", "$text-muted"))
        for row in self._seen.rows:
            if row.host == self.host and not row.profile:
                yield put("   ", row.why or "it has no profile and no backup")
        profile = None
        for target in self._seen.targets.get(self.host, ()):
            if target.profile != profile:
                profile = target.profile
                yield Content("")
                yield put((f" {profile}", "bold"))
            yield from self._target(target)

    def _target(self, target: FleetTarget) -> Iterator[Content]:
        yield put("   ", (pad(health.WORDS[target.state], 6), TONES[health.TONES[target.state]]), target.path)
        if target.at is not None:
            now = self.ui.session.now()
            said = f"{target.backup} of {time_text(target.at, now)} ({age_text(target.at, now)}), {target.evidence}"
        else:
            said = "no good backup"
        yield put((f"         {said}", "$text-muted"))
        if target.why:
            yield put(f"         {target.why}")

    def commands(self) -> Iterator[Act]:
        """Yield the command that asks this server again."""
        yield Act(words=("fleet", "status", "-l", self.host), title="fleet status", operation="fleet status")
