"""What `export` says when it is done."""

from __future__ import annotations

from toolkit.display import display
from toolkit.operations.export import ExportReport
from toolkit.wording import count_text, size_text


def export_text(report: ExportReport) -> list[str]:
    """Return the output's path, and what is in it."""
    rows = count_text(sum(report.tables.values()), "row")
    files = f", {count_text(len(report.files), 'file')}" if len(report.files) != 1 else ""
    lines = [
        display(report.output),
        f"  {report.form}: {count_text(len(report.tables), 'table')}, {rows}, {size_text(report.size)}{files}",
    ]
    if report.salvage is not None:
        tables = report.salvage.tables.values()
        counts = ((word, sum(getattr(one, word) for one in tables)) for word in ("read", "carved", "lost", "doubtful"))
        said = ", ".join(f"{count:,} {word}" for word, count in counts if count or word in ("read", "lost"))
        lines.append(f"  out of a damaged database ({display(report.salvage.strategy)}): rows {said}")
    return lines
