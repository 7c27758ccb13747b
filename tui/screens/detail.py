"""All that is known of one target, from the health file."""

from __future__ import annotations

from collections.abc import Iterator

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from toolkit.operations.health import Target
from toolkit.wording import age_text, size_text, time_text
from tui.act import Act
from tui.screens.frame import Frame
from tui.text import lines, put


class DetailScreen(Frame):
    """One target of Health."""

    AUTO_FOCUS = "VerticalScroll"
    TITLE_LINE = "all that is known of one target"

    def __init__(self, target: Target) -> None:
        super().__init__()
        self._target = target

    def body(self) -> ComposeResult:
        """Compose the text."""
        with VerticalScroll():
            yield Static(id="text")

    def facts(self) -> None:
        """Show it, as it is known now."""
        same = (one for one in self.ui.seen.targets if (one.profile, one.path) == self._key)
        self._target = next(same, self._target)
        self.put("#text", lines(self._text()))

    @property
    def _key(self) -> tuple[str, str]:
        return self._target.profile, self._target.path

    def commands(self) -> Iterator[Act]:
        """Yield the command that tells the same."""
        yield Act(words=("status", self._target.profile), title="status")

    def _text(self) -> Iterator[Content]:
        target, now = self._target, self.ui.session.now()
        rows: list[tuple[str, str]] = [("target", target.path), ("profile", target.profile), ("state", target.state)]
        rows += [("why", f"{one.text}  (since {time_text(one.since, now)})") for one in target.reasons]
        if target.last_good is not None:
            good = target.last_good
            rows.append(("last good", f"{good.id}  {time_text(good.at, now)}, {age_text(good.at, now)}"))
            rows.append(("tested", time_text(good.tested_at, now) if good.tested_at is not None else "not yet"))
        rows.append(("failed", f"{target.failed_since_good} since the last good one"))
        due = target.next_run
        rows.append(("next", time_text(due, now) if due is not None else "nothing backs it up by itself"))
        if target.last_check is not None:
            check = target.last_check
            rows.append(("checked", f"{check.kind} {time_text(check.at, now)}: {check.result}"))
            rows += [("found", one) for one in check.said]
        if target.open_by:
            rows.append(("open in", ", ".join(target.open_by)))
        if target.free_bytes is not None:
            rows.append(("free", size_text(target.free_bytes)))
        yield Content("")
        for word, text in rows:
            yield put((f"  {word:10} ", "bold"), text)
