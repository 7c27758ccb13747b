"""What `lifeboat drive` shows."""

from __future__ import annotations

from datetime import datetime

import click

from toolkit.cli.render.sync import pause_line
from toolkit.cli.render.table import table
from toolkit.display import display
from toolkit.operations.offsite.drive import DoctorReport, LoginReport
from toolkit.operations.offsite.drivefiles import DriveItem, DriveRemoval, DriveReport
from toolkit.operations.offsite.pausing import PauseReport
from toolkit.wording import count_text, size_text, stamp_text

_MARKS = {
    "ok": ("ok", "green"),
    "notice": ("note", "cyan"),
    "warning": ("warning", "yellow"),
    "error": ("ERROR", "red"),
}


def login_text(report: LoginReport) -> list[str]:
    """Return who is signed in now."""
    return [
        f"signed in for {display(one.destination)}" + (f" as {display(one.account)}" if one.account else "")
        for one in report.items
    ]


def doctor_text(report: DoctorReport) -> list[str]:
    """Return a line for each thing that was looked at, with what to do about it."""
    lines = []
    for finding in report.items:
        word, color = _MARKS[finding.severity]
        lines.append(click.style(f"{word:8}", fg=color) + display(finding.message))
        if finding.hint:
            lines.append(f"        try: {display(finding.hint)}")
    if report.link:
        lines.append(f"folder  {display(report.link)}")
    lines.append("ready for the next upload" if report.healthy else "the next upload will fail")
    return lines


def pause_text(report: PauseReport, now: datetime) -> list[str]:
    """Return whether uploads wait, and until when."""
    if report.pause is None:
        return [f"uploads to {display(report.destination)} go on with the next `lifeboat sync`"]
    return [pause_line(report.pause, now), "backups go on, and queue their copies"]


def list_text(report: DriveReport) -> list[str]:
    """Return the table of backups, with links."""
    if not report.items:
        return [f"no backup in {display(report.destination)}"]
    lines = table(
        ("ID", "PROFILE", "KIND", "HOST", "STARTED", "SIZE", "STATE", "LINK"),
        [
            (
                one.id,
                one.profile,
                one.kind,
                one.host or "(by hand)",
                stamp_text(one.started),
                size_text(one.size),
                one.state,
                one.link,
            )
            for one in report.items
        ],
        right=frozenset({5}),
    )
    return [*lines, count_text(len(report.items), "backup")]


def moved_text(report: DriveReport) -> list[str]:
    """Return what became of each backup that was sent or fetched."""
    words = {"same": "there already", "gave-up": "given up"}
    return [
        f"{one.id}  {display(one.profile)}  {size_text(one.size)}  {words.get(one.state, one.state)}"
        + (f"  {display(one.link)}" if one.link else "")
        for one in report.items
    ]


def show_removal(made: DriveRemoval) -> None:
    """Print on stderr exactly what would go, before the question."""
    click.echo(click.style(made.plan.steps[0].title, bold=True), err=True)
    for line in _rows(made.rows):
        click.echo(line, err=True)
    if made.plan.keeps:
        click.echo(f"keeps {made.plan.keeps}", err=True)


def removal_text(report: DriveReport) -> list[str]:
    """Return what was removed and where it is now; after a dry run what would be, and what stays."""
    if report.plan is not None:
        title = report.plan.steps[0].title if report.plan.steps else "nothing to remove"
        keeps = [f"keeps {report.plan.keeps}"] if report.plan.keeps else []
        return [title, *_rows([*report.items, *report.kept]), *keeps]
    if not report.items:
        return ["nothing to remove"]
    where = "moved to the bin of Drive" if report.binned else "removed for good"
    return [f"{where}: {count_text(len(report.items), 'backup')}", *_rows(report.items)]


def _rows(rows: list[DriveItem] | tuple[DriveItem, ...]) -> list[str]:
    if not rows:
        return []
    return table(
        ("verdict", "id", "profile", "kind", "host", "started", "size", "reason"),
        [
            (
                one.state,
                one.id,
                one.profile,
                one.kind,
                one.host or "(by hand)",
                stamp_text(one.started),
                size_text(one.size),
                one.reason,
            )
            for one in rows
        ],
        right=frozenset({6}),
    )
