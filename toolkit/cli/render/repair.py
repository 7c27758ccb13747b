"""The plan of a repair before it, and its account after it: for somebody who was woken up for this."""

from __future__ import annotations

import click

from toolkit.cli.again import again
from toolkit.cli.render.paragraph import paragraph
from toolkit.cli.render.plan import plan_lines
from toolkit.cli.render.table import table
from toolkit.display import display
from toolkit.operations.repairing.accounts import TableRow, range_text
from toolkit.operations.repairing.plan import RepairPlan
from toolkit.operations.repairing.report import RepairReport
from toolkit.wording import count_text

MOST_TABLES = 40
MOST_LINES = 12

CURES = {
    "none": "nothing: no page is damaged",
    "sidecars": "its -wal or -journal was settled",
    "header": "its header was mended",
    "indexes": "its indexes were rebuilt",
    "virtual": "its full-text or R-tree indexes were rebuilt",
    "vacuum": "it was written anew",
    "mend": "its page structure was mended",
    "carve": "rows were carved out of broken pages",
}


def show_plan(made: RepairPlan) -> None:
    """Print the plan on stderr, before the question."""
    for line in (*account_lines(made.report), "", *plan_lines(made.plan)):
        click.echo(line, err=True)
    for user in made.used_by:
        click.echo(f"  in use   {display(user)}", err=True)


def account_lines(report: RepairReport) -> list[str]:
    """Return what was wrong, what was done about it, and what became of the rows."""
    if report.sound:
        return [f"{click.style('sound', fg='green', bold=True)}  {display(report.database)}"]
    lines = [f"{click.style('damaged', fg='red', bold=True)}  {display(report.database)}"]
    lines.append(f"  cure     {CURES.get(report.strategy, report.strategy)}")
    if report.reason:
        lines += paragraph("because", report.reason)
    for line in report.said[:MOST_LINES]:
        lines += paragraph("found", line)
    if report.refilled_from:
        lines.append(f"  refill   gaps filled from {display(report.refilled_from)}")
    lines += rows_lines(report.tables)
    return [*lines, *paragraph("lost", report.lost or "nothing")]


def rows_lines(tables: dict[str, TableRow]) -> list[str]:
    """Return what became of the rows: a table of those where something happened, one line for all others."""
    touched = {name: one for name, one in tables.items() if _touched(one)}
    order = sorted(touched, key=lambda name: (-(touched[name].lost + touched[name].doubtful), name))
    cells = [
        [
            name,
            f"{one.there:,}",
            f"{one.carved:,}",
            f"{one.refilled:,}",
            f"{one.lost:,}{'+' if one.ranges else ''}",
            f"{one.doubtful:,}",
        ]
        for name, one in ((name, touched[name]) for name in order[:MOST_TABLES])
    ]
    lines = []
    if cells:
        header = ("table", "rows", "carved", "refilled", "lost", "doubtful")
        lines = [f"    {line}" for line in table(header, cells, right=frozenset(range(1, 6)))]
    if len(order) > MOST_TABLES:
        lines.append(f"    … and {count_text(len(order) - MOST_TABLES, 'more table')} (--json shows them)")
    for name in [name for name in order if touched[name].ranges][:MOST_LINES]:
        lines += paragraph("", f"{name}: rows may be missing {range_text(touched[name])}", hang=4)
    for name, one in [(name, touched[name]) for name in order if touched[name].apart][:MOST_LINES]:
        lines += paragraph("", f"{name}: {count_text(one.unproven, 'row')} of the backup in {one.apart}", hang=4)
    whole = [one for name, one in tables.items() if name not in touched]
    if whole:
        rows = sum(one.there for one in whole)
        many = count_text(len(whole), "more table" if cells else "table")
        lines.append(f"    {many} whole, with {count_text(rows, 'row')}")
    return lines


def _touched(one: TableRow) -> bool:
    return bool(one.carved or one.refilled or one.lost or one.doubtful or one.ranges or one.unproven)


def repair_text(report: RepairReport) -> list[str]:
    """Return what a repair did, or its plan after a dry run."""
    lines = account_lines(report)
    if report.plan is not None:
        return [*lines, "", *plan_lines(report.plan)]
    if report.output:
        lines.append(f"  result   {display(report.output)}")
    if report.report:
        lines.append(f"  report   {display(report.report)}")
    if report.lost_and_found:
        lines.append(f"  homeless rows are in {display(report.lost_and_found)}")
    if report.safety:
        lines.append(f"  kept     the damaged files, in backup {report.safety}")
    lines += [f"  kept     the damaged files, in {display(folder)}" for folder in report.kept]
    if report.safety or report.kept:
        lines.append(f"  undo     {display(again('lifeboat undo'))}")
    return lines
