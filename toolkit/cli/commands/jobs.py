"""`lifeboat jobs`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.run import query, session_of, work
from toolkit.cli.settings import Group, settings

if TYPE_CHECKING:
    from pathlib import Path

    from toolkit.events import Asked, Event

STATES = ("queued", "running", "asking", "cancelling", "ok", "warn", "failed", "cancelled", "interrupted")
job_argument = click.argument("job", metavar="JOB")


@click.group("jobs", cls=Group)
def jobs_command() -> None:
    """What runs and what ran: list, show, attach, answer, retry, cancel, recover.

    JOB is the id of a job, its beginning, or `latest`. Started with --detach, a job runs on when you log out.
    """


@jobs_command.command(
    "list",
    examples=("lifeboat jobs list", "lifeboat jobs list --state running --state asking --json"),
    exits=(ExitCode.USAGE,),
)
@click.option("--state", "states", type=click.Choice(STATES), multiple=True, help="Only jobs in this state.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most this many.")
@click.option("--offset", type=click.IntRange(min=0), default=0, help="Pass over this many of the newest.")
def list_command(states: tuple[str, ...], limit: int, offset: int) -> None:
    """List jobs, the newest first."""
    from toolkit.cli.render.jobs import jobs_text
    from toolkit.operations import jobs

    query(lambda session: jobs.listed(session, states=states, limit=limit, offset=offset), jobs_text)


@jobs_command.command(
    "show",
    examples=("lifeboat jobs show latest", "lifeboat jobs show 5f0c --log", "lifeboat jobs show 5f0c --events"),
    exits=(ExitCode.NOTHING,),
)
@job_argument
@click.option("--log", is_flag=True, help="What a detached job printed, too.")
def show_command(job: str, *, log: bool) -> None:
    """Show one job and how it ended.

    Who started it, how far it is, what it asks. With --events its journal is printed, one JSON line an event.
    """
    from toolkit.cli.render.jobs import job_text
    from toolkit.operations import jobs

    given = settings()
    if given.events and not given.json:
        from toolkit.events import encode

        for event in jobs.events_of(session_of(given), job):
            click.echo(encode(event), nl=False)
        return
    query(lambda session: jobs.shown(session, job, log=log, events=given.events), job_text)


@jobs_command.command(
    "attach",
    examples=("lifeboat jobs attach latest", "lifeboat jobs attach 5f0c --events"),
    exits=(ExitCode.FAILED, ExitCode.INCOMPLETE, ExitCode.DAMAGE, ExitCode.REFUSED, ExitCode.NOTHING),
)
@job_argument
@click.option("--from", "from_seq", type=click.IntRange(min=0), default=0, metavar="N", help="From this event on.")
def attach_command(job: str, from_seq: int) -> None:
    """Watch a job until it is over.

    Each step, line of its log, warning and item is said with its time, in the zone of this machine. What it asks can be
    answered here. Ends with the job's exit code; ctrl+c leaves the watching; the job goes on.
    """
    from toolkit.jobs.attach import attach
    from toolkit.operations import jobs
    from toolkit.operations.report import Ending

    session = session_of(settings())
    directory = jobs.directory_of(session, job)
    try:
        status = attach(directory, _Watcher(directory), from_seq=from_seq)
    except KeyboardInterrupt:
        if settings().events:
            raise click.exceptions.Exit(ExitCode.DONE) from None
        click.echo(f"\nleft; the job goes on (`lifeboat jobs cancel {directory.name}` ends it)", err=True)
        raise click.exceptions.Exit(ExitCode.DONE) from None
    report = jobs.JobsReport(jobs=[jobs.row_of(status)])
    code = status.result.exit if status.result is not None else int(ExitCode.FAILED)
    if status.result is None:
        report.ending = Ending.FAILED
    given = settings()
    if given.json:
        from toolkit.cli.render.document import print_report

        print_report(report, code=ExitCode(code), job=directory.name)
    elif not given.events:
        from toolkit.cli.render.jobs import job_text

        for line in job_text(report):
            click.echo(line)
    raise click.exceptions.Exit(code)


class _Watcher:
    """Shows each event of a job that is watched, and asks at the terminal what the job asks."""

    def __init__(self, directory: Path) -> None:
        from toolkit.jobs.context import json_lines

        given = settings()
        self._directory = directory
        self._quiet = given.quiet or given.json
        self._json = json_lines(sys.stderr) if given.events else None
        self._line = None
        if self._json is None and not self._quiet and sys.stderr.isatty():
            from toolkit.cli.render.jobs import event_text
            from toolkit.cli.render.progress import progress_line

            self._line = progress_line(sys.stderr, lines=event_text)

    def __call__(self, event: Event) -> None:
        """Show `event`."""
        from toolkit.cli.render.jobs import event_text
        from toolkit.events import Asked

        if self._json is not None:
            self._json(event)
        elif self._line is not None:
            self._line(event)
        elif not self._quiet and (text := event_text(event)):
            click.echo(text, err=True)
        if isinstance(event, Asked):
            self._ask(event)

    def _ask(self, question: Asked) -> None:
        from toolkit.cli.prompts import has_terminal
        from toolkit.display import display
        from toolkit.events import plain_name
        from toolkit.jobs.attach import answer
        from toolkit.jobs.identity import who
        from toolkit.operations.jobs import safe_status

        if not question.choices or not has_terminal():
            return
        status = safe_status(self._directory)
        if status is None or status.question is None or status.question.qid != question.qid:
            return
        choice = click.prompt(
            f"{question.kind.value} {display(plain_name(question.subject))}",
            type=click.Choice(question.choices),
            default=question.suggest,
            err=True,
        )
        answer(self._directory, question.qid, choice, by=who())


@jobs_command.command(
    "answer",
    examples=("lifeboat jobs answer latest replace", "lifeboat jobs answer 5f0c skip --scope all"),
    exits=(ExitCode.REFUSED, ExitCode.NOTHING),
)
@job_argument
@click.argument("choice")
@click.option("--question", "qid", metavar="QID", help="The question that is meant (default: the one that is open).")
@click.option(
    "--scope",
    type=click.Choice(("this", "kind", "all")),
    default="this",
    show_default=True,
    help="For this question, for all of its kind, or for all that follow.",
)
def answer_command(job: str, choice: str, qid: str | None, scope: str) -> None:
    """Answer what a job asks.

    `lifeboat jobs show JOB` tells the question and its choices.
    """
    from toolkit.cli.render.jobs import jobs_text
    from toolkit.operations import jobs

    query(lambda session: jobs.answered(session, job, choice, qid=qid, scope=scope), jobs_text)


@jobs_command.command(
    "retry",
    examples=("lifeboat jobs retry latest", "lifeboat jobs retry 5f0c --detach"),
    exits=(ExitCode.FAILED, ExitCode.REFUSED, ExitCode.NOTHING),
)
@job_argument
def retry_command(job: str) -> None:
    """Start the command of a job again.

    The job must be over. Paths count from the folder that you are in. It is a new job, with a plan and a
    confirmation of its own; it ends with that job's exit code.
    """
    from toolkit.operations import jobs
    from toolkit.operations.launch import program

    given = settings()
    words = jobs.retried(session_of(given), job)
    wishes = {"--json": given.json, "--events": given.events, "--detach": given.detach}
    words += [option for option, wished in wishes.items() if wished and option not in words]
    if not (given.quiet or given.json or given.events):
        import shlex

        from toolkit.display import display

        click.echo(display(f"lifeboat {shlex.join(words)}"), err=True)
    command = [*program(), *words]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(command[0], command)  # noqa: S606 - a list of words, no shell


@jobs_command.command("cancel", examples=("lifeboat jobs cancel latest",), exits=(ExitCode.REFUSED, ExitCode.NOTHING))
@job_argument
def cancel_command(job: str) -> None:
    """Ask a job to end.

    It does as soon as its step allows, and takes back what it began.
    """
    from toolkit.cli.render.jobs import jobs_text
    from toolkit.operations import jobs

    query(lambda session: jobs.cancelled(session, job), jobs_text)


@jobs_command.command(
    "recover",
    examples=("lifeboat jobs recover",),
    exits=(ExitCode.FAILED, ExitCode.INCOMPLETE),
)
def recover_command() -> None:
    """Settle what killed runs left half done.

    It is finished or taken back. Every run does this for its own profile first; this does it for all of them,
    at boot for example.
    """
    from toolkit.cli.render.jobs import recovery_text
    from toolkit.operations import recovery

    work("recover", [], recovery.run, recovery_text)
