"""The audit line of an operation (who did what, from where, and how it ended: promise 11), and the log of jobs."""

from __future__ import annotations

from collections.abc import Callable

from toolkit.errors import LifeboatError
from toolkit.events import Event
from toolkit.jobs.context import Job
from toolkit.notify.audit import AuditRecord, record_operation
from toolkit.notify.logfile import FILE_NAME, log_lines
from toolkit.operations.session import Session


def audit(session: Session, job: Job, *, changed: bool, error: LifeboatError | None = None) -> LifeboatError | None:
    """Append the line of the finished `job`; what kept it from being written is returned, never raised."""
    result = job.result
    if result is None:
        return None
    record = AuditRecord(
        ts=session.now(),
        job=job.id,
        operation=job.spec.op,
        targets=tuple(str(target) for target in job.spec.targets),
        by=job.spec.by,
        host=session.host,
        outcome=result.status,
        exit=result.exit,
        changed=changed,
        summary=result.summary,
        error=error.code if error is not None else "",
    )
    return record_operation(session.log, record, mask=job.mask)


def log_sink(session: Session) -> Callable[[Event], None]:
    """Return what writes the events of a job to the log; where that cannot be opened, nothing is written."""
    return log_lines(session.config.log_file or session.log / FILE_NAME)[0]
