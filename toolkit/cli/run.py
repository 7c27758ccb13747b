"""From a parsed command to its end: session, job, operation, report, exit code."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import click

from toolkit.cli import exit_codes
from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.settings import Settings, settings
from toolkit.errors import LifeboatError
from toolkit.events import Outcome
from toolkit.jobs.attach import tidy
from toolkit.jobs.context import Job, json_lines
from toolkit.jobs.signals import handled_signals
from toolkit.operations.report import Notice, Report
from toolkit.operations.session import Session, open_session

if TYPE_CHECKING:
    from toolkit.profile.secret import Secret

AnyReport = TypeVar("AnyReport", bound=Report)
Text = Callable[[AnyReport], Sequence[str]]


def session_of(given: Settings) -> Session:
    """Open the session that the global options ask for."""
    session = open_session(config=given.config, vault=given.vault, lock_wait=given.lock_wait)
    session.identity = _identity(given)
    return session


def _identity(given: Settings) -> Secret | None:
    """Return the age identity that `--identity` or `--identity-command` give."""
    from toolkit.errors import UsageError
    from toolkit.profile.secret import Secret

    if given.identity is not None and given.identity_command:
        raise UsageError("--identity and --identity-command are two ways to give one key", hint="use one of them")
    if given.identity_command:
        import shlex

        try:
            return Secret(command=tuple(shlex.split(given.identity_command)))
        except ValueError as error:
            raise UsageError(f"the command cannot be read ({error})", subject=given.identity_command) from error
    return Secret(file=given.identity.absolute()) if given.identity is not None else None


def exit_of(error: BaseException) -> int:
    """Return the exit code that an error which leaves a job leads to."""
    if isinstance(error, LifeboatError):
        return exit_codes.of_error(error)
    return ExitCode.INTERRUPTED if isinstance(error, KeyboardInterrupt) else ExitCode.FAILED


def answer(
    report: AnyReport, text: Text[AnyReport], *, job: str | None = None, session: Session | None = None
) -> NoReturn:
    """Print `report`, with what `session` has said, in the form that was asked for and leave with its exit code."""
    if session is not None:
        report.warnings[:0] = session.said
    given = settings()
    code = exit_codes.of_ending(report.ending)
    if given.json:
        from toolkit.cli.render.document import print_report

        print_report(report, code=code, job=job)
    else:
        from toolkit.cli.render.talk import print_text

        print_text(report, text(report), given)
    raise click.exceptions.Exit(code)


def query(body: Callable[[Session], AnyReport], text: Text[AnyReport]) -> NoReturn:
    """Run an operation that changes nothing and needs no job; print its report and leave."""
    session = session_of(settings())
    report = body(session)
    answer(report, text, session=session)


def work(
    operation: str,
    targets: Sequence[str | Path],
    body: Callable[[Session, Job], AnyReport],
    text: Text[AnyReport],
    *,
    session: Session | None = None,
    plan: str | None = None,
) -> NoReturn:
    """Run an operation as a job, print its report and leave with its exit code.

    With `--detach` the same command is started again in a session of its own, and this one ends at once.
    """
    from toolkit.operations.audit import log_sink

    given = settings()
    opened = session or session_of(given)
    if given.detach:
        _detach(opened, operation, targets)
    store = opened.state / "jobs"
    with contextlib.suppress(LifeboatError):  # the next one does it
        tidy(store)
    job = Job.open(
        store,
        operation,
        targets=tuple(targets),
        plan=plan,
        cli=command_line(),
        sinks=[*_sinks(given), log_sink(opened)],
        exit_for=exit_of,
    )
    report = _run(job, opened, body)
    answer(report, text, job=job.id)


def _sinks(given: Settings) -> list[Callable[..., None]]:
    if given.events:
        return [json_lines(sys.stderr)]
    if given.quiet or given.json or not sys.stderr.isatty():
        return []
    from toolkit.cli.render.progress import progress_line

    return [progress_line(sys.stderr, verbose=given.verbose)]


def _run(job: Job, session: Session, body: Callable[[Session, Job], AnyReport]) -> AnyReport:
    from toolkit.operations.audit import audit

    report: AnyReport | None = None
    try:
        with handled_signals(job.note_signal), job:
            _tell_of_start(session, job)
            report = body(session, job)
            report.warnings[:0] = session.said
            for warning in report.warnings[:1000]:
                job.warn(warning.code, warning.message + (f": {warning.subject}" if warning.subject else ""))
            code = exit_codes.of_ending(report.ending)
            job.finish(
                report.outcome, exit=code, summary="; ".join(report.notes), undo=report.undo, artifacts=report.made
            )
    except LifeboatError as error:
        audit(session, job, changed=error.changed, error=error)
        _tell_of_end(session, job, None, error)
        error.job = job.id
        raise
    audit(session, job, changed=report.changed)
    report.warnings += _tell_of_end(session, job, report, None)
    return report


def _tells(session: Session) -> bool:
    """Say whether anybody is to be told: what tells them is imported then only."""
    config = session.config
    return bool(config.notify or config.healthcheck or config.metrics)


def _tell_of_start(session: Session, job: Job) -> None:
    if _tells(session):
        from toolkit.operations import announce

        announce.began(session, job)


def _tell_of_end(session: Session, job: Job, report: Report | None, error: LifeboatError | None) -> list[Notice]:
    if not _tells(session):
        return []
    from toolkit.operations import announce

    return announce.ended(session, job, report, error)


def command_line() -> str:
    """Return the command line of this run, as it could be typed again."""
    import shlex

    return shlex.join(["lifeboat", *sys.argv[1:]])


def _detach(session: Session, operation: str, targets: Sequence[str | Path]) -> NoReturn:
    from toolkit.operations import launch

    arguments = [word for word in sys.argv[1:] if word != "--detach"]
    job = launch.start(session, arguments, operation, targets=targets, cli=command_line())
    given = settings()
    if given.json:
        from toolkit.cli.render.document import print_document

        fields: dict[str, object] = {"changed": False, "warnings": []}
        print_document(fields, outcome=Outcome.OK, code=ExitCode.DONE, job=job.id)
    else:
        click.echo(job.id)
        if not (given.quiet or given.events):
            click.echo(f"running on as job {job.id}; `lifeboat jobs attach {job.id}` shows it", err=True)
    raise click.exceptions.Exit(ExitCode.DONE)
