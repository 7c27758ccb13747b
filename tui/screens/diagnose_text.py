"""Findings in words: how bad, what, how one knows, what helps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from textual.content import Content

from toolkit.operations.diagnosing.codes import Finding
from toolkit.operations.diagnosing.looks import DiagnosedTarget, Look
from toolkit.wording import age_text, count_text, size_text, time_text
from tui.screens.page import wrapped
from tui.text import put

WORDS = {"error": "ERROR", "warning": "WARN", "notice": "note"}
STYLES = {"error": "bold $text-error", "warning": "bold $text-warning", "notice": "$text-muted"}


def facts_of(target: DiagnosedTarget) -> str:
    """Return size, rows, journal and who has it open, as far as they are known."""
    parts = [size_text(target.size)] if target.size else []
    if target.tables:
        rows = sum(count or 0 for count in target.tables.values())
        parts.append(f"{count_text(len(target.tables), 'table')}, {count_text(rows, 'row')}")
    if target.journal_mode:
        parts.append("WAL" if target.journal_mode == "wal" else "rollback journal")
    if target.open_by:
        parts.append(f"open in {', '.join(target.open_by[:2])}" + (" and others" if len(target.open_by) > 2 else ""))
    return ", ".join(parts)


def finding_lines(look: Look, width: int, *, most: int) -> Iterator[Content]:
    """Yield the worst findings, a line of evidence with each, and the remedy of the worst."""
    found = look.target.findings
    if not found:
        checks = ", ".join(look.target.checks)
        yield from wrapped(" Nothing wrong was found.  ", checks, width, tone="bold $text-success")
        return
    for finding in found[:most]:
        yield from _sentence(finding, look.target, width)
        if finding.evidence:
            yield put((f"        {finding.evidence[0]}", "$text-muted"))
    if len(found) > most:
        yield put(f" and {count_text(len(found) - most, 'finding')} more: ", ("Enter", "bold"), " shows all")
    if found[0].remedy:
        yield from _remedy(found[0].remedy, width)


def _sentence(finding: Finding, target: DiagnosedTarget, width: int) -> Iterator[Content]:
    about = f": {finding.subject}" if finding.subject != target.path else ""
    word = f" {WORDS[finding.severity]:6} "
    yield from wrapped(word, f"{finding.message}{about}  [{finding.code}]", width, tone=STYLES[finding.severity])


def all_lines(look: Look, width: int, now: datetime) -> list[Content]:
    """Return everything that was found, with all evidence that is kept, and what was checked."""
    return list(_all(look, width, now))


def _all(look: Look, width: int, now: datetime) -> Iterator[Content]:
    target = look.target
    yield put(f" {target.path}")
    yield put((f" {look.kind} look at {time_text(look.at, now)}, {age_text(look.at, now)}", "$text-muted"))
    yield from wrapped(" ", facts_of(target), width)
    for finding in target.findings:
        yield Content("")
        yield from _sentence(finding, target, width)
        yield from _evidence(finding.evidence, width)
        if finding.remedy:
            yield from _remedy(finding.remedy, width)
    if not target.findings:
        yield Content("")
        yield put((" Nothing wrong was found.", "bold $text-success"))
    yield Content("")
    yield from wrapped(" Checked:  ", ", ".join(target.checks) or "nothing that could be named", width, tone="bold")
    for name, rows in sorted(target.tables.items(), key=lambda item: -(item[1] or 0)):
        yield put((f"   {'?' if rows is None else f'{rows:,}':>12}  ", ""), name)


def _evidence(evidence: Sequence[str], width: int) -> Iterator[Content]:
    for told in evidence:
        yield from wrapped("        ", told, width)


def _remedy(text: str, width: int) -> Iterator[Content]:
    """Yield what to do; a command has a line of its own."""
    said, colon, command = text.rpartition(": lifeboat ")
    if not colon:
        yield from wrapped("   try   ", text, width, tone="bold")
        return
    yield from wrapped("   try   ", f"{said}:", width, tone="bold")
    yield put("         ", (f"lifeboat {command}", "bold"))
