"""What `diagnose` says."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

import click

from toolkit.cli.again import again
from toolkit.display import display
from toolkit.operations.diagnose import DiagnosedTarget, DiagnoseReport, Finding, Severity
from toolkit.wording import count_text, size_text

_COLORS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTICE: "cyan"}
_WORST = tuple(_COLORS)
_LINES = 5
_WIDTH = 80


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
    plain, figures = f"{verdict}  {display(target.path)}", _figures(target)
    fits = len(plain) + 2 + len(figures) <= _WIDTH
    first = plain.replace(verdict, click.style(verdict, fg=color, bold=True), 1)
    yield f"{first}  {figures}" if figures and fits else first
    if not fits:
        yield from _wrapped(f"  {figures}", 3)
    said: set[str] = set()
    for group in _groups(target.findings):
        yield from _group(group, target)
        for remedy in dict.fromkeys(one.remedy for one in group):
            if remedy and remedy not in said:
                yield from _remedy(display(remedy))
                said.add(remedy)
                break


def _groups(findings: Sequence[Finding]) -> list[list[Finding]]:
    """Return the findings of each code together, the worst first, else in the order in which they were made."""
    groups: dict[tuple[Severity, str], list[Finding]] = {}
    for one in findings:
        groups.setdefault((one.severity, one.code), []).append(one)
    return sorted(groups.values(), key=lambda group: _WORST.index(group[0].severity))


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
    return f"({', '.join(parts)})" if parts else ""


def _group(group: list[Finding], target: DiagnosedTarget) -> Iterator[str]:
    """Say the sentence once, then what was seen, each line with its subject where there are several."""
    first = group[0]
    alone = len(group) == 1 and first.subject != target.path
    sentence = f"{display(first.message)}: {display(first.subject)}" if alone else display(first.message)
    mark = f"  {first.severity.value} {first.code}"
    head, *rest = _wrapped(f"{mark}  {sentence}", 6)
    yield head.replace(first.severity.value, click.style(first.severity.value, fg=_COLORS[first.severity]), 1)
    yield from rest
    seen = [_seen(one, target, first.message) if len(group) > 1 else list(one.evidence) for one in group]
    for line in _picked(seen):
        yield from _wrapped(f"      {display(line)}", 8)
    left = sum(map(len, seen)) - _LINES
    if left > 0:
        yield f"      … and {left:,} more (--json shows {'them' if left > 1 else 'it'})"


def _seen(finding: Finding, target: DiagnosedTarget, sentence: str) -> list[str]:
    """Return the lines of one finding among several of its code: its subject and its own sentence before each."""
    own = [finding.subject] if finding.subject != target.path else []
    own += [finding.message] if finding.message != sentence else []
    lines = [": ".join([*own, line]) for line in finding.evidence]
    return lines or ([": ".join(own)] if own else [])


def _picked(seen: list[list[str]]) -> list[str]:
    """Return as many lines as are shown, in order, so that each finding has its first one where there is room."""
    places = [(nth, number) for number, lines in enumerate(seen) for nth in range(len(lines))]
    chosen = sorted((number, nth) for nth, number in sorted(places)[:_LINES])
    return [seen[number][nth] for number, nth in chosen]


def _remedy(text: str) -> Iterator[str]:
    """Say what to do; a command has a line of its own, which is never broken."""
    text = again(text)
    said, found, command = text.rpartition(": lifeboat ")
    if not found or len(text) <= _WIDTH - 9:
        yield from _wrapped(f"    try: {text}", 9)
        return
    yield from _wrapped(f"    try: {said}:", 9)
    yield f"         lifeboat {command}"


def _wrapped(line: str, indent: int) -> list[str]:
    return textwrap.wrap(
        line,
        _WIDTH,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )
