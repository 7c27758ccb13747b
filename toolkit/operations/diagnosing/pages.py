"""What `diagnose` finds in the structure of pages: from a walk to findings, one for each code and tree."""

from __future__ import annotations

from collections.abc import Iterable

from toolkit.operations.diagnosing.codes import Finding, make
from toolkit.sqlite.pages import PageFinding

MOST_TREES = 12
MOST_LINES = 100


def of_pages(found: Iterable[PageFinding], path: str) -> list[Finding]:
    """Return a finding for each code and tree, with a line for each page."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for one in found:
        code = "size" if one.code == "page-count" else one.code
        lines = grouped.setdefault((code, one.name), [])
        if len(lines) < MOST_LINES:
            lines.append(f"page {one.page}: {one.message}" if one.page else one.message)
    return [
        make(code, path, subject=name or path, evidence=tuple(lines))
        for (code, name), lines in list(grouped.items())[:MOST_TREES]
    ]
