"""A failure, as three lines on stderr or as the `error` of the JSON document."""

from __future__ import annotations

import click

from toolkit.cli.again import again
from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.render.document import print_document
from toolkit.cli.settings import Settings
from toolkit.display import display
from toolkit.errors import CancelledError, LifeboatError, LockedError, OutputError, RefusedError, SpaceError
from toolkit.events import Outcome
from toolkit.operations.report import Notice


def outcome_of(error: LifeboatError) -> Outcome:
    """Return the `outcome` of a document whose operation ended in `error`."""
    if isinstance(error, RefusedError | LockedError):
        return Outcome.REFUSED
    return Outcome.CANCELLED if isinstance(error, CancelledError) else Outcome.FAILED


def show_error(error: LifeboatError, settings: Settings, code: ExitCode) -> None:
    """Print what happened, to what, and what to do next; with `--events` as an event, when no job has said it."""
    if settings.events and error.job is None:
        _show_event(error)
    if settings.json and not isinstance(error, OutputError) and _show_document(error, code):
        return
    if settings.events:
        return
    click.echo(click.style("error: ", fg="red", bold=True) + _lines(error.message), err=True)
    if error.subject:
        click.echo(f"  to: {display(error.subject)}", err=True)
    if error.hint:
        click.echo(f"  try: {display(again(error.hint, settings))}", err=True)


def _show_document(error: LifeboatError, code: ExitCode) -> bool:
    """Print the document of `error`; False where stdout does not take it, and stderr has to."""
    try:
        print_document(
            {"changed": error.changed, "warnings": []},
            outcome=outcome_of(error),
            code=code,
            job=error.job,
            error=Notice(code=error.code, message=error.message, subject=error.subject, hint=error.hint),
            more=_numbers(error),
        )
    except OutputError:
        return False
    return True


def _show_event(error: LifeboatError) -> None:
    import sys
    from datetime import UTC, datetime

    from toolkit.events import Level, Logged, encode

    params = {"subject": error.subject, "hint": error.hint}
    event = Logged(ts=datetime.now(UTC), level=Level.ERROR, msg=error.message, code=error.code, params=dict(params))
    sys.stderr.write(encode(event).decode())


def _lines(text: str) -> str:
    """Return a message that may have several lines (the problems of a configuration) for a terminal."""
    return "\n".join(display(line) for line in text.split("\n"))


def _numbers(error: LifeboatError) -> dict[str, int]:
    if isinstance(error, SpaceError) and error.needed is not None and error.free is not None:
        return {"needed": error.needed, "free": error.free}
    return {}
