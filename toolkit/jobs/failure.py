"""How an error ends a job: its words, its outcome."""

from __future__ import annotations

from toolkit.display import display
from toolkit.errors import CancelledError, LifeboatError, RefusedError
from toolkit.events import Failure, Outcome
from toolkit.jobs.journal import wire_name


def failure_of(error: BaseException) -> Failure:
    """Return how `error` is said; what is no `LifeboatError` is a bug."""
    if isinstance(error, LifeboatError):
        subject = None if error.subject is None else wire_name(error.subject)
        hint = None if error.hint is None else display(error.hint)
        return Failure(error.code, display(error.message), subject, hint, bool(getattr(error, "retryable", False)))
    if isinstance(error, KeyboardInterrupt):
        return Failure("cancelled", "interrupted")
    return Failure(
        "bug", display(f"{type(error).__name__}: {error}"), hint="this is a bug in Lifeboat: please report it"
    )


def outcome_of(error: BaseException | None) -> Outcome:
    """Return how an operation that ended with `error` ended."""
    if error is None:
        return Outcome.OK
    if isinstance(error, CancelledError | KeyboardInterrupt):
        return Outcome.CANCELLED
    return Outcome.REFUSED if isinstance(error, RefusedError) else Outcome.FAILED


def plain_exit(error: BaseException) -> int:
    """Return 130 for what was cancelled, 1 for the rest; the command line knows better."""
    return 130 if outcome_of(error) is Outcome.CANCELLED else 1
