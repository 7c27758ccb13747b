"""What `verify` proved of each backup."""

from __future__ import annotations

from collections.abc import Iterator

import click

from toolkit.display import display
from toolkit.operations.verify import VerifyJobReport, VerifyRow
from toolkit.wording import count_text, duration_text, size_text


def verify_text(report: VerifyJobReport) -> list[str]:
    """Return a line for each backup, the errors below it, and the sum when there are several."""
    lines = [line for row in report.backups for line in _row(row)]
    if len(report.backups) > 1:
        skipped = sum(1 for row in report.backups if row.skipped)
        damaged = sum(1 for row in report.backups if not row.ok) - skipped
        rest = f", {skipped} not verified" if skipped else ""
        lines.append(f"{count_text(len(report.backups), 'backup')}, {damaged or 'none'} damaged{rest}")
    return lines


def _row(row: VerifyRow) -> Iterator[str]:
    if row.skipped:
        yield f"{click.style('not verified', fg='yellow')}  {row.id}  {row.profile}  {row.evidence}"
        yield from (f"  {display(error)}" for error in row.errors)
        return
    verdict = click.style("ok", fg="green") if row.ok else click.style("DAMAGED", fg="red", bold=True)
    figures = f"{count_text(row.files, 'file')}, {size_text(row.bytes)}, in {duration_text(row.seconds)}"
    yield f"{verdict}  {row.id}  {row.profile}  {row.evidence}  {figures}"
    yield from (f"  {display(error)}" for error in row.errors)
