"""What an event says to a person, as one line: the same words on the command line and on the screens."""

from __future__ import annotations

from toolkit.display import display
from toolkit.events import (
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

CANCELS = {
    CancelEffect.NOW: "it gives way now",
    CancelEffect.AFTER_STEP: "it finishes this step first, then gives way",
    CancelEffect.NEVER: "too late to cancel: it goes on to the end, and can be undone then",
}


def event_line(event: Event) -> str:
    """Return one line for an event that says something to a person, without its time; "" for the others."""
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
            return f"asks {event.qid}: {event.kind.value} {display(plain_name(event.subject))}"
        case Answered() if event.choice:
            return f"answered {event.qid}: {display(event.choice)}"
        case CancelRequested():
            who = f" by {display(event.by.user)}" if event.by is not None and event.by.user else ""
            return f"asked to end{who}: {CANCELS[event.effective]}"
        case JobFinished():
            return f"{event.status.value}, exit {event.exit}"
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
