"""What a job can say, and how it can end (TUI.md section 4.6, DESIGN.md section 6).

Engines never see events: they take plain callables (`Progress`, `ShouldStop`), which `toolkit.jobs`
turns into the journal's lines. Every line of a journal, and of `--events`, is one of the structs below
with the envelope fields in front; unknown types and keys are kept by readers, never refused.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

Progress = Callable[[int, int | None], None]
"""Called with (done, total) in the unit of the step; total is None while it is not known."""

ShouldStop = Callable[[], bool]
"""Asked between pieces of work; when it answers True the engine raises `CancelledError` and cleans up."""


def no_progress(_done: int, _total: int | None) -> None:
    """Take progress and say nothing."""


def never_stop() -> bool:
    """Answer that the work may go on."""
    return False


class Outcome(enum.StrEnum):
    """How an operation ended; the `outcome` of every JSON document."""

    OK = "ok"
    WARN = "warn"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


class JobState(enum.StrEnum):
    """Where a job stands. `INTERRUPTED` is never written: it is a journal without an end whose lock is free."""

    QUEUED = "queued"
    RUNNING = "running"
    ASKING = "asking"
    CANCELLING = "cancelling"
    OK = "ok"
    WARN = "warn"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
