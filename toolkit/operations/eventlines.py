"""What an event, or the progress of a job, says to a person: the same words on the command line and on the screens."""

from __future__ import annotations

from toolkit.display import display
from toolkit.events import (
    Advanced,
    Answered,
    Asked,
    CancelEffect,
    CancelRequested,
    Event,
    ItemReported,
    JobFinished,
    Level,
    Logged,
    StepStarted,
    Warned,
    plain_name,
)
from toolkit.operations.jobs import JobRow
from toolkit.wording import bar, duration_text, percent_text, rate_text, size_text

CANCELS = {
    CancelEffect.NOW: "it gives way now",
    CancelEffect.AFTER_STEP: "it finishes this step first, then gives way",
    CancelEffect.NEVER: "too late to cancel: it goes on to the end, and can be undone then",
}


def event_line(event: Event) -> str:
    """Return one line for an event that says something to a person, without its time; "" for the others.

    What a server of a fleet said begins with its name.
    """
    said = _said(event)
    return f"{display(event.host)}: {said}" if said and event.host else said


def _said(event: Event) -> str:
    match event:
        case StepStarted():
            return display(event.title)
        case Logged():
            return f"{event.level.value}: {display(event.msg)}"
        case Warned():
            return f"warning: {display(event.msg)}"
        case ItemReported():
            why = f": {display(event.reason)}" if event.reason else ""
            return f"{event.action.value} {display(plain_name(event.path))}{why}"
        case Asked():
            return f"asks {display(event.qid)}: {event.kind.value} {display(plain_name(event.subject))}"
        case Answered() if event.choice:
            return f"answered {display(event.qid)}: {display(event.choice)}"
        case CancelRequested():
            who = event.by.user if event.by is not None and event.by.user else event.signal
            return f"asked to end{f' by {display(who)}' if who else ''}: {CANCELS[event.effective]}"
        case JobFinished():
            why = event.error.msg if event.error is not None else event.summary
            return f"{event.status.value}, exit {event.exit}{f': {display(why)}' if why else ''}"
        case _:
            return ""


def is_trouble(event: Event) -> bool:
    """Say whether `event` is a warning, an error, or an item that failed."""
    match event:
        case Warned():
            return True
        case Logged():
            return event.level in (Level.WARNING, Level.ERROR)
        case ItemReported():
            return event.action.value == "failed"
        case JobFinished():
            return event.error is not None
        case _:
            return False


def progress_text(job: JobRow, *, wide: int = 12) -> str:
    """Return how far a job is: bar, percent, amounts, rate and what is left, as far as they are known."""
    if job.done is None:
        return ""
    return _amounts(job.done, job.total, job.unit, job.rate, job.eta_s, wide)


def advance_text(event: Advanced, *, wide: int = 12) -> str:
    """Return the same of one event."""
    return _amounts(event.done, event.total, event.unit.value, event.rate, event.eta_s, wide)


def _amounts(done: int, total: int | None, unit: str, rate: float | None, left: int | None, wide: int) -> str:
    bytes_ = unit == "bytes"
    amount = size_text(done) if bytes_ else f"{done:,}"
    if total:
        amount = f"{amount}/{size_text(total) if bytes_ else f'{total:,}'}"
    amount = amount if bytes_ else f"{amount} {unit}"
    parts = [bar(done, total, width=wide) if total else "", percent_text(done, total), amount]
    if rate and bytes_:
        parts.append(rate_text(rate))
    if left:
        parts.append(f"{duration_text(left)} left")
    return "  ".join(part for part in parts if part)
