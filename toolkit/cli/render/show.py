"""What `show` says of a backup."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from toolkit.cli.render.table import table
from toolkit.display import display
from toolkit.operations.show import FileRow, ShowReport
from toolkit.wording import (
    age_text,
    count_text,
    duration_text,
    minute_text,
    size_text,
    stamp_text,
    time_text,
    zone_text,
)

MOST = 20


def show_text(report: ShowReport, now: datetime) -> list[str]:
    """Return everything an administrator wants to know, a paragraph for each thing."""
    lines = [*_head(report, now), *_databases(report), *_sources(report), *_left_out(report), *_places(report, now)]
    if report.files is not None:
        lines += ["", *_files(report, report.files)]
    return lines


def _field(name: str, value: str) -> str:
    return f"{name + ':':<14}{value}"


def _head(report: ShowReport, now: datetime) -> Iterator[str]:
    backup = report.backup
    yield f"backup {backup.id}  {display(backup.profile)} {backup.kind} {backup.scope}"
    yield _field("status", _status(report))
    if backup.error:
        yield _field("error", display(backup.error))
    when = f"{time_text(backup.started, now)}, {age_text(backup.started, now)}"
    if backup.finished is not None:
        when += f", took {duration_text((backup.finished - backup.started).total_seconds())}"
    yield _field("when", f"{when} ({stamp_text(backup.started, seconds=True)})")
    yield _field("where", f"{display(backup.host)}, by {display(backup.user)}")
    yield _field("made by", f"{display(backup.tool.name)} {display(backup.tool.version)}")
    if backup.application_version:
        yield _field("application", display(backup.application_version))
    yield _field("evidence", _evidence(report, now))
    for line in backup.evidence.damage[:MOST]:
        yield _field("DAMAGE", display(line))
    if backup.undo is not None:
        yield _field("made before", f"{display(backup.undo.operation)} of {display(backup.undo.target)}")
    if backup.rating:
        yield _field("rating", f"{'*' * backup.rating} ({backup.rating} of 5)")
    if backup.pin:
        yield _field("pinned", "retention never drops it")
    if backup.tags:
        yield _field("tags", " ".join(display(tag) for tag in backup.tags))
    if backup.note:
        yield _field("note", display(backup.note))


def _status(report: ShowReport) -> str:
    backup = report.backup
    words = [backup.status.value]
    if backup.tombstone is not None:
        words.append("deleted (lifeboat undo brings it back)" if backup.tombstone.trash else "being removed")
    if backup.damaged:
        words.append("DAMAGED")
    if backup.encrypted:
        words.append("encrypted")
    words.append("good" if backup.good else "not good")
    return ", ".join(words)


def _evidence(report: ShowReport, now: datetime) -> str:
    evidence = report.backup.evidence
    said = evidence.level
    if evidence.when is not None:
        said += f", {age_text(evidence.when, now)}"
    if evidence.seconds:
        said += f", took {duration_text(evidence.seconds)}"
    return f"{said}, by {display(evidence.by)}" if evidence.by else said


def _databases(report: ShowReport) -> Iterator[str]:
    for database in report.backup.databases:
        yield ""
        yield f"database {display(database.name)}{'  DAMAGED' if database.damaged else ''}"
        yield "  " + _field("path", display(database.path))
        form = "consistent copy" if database.form == "copy" else "bit for bit, with its journals"
        yield "  " + _field("form", f"{form}, {size_text(database.size)}")
        if database.page_count:
            yield "  " + _field(
                "format",
                f"{count_text(database.page_count, 'page')} of {database.page_size:,} bytes, {database.encoding},"
                f" user_version {database.user_version}, SQLite {database.sqlite_version}",
            )
        checks = ", ".join(f"{check.name} {'ok' if check.ok else 'FAILED'}" for check in database.checks)
        if checks:
            yield "  " + _field("checks", checks)
        for check in database.checks:
            for message in check.messages[:3]:
                yield "    " + display(message)
        if database.foreign_key_violations:
            yield "  " + _field("keys", count_text(database.foreign_key_violations, "foreign-key violation"))
        if database.tables:
            rows = [(name, "?" if count is None else f"{count:,}") for name, count in sorted(database.tables.items())]
            yield from ("  " + line for line in table(("TABLE", "ROWS"), rows, right=frozenset({1})))


def _sources(report: ShowReport) -> Iterator[str]:
    backup = report.backup
    yield ""
    entries = count_text(backup.files.entries, "entry", "entries")
    yield f"files: {count_text(backup.files.files, 'file')}, {size_text(backup.files.bytes)} ({entries})"
    yield from (f"  {source.section:<10} {display(source.path)}" for source in backup.sources)


def _left_out(report: ShowReport) -> Iterator[str]:
    left = [f"{display(one.path)}: {display(one.reason)}" for one in report.backup.left_out]
    yield from _some("left out", left)
    yield from _some("changed while read", [display(path) for path in report.backup.changed])


def _some(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield f"{title}: {len(lines):,}"
        yield from (f"  {line}" for line in lines[:MOST])
        if len(lines) > MOST:
            yield f"  … and {len(lines) - MOST:,} more (--json shows them)"


def _places(report: ShowReport, now: datetime) -> Iterator[str]:
    yield ""
    yield _field("folder", display(report.folder))
    for archive in report.backup.archives:
        pieces = f" in {len(archive.volumes)} volumes" if archive.volumes else ""
        yield _field("archive", f"{display(archive.file)}  {size_text(archive.size)}{pieces}")
        yield _field("sha256", archive.sha256)
    for copy in report.backup.destinations:
        if copy.when is None:
            why = f": {display(copy.error)}" if copy.error else ""
            yield _field("queued for", f"{display(copy.destination)}{why}")
            continue
        yield _field(
            "also at", f"{display(copy.destination)}, {age_text(copy.when, now)} {display(copy.link)}".rstrip()
        )
    if report.command:
        yield _field("opens with", display(report.command))


def _files(report: ShowReport, files: Sequence[FileRow]) -> Iterator[str]:
    rows = [
        (
            one.mode,
            f"{one.user}:{one.group}",
            f"{one.size:,}" if one.type == "file" else one.type,
            minute_text(one.mtime) if one.mtime is not None else "?",
            f"{one.path} -> {one.target}" if one.target else one.path,
        )
        for one in files
    ]
    if rows:
        zone = zone_text(datetime.now(UTC))
        yield from table(("MODE", "OWNER", "SIZE", f"CHANGED ({zone})", "PATH"), rows, right=frozenset({2}))
    yield f"{len(files):,} of {report.matching or 0:,}"
