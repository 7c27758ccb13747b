"""Telling others how a job ended: messages, a ping, figures. What fails here never hides or causes a failure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.display import display
from toolkit.errors import LifeboatError
from toolkit.events import Event, ItemReported, JobFinished, Logged, StepStarted, Warned, plain_name
from toolkit.jobs.context import Job
from toolkit.jobs.journal import read
from toolkit.notify import messages, metrics, pings
from toolkit.notify.messages import Ended, Message
from toolkit.operations.figures import figures
from toolkit.operations.offsite.uploads import GAVE_UP
from toolkit.operations.report import Ending, Notice, Report, notice
from toolkit.operations.session import Session
from toolkit.operations.status import StatusReport
from toolkit.wording import clock_text

TOLD = frozenset({"backup", "verify", "restore", "undo", "repair", "rescue", "prune", "sync", "import", "diagnose"})
"""Operations whose ending is worth a message."""

PINGED = frozenset({"backup"})
"""Operations that keep the dead man's switch from going off."""

FILE_NAME = "notified.json"
INCOMPLETE, INTERRUPTED = 3, 130
MOST_WARNINGS = 10
MOST_LOG = 30
"""Lines of a failed job's journal that a ping carries."""

Say = Callable[[str, str], None]
"""Takes the code and the sentence of something that could not be told."""


def began(session: Session, job: Job) -> None:
    """Ping the start of a job; a line that is down is found out again at its end."""
    check = session.config.healthcheck
    if check is not None and job.spec.op in PINGED:
        url = _resolved(check.url.resolve)
        if isinstance(url, str):
            pings.ping(url, "start")


def ended(session: Session, job: Job, report: Report | None, error: LifeboatError | None) -> list[Notice]:
    """Tell who is configured how `job` ended; return what could not be told, as warnings for whoever looks on."""
    result, config = job.result, session.config
    if result is None or result.exit == INTERRUPTED:
        return []
    unsaid: list[Notice] = []
    outcome = _ended(result, report)
    if config.notify and job.spec.op in TOLD and not _only_waits(job, result, report):
        subject = " ".join([job.spec.op, *(plain_name(target) for target in job.spec.targets)])
        body = _body(session, job, result, report, error)
        unsaid += tell(session, subject, outcome, body)
    if config.healthcheck is not None and job.spec.op in PINGED:
        log = _log(job) if outcome is Ended.FAILURE else ""
        unsaid += _ping(session, outcome, log + _body(session, job, result, report, error))
    if config.metrics is not None and (report is None or report.changed or job.spec.op in TOLD):
        unsaid += write_figures(session)
    return unsaid


def _only_waits(job: Job, result: JobFinished, report: Report | None) -> bool:
    """Say whether a `sync` had nothing to try now: what waits was told when it failed, not each quarter of an hour."""
    return job.spec.op == "sync" and result.exit == INCOMPLETE and report is not None and not report.changed


def _ended(result: JobFinished, report: Report | None) -> Ended:
    if report is not None and any(one.code == GAVE_UP for one in report.warnings):
        return Ended.FAILURE
    if result.exit == 0:
        return Ended.WARNING if report is not None and report.warnings else Ended.SUCCESS
    return Ended.WARNING if result.exit == INCOMPLETE else Ended.FAILURE


def of_status(session: Session, report: StatusReport, profile: str | None) -> list[Notice]:
    """Tell that something is older than promised, or that all is well again; the same is never told twice in a row.

    The figures are written too: they would grow old where nothing else runs.
    """
    unsaid = write_figures(session)
    subject = f"freshness of {profile}" if profile is not None else "freshness"
    outcome = Ended.SUCCESS if report.ending is Ending.DONE else Ended.FAILURE
    before = _known(session.state / FILE_NAME).get(subject, Ended.SUCCESS)
    if outcome is before or not session.config.notify:
        return unsaid
    lines = [f"{one.path}: {reason.text}" for one in report.targets for reason in one.reasons]
    lines += [line for warning in report.warnings for line in _lines(warning)]
    body = "\n".join(display(line) for line in lines) or "every target has a good backup that is young enough"
    return unsaid + tell(session, subject, outcome, body)


