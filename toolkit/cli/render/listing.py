"""What `list` shows."""

from __future__ import annotations

from datetime import datetime

from toolkit.cli.render.table import table
from toolkit.operations.listing import ListedBackup, ListReport
from toolkit.wording import age_text, size_text, time_text

HEADER = ("ID", "PROFILE", "KIND", "WHEN", "AGE", "SIZE", "FILES", "DBS", "EVIDENCE", "RATING", "PIN", "NOTE")
_RIGHT = frozenset({5, 6, 7})


def list_text(report: ListReport, now: datetime) -> list[str]:
    """Return the table, and under it how many of how many are shown."""
    if not report.backups:
        return [f"0 of {report.total}"] if report.total else []
    lines = table(HEADER, [_row(backup, now) for backup in report.backups], right=_RIGHT)
    shown = len(report.backups)
    first = f"{report.offset + 1} to {report.offset + shown}" if report.offset else f"{shown:,}"
    if report.offset + shown < report.total:
        lines.append(f"{first} of {report.total:,} (--offset {report.offset + shown} shows more)")
    else:
        lines.append(f"{first} of {report.total:,}")
    return lines


def _row(backup: ListedBackup, now: datetime) -> tuple[str, ...]:
    kind = f"{backup.kind}" if backup.scope == "full" else f"{backup.kind} ({backup.scope})"
    done = backup.status in ("completed", "uploading")
    return (
        backup.id,
        backup.profile,
        kind,
        time_text(backup.started, now),
        age_text(backup.started, now),
        size_text(backup.size) if done else "-",
        f"{backup.files:,}" if done else "-",
        str(backup.databases) if done else "-",
        _evidence(backup),
        "*" * backup.rating if backup.rating else "",
        "pin" if backup.pin else "",
        _note(backup),
    )


def _evidence(backup: ListedBackup) -> str:
    if backup.removed:
        return "deleted" if backup.removed == "trash" else "removing"
    if backup.status not in ("completed", "uploading"):
        return backup.status
    return "DAMAGED" if backup.damaged else backup.evidence


def _note(backup: ListedBackup) -> str:
    parts = [f"error: {backup.error}"] if backup.error else []
    parts += [f"#{tag}" for tag in backup.tags]
    return " ".join([*parts, backup.note]).strip()
