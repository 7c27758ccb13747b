"""The plan of a restore before it, and what it did after it."""

from __future__ import annotations

from collections.abc import Sequence

import click

from toolkit.cli.render.plan import MOST_ROWS, plan_lines
from toolkit.display import display
from toolkit.operations.report import Notice
from toolkit.operations.restoring.plan import RestorePlan
from toolkit.operations.restoring.report import RestoreReport
from toolkit.operations.undo import UndoPlan
from toolkit.wording import count_text


def show_plan(made: RestorePlan, said: Sequence[Notice] = ()) -> None:
    """Print the plan of a restore on stderr, before the question, after what was `said` of the choice of backup."""
    for notice in said:
        click.echo(f"{click.style('warning:', fg='yellow')} {display(notice.message)}", err=True)
    for line in plan_lines(made.plan):
        click.echo(line, err=True)
    for row in made.clashes[:MOST_ROWS]:
        choice = row.choice.value if row.choice is not None else "undecided"
        click.echo(f"  {choice:9}  {row.kind:10}  {display(row.path)}", err=True)
    if len(made.clashes) > MOST_ROWS:
        click.echo(f"  … and {len(made.clashes) - MOST_ROWS} more", err=True)
    for database in made.databases:
        if database.used_by:
            click.echo(f"  in use  {display(database.path)}: {display(', '.join(database.used_by))}", err=True)


def show_undo(undo: UndoPlan) -> None:
    """Print the plan of an undo on stderr, before the question."""
    for line in plan_lines(undo.plan):
        click.echo(line, err=True)
    for warning in undo.warnings[:MOST_ROWS]:
        click.echo(
            f"  {click.style('warning:', fg='yellow')} {warning.message}: {display(warning.subject or '')}", err=True
        )


def restore_text(report: RestoreReport) -> list[str]:
    """Return what a restore or an undo did, or its plan after a dry run."""
    if report.plan is not None:
        lines = plan_lines(report.plan)
        for row in report.clashes[:MOST_ROWS]:
            choice = row.choice.value if row.choice is not None else "undecided"
            lines.append(f"  {choice:9}  {row.kind:10}  {display(row.path)}")
        return lines
    lines = [
        ", ".join(
            [
                f"restored {count_text(report.restored, 'item')}",
                f"{report.same} the same",
                f"{report.skipped} skipped",
                f"{len(report.renamed)} renamed",
                f"{len(report.failed)} failed",
                *([f"{report.removed} removed"] if report.removed else []),
            ]
        )
    ]
    for database in report.databases:
        if not database.tables:
            lines.append(f"  {display(database.name)}: bit for bit as it was; {database.checked}")
            continue
        rows = sum(count or 0 for count in database.tables.values())
        lines.append(
            f"  {display(database.name)}: {count_text(len(database.tables), 'table')}, {count_text(rows, 'row')};"
            f" {database.checked}"
        )
    lines += [f"  {display(item.path)} is now {display(item.to)}" for item in report.renamed[:MOST_ROWS]]
    return lines
