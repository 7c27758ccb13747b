"""The palette: every verb of the screen one is on, and every screen, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from textual.command import DiscoveryHit, Hit, Hits, Provider

from tui.screens.frame import Frame
from tui.text import put
from tui.verbs import NAMES


class Commands(Provider):
    """What can be done here, and where one can go."""

    def _all(self) -> Iterator[tuple[str, str, Callable[[], Any]]]:
        screen = self.screen
        if isinstance(screen, Frame):
            for verb in screen.verbs():
                if verb.name not in ("palette", "stop"):
                    title = verb.label or verb.name.capitalize()
                    yield title, verb.help, partial(screen.action_verb, verb.name)
            for name, title in NAMES.items():
                yield f"Go to {title}", "screen", partial(screen.ui.go, name)

    async def discover(self) -> Hits:
        """Return everything, before anything is typed."""
        for title, text, command in self._all():
            yield DiscoveryHit(title, command, help=text)

    async def search(self, query: str) -> Hits:
        """Return what fits `query`."""
        matcher = self.matcher(query)
        for title, text, command in self._all():
            score = matcher.match(f"{title} {text}")
            if score > 0:
                yield Hit(score, put(title), command, help=text)
