"""What `sync` shows, and the line of each copy that waits."""

from __future__ import annotations

from datetime import datetime

from toolkit.display import display
from toolkit.operations.offsite.pausing import Pause
from toolkit.operations.offsite.uploads import SyncReport, UploadRow
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
    if row.state == "paused" and row.next is not None:
        line += f", until {time_text(row.next, now)}"
    return f"{line}: {display(row.error)}" if row.error else line


def pause_line(pause: Pause, now: datetime) -> str:
    """Return who paused the uploads to a destination, and until when."""
    end = time_text(pause.until, now) if pause.until is not None else "`lifeboat drive resume`"
    since = time_text(pause.since, now)
    return f"uploads to {display(pause.destination)} are paused by {display(pause.by)} since {since}, until {end}"


_STATES = {
    "queued": "queued",
    "gave-up": "GAVE UP",
    "paused": "paused",
    "running": "under way",
    "dropped": "dropped",
}
