"""What runs and what ran: list, show, answer, cancel. The journals are the truth; nothing here needs a vault."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from toolkit.errors import LifeboatError, RefusedError
from toolkit.events import AnswerScope, Event, JobFinished, JobState, encode, plain_name
from toolkit.jobs import attach
from toolkit.jobs.identity import who
from toolkit.jobs.journal import LOG, read
from toolkit.jobs.state import JobStatus, job_status
from toolkit.operations.report import Report
from toolkit.operations.session import Session

MOST_LOG = 1_000_000
"""Bytes of a job's output that are shown, from its end."""


class QuestionRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a job asks now."""

    qid: str
    kind: str
    subject: str
    choices: tuple[str, ...]
    suggest: str | None = None


class JobRow(msgspec.Struct, frozen=True, kw_only=True):
    """One job. `by` is the user (and whom `sudo` stands for, and from where); `exit` is None until it ended.

    While it runs: step `step_n` of `step_of` (None where that is not known), `cancel` says when that step gives way
    (`now`, `after_step`, `never`), `rate` is units a second, `eta_s` seconds. `hint` is what to do about `error`,
    `undo` the command that takes back what the job did (empty: there is none), `artifacts` what it made.
    Lists leave out `started` of jobs that are over: their journals are not read for it.
    """

    id: str
    operation: str
    state: str
    targets: tuple[str, ...]
    cli: str
    by: str
    host: str
    created: datetime
    heard: datetime | None = None
    started: datetime | None = None
    step: str = ""
    step_n: int | None = None
    step_of: int | None = None
    cancel: str = ""
    done: int | None = None
    total: int | None = None
    unit: str = ""
    rate: float | None = None
    eta_s: int | None = None
    warnings: int = 0
    exit: int | None = None
    summary: str = ""
    error: str = ""
    hint: str = ""
    undo: str = ""
    artifacts: tuple[str, ...] = ()
    question: QuestionRow | None = None


class JobsReport(Report, kw_only=True):
    """Jobs, newest first; `log` is what a detached one printed, `events` its journal where that was asked for."""

    jobs: list[JobRow] = msgspec.field(default_factory=list)
    log: str | None = None
    events: list[Event] | None = None

    def document(self) -> dict[str, Any]:
        """Return the report as plain values for JSON, the events as the journal has them."""
        events, self.events = self.events, None
        try:
            fields = super().document()
        finally:
            self.events = events
        if events is not None:
            fields["events"] = [msgspec.json.decode(encode(event)) for event in events]
        return fields


def store(session: Session) -> Path:
    """Return the folder of the journals of this user."""
    return session.state / "jobs"


def row_of(status: JobStatus) -> JobRow:
    """Return the row of a job."""
    spec, result = status.spec, status.result
    step = status.step if not status.over else None
    progress = status.progress if not status.over else None
    error = result.error if result is not None else None
    return JobRow(
        id=spec.id,
        operation=spec.op,
        state=status.state.value,
        targets=tuple(plain_name(target) for target in spec.targets),
        cli=spec.cli,
        by=_by(status),
        host=spec.host,
        created=spec.created,
        heard=status.heard,
        started=status.started.ts if status.started is not None else None,
        step=step.title if step is not None else "",
        step_n=step.n if step is not None else None,
        step_of=step.of if step is not None else None,
        cancel=step.cancel.value if step is not None else "",
        done=progress.done if progress is not None else None,
        total=progress.total if progress is not None else None,
        unit=progress.unit.value if progress is not None else "",
        rate=progress.rate if progress is not None else None,
        eta_s=progress.eta_s if progress is not None else None,
        warnings=status.warnings,
        exit=result.exit if result is not None else None,
        summary=result.summary if result is not None else "",
        error=error.msg if error is not None else "",
        hint=(error.hint or "") if error is not None else "",
        undo=_undo(result),
        artifacts=tuple(plain_name(path) for path in result.artifacts) if result is not None else (),
        question=_question(status),
    )


def _undo(result: JobFinished | None) -> str:
    offer = result.undo if result is not None else None
    return offer.cli or "" if offer is not None and offer.possible else ""


def _question(status: JobStatus) -> QuestionRow | None:
    question = status.question
    if question is None or status.state is not JobState.ASKING:
        return None
    return QuestionRow(
        qid=question.qid,
        kind=question.kind.value,
        subject=plain_name(question.subject),
        choices=question.choices,
        suggest=question.suggest,
    )


def _by(status: JobStatus) -> str:
    by = status.spec.by
    words = by.user + (f" (for {by.sudo_user})" if by.sudo_user else "")
    return words + (f" from {by.from_}" if by.from_ else "")


def listed(session: Session, *, states: Sequence[str] = (), limit: int | None = 20, offset: int = 0) -> JobsReport:
    """Return the jobs of this user, newest first; of `states` only, where some are given."""
    wanted = frozenset(JobState(state) for state in states) or None
    found = attach.list_jobs(store(session), limit=limit, offset=offset, states=wanted)
    report = JobsReport(jobs=[row_of(status) for status in found])
    if not found:
        report.notes.append("no such job" if states or offset else "no job has run yet")
    return report


def shown(session: Session, name: str, *, log: bool = False, events: bool = False) -> JobsReport:
    """Return one job (an id, its beginning, or `latest`), with its output and its events where asked for.

    Raises `JobNotFoundError`.
    """
    directory = attach.find_job(store(session), name)
    report = JobsReport(jobs=[row_of(job_status(directory))])
    if log:
        report.log = _log_of(directory)
    if events:
        report.events = list(read(directory))
    return report


def events_of(session: Session, name: str) -> Iterator[Event]:
    """Yield the events of one job (an id, its beginning, or `latest`), one at a time. Raises `JobNotFoundError`."""
    return read(attach.find_job(store(session), name))


def _log_of(directory: Path) -> str:
    with contextlib.suppress(OSError), open(directory / LOG, "rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - MOST_LOG))
        return file.read().decode(errors="replace")
    return ""


def answered(session: Session, name: str, choice: str, *, qid: str | None = None, scope: str = "this") -> JobsReport:
    """Answer what a job asks now. Raises `JobNotFoundError`, `RefusedError` when it asks nothing, or not that."""
    directory = attach.find_job(store(session), name)
    status = job_status(directory)
    if qid is None:
        if status.question is None or status.state is not JobState.ASKING:
            raise RefusedError("the job asks nothing now", subject=directory.name, hint="see `lifeboat jobs show`")
        qid = status.question.qid
    attach.answer(directory, qid, choice, by=who(), scope=AnswerScope(scope))
    return JobsReport(jobs=[row_of(status)], changed=True, notes=["the answer was left; the job takes it up at once"])


def cancelled(session: Session, name: str) -> JobsReport:
    """Ask a job to end. Raises `JobNotFoundError`, `RefusedError` when it is over, `ForbiddenError`."""
    directory = attach.find_job(store(session), name)
    attach.cancel(directory, by=who())
    report = JobsReport(jobs=[row_of(job_status(directory))], changed=True)
    report.notes.append(f"asked to end; `lifeboat jobs attach {directory.name}` shows when it did")
    return report


def retried(session: Session, name: str) -> list[str]:
    """Return the arguments (without `lifeboat`) that start the same operation again.

    Raises `JobNotFoundError`, and `RefusedError` while the job goes on or when its command line cannot be typed
    again: names with control characters are kept in the journal as they are shown only.
    """
    directory = attach.find_job(store(session), name)
    status = job_status(directory)
    if not status.over:
        raise RefusedError(
            f"the job is not over: {status.state.value}",
            subject=directory.name,
            hint=f"lifeboat jobs attach {directory.name}",
        )
    try:
        words = shlex.split(status.spec.cli)
    except ValueError:
        words = []
    if words[:1] != ["lifeboat"] or "\\" in status.spec.cli or "***" in status.spec.cli:
        raise RefusedError("its command line cannot be used again", subject=status.spec.cli, hint="type it again")
    return [word for word in words[1:] if word != "--detach"]


def directory_of(session: Session, name: str) -> Path:
    """Return the folder of the job that `name` means. Raises `JobNotFoundError`."""
    return attach.find_job(store(session), name)


def safe_status(directory: Path) -> JobStatus | None:
    """Return where the job stands, or None when that cannot be read now."""
    try:
        return job_status(directory)
    except LifeboatError:
        return None