def tell(session: Session, subject: str, outcome: Ended, body: str) -> list[Notice]:
    """Send a message about `subject` (an operation and what it was on) to whom it concerns; remember how it ended."""
    path = session.state / FILE_NAME
    known = _known(path)
    before = known.get(subject)
    what = display(subject, width=80)
    message = Message(
        title=f"Lifeboat on {display(session.host)}: {what} {_WORDS[outcome]}",
        body=body,
        occasions=messages.occasions(outcome, before),
    )
    unsent = messages.send(message, session.config.notify)
    if before is not outcome:
        _remember(path, {**known, subject: outcome})
    return [
        Notice(
            code="not-notified",
            message=f"a message could not be sent: {display(one.reason)}",
            subject=f"notify, entry {one.number}",
            hint="lifeboat config show",
        )
        for one in unsent
    ]


_WORDS = {Ended.SUCCESS: "succeeded", Ended.WARNING: "ended with warnings", Ended.FAILURE: "FAILED"}


def _body(session: Session, job: Job, result: JobFinished, report: Report | None, error: LifeboatError | None) -> str:
    lines = [f"exit code {result.exit}" + (f": {result.summary}" if result.summary else "")]
    if error is not None:
        lines += _lines(notice(error))
    warnings = report.warnings if report is not None else []
    for warning in warnings[:MOST_WARNINGS]:
        lines += _lines(warning)
    if len(warnings) > MOST_WARNINGS:
        lines.append(f"and {len(warnings) - MOST_WARNINGS} more warnings")
    lines.append(f"host {session.host}, job {job.id}: lifeboat jobs show {job.id}")
    return "\n".join(display(job.mask.text(line)) for line in lines)


def _log(job: Job) -> str:
    """Return the end of the job's journal as text, with an empty line behind it; empty where there is no journal."""
    if job.directory is None:
        return ""
    try:
        events = list(read(job.directory))
    except LifeboatError:
        return ""
    lines = [f"{clock_text(event.ts)} {display(said)}\n" for event in events if (said := _said(event))]
    return "".join([*lines[-MOST_LOG:], "\n"])


def _said(event: Event) -> str:
    match event:
        case StepStarted():
            return event.title
        case Logged() | Warned():
            return event.msg
        case ItemReported():
            return f"{event.action.value} {plain_name(event.path)} {event.reason}".rstrip()
    return ""


def _lines(one: Notice) -> Iterable[str]:
    yield one.message + (f" ({one.subject})" if one.subject else "")
    if one.hint:
        yield f"  try: {one.hint}"


def _ping(session: Session, outcome: Ended, body: str) -> list[Notice]:
    check = session.config.healthcheck
    if check is None:
        return []
    url = _resolved(check.url.resolve)
    reason = pings.ping(url, "fail" if outcome is Ended.FAILURE else "success", body) if isinstance(url, str) else ""
    if not isinstance(url, str):
        return [notice(url)]
    return [Notice(code="not-pinged", message=f"the dead man's switch was not reached: {reason}")] if reason else []


def _resolved(resolve: Callable[[], str]) -> str | LifeboatError:
    try:
        return resolve()
    except LifeboatError as error:
        return error


def write_figures(session: Session) -> list[Notice]:
    """Write the figures for Prometheus; return what went wrong as a warning."""
    if session.config.metrics is None:
        return []
    try:
        metrics.write(session.config.metrics.textfile, figures(session))
    except LifeboatError as error:
        return [notice(error)]
    return []


def _known(path: Path) -> dict[str, Ended]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Ended])
    except (OSError, msgspec.DecodeError):
        return {}


def _remember(path: Path, known: dict[str, Ended]) -> None:
    try:
        durable.make_directory(path.parent)
        durable.write_file(path, msgspec.json.encode(known) + b"\n")
    except (OSError, LifeboatError):  # then the next success is no recovery
        return
