"""Backups that know a database: which ones hold it, and a sound private copy of it out of one."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import msgspec

from toolkit.archive.manifest import DatabaseRecord, Manifest
from toolkit.errors import BackupNotFoundError, CancelledError, DatabaseDamagedError, LifeboatError, NotFoundError
from toolkit.filelist import FileEntry, Section
from toolkit.jobs.context import Job
from toolkit.operations import scratch, targets
from toolkit.operations.archiving import StoredBackup, stored
from toolkit.operations.report import Report
from toolkit.operations.restoring.extract import extract
from toolkit.operations.session import Session
from toolkit.operations.verify import compare_database
from toolkit.profile.adhoc import absolute, is_profile_word, read_header
from toolkit.retention import Kind
from toolkit.sqlite import check, hotcopy
from toolkit.sqlite.check import Level
from toolkit.sqlite.header import is_database, mark_wal
from toolkit.vault import sidecar


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """A sound private copy `path` of a database: out of the backup `backup` of the time `when`, or of another file.

    `thorough`: each entry of its indexes was compared with its row.
    """

    word: str
    path: Path
    backup: str = ""
    profile: str = ""
    when: datetime | None = None
    evidence: str = ""
    wal: bool = False
    tables: dict[str, int | None] = {}
    seconds: float = 0.0
    entry: FileEntry | None = None
    thorough: bool = False

    @property
    def text(self) -> str:
        """What it is, in words."""
        if self.when is None:
            return self.word
        return f"backup {self.backup} of {self.when.astimezone():%Y-%m-%d %H:%M} ({self.evidence})"


def holding(session: Session, path: str) -> list[Manifest]:
    """Return the good backups that hold the database at the real path `path`, newest first, of whatever profile."""
    try:
        found = [one.manifest for one in sidecar.load_all(session.existing_vault)]
    except NotFoundError:
        return []
    good = [one for one in found if one.good and one.kind is not Kind.SAFETY and _record(one, path) is not None]
    return sorted(good, key=lambda one: (one.started, one.id), reverse=True)


def profile_remembered(session: Session, path: str) -> str | None:
    """Return the profile whose newest backup holds the database at `path`, good or not; None where none does."""
    try:
        found = [one.manifest for one in sidecar.load_all(session.existing_vault)]
    except NotFoundError:
        return None
    known = [one for one in found if any(record.path == path for record in one.databases)]
    return max(known, key=lambda one: one.started).profile if known else None


def _record(manifest: Manifest, path: str) -> DatabaseRecord | None:
    """Return the record of a sound copy of the database at `path`."""
    return next(
        (one for one in manifest.databases if one.path == path and one.form == "copy" and not one.damaged), None
    )


def newest(
    session: Session, path: str, folder: Path, job: Job, report: Report, *, level: Level = "full"
) -> Reference | None:
    """Take the database at `path` out of the newest good backup that proves sound; None where there is none.

    `level` is how deep it is to be checked where it is not known to be sound. One that cannot be read, or does not
    pass, is passed over with a warning.
    """
    for number, manifest in enumerate(holding(session, path)):
        try:
            backup = stored(session, session.existing_vault, manifest)
            return take(backup, path, folder / f"reference-{number}", job, level=level)
        except (CancelledError, MemoryError):
            raise
        except LifeboatError as error:
            if error.code == "no-space":
                raise
            report.warn("backup-passed-over", f"the backup cannot be used: {error.message}", subject=manifest.id)
    return None


def take(
    backup: StoredBackup,
    path: str,
    folder: Path,
    job: Job,
    *,
    wanted: DatabaseRecord | None = None,
    level: Level = "full",
) -> Reference:
    """Take the database `path` (or the one of the record `wanted`) out of `backup` into `folder`, and check it.

    Raises `BackupNotFoundError` when it does not hold a sound copy, `DatabaseDamagedError` when that does not pass,
    and what extracting raises.
    """
    manifest = backup.manifest
    record = wanted or _record(manifest, path)
    if record is None:
        raise BackupNotFoundError("the backup holds no sound copy of this database", subject=manifest.id)
    job.step("extract", f"Taking {os.path.basename(record.path)} out of backup {manifest.id}")
    taken = extract(backup, folder, job, only_databases={record.path})
    if taken.failed:
        raise DatabaseDamagedError(taken.failed[0].reason, subject=manifest.id, hint=f"lifeboat verify {manifest.id}")
    copy = taken.place_of(record.path)
    errors = compare_database(copy, record, level=_unknown(manifest, record, level))
    if errors:
        raise DatabaseDamagedError(f"the copy in the backup does not pass: {errors[0]}", subject=manifest.id)
    return Reference(
        word=manifest.id,
        path=copy,
        backup=manifest.id,
        profile=manifest.profile,
        when=manifest.started,
        evidence=manifest.evidence.level,
        wal=record.journal_mode == "wal",
        tables=record.tables,
        entry=_entry(backup, record.path),
        thorough=level == "full" or _tested(manifest),
    )


def _unknown(manifest: Manifest, record: DatabaseRecord, level: Level) -> Level:
    """Return how deep the copy of `record` is to be checked: extracting it has shown that its bytes are those then."""
    passed = any(one.name in ("quick_check", "integrity_check") and one.ok for one in record.checks)
    return "counts" if _tested(manifest) or (level == "quick" and passed) else level


def _tested(manifest: Manifest) -> bool:
    """Say whether the backup was restored and checked in full."""
    return manifest.evidence.level == "tested"


def _entry(backup: StoredBackup, path: str) -> FileEntry | None:
    """Return the entry of the database in the backup's file list: its owner, mode and attributes."""
    return next(
        (one for one in backup.entries() if one.section is Section.DATABASES and one.path == path),
        None,
    )


def named(session: Session, word: str, path: str, folder: Path, job: Job, *, level: Level = "full") -> Reference:
    """Return the reference that `word` names: a backup, an archive, or another database file.

    Raises what finding and taking it raises, and `DatabaseDamagedError` for a file that is damaged too.
    """
    if not is_profile_word(word) and is_database(read_header(Path(word))):
        return _of_file(absolute(Path(word)), folder / "reference.db", job)
    backup = targets.backup(session, word)
    return take(backup, path, folder / "reference", job, wanted=fitting(backup.manifest, path), level=level)


def fitting(manifest: Manifest, path: str) -> DatabaseRecord | None:
    """Return the record of that path, else the only one of that name: a database may have moved since."""
    exact = _record(manifest, path)
    if exact is not None:
        return exact
    sound = [one for one in manifest.databases if one.form == "copy" and not one.damaged]
    same = [one for one in sound if os.path.basename(one.path) == os.path.basename(path)]
    return same[0] if len(same) == 1 else sound[0] if len(sound) == 1 else None


def _of_file(file: Path, copy: Path, job: Job) -> Reference:
    job.step("extract", "Copying the database to refill from")
    scratch.inner(copy.parent)
    report = hotcopy.copy(file, copy, should_stop=job.should_stop)
    found = check.check(copy, level="full", should_stop=job.should_stop)
    if found.damaged:
        raise DatabaseDamagedError("the database to refill from is damaged itself", subject=file)
    return Reference(word=str(file), path=copy, wal=report.journal_mode == "wal", thorough=True)


def as_it_was(reference: Reference) -> Path:
    """Return the copy of `reference` in the journal mode that the original had."""
    if reference.wal:
        mark_wal(reference.path)
    return reference.path
