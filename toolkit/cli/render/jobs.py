"""Jobs as a table, as a paragraph, and event by event."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from toolkit.cli.render.table import table
from toolkit.display import display
from toolkit.events import Event
from toolkit.operations.eventlines import event_line, progress_text
from toolkit.operations.jobs import JobRow, JobsReport
from toolkit.operations.recovery import RecoveryReport
from toolkit.wording import clock_text, duration_text, stamp_text

_COLORS = {"ok": "green", "warn": "yellow", "failed": "red", "interrupted": "red", "asking": "yellow"}


def jobs_text(report: JobsReport) -> list[str]:
    """Return a table of the jobs, or nothing where there are none."""
    rows = [
        (
            job.id,
            job.state,
            job.operation,
            " ".join(job.targets),
            stamp_text(job.created, seconds=True),
            _took(job),
            job.step or job.error or job.summary,
        )
        for job in report.jobs
    ]
    return table(("id", "state", "operation", "on", "created", "took", "says"), rows) if rows else []


def _took(job: JobRow) -> str:
    last = job.heard if job.exit is not None and job.heard is not None else datetime.now(UTC)
    if job.exit is None and job.state == "interrupted":
        return "?"
    return duration_text(round(max((last - job.created).total_seconds(), 0), 1))


def job_text(report: JobsReport) -> list[str]:
    """Return one job as lines, its question, and what it printed."""
    lines = [line for job in report.jobs for line in _one(job)]
    if report.log is not None:
        lines += ["output:", *(f"  {display(line)}" for line in report.log.splitlines())]
    return lines


def _one(job: JobRow) -> list[str]:
    state = click.style(job.state, fg=_COLORS.get(job.state), bold=True)
    rows = [
        ("on", " ".join(job.targets)),
        ("command", job.cli),
        ("by", f"{job.by} on {job.host}"),
        ("created", stamp_text(job.created, seconds=True)),
        ("heard", stamp_text(job.heard, seconds=True) if job.heard is not None else ""),
        ("step", job.step),
        ("so far", progress_text(job)),
        ("warnings", str(job.warnings or "")),
        ("exit", str(job.exit) if job.exit is not None else ""),
        ("says", job.error or job.summary),
        ("next", job.hint),
        ("undo", job.undo),
        *(("made", path) for path in job.artifacts),
    ]
    lines = [f"job {job.id}  {display(job.operation)}  {state}"]
    lines += [f"  {name:8}  {display(value)}" for name, value in rows if value]
    if job.question is not None:
        choices = "|".join(job.question.choices) or "ANSWER"
        lines.append(f"  asks {display(job.question.qid)}: {job.question.kind} {display(job.question.subject)}")
        lines.append(f"  answer with: lifeboat jobs answer {job.id} {display(choices)}")
    if job.state == "interrupted":
        lines.append("  its process is gone; the next run of the profile, or `lifeboat jobs recover`, cleans up")
    return lines


def event_text(event: Event) -> str:
    """Return one line for an event that says something to a person; "" for the others."""
    line = event_line(event)
    return f"{clock_text(event.ts)}  {line}" if line else ""


def recovery_text(report: RecoveryReport) -> list[str]:
    """Return what was finished or taken back."""
    return [display(action) for action in report.actions] or ["nothing was left half done"]
