"""What `schedule` shows."""

from __future__ import annotations

from datetime import datetime

from toolkit.cli.render.table import table
from toolkit.display import display
from toolkit.operations.schedule import EntryRow, ScheduleReport

HEADER = ("ENTRY", "WHEN", "LAST", "NEXT")
_PLACES = {"cron": "in cron", "systemd": "in systemd", "none": "not installed"}


def schedule_text(report: ScheduleReport) -> list[str]:
    """Return where the schedule is installed, a line for each entry, and its next runs."""
    state = _PLACES[report.installed] + (f", {display(report.place)}" if report.place else "")
    if report.installed != "none":
        state += "" if report.current else "; NOT as configured"
    lines = [f"Schedule: {state}. Times are {report.zone}."]
    if report.entries:
        lines += ["", *table(HEADER, [_row(entry) for entry in report.entries])]
        lines += ["", "Commands:", *(f"  {display(entry.name)}: {display(entry.command)}" for entry in report.entries)]
    return lines


def _row(entry: EntryRow) -> tuple[str, ...]:
    last = "-" if entry.last is None else f"{entry.last:%m-%d %H:%M} {entry.last_state}"
    when = f"{entry.when} (default)" if entry.default else entry.when
    return entry.name, when, f"{last}, MISSED" if entry.missed else last, "  ".join(map(_moment, entry.next))


def _moment(moment: datetime) -> str:
    return f"{moment:%a %m-%d %H:%M}"


def started_text(report: ScheduleReport) -> list[str]:
    """Return what was started and how it ended."""
    failed = set(report.failed)
    return [f"{display(name)}: {'failed' if name in failed else 'ok'}" for name in report.started]
