"""What `sync` shows, and the line of each copy that waits."""

from __future__ import annotations

from datetime import datetime

from toolkit.display import display
from toolkit.operations.uploads import SyncReport, UploadRow
from toolkit.wording import count_text, duration_text, size_text, time_text


def sync_text(report: SyncReport, now: datetime) -> list[str]:
    """Return a line for each copy that was or is queued."""
    if not report.items:
        return ["nothing is queued"]
    return [upload_line(row, now) for row in report.items]


def upload_line(row: UploadRow, now: datetime) -> str:
    """Return how one copy went."""
    if row.state == "done":
        line = f"copied {row.backup} of {display(row.profile)} to {display(row.destination)}, {size_text(row.size)}"
        line += f" in {duration_text(row.seconds)}"
        return f"{line}  {display(row.link)}".rstrip()
    return queue_line(row, now)


def queue_line(row: UploadRow, now: datetime) -> str:
    """Return what is known of a copy that is not made yet."""
    line = f"{_STATES[row.state]} {row.backup} of {display(row.profile)} to {display(row.destination)}"
    if row.tries:
        line += f", {count_text(row.tries, 'try', 'tries')}"
    if row.state == "queued":
        line += f", next {time_text(row.next, now)}" if row.next is not None else ", due"
    return f"{line}: {display(row.error)}" if row.error else line


_STATES = {
    "queued": "queued",
    "gave-up": "GAVE UP",
    "running": "under way",
    "dropped": "dropped",
}
