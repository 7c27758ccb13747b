"""`compare`: a backup against what is there now, or against another backup."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime

import msgspec

from toolkit.archive.manifest import DatabaseRecord, Manifest
from toolkit.errors import LifeboatError
from toolkit.events import ShouldStop, never_stop
from toolkit.operations import targets
from toolkit.operations.archiving import StoredBackup
from toolkit.operations.diagnosing.livecheck import look_at, working_folder
from toolkit.operations.filediff import Change, FileChange, FileComparison, backups_differ, live_differs
from toolkit.operations.remembered import profile_of
from toolkit.operations.report import Ending, Report
from toolkit.operations.session import Session
from toolkit.operations.taking.survey import Survey, survey
from toolkit.sqlite.check import Checkup

__all__ = ["Change", "FileChange"]


class CompareRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to compare. Without `other`, with what is there now; `content` reads the files instead of size and time.

    `limit` is how many files are named; all are counted. `exit_code` makes a difference end with damage (4).
    """

    backup: str
    other: str | None = None
    content: bool = False
    exit_code: bool = False
    limit: int = 1000


class TableChange(msgspec.Struct, frozen=True):
    """The rows of a table on both sides: null where it is absent or could not be counted."""

    left: int | None
    right: int | None


class DatabaseChange(msgspec.Struct, frozen=True, kw_only=True):
    """How a database differs: `change` is added, removed or changed; `how` some of `rows schema content damage`."""

    path: str
    change: Change
    how: tuple[str, ...] = ()
    tables: dict[str, TableChange] = {}


class Differences(msgspec.Struct, kw_only=True):
    """What differs: `files` names at most `limit`, `added`, `removed` and `changed` count all of them."""

    databases: list[DatabaseChange] = msgspec.field(default_factory=list)
    files: list[FileChange] = msgspec.field(default_factory=list)
    added: int = 0
    removed: int = 0
    changed: int = 0


class CompareReport(Report, kw_only=True):
    """The report of `compare`. `left` and `right` are backup ids; `right` is null for what is there now."""

    left: str
    right: str | None
    left_at: datetime
    right_at: datetime
    same: bool = True
    differences: Differences = msgspec.field(default_factory=Differences)
    unchanged: int = 0


def run(session: Session, request: CompareRequest, *, should_stop: ShouldStop = never_stop) -> CompareReport:
    """Compare, from left (the backup) to right (the other one, or now): `added` is what only right has.

    File lists are streamed. Databases are compared by their schema and the rows of each table, two backups
    also by their content. Nothing is changed. What cannot be read becomes a warning, and the report is
    incomplete. Raises `BackupNotFoundError`, `UsageError`, and what reading a file list raises.
    """
    left = targets.backup(session, request.backup)
    if request.other is None:
        report = CompareReport(left=left.manifest.id, right=None, left_at=_end(left.manifest), right_at=session.now())
        _with_now(session, left, request, report, should_stop)
    else:
        right = targets.backup(session, request.other)
        report = CompareReport(
            left=left.manifest.id,
            right=right.manifest.id,
            left_at=_end(left.manifest),
            right_at=_end(right.manifest),
        )
        _take_files(report, backups_differ(left, right, limit=request.limit))
        _take_databases(report, left.manifest, {one.path: _sides(one) for one in right.manifest.databases})
    report.same = not (report.differences.databases or _count(report.differences))
    if not report.same and request.exit_code and report.ending is Ending.DONE:
        report.ending = Ending.DAMAGE
    return report


def _end(manifest: Manifest) -> datetime:
    return manifest.finished or manifest.started


def _count(differences: Differences) -> int:
    return differences.added + differences.removed + differences.changed


def _take_files(report: CompareReport, found: FileComparison) -> None:
    differences = report.differences
    differences.files = found.named
    differences.added, differences.removed, differences.changed = found.added, found.removed, found.changed
    report.unchanged = found.same


def _with_now(
    session: Session, left: StoredBackup, request: CompareRequest, report: CompareReport, should_stop: ShouldStop
) -> None:
    manifest = left.manifest
    profile = profile_of(session, manifest)
    found = survey(profile, manifest.scope, skip=session.private_folders, now=session.now(), should_stop=should_stop)
    _take_files(
        report, live_differs(left, found, limit=request.limit, content=request.content, should_stop=should_stop)
    )
    live = _live_databases(session, found, report, should_stop)
    for record in manifest.databases:
        if record.path not in live and os.path.lexists(record.path):
            live[record.path] = _no_database
    _take_databases(report, manifest, live)
    if found.git:
        report.notes.append("git repositories are not compared with their origin")


class _Side(msgspec.Struct, frozen=True, kw_only=True):
    """What is compared of a database; empty texts are not known. `read` gives the rest when it is needed."""

    tables: dict[str, int | None]
    schema_digest: str = ""
    digest: str = ""
    damaged: bool = False


_Read = Callable[[], _Side | None]


def _sides(record: DatabaseRecord) -> _Read:
    side = _Side(tables=record.tables, schema_digest=record.schema_digest, digest=record.digest, damaged=record.damaged)
    return lambda: side


def _live_databases(
    session: Session, found: Survey, report: CompareReport, should_stop: ShouldStop
) -> dict[str, _Read]:
    def reader(index: int) -> _Read:
        database = found.databases[index]

        def read() -> _Side | None:
            try:
                with working_folder(session, f"compare-{report.left}-{index}") as folder:
                    checkup = look_at(
                        database.path,
                        level="quick",
                        folder=folder,
                        timeout=database.source.timeout.total_seconds(),
                        should_stop=should_stop,
                    )
            except LifeboatError as error:
                if error.code == "cancelled":
                    raise
                report.warn(error.code, f"the database could not be compared: {error.message}", subject=error.subject)
                report.ending = Ending.INCOMPLETE
                return None
            return _of_checkup(checkup)

        return read

    return {str(database.path): reader(index) for index, database in enumerate(found.databases)}


def _no_database() -> _Side:
    """Return what is compared of a file that was a database and is none any more."""
    return _Side(tables={}, damaged=True)


def _of_checkup(checkup: Checkup) -> _Side:
    return _Side(tables=checkup.tables, schema_digest=checkup.schema_digest, damaged=checkup.damaged)


def _take_databases(report: CompareReport, left: Manifest, right: dict[str, _Read]) -> None:
    ours = {one.path: one for one in left.databases}
    for path in sorted(ours.keys() | right.keys()):
        change = _database(path, ours.get(path), right.get(path))
        if change is not None:
            report.differences.databases.append(change)


def _database(path: str, record: DatabaseRecord | None, read: _Read | None) -> DatabaseChange | None:
    if record is None or read is None:
        return DatabaseChange(path=path, change=Change.ADDED if record is None else Change.REMOVED)
    left, right = _sides(record)(), read()
    if left is None or right is None:
        return None
    how = []
    tables = {
        name: TableChange(left.tables.get(name), right.tables.get(name))
        for name in sorted(left.tables.keys() | right.tables.keys())
        if left.tables.get(name) != right.tables.get(name) or (name in left.tables) != (name in right.tables)
    }
    if tables:
        how.append("rows")
    if left.schema_digest != right.schema_digest:
        how.append("schema")
    if left.digest and right.digest and left.digest != right.digest:
        how.append("content")
    if left.damaged != right.damaged:
        how.append("damage")
    return DatabaseChange(path=path, change=Change.CHANGED, how=tuple(how), tables=tables) if how else None
