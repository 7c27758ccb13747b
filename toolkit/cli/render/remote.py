"""What destinations hold, as `list --remote` and `restore --from` show it; and what `destination` says."""

from __future__ import annotations

from datetime import datetime

from toolkit.cli.render.table import table
from toolkit.operations.offsite.places import CheckReport, PlacesReport
from toolkit.operations.offsite.remote import RemoteReport, RemoteRow
from toolkit.wording import age_text, count_text, rate_text, size_text, time_text

_HEADER = ("DESTINATION", "HOST", "PROFILE", "ID", "KIND", "WHEN", "AGE", "SIZE", "STATE")


def remote_text(report: RemoteReport, now: datetime, source: str = "") -> list[str]:
    """Return the table, by host and profile; with one `source`, how to bring one of them."""
    if not report.backups:
        return ["no backup there"]
    lines = table(_HEADER, [_row(row, now) for row in report.backups], right=frozenset({7}))
    lines.append(count_text(len(report.backups), "backup"))
    first = next((row for row in report.backups if row.complete), None)
    if source and first is not None:
        lines.append(f"bring one back with: lifeboat restore --from {source} {first.id} --to FOLDER")
    return lines


def _row(row: RemoteRow, now: datetime) -> tuple[str, ...]:
    state = "incomplete" if not row.complete else "here too" if row.here else "only there"
    return (
        row.destination,
        row.host or "(by hand)",
        row.profile,
        row.id,
        row.kind,
        time_text(row.started, now),
        age_text(row.started, now),
        size_text(row.size),
        state,
    )


def places_text(report: PlacesReport) -> list[str]:
    """Return the configured destinations."""
    if not report.destinations:
        return ["no destination is configured"]
    rows = [
        (
            one.name,
            one.type,
            " ".join(one.profiles) or "-",
            str(one.keep) if one.keep is not None else "all",
            str(one.queued),
            rate_text(one.limit) if one.limit is not None else "-",
            _space(one.free, one.total) if one.reached else f"unreachable: {one.error}" if one.error else "-",
        )
        for one in report.destinations
    ]
    return table(("NAME", "TYPE", "PROFILES", "KEEP", "QUEUED", "LIMIT", "SPACE"), rows)


def _space(free: int | None, total: int | None) -> str:
    if free is None:
        return "reached"
    return f"{size_text(free)} free" + (f" of {size_text(total)}" if total is not None else "")


def check_text(report: CheckReport) -> list[str]:
    """Return a line for each promise, kept or not."""
    lines = [
        f"{'ok' if row.ok else 'FAILED':6}  {row.title}" + (f" {row.error}" if row.error else "")
        for row in report.items
    ]
    kept = sum(row.ok for row in report.items)
    return [*lines, f"{kept} of {count_text(len(report.items), 'promise')} kept by {report.destination}"]
