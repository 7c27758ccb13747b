"""Back up profiles: one archive each, then read it back, then let retention decide.

How an archive is made, in which order things become durable, is in `writing`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from toolkit.archive.manifest import DatabaseRecord, Evidence, LeftOut, Manifest, Status
from toolkit.beside import Beside
from toolkit.errors import CancelledError, LifeboatError, SourceMissingError, UsageError
from toolkit.jobs.context import Job
from toolkit.operations import prune, recovery
from toolkit.operations.archiving import archive_spec
from toolkit.operations.health import refresh_health
from toolkit.operations.offsite import uploads
from toolkit.operations.offsite.uploads import UploadRow
from toolkit.operations.pace_records import History
from toolkit.operations.plan import Takes
from toolkit.operations.report import Ending, Report, notice, worst
from toolkit.operations.session import Session
from toolkit.operations.taking import writing
from toolkit.operations.taking.survey import Survey, survey
from toolkit.operations.verify import read_back
from toolkit.profile.checks import sources_in_vault
from toolkit.profile.model import Profile
from toolkit.retention import Kind, Scope
from toolkit.vault import sidecar

ADVICE_SIZE = 100_000_000
"""An archive larger than this prints the advice to split it or to keep it elsewhere (seed 000)."""


class BackupRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to back up and how; None means what the profile says."""

    profiles: tuple[Profile, ...]
    kind: Kind = Kind.MANUAL
    scope: Scope | None = None
    format: str | None = None
    level: int | None = None
    split: int | None = None
    note: str = ""
    tags: tuple[str, ...] = ()
    prune: bool = True
    rules: dict[str, Any] = {}
    destinations: tuple[str, ...] | None = None


class Timings(msgspec.Struct, frozen=True):
    """Seconds of wall time of the parts; `copy` and `check` of databases overlap with `write`."""

    copy: float = 0.0
    check: float = 0.0
    write: float = 0.0
    read_back: float = 0.0


class BackupRow(msgspec.Struct, frozen=True, kw_only=True):
    """One backup as scripts read it."""

    id: str
    profile: str
    kind: Kind
    scope: Scope
    status: Status
    archive: str
    manifest: str
    sha256: str
    size: int
    files: int
    bytes: int
    databases: tuple[DatabaseRecord, ...]
    damaged: bool
    evidence: str
    left_out: tuple[LeftOut, ...]
    changed_while_read: tuple[str, ...]
    seconds: float
    timings: Timings


class BackupReport(Report, kw_only=True):
    """The report of `backup`: a row for each profile; `removed` are the ids that retention dropped here.

    `uploads` has a row for each copy that was to be made at a destination.
    """

    backups: list[BackupRow] = msgspec.field(default_factory=list)
    removed: list[str] = msgspec.field(default_factory=list)
    uploads: list[UploadRow] = msgspec.field(default_factory=list)
    plan: dict[str, writing.Outlook] | None = None

    @property
    def made(self) -> tuple[str, ...]:
        """The archives."""
        return tuple(row.archive for row in self.backups)


def run(session: Session, request: BackupRequest, job: Job) -> BackupReport:
    """Back up each profile of `request` in turn; one that fails never stops the others.

    Raises the error itself when there is only one profile. What a failure leaves behind: no archive, and
    a `failed` record with the message.
    """
    report = BackupReport()
    endings = []
    for profile in request.profiles:
        try:
            endings.append(_one(session, profile, request, job, report))
        except CancelledError:
            raise
        except LifeboatError as error:
            if len(request.profiles) == 1:
                raise
            report.warnings.append(notice(error))
            endings.append(Ending.INCOMPLETE if isinstance(error, SourceMissingError) else Ending.FAILED)
        refresh_health(session, profile, report)
    report.ending = worst(*endings)
    return report


def outlook(session: Session, request: BackupRequest, job: Job) -> BackupReport:
    """Return what `run` would take, per profile; nothing is written."""
    report = BackupReport(plan={})
    for profile in request.profiles:
        found = _look(session, profile, request, job)
        if report.plan is not None:
            taken = _takes(session, profile, request, found)
            report.plan[profile.name] = msgspec.structs.replace(writing.outlook(found), takes=taken)
        for problem in found.problems:
            report.warn("left-out", problem.reason, subject=problem.path)
            report.ending = Ending.INCOMPLETE
    return report


def _takes(session: Session, profile: Profile, request: BackupRequest, found: Survey) -> Takes:
    """Return how long the backup would take. How long its copies at destinations take is not known."""
    estimate = History(session, profile.name).estimate("backup", size=found.bytes, items=found.entries)
    copies = ("upload",) if _destinations(session, profile, request) else ()
    return Takes(est_s=round(estimate.seconds, 1), by=estimate.by, unknown=copies)


def _look(session: Session, profile: Profile, request: BackupRequest, job: Job) -> Survey:
    job.step("survey", f"Looking at what {profile.name} has")
    return survey(
        profile,
        request.scope or profile.scope,
        skip=session.private_folders,
        now=session.now(),
        should_stop=job.should_stop,
    )


