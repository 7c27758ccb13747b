"""What the `fleet` commands show."""

from __future__ import annotations

from collections.abc import Iterator

import click

from toolkit.cli.render.plan import plan_lines
from toolkit.cli.render.table import table
from toolkit.display import display
from toolkit.operations.fleet import FleetReport, HostRow, HostsReport
from toolkit.operations.fleet_status import FleetRow, FleetStatusReport
from toolkit.wording import age_text, size_text, time_text

_COLORS = {
    "unreachable": "red",
    "failed": "red",
    "refused": "red",
    "bad": "red",
    "warn": "yellow",
    "unknown": "yellow",
    "ok": "green",
}
_STATUS = (
    "STATE",
    "HOST",
    "PROFILE",
    "LAST GOOD",
    "EVIDENCE",
    "REHEARSED",
    "QUEUE",
    "FREE",
    "RUNS BY",
    "VERSION",
    "WHY",
)


def hosts_text(report: HostsReport) -> list[str]:
    """Return the servers of the inventory."""
    rows = [(name, host.address, ", ".join(host.groups)) for name, host in report.hosts.items()]
    return table(("HOST", "ADDRESS", "GROUPS"), rows)


def fleet_text(report: FleetReport) -> list[str]:
    """Return a line for each server, those that failed first; after a dry run the plan of all."""
    if report.plan is not None:
        return [*_plan(report), *_rows(report, planned=False)]
    return list(_rows(report))


def show_plan(report: FleetReport) -> None:
    """Print the plan of all servers on stderr, before the question."""
    for line in [*_plan(report), *_rows(report, planned=False)]:
        click.echo(line, err=True)


def _plan(report: FleetReport) -> Iterator[str]:
    """Yield the plan: a step for each server."""
    if report.plan is not None:
        yield from plan_lines(report.plan)[:-1]


def _rows(report: FleetReport, *, planned: bool = True) -> Iterator[str]:
    shown = {name: row for name, row in report.hosts.items() if planned or not (row.plan or {}).get("steps")}
    order = sorted(shown, key=lambda name: (shown[name].outcome == "ok", shown[name].outcome == "warn", name))
    if not order:
        return
    lines = table(("OUTCOME", "HOST", "CHANGED", "WHAT"), [_row(name, shown[name]) for name in order])
    yield lines[0]
    for name, line in zip(order, lines[1:], strict=True):
        yield _colored(line, _word(shown[name]))


def _word(row: HostRow) -> str:
    return row.outcome if row.reached else "unreachable"


def _row(name: str, row: HostRow) -> tuple[str, ...]:
    what = row.why if row.went_well else ""  # else the warnings below say it
    return _word(row), display(name), "changed" if row.changed else "", display(what)


def status_text(report: FleetStatusReport) -> list[str]:
    """Return a line for each profile on each server, worst first."""
    if not report.rows:
        return ["nothing to show: no server has what was asked for"]
    lines = table(_STATUS, [_status(row, report) for row in report.rows])
    return [lines[0], *(_colored(line, row.state) for line, row in zip(lines[1:], report.rows, strict=True))]


def _status(row: FleetRow, report: FleetStatusReport) -> tuple[str, ...]:
    now = report.at
    return (
        row.state,
        display(row.host),
        display(row.profile),
        time_text(row.last_good, now) if row.last_good is not None and now is not None else "-",
        row.evidence or "-",
        age_text(row.rehearsed, now) if row.rehearsed is not None and now is not None else "-",
        str(row.queued or "-"),
        size_text(row.free) if row.free is not None else "-",
        row.timer or "-",
        display(row.version) or "-",
        display(row.why),
    )


def _colored(line: str, word: str) -> str:
    return click.style(line[: len(word)], fg=_COLORS.get(word), bold=True) + line[len(word) :]
