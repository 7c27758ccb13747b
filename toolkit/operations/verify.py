"""Prove backups: every byte read and compared, databases opened and checked, or restored to scratch."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.archive.key import Key
from toolkit.archive.manifest import DatabaseRecord, Evidence, EvidenceLevel, Manifest, Status, is_unchanged
from toolkit.archive.verify import VerifyReport, verify
from toolkit.errors import CancelledError, LifeboatError, NotFoundError, SourceMissingError
from toolkit.jobs.context import Job
from toolkit.operations.application import smoke
from toolkit.operations.archiving import StoredBackup, stored
from toolkit.operations.report import Ending, Report, worst
from toolkit.operations.restoring.extract import Extraction, extract
from toolkit.operations.scratch import private_folder
from toolkit.operations.session import Session
from toolkit.operations.targets import backup as find_backup
from toolkit.operations.targets import profile_names
from toolkit.profile.model import Profile
from toolkit.sqlite.check import Level, check
from toolkit.vault import layout, sidecar, store
from toolkit.vault.rebuild import measure


class VerifyRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which backups, and whether to open their databases (`open`) or restore all of it to scratch (`rehearse`)."""

    backups: tuple[StoredBackup, ...]
    open: bool = False
    rehearse: bool = False

    @property
    def level(self) -> EvidenceLevel:
        """The evidence that a success gives."""
        if self.rehearse:
            return EvidenceLevel.REHEARSED
        return EvidenceLevel.OPENED if self.open else EvidenceLevel.VERIFIED


