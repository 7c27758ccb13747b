"""What `catalog rebuild` found and made again."""

from __future__ import annotations

from toolkit.display import display
from toolkit.operations.catalog import RebuildReport
from toolkit.wording import count_text


def rebuild_text(report: RebuildReport) -> list[str]:
    """Return how many backups there are, what was made again, and what has lost its other half."""
    lines = [f"the catalog has {count_text(report.backups, 'backup')}"]
    if report.restored:
        lines.append(f"manifests made again from their archives: {' '.join(report.restored)}")
    if report.fetched:
        lines.append(f"manifests that came from the destination: {' '.join(report.fetched)}")
    if report.remote:
        lines.append(f"only there, `lifeboat restore --from` brings them: {' '.join(report.remote)}")
    if report.lists:
        lines.append(f"file lists made again from their archives: {' '.join(report.lists)}")
    lines += [f"left alone: {display(orphan.path)}: {display(orphan.reason)}" for orphan in report.orphans]
    return lines
