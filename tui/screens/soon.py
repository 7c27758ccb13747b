"""Screens that are not there yet: each says so, and which commands do its work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from tui.act import Act
from tui.screens.frame import Frame
from tui.text import lines, put


class Soon(Frame):
    """A screen that is not built yet."""

    WORK: ClassVar[tuple[tuple[str, ...], ...]] = ()

    def body(self) -> ComposeResult:
        """Say that nothing is here yet, and what to type instead."""
        said = [Content(""), put((" This screen is not built yet.", "bold"), " Its work is done by these commands:")]
        said += [Content(""), *(put("   " + self.ui.line(act)) for act in self.commands())]
        yield Static(lines(said), id="text")

    def commands(self) -> Iterator[Act]:
        """Yield the commands that do the work of this screen."""
        for words in self.WORK:
            yield Act(words=words, title=words[0])


class BackupsSoon(Soon):
    """Backups."""

    MODE = "backups"
    WORK = (("list",), ("show", "latest"), ("restore", "latest", "--dry-run"), ("find", "NAME"))
