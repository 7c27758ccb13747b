"""What `import` recognised and made of it."""

from __future__ import annotations

from toolkit.display import display
from toolkit.operations.importing import ImportReport
from toolkit.wording import count_text, size_text


def import_text(report: ImportReport) -> list[str]:
    """Return a paragraph for the new backup."""
    lines = []
    for row in report.backups:
        databases = count_text(len(row.databases), "database")
        figures = (count_text(row.files, "file"), size_text(row.bytes), databases)
        lines += [
            f"backup {row.id}  {row.profile} {row.kind}  {size_text(row.size)}  {row.evidence}",
            f"  from {row.source}: {', '.join(figures)}",
        ]
        if row.tags:
            lines.append(f"  tags {', '.join(display(tag) for tag in row.tags)}")
        if row.note:
            lines.append(f"  note: {display(row.note)}")
        lines.append(f"  {display(row.archive)}")
    return lines
