"""Opening the screens: everything that must be settled before Textual is imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from toolkit.operations.session import Session
from tui import terminal


def possible() -> bool:
    """Say whether the screens can be shown here: both ends are terminals, and TERM is no line printer."""
    return _terminals() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


def _terminals() -> bool:
    streams = (sys.__stdin__, sys.__stdout__, sys.__stderr__)
    return all(stream is not None and stream.isatty() for stream in streams)


def run(
    session: Session,
    *,
    options: Sequence[str] = (),
    read_only: bool = False,
    mouse: bool = False,
    only_ascii: bool = False,
) -> int:
    """Show the screens until they are left, and return the exit code.

    `options` (`--config`, `--vault`) belong to every command that the screens start. Raises `UsageError` where
    there is no terminal; what goes wrong inside comes out as it is, after the terminal is itself again.
    """
    terminal.require(os.environ, terminals=_terminals())
    ui = session.config.ui
    encoding = sys.__stderr__.encoding if sys.__stderr__ is not None else "ascii"
    drawn = terminal.look(os.environ, encoding=encoding, theme=ui.theme, only_ascii=only_ascii)
    os.environ.update(terminal.variables(drawn))
    for name in terminal.outdated(*os.get_terminal_size()):
        os.environ.pop(name, None)

    from tui.app import LifeboatApp

    app = LifeboatApp(session, drawn, options=options, read_only=read_only or ui.read_only)
    app.run(mouse=mouse)
    if app.failure is not None:
        raise app.failure
    return app.return_code or 0