def _one(session: Session, profile: Profile, request: BackupRequest, job: Job, report: BackupReport) -> Ending:
    started = time.monotonic()
    inside = sources_in_vault(profile, session.vault_path)
    if inside:
        raise UsageError("the source lies in the vault", subject=inside[0], hint="back up something else")
    destinations = _destinations(session, profile, request)
    spec = archive_spec(session, profile, form=request.format, level=request.level, split=request.split)
    with session.hold(profile.name, "backup", job):
        found = _look(session, profile, request, job)
        _require_something(profile, found)
        recovery.settle(session, profile.name, job)
        materials = writing.Materials(
            survey=found,
            spec=spec,
            kind=request.kind,
            scope=request.scope or profile.scope,
            note=request.note,
            tags=request.tags,
            destinations=destinations,
        )
        clearing = Beside("clearing", ahead=1)
        try:
            made = writing.make(session, profile, materials, job, clearing=clearing)
            report.changed = True
            verdict = read_back(session, made.manifest, job, key=made.key)
        finally:
            clearing.settle()
        row = _row(session, verdict.manifest, made, time.monotonic() - started, verdict.seconds)
        report.backups.append(row)
        ending = _judge(row, made, verdict.manifest.evidence, spec.split, report)
        if request.prune and ending is Ending.DONE:
            report.removed.extend(prune.after_backup(session, profile, request.rules, report))
    return worst(ending, _upload(session, verdict.manifest, job, report))


def _require_something(profile: Profile, found: Survey) -> None:
    """Raise `SourceMissingError` when nothing of what the profile names can be read (exit 10)."""
    if found.asked and not found.databases and not found.roots and not found.git:
        first = found.problems[0]
        raise SourceMissingError(
            f"nothing of {profile.name} can be read: {first.reason}",
            subject=first.path,
            hint="check the paths, and whether everything is mounted",
        )


def _row(
    session: Session, manifest: Manifest, made: writing.Made, seconds: float, read_back_seconds: float
) -> BackupRow:
    archive = manifest.archives[0]
    home = session.vault.home(manifest)
    return BackupRow(
        id=manifest.id,
        profile=manifest.profile,
        kind=manifest.kind,
        scope=manifest.scope,
        status=manifest.status,
        archive=str(home / archive.file),
        manifest=str(session.vault.manifest_path(manifest)),
        sha256=archive.sha256,
        size=archive.size,
        files=manifest.files.files,
        bytes=manifest.files.bytes,
        databases=manifest.databases,
        damaged=manifest.damaged,
        evidence=manifest.evidence.level,
        left_out=manifest.left_out,
        changed_while_read=manifest.changed,
        seconds=round(seconds, 3),
        timings=Timings(
            copy=round(made.copy_seconds, 3),
            check=round(made.check_seconds, 3),
            write=round(made.write_seconds, 3),
            read_back=round(read_back_seconds, 3),
        ),
    )


def _judge(row: BackupRow, made: writing.Made, evidence: Evidence, split: int | None, report: Report) -> Ending:
    """Add the warnings and notes of one backup to `report`, and say how it ended."""
    _warn(row, evidence.damage, report)
    if not row.files and not row.databases:
        what = f"{row.profile} has no database" if row.scope is Scope.DATABASE else f"{row.profile} is empty"
        report.notes.append(f"{what}: the archive holds only its manifest")
    if row.size > ADVICE_SIZE and split is None:
        report.notes.append("the archive is over 100 MB: consider `archive: {split: 2GB}`, or a destination elsewhere")
    if evidence.damage or row.damaged:
        return Ending.DAMAGE
    return Ending.INCOMPLETE if made.errors or row.changed_while_read else Ending.DONE


def _destinations(session: Session, profile: Profile, request: BackupRequest) -> tuple[str, ...]:
    """Return the names of the destinations that get a copy; raises `ConfigError` for one that is not configured."""
    names = profile.destinations if request.destinations is None else request.destinations
    for name in names:
        session.config.destination(name)
    return tuple(dict.fromkeys(names))


def _upload(session: Session, manifest: Manifest, job: Job, report: BackupReport) -> Ending:
    """Make the copies; each failure is a warning, and the copy is queued."""
    if not manifest.pending:
        return Ending.DONE
    rows, ending = uploads.after_backup(session, manifest, job, report)
    report.uploads += rows
    status = sidecar.load(session.vault, manifest.id).status
    report.backups[-1] = msgspec.structs.replace(report.backups[-1], status=status)
    return ending


def _warn(row: BackupRow, damage: Sequence[str], report: Report) -> None:
    for left in row.left_out:
        if not left.expected:
            report.warn("left-out", left.reason, subject=left.path)
    for path in row.changed_while_read:
        report.warn("changed", "the file changed while it was read", subject=path)
    for database in row.databases:
        if database.damaged:
            report.warn(
                "database-damaged",
                "the database is damaged; it was taken as it is, and this backup does not count as good",
                subject=database.path,
                hint=f"lifeboat diagnose {database.path}",
            )
    for message in damage:
        report.warn("archive-damaged", f"the archive does not read back: {message}", subject=row.archive)
