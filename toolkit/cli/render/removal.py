"""What `delete` and `prune` would take, before the question, and what they took."""

from __future__ import annotations

from collections.abc import Sequence

import click

from toolkit.cli.render.table import table
from toolkit.display import display
from toolkit.operations.delete import DeletedRow, DeletePlan, DeleteReport
from toolkit.operations.pace_words import takes_text
from toolkit.operations.plan import Plan
from toolkit.operations.prune import PruneReport, PruneRow
from toolkit.wording import count_text, size_text, stamp_text


def show_delete(made: DeletePlan) -> None:
    """Print on stderr exactly which backups would go, before the question."""
    for line in _delete_plan(made.plan, made.rows):
        click.echo(line, err=True)


def delete_text(report: DeleteReport) -> list[str]:
    """Return what was deleted, or would be after a dry run."""
    lines = _delete_plan(report.plan, report.removed) if report.plan is not None else []
    if report.plan is None:
        freed = f", {size_text(report.freed)} freed" if report.freed else ""
        ids = " ".join(row.id for row in report.removed)
        lines.append(f"deleted {count_text(len(report.removed), 'backup')}{freed}: {ids}")
    lines += [f"kept {row.id}: {row.reason}" for row in report.kept]
    return lines


def _delete_plan(plan: Plan, rows: Sequence[DeletedRow]) -> list[str]:
    lines = [click.style(plan.steps[0].title, bold=True)]
    lines += table(
        ("id", "profile", "kind", "started", "size", "remarks"),
        [(row.id, row.profile, row.kind, stamp_text(row.started), size_text(row.size), _remarks(row)) for row in rows],
        right=frozenset({4}),
    )
    lines.append(f"takes {takes_text(plan)}")
    if plan.keeps:
        lines.append(f"keeps {plan.keeps}")
    return lines


def _remarks(row: DeletedRow) -> str:
    words = [what.upper() for what in row.lost]
    words += ["in the trash"] if row.trashed else []
    words += [row.status + (f": {row.error}" if row.error else "")] if row.status == "failed" else []
    words += [row.note] if row.note else []
    return "; ".join(words)


def show_prune(report: PruneReport) -> None:
    """Print on stderr what would go and why, before the question."""
    for line in _verdicts(report, kept=False):
        click.echo(line, err=True)
    if report.plan is not None:
        click.echo(f"takes {takes_text(report.plan)}", err=True)


def prune_text(report: PruneReport) -> list[str]:
    """Return what was removed; after a dry run each backup with what becomes of it and why."""
    if report.plan is not None:
        takes = [f"takes {takes_text(report.plan)}"] if report.plan.steps else []
        return [*_verdicts(report, kept=True), *takes]
    lines = [f"removed {count_text(len(report.removed), 'backup')}, {size_text(report.freed)} freed"]
    lines[0] += f"; {count_text(len(report.kept), 'backup')} kept"
    return lines + [f"  {row.id}  {row.profile}  {display(row.reason)}" for row in report.removed]


def retention_text(report: PruneReport) -> list[str]:
    """Return that the rules were written; after a dry run what they would delete, and what becomes of it."""
    if report.plan is None:
        return ["the rules were written" if report.changed else "these rules are in force already"]
    return [*_verdicts(report, kept=True), report.plan.steps[0].title]


def _verdicts(report: PruneReport, *, kept: bool) -> list[str]:
    rows: list[tuple[str, PruneRow]] = [("remove", row) for row in report.removed]
    if kept:
        rows += [("keep", row) for row in report.kept]
        rows.sort(key=lambda pair: (pair[1].started, pair[1].id), reverse=True)
        rows.sort(key=lambda pair: pair[1].profile)
    lines = table(
        ("verdict", "id", "profile", "kind", "started", "size", "reason"),
        [
            (
                verdict,
                row.id,
                row.profile,
                row.kind,
                stamp_text(row.started),
                size_text(row.size),
                row.reason,
            )
            for verdict, row in rows
        ],
        right=frozenset({5}),
    )
    lines = lines if rows else []
    return [*lines, f"{len(report.removed)} to remove, {len(report.kept)} to keep, {size_text(report.freed)} to free"]
