"""The one line of progress on a terminal, drawn over itself."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import IO

from toolkit.display import display
from toolkit.events import Advanced, Event, JobFinished, Logged, StepStarted
from toolkit.wording import bar, duration_text, percent_text, rate_text, size_text

_CLEAR = "\r\x1b[K"


def clear_line() -> None:
    """Take the line of progress away, where there is one, before other words go to stderr."""
    if sys.stderr.isatty():
        sys.stderr.write(_CLEAR)
        sys.stderr.flush()


def progress_line(stream: IO[str], *, verbose: int = 0) -> Callable[[Event], None]:
    """Return the sink that shows the running step of a job on the terminal `stream`, and clears it at the end."""
    title = ""

    def show(event: Event) -> None:
        nonlocal title
        if isinstance(event, StepStarted):
            title = event.title
            stream.write(_CLEAR + display(title, width=78))
        elif isinstance(event, Advanced):
            stream.write(_CLEAR + display(_text(title, event), width=78))
        elif isinstance(event, Logged) and (verbose or event.level.value != "info"):
            stream.write(f"{_CLEAR}{display(event.msg)}\n")
        elif isinstance(event, JobFinished):
            stream.write(_CLEAR)
        stream.flush()

    return show


def _text(title: str, event: Advanced) -> str:
    if event.unit.value == "bytes":
        done = size_text(event.done) if event.total is None else f"{size_text(event.done)}/{size_text(event.total)}"
    else:
        done = f"{event.done}" if event.total is None else f"{event.done}/{event.total}"
    parts = [title, bar(event.done, event.total), percent_text(event.done, event.total), done]
    if event.rate:
        parts.append(rate_text(event.rate))
    if event.eta_s:
        parts.append(f"{duration_text(event.eta_s)} left")
    return "  ".join(part for part in parts if part)
