"""The one line of progress on a terminal, drawn over itself."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import IO

from toolkit.display import display
from toolkit.events import Advanced, Event, JobFinished, Logged, StepStarted
from toolkit.operations.eventlines import advance_text

_CLEAR = "\r\x1b[K"


def clear_line() -> None:
    """Take the line of progress away, where there is one, before other words go to stderr."""
    if sys.stderr.isatty():
        sys.stderr.write(_CLEAR)
        sys.stderr.flush()


def progress_line(
    stream: IO[str], *, verbose: int = 0, lines: Callable[[Event], str] | None = None
) -> Callable[[Event], None]:
    """Return the sink that shows the running step of a job on the terminal `stream`, and clears it at the end.

    What `lines` says of an event (where it is given) stays above; else only lines of the log that are no mere
    information, or with `verbose` all of them.
    """
    title = ""
    said = lines if lines is not None else _logged(verbose)

    def show(event: Event) -> None:
        nonlocal title
        stays = said(event)
        if stays:
            stream.write(f"{_CLEAR}{display(stays)}\n")
        if isinstance(event, StepStarted):
            title = event.title
            stream.write(_CLEAR + display(title, width=78))
        elif isinstance(event, Advanced):
            stream.write(_CLEAR + display(f"{title}  {advance_text(event)}", width=78))
        elif isinstance(event, JobFinished):
            stream.write(_CLEAR)
        stream.flush()

    return show


def _logged(verbose: int) -> Callable[[Event], str]:
    def said(event: Event) -> str:
        return event.msg if isinstance(event, Logged) and (verbose or event.level.value != "info") else ""

    return said
