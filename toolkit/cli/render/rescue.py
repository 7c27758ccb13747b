"""The plan of a rescue and its end, for a tired person: what is broken, what comes back, what is lost, what is next."""

from __future__ import annotations

from collections.abc import Iterator

import click

from toolkit.cli.again import again
from toolkit.cli.render.paragraph import paragraph
from toolkit.cli.render.plan import plan_lines
from toolkit.cli.render.repair import rows_lines
from toolkit.display import display
from toolkit.operations.diagnosing.codes import Severity
from toolkit.operations.rescuing.plan import RescuePlan
from toolkit.operations.rescuing.report import RescuedDatabase, RescueReport
from toolkit.operations.rescuing.ways import loses_text, offline_text
from toolkit.wording import count_text

MOST_FINDINGS = 4
_NAMES = {"mend": "mend it", "salvage": "mend and refill", "restore": "restore"}


def show_plan(made: RescuePlan) -> None:
    """Print the plan on stderr, before the question."""
    for line in (*_situation(made.report), *plan_lines(made.plan)):
        click.echo(line, err=True)
    for one in made.used:
        click.echo(f"  in use   {display(one.text)}", err=True)


def _situation(report: RescueReport) -> Iterator[str]:
    """Yield what is broken and the ways out, with the recommended one marked."""
    for row in report.databases:
        yield f"{click.style('broken', fg='red', bold=True)}  {display(row.path)}"
        worst = [one for one in row.findings if one.severity is not Severity.NOTICE]
        for finding in worst[:MOST_FINDINGS]:
            yield from paragraph("", finding.message, hang=2)
            for line in finding.evidence[:2]:
                yield from paragraph("", line, hang=6)
        if len(worst) > MOST_FINDINGS:
            yield f"  … and {count_text(len(worst) - MOST_FINDINGS, 'more finding')}: lifeboat diagnose"
        yield ""
        yield from _ways(row)
        yield ""
    for path in report.left:
        yield f"left alone  {display(path)}: what was found there is nothing that a rescue cures"


def _ways(row: RescuedDatabase) -> Iterator[str]:
    yield "  Ways out"
    for way in row.ways:
        taken = way.name == row.way
        mark = click.style(">", fg="green", bold=True) if taken else " "
        name = click.style(f"{_NAMES[way.name]:15}", bold=taken)
        if not way.possible:
            text = f"not possible: {way.why_not}"
        else:
            text = f"{count_text(way.rows, 'row')}; loses {loses_text(way)}{offline_text(way)}"
        first, *rest = paragraph("", text, hang=21)
        yield f"  {mark} {name}  {first.lstrip()}"
        yield from rest
    if row.recommended:
        yield f"    recommended: {_NAMES[row.recommended]}, since {row.because}"


def rescue_text(report: RescueReport) -> list[str]:
    """Return what a rescue did, or its plan after a dry run."""
    if report.plan is not None:
        return [*_situation(report), *plan_lines(report.plan)]
    if not report.databases:
        return [f"{_verdict(healthy=one.healthy)}  {display(one.path)}" for one in report.diagnosed]
    if report.put_back:
        return list(_failed(report))
    return list(_done(report))


def _verdict(*, healthy: bool) -> str:
    return click.style("healthy" if healthy else "left alone", fg="green" if healthy else "yellow", bold=True)


def _failed(report: RescueReport) -> Iterator[str]:
    yield click.style("It did not work; everything was put back as it was.", fg="red", bold=True)
    for line in report.failures:
        yield from paragraph("", line, hang=2)
    yield from (f"  what did not work lies in {display(path)}, for a look" for path in report.rejected)
    yield "  next     try another way (--way), or an older backup (--from)"


def _done(report: RescueReport) -> Iterator[str]:
    for row in report.databases:
        way = next(one for one in row.ways if one.name == row.way)
        yield f"{click.style('rescued', fg='green', bold=True)}  {display(row.path)}  ({_NAMES[way.name]})"
        if way.name != "restore":
            yield from rows_lines(way.tables)
        yield from paragraph("lost", loses_text(way))
        if row.report:
            yield f"  report   {display(row.report)}"
    if report.stopped:
        yield f"  services {display(', '.join(report.stopped))}: stopped, and started again"
    if report.told:
        yield f"  told to end, and not started again: {display(', '.join(report.told))}"
    if report.safety:
        yield f"  kept     the old files, in backup {report.safety}"
    yield from (f"  kept     the old files, in {display(folder)}" for folder in report.kept)
    yield f"  undo     {display(again('lifeboat undo'))}"
