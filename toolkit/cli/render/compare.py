"""What `compare` shows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from toolkit.display import display
from toolkit.operations.compare import Change, CompareReport, DatabaseChange, FileChange
from toolkit.wording import age_text, count_text, size_text

_MARK = {Change.ADDED: "+", Change.REMOVED: "-", Change.CHANGED: "~"}


def compare_text(report: CompareReport, now: datetime) -> list[str]:
    """Return a line for each difference, and the counts at the end."""
    right = "what is there now" if report.right is None else f"backup {report.right} ({age_text(report.right_at, now)})"
    lines = [f"backup {report.left} ({age_text(report.left_at, now)}) and {right}"]
    for database in report.differences.databases:
        lines += _database(database)
    lines += [_file(file) for file in report.differences.files]
    return [*lines, _summary(report)]


def _database(database: DatabaseChange) -> Iterator[str]:
    how = f" ({', '.join(database.how)})" if database.how else ""
    yield f"{_MARK[database.change]} database {display(database.path)}{how}"
    for name, rows in database.tables.items():
        left, right = (_rows(count) for count in (rows.left, rows.right))
        delta = f" ({rows.right - rows.left:+,})" if rows.left is not None and rows.right is not None else ""
        yield f"    {display(name)}: {left} -> {right}{delta}"


def _rows(count: int | None) -> str:
    return "none" if count is None else count_text(count, "row")


def _file(file: FileChange) -> str:
    line = f"{_MARK[file.change]} {display(file.path)}"
    if not file.how:
        return line
    sizes = ""
    if file.left is not None and file.right is not None and file.left.size != file.right.size:
        sizes = f": {size_text(file.left.size)} -> {size_text(file.right.size)}"
    return f"{line} ({', '.join(file.how)}{sizes})"


def _summary(report: CompareReport) -> str:
    differences = report.differences
    if report.same:
        return f"the same: {count_text(report.unchanged, 'file or folder', 'files and folders')}, databases too"
    counted = differences.added + differences.removed + differences.changed
    more = f" ({len(differences.files):,} of {counted:,} named)" if len(differences.files) < counted else ""
    return (
        f"{differences.added:,} added, {differences.removed:,} removed, {differences.changed:,} changed{more};"
        f" {report.unchanged:,} the same; {count_text(len(differences.databases), 'database')} differ"
    )
