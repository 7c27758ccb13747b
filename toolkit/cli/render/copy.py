"""What `copy` copied."""

from __future__ import annotations

from toolkit.display import display
from toolkit.operations.copy import CopyReport
from toolkit.wording import size_text


def copy_text(report: CopyReport) -> list[str]:
    """Return the copied files, and those that were there already."""
    return [
        f"backup {report.id}  {size_text(report.size)}  in {display(report.folder)}",
        *(f"  {display(path)}" for path in report.copied),
        *(f"  {display(path)}  (was there)" for path in report.same),
    ]
