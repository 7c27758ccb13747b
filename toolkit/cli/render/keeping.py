"""What is said of a backup after its rating, note, tags or pin changed."""

from __future__ import annotations

from toolkit.display import display
from toolkit.operations.keeping import KeepingReport


def keeping_text(report: KeepingReport) -> list[str]:
    """Return a line for each backup, as it is now."""
    lines = []
    for row in report.backups:
        parts = [f"backup {row.id}", f"{row.profile} {row.kind}"]
        parts.append(f"rating {row.rating}" if row.rating is not None else "not rated")
        parts.append("tags " + ", ".join(display(tag) for tag in row.tags) if row.tags else "no tags")
        parts += ["pinned"] if row.pin else []
        lines.append("  ".join(parts))
        if row.note:
            lines.append(f"  note: {display(row.note)}")
    return lines
