"""What `status` shows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import click

from toolkit.cli.render.sync import pause_line, queue_line
from toolkit.cli.render.table import table
from toolkit.display import display
from toolkit.operations.status import ProfileState, StatusJob, StatusReport, StatusTarget
from toolkit.wording import age_text, count_text, size_text, time_text

_COLORS = {"bad": "red", "warn": "yellow", "unknown": "yellow", "ok": "green"}
_HEADER = ("STATE", "PROFILE", "WHAT", "LAST GOOD", "BACKUP", "EVIDENCE", "NEXT", "FAILED SINCE")


def status_text(report: StatusReport, now: datetime) -> list[str]:
    """Return the vault, the targets worst first with their reasons, the profiles' counts, and the jobs."""
    lines = [_vault(report)]
    if report.targets:
        lines += ["", *_targets(report, now)]
    if report.profiles:
        lines += ["", *(_profile(one, now) for one in report.profiles)]
    if report.paused:
        lines += ["", *(pause_line(one, now) for one in report.paused)]
    if report.queue:
        lines += ["", *(queue_line(row, now) for row in report.queue)]
    if report.jobs:
        lines += ["", *(_job(job, now) for job in report.jobs)]
    return lines


def _vault(report: StatusReport) -> str:
    vault = report.vault
    line = f"vault {display(vault.path)}"
    if vault.exists:
        line += f"  {count_text(vault.backups, 'backup')}, {size_text(vault.used)}"
    else:
        line += "  (not there yet)"
    return f"{line}; {size_text(vault.free)} free" if vault.free is not None else line


def _targets(report: StatusReport, now: datetime) -> Iterator[str]:
    header, *rows = table(_HEADER, [_row(one, now) for one in report.targets], right=frozenset({7}))
    yield header
    for target, row in zip(report.targets, rows, strict=True):
        yield click.style(row[: len(target.state)], fg=_COLORS[target.state], bold=True) + row[len(target.state) :]
        for reason in target.reasons:
            yield f"{'':9}{display(reason.text)} (since {time_text(reason.since, now)})"
        if target.last_check is not None:
            look = target.last_check
            yield f"{'':9}last diagnosed {age_text(look.at, now)}: {display(look.result)} ({display(look.kind)})"


def _row(target: StatusTarget, now: datetime) -> tuple[str, ...]:
    good = target.last_good
    what = target.path if target.kind == "files" else f"{target.kind} {target.path}"
    return (
        target.state,
        target.profile,
        what,
        age_text(good.at, now) if good is not None else "never",
        good.id if good is not None else "-",
        good.evidence if good is not None else "-",
        time_text(target.next_run, now) if target.next_run is not None else "-",
        str(target.failed_since_good),
    )


def _profile(profile: ProfileState, now: datetime) -> str:
    line = f"{display(profile.profile)}: {profile.succeeded:,} succeeded, {profile.failed:,} failed"
    if profile.last_at is not None:
        line += f"; last {display(profile.last_status)} {age_text(profile.last_at, now)}"
    if profile.last_error:
        line += f": {display(profile.last_error)}"
    return line if profile.configured else f"{line} (not in the configuration)"


def _job(job: StatusJob, now: datetime) -> str:
    what = " ".join(display(target) for target in job.targets)
    line = f"job {job.id} {job.state}: {display(job.operation)} {what}".rstrip()
    if job.started is not None:
        line += f", begun {age_text(job.started, now)}"
    return f"{line}, at: {display(job.step)}" if job.step else line