class VerifyRow(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one backup; `skipped` when it could not be looked at, which says nothing against it."""

    id: str
    profile: str
    evidence: str
    ok: bool
    skipped: bool = False
    errors: tuple[str, ...] = ()
    files: int = 0
    bytes: int = 0
    seconds: float = 0.0


class VerifyJobReport(Report, kw_only=True):
    """The report of `verify`."""

    backups: list[VerifyRow] = msgspec.field(default_factory=list)


_FOREVER = (
    "id", "profile", "kind", "scope", "format", "host", "user", "tool", "application_version", "started", "job",
    "encrypted", "damaged", "sources", "databases", "files", "left_out",
)  # fmt: skip
"""What a manifest says from the first to the last: the same in the archive and beside it."""


_CHANGED = "the manifest was changed by something other than Lifeboat: its checksum does not fit"


def check_archive(backup: StoredBackup, job: Job) -> VerifyReport:
    """Read the whole archive and compare it with its manifest and file list; damage is in the report.

    The manifest beside the archive is compared with the one inside too, but for what may change later (rating,
    note, tags, pin, evidence, copies).
    """
    progress = job.progress(total=backup.manifest.size)
    outside = backup.manifest.encrypted or not _has_sidecars(backup)
    if not outside and not backup.file_list.exists():
        return VerifyReport(False, (f"the file list is missing: {backup.file_list.name}",), 0, 0, 0.0)  # noqa: FBT003
    found = verify(
        backup.manifest.archives[0],
        backup.volumes,
        None if outside else backup.entries(checked=True),
        key=backup.key,
        on_progress=progress,
        should_stop=job.should_stop,
    )
    if found.inside is None:
        return found
    errors = []
    differ = [name for name in _FOREVER if getattr(found.inside, name) != getattr(backup.manifest, name)]
    if differ:
        errors.append(f"the manifest does not say the same as the one in the archive: {', '.join(differ)}")
    beside = _manifest_beside(backup)
    if beside.exists() and not is_unchanged(beside.read_bytes()):
        errors.append(_CHANGED)
    return dataclasses.replace(found, ok=found.ok and not errors, errors=(*found.errors, *errors))


def _manifest_beside(backup: StoredBackup) -> Path:
    return backup.folder / f"{layout.stem_of(backup.manifest)}{layout.MANIFEST}"


def _has_sidecars(backup: StoredBackup) -> bool:
    """Say whether the manifest or the file list lies beside the archive, not only in it."""
    return _manifest_beside(backup).exists() or backup.file_list.exists()


class ReadBack(msgspec.Struct, frozen=True):
    """The manifest with the evidence of the read-back, and the seconds that took."""

    manifest: Manifest
    seconds: float


def read_back(session: Session, manifest: Manifest, job: Job, *, key: Key | None = None) -> ReadBack:
    """Read the archive of a new backup back, opened with `key`, compare every digest, and keep the evidence."""
    job.step("read-back", "Reading the archive back")
    result = check_archive(stored(session, session.vault, manifest, key=key), job)
    evidence = Evidence(
        "written" if result.errors else "verified",
        session.now(),
        job.id,
        damage=tuple(result.errors[:20]),
        seconds=round(result.seconds, 3),
    )
    kept = store.update(session.vault, manifest.id, lambda old: msgspec.structs.replace(old, evidence=evidence))
    return ReadBack(kept, result.seconds)


def run(session: Session, request: VerifyRequest, job: Job) -> VerifyJobReport:
    """Prove each backup of `request`; a damaged one never stops the others. Keeps the evidence in the manifests."""
    report = VerifyJobReport()
    endings = []
    for number, backup in enumerate(request.backups, 1):
        job.step("verify", f"Verifying {backup.manifest.id}", n=number, of=len(request.backups))
        try:
            row = _prove(session, backup, request, job)
        except (CancelledError, MemoryError):
            raise
        except LifeboatError as error:
            skipped = error.code in _OUR_FAULT and not _was_altered(backup)
            if error.code == "no-space" or (skipped and len(request.backups) == 1):
                raise
            if skipped:
                report.backups.append(_skip(backup.manifest, error, report))
                endings.append(Ending.INCOMPLETE)
                continue
            row = VerifyRow(
                id=backup.manifest.id,
                profile=backup.manifest.profile,
                evidence=backup.manifest.evidence.level,
                ok=False,
                errors=(str(error),),
            )
        _keep(session, backup, row, request.level, job, report)
        report.backups.append(row)
        endings.append(Ending.DONE if row.ok else Ending.DAMAGE)
    report.ending = worst(*endings)
    return report


_OUR_FAULT = ("passphrase", "identity", "config", "exposed-secret", "forbidden")
"""Codes of what keeps us from looking: no reason to call a backup damaged, least of all in its manifest."""


def _was_altered(backup: StoredBackup) -> bool:
    """Say whether the bytes of an archive that does not open are others than were written."""
    try:
        return measure(backup.manifest.id, backup.volumes) != backup.manifest.archives[0]
    except LifeboatError:
        return False


def _skip(manifest: Manifest, error: LifeboatError, report: Report) -> VerifyRow:
    report.warn(error.code, f"not verified: {error.message}", subject=manifest.id, hint=error.hint)
    return VerifyRow(
        id=manifest.id,
        profile=manifest.profile,
        evidence=manifest.evidence.level,
        ok=False,
        skipped=True,
        errors=(error.message,),
    )


def _prove(session: Session, backup: StoredBackup, request: VerifyRequest, job: Job) -> VerifyRow:
    begun = time.monotonic()
    found = check_archive(backup, job)
    errors = list(found.errors)
    if found.ok and request.level >= EvidenceLevel.OPENED:
        with _scratch(session, f"verify-{backup.manifest.id}-{job.id}") as scratch:
            _require_space(scratch, backup.manifest, rehearse=request.rehearse)
            job.step("open", f"Restoring {backup.manifest.id} to scratch")
            wanted = None if request.rehearse else {record.path for record in backup.manifest.databases}
            result = extract(backup, scratch / "restored", job, only_databases=wanted)
            errors += [f"{item.path}: {item.reason}" for item in result.failed]
            errors += _open_databases(backup.manifest, result)
            if request.rehearse:
                errors += _smoke(session.known_profile(backup.manifest.profile), backup.manifest, result)
    return VerifyRow(
        id=backup.manifest.id,
        profile=backup.manifest.profile,
        evidence=request.level.word if not errors else "written",
        ok=not errors,
        errors=tuple(errors[:100]),
        files=found.files,
        bytes=found.bytes,
        seconds=round(time.monotonic() - begun, 3),
    )


@contextlib.contextmanager
def _scratch(session: Session, name: str) -> Iterator[Path]:
    """Give a private folder: in the vault, or in the system's temporary folder where there is no vault."""
    try:
        vault = session.existing_vault
    except NotFoundError:
        with tempfile.TemporaryDirectory(prefix="lifeboat-") as folder:
            yield Path(folder)
        return
    with private_folder(vault, name) as folder_in_vault:
        yield folder_in_vault


def _require_space(scratch: Path, manifest: Manifest, *, rehearse: bool) -> None:
    wanted = manifest.files.bytes if rehearse else sum(record.size for record in manifest.databases)
    durable.require_space(scratch, wanted)


def _open_databases(manifest: Manifest, result: Extraction) -> list[str]:
    errors = []
    for record in manifest.databases:
        if record.form != "copy":
            continue
        path = result.place_of(record.path)
        errors += [f"{record.path}: {message}" for message in compare_database(path, record, level="full")]
    return errors


def compare_database(path: Path, record: DatabaseRecord, *, level: Level) -> list[str]:
    """Check the restored private file `path` and compare it with its record; return what is wrong, in words."""
    try:
        found = check(path, level=level)
    except LifeboatError as error:
        return [error.message]
    errors = [
        f"{one.name}: {one.messages[0] if one.messages else 'failed'}"
        for one in found.checks
        if not one.ok and one.name != "foreign_key_check" and not record.damaged
    ]
    if record.form == "copy":
        if level != "counts" and found.foreign_key_violations != record.foreign_key_violations:
            errors.append(
                f"{found.foreign_key_violations} foreign-key violations, "
                f"{record.foreign_key_violations} in the manifest"
            )
        errors += [
            f"table {name}: {found.tables.get(name)} rows, {rows} in the manifest"
            for name, rows in record.tables.items()
            if found.tables.get(name) != rows
        ]
        if found.schema_digest != record.schema_digest:
            errors.append("the schema is not the one in the manifest")
    return errors


def _smoke(profile: Profile | None, manifest: Manifest, result: Extraction) -> list[str]:
    """Run the profile's smoke tests on the restored copy; return what failed."""
    if profile is None:
        return []
    places = [str(result.place_of(record.path)) for record in manifest.databases if record.form == "copy"]
    return smoke.failures(profile, places, root=str(result.root))


def _keep(
    session: Session, backup: StoredBackup, row: VerifyRow, level: EvidenceLevel, job: Job, report: Report
) -> None:
    """Keep the evidence in the manifest of a backup of this vault; a lower proof never takes a higher one away."""
    if not row.ok:
        for message in row.errors:
            report.warn("damaged", message, subject=row.id)

    def change(manifest: Manifest) -> Manifest:
        if not row.ok:
            evidence = Evidence("written", session.now(), job.id, damage=row.errors[:20])
        else:
            better = manifest.level > level and not manifest.evidence.damage
            best, seconds = (manifest.level, manifest.evidence.seconds) if better else (level, row.seconds)
            evidence = Evidence(best.word, session.now(), job.id, seconds=seconds)
        return msgspec.structs.replace(manifest, evidence=evidence)

    try:
        if backup.folder.is_relative_to(session.vault_path):
            with session.hold(row.profile, "keep the evidence", job):
                store.update(session.existing_vault, row.id, change)
            report.changed = True
    except LifeboatError as error:
        report.warn("evidence-not-kept", f"the evidence could not be kept: {error.message}", subject=row.id)


def named(session: Session, words: Sequence[str]) -> tuple[StoredBackup, ...]:
    """Return the backups that `words` name, each once: ids, selectors, paths of archives.

    Raises `BackupNotFoundError`, `UsageError`, `SourceMissingError` for a record without archive, and
    `ArchiveDamagedError` when the manifest itself cannot be read.
    """
    found: dict[tuple[str, Path], StoredBackup] = {}
    for word in words:
        one = find_backup(session, word)
        if not one.manifest.archives:
            raise SourceMissingError(
                "this backup has no archive", subject=one.manifest.id, hint=one.manifest.error or None
            )
        found[one.manifest.id, one.folder] = one
    return tuple(found.values())


class Everything(msgspec.Struct, frozen=True):
    """All backups to verify in their order, those that cannot be looked at, and the manifests that cannot be read."""

    backups: tuple[StoredBackup, ...]
    closed: tuple[tuple[Manifest, LifeboatError], ...]
    unreadable: tuple[tuple[Path, str], ...]


def oldest_first(session: Session, profile: str | None = None) -> Everything:
    """Return all finished backups (of `profile`), those whose evidence is oldest first.

    Raises `NotFoundError` when there is no vault, `ProfileNotFoundError`.
    """
    vault = session.existing_vault
    if profile is not None:
        profile_names(session, [profile])
    manifests: list[tuple[datetime, str, StoredBackup]] = []
    closed: list[tuple[Manifest, LifeboatError]] = []
    unreadable: list[tuple[Path, str]] = []
    for path in layout.manifests(vault, profile):
        try:
            manifest = sidecar.read(path)
        except LifeboatError as error:
            unreadable.append((path, error.message))
            continue
        finished = manifest.status in (Status.COMPLETED, Status.UPLOADING) and manifest.archives
        if manifest.tombstone is not None or not finished:
            if not is_unchanged(path.read_bytes()):  # what it says, that there is nothing to verify, may be wrong too
                unreadable.append((path, _CHANGED))
            continue
        when = manifest.evidence.when or datetime.min.replace(tzinfo=UTC)
        try:
            manifests.append((when, manifest.id, stored(session, vault, manifest)))
        except LifeboatError as error:
            closed.append((manifest, error))
    ordered = sorted(manifests, key=lambda one: one[:2])
    return Everything(tuple(one[2] for one in ordered), tuple(closed), tuple(unreadable))


def run_all(session: Session, profile: str | None, request: VerifyRequest, job: Job) -> VerifyJobReport:
    """Prove all backups (of `profile`), those with the oldest evidence first; unreadable manifests are damage.

    The `backups` of `request` are not looked at.
    """
    found = oldest_first(session, profile)
    report = run(session, msgspec.structs.replace(request, backups=found.backups), job)
    for manifest, error in found.closed:
        report.backups.append(_skip(manifest, error, report))
        report.ending = worst(report.ending, Ending.INCOMPLETE)
    for path, reason in found.unreadable:
        parsed = layout.parse_name(path.name)
        owner = parsed[0].profile if parsed is not None else ""
        report.backups.append(
            VerifyRow(id=layout.id_of(path), profile=owner, evidence="written", ok=False, errors=(f"{reason}: {path}",))
        )
        report.warn("damaged", reason, subject=str(path), hint="lifeboat catalog rebuild")
        report.ending = worst(report.ending, Ending.DAMAGE)
    if not report.backups:
        report.notes.append("there is no backup to verify")
    return report
