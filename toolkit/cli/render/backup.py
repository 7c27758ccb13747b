"""What `backup` says when it is done."""

from __future__ import annotations

from toolkit.cli.render.sync import upload_line
from toolkit.display import display
from toolkit.operations.backup import BackupReport, BackupRow
from toolkit.operations.pace_words import duration_sentence
from toolkit.operations.session import Session
from toolkit.wording import count_text, duration_text, size_text


def backup_text(report: BackupReport, session: Session) -> list[str]:
    """Return the lines: where the vault is, then a paragraph for each backup."""
    lines = [f"vault {display(session.vault_path)}"]
    for name, plan in (report.plan or {}).items():
        lines.append(f"would back up {name}: {count_text(plan.entries, 'entry', 'entries')}, {size_text(plan.bytes)}")
        lines += [f"  database {display(path)}" for path in plan.databases]
        lines.append(f"  takes    {duration_sentence(plan.takes)}")
    for row in report.backups:
        lines += _row(row)
    lines += [upload_line(row, session.now()) for row in report.uploads]
    if report.removed:
        lines.append(f"retention removed {count_text(len(report.removed), 'backup')}: {' '.join(report.removed)}")
    return lines


def _row(row: BackupRow) -> list[str]:
    lines = [
        "  ".join((f"backup {row.id}", f"{row.profile} {row.kind} {row.scope}", *_figures(row))),
        f"  {count_text(row.files, 'file')}, {size_text(row.bytes)}, {count_text(len(row.databases), 'database')}",
    ]
    for database in row.databases:
        rows = sum(count or 0 for count in database.tables.values())
        checked = ", ".join(f"{check.name} {'ok' if check.ok else 'FAILED'}" for check in database.checks)
        lines.append(
            f"  {display(database.name)}: {count_text(len(database.tables), 'table')},"
            f" {count_text(rows, 'row')}; {checked or 'taken bit for bit'}"
        )
    lines.append(f"  {display(row.archive)}")
    return lines


def _figures(row: BackupRow) -> list[str]:
    figures = [size_text(row.size), f"in {duration_text(row.seconds)}", row.evidence]
    return [*figures, "DAMAGED"] if row.damaged else figures
