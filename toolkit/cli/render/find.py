"""What `find` shows: each path, under it its versions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from toolkit.display import display
from toolkit.operations.find import FindReport, FoundFile, Version
from toolkit.wording import age_text, count_text, size_text, stamp_text


def find_text(report: FindReport, now: datetime) -> list[str]:
    """Return the paths with their versions, newest first, and how many were found."""
    lines = [line for file in report.files for line in _file(file, now)]
    found = f"{len(report.files):,} of {count_text(report.total, 'path')}"
    return [*lines, f"{found} in {count_text(report.searched, 'backup')}"]


def _file(file: FoundFile, now: datetime) -> Iterator[str]:
    yield display(file.path)
    for version in file.versions:
        yield f"  {_version(version)}  in {_backups(version, now)}"


def _version(version: Version) -> str:
    if version.type != "file":
        return f"{version.type} -> {display(version.target)}"
    when = stamp_text(version.mtime, seconds=True) if version.mtime is not None else "?"
    return f"{size_text(version.size):>8}  {when}  {version.digest[:12] or '?':<12}"


def _backups(version: Version, now: datetime) -> str:
    newest, oldest = version.backups[0], version.backups[-1]
    if newest is oldest:
        return f"{newest.id} ({age_text(newest.when, now)})"
    return (
        f"{newest.id} ({age_text(newest.when, now)}) back to {oldest.id} ({age_text(oldest.when, now)}),"
        f" {len(version.backups)} backups"
    )
