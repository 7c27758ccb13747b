"""What `diagnose` says."""

from __future__ import annotations

from collections.abc import Iterator

import click

from toolkit.display import display
from toolkit.operations.diagnose import DiagnosedTarget, DiagnoseReport, Finding, Severity
from toolkit.wording import count_text, size_text

_COLORS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTICE: "cyan"}
_LINES = 5


def diagnose_text(report: DiagnoseReport) -> list[str]:
    """Return a paragraph for each database, then the verdict on all."""
    lines = [line for target in report.targets for line in _target(target)]
    bad = sum(not target.healthy for target in report.targets)
    if len(report.targets) > 1:
        lines.append(f"{count_text(len(report.targets), 'database')}, {bad} unhealthy" if bad else "all healthy")
    return lines


def _target(target: DiagnosedTarget) -> Iterator[str]:
    verdict = "healthy" if target.healthy else "UNHEALTHY"
    if target.healthy and any(one.code == "in-use" for one in target.findings):
        verdict = "in use, unsure"
    color = "green" if verdict == "healthy" else "red" if not target.healthy else "yellow"
    yield f"{click.style(verdict, fg=color, bold=True)}  {display(target.path)}{_figures(target)}"
    said: set[str] = set()
    for finding in target.findings:
        yield from _finding(finding, target)
        if finding.remedy and finding.remedy not in said:
            yield f"    try: {display(finding.remedy)}"
            said.add(finding.remedy)


def _figures(target: DiagnosedTarget) -> str:
    parts = []
    if target.size:
        parts.append(size_text(target.size))
    if target.tables:
        rows = sum(count or 0 for count in target.tables.values())
        parts += [count_text(len(target.tables), "table"), count_text(rows, "row")]
    if target.journal_mode:
        parts.append("WAL mode" if target.journal_mode == "wal" else "rollback mode")
    if target.open_by:
        parts.append(f"open by {', '.join(display(one) for one in target.open_by)}")
    return f"  ({', '.join(parts)})" if parts else ""


def _finding(finding: Finding, target: DiagnosedTarget) -> Iterator[str]:
    where = f": {display(finding.subject)}" if finding.subject != target.path else ""
    mark = click.style(finding.severity.value, fg=_COLORS[finding.severity])
    yield f"  {mark} {finding.code}  {display(finding.message)}{where}"
    yield from (f"      {display(line)}" for line in finding.evidence[:_LINES])
    if len(finding.evidence) > _LINES:
        yield f"      … and {len(finding.evidence) - _LINES} more lines (--json shows them)"
