"""`catalog rebuild`: the index of backups, and lost manifests, made again from what is on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.archive.filelists import ListWriter
from toolkit.archive.manifest import Manifest
from toolkit.errors import ArchiveDamagedError, LifeboatError
from toolkit.jobs.context import Job
from toolkit.operations.archiving import StoredBackup
from toolkit.operations.delete import holding
from toolkit.operations.report import Ending, Report
from toolkit.operations.session import Session
from toolkit.vault import layout, rebuild, sidecar
from toolkit.vault.layout import Vault


class OrphanRow(msgspec.Struct, frozen=True):
    """Something that has lost its other half: its path in the vault, and what is wrong. It was left alone."""

    path: str
    reason: str


class RebuildReport(Report, kw_only=True):
    """How many backups the catalog has now, whose manifests and file lists were made again, and what is left."""

    backups: int = 0
    restored: list[str] = msgspec.field(default_factory=list)
    lists: list[str] = msgspec.field(default_factory=list)
    orphans: list[OrphanRow] = msgspec.field(default_factory=list)


def run(session: Session, job: Job) -> RebuildReport:
    """Make lost manifests and file lists again from their archives, then the catalog from all manifests.

    A manifest that is there is never touched. Raises `NotFoundError` when there is no vault, `LockedError`
    while a run of one of its profiles goes on, `StorageError`, `SpaceError`, `CancelledError`.
    """
    vault = session.existing_vault
    job.step("rebuild", "Reading the manifests, and archives that lost theirs")
    report = RebuildReport()

    def say(message: str) -> None:
        report.notes.append(message)

    profiles = {stem.profile for _, stem, _ in layout.files(vault)}
    with holding(session, sorted(profiles), "rebuild the catalog", job):
        made = rebuild.rebuild(
            vault,
            lambda volumes: _manifest_inside(session, volumes),
            now=session.now(),
            on_progress=job.progress(),
            should_stop=job.should_stop,
            say=say,
        )
        report.lists = _restore_lists(vault, job, report)
    report.backups = made.backups
    report.restored = list(made.restored)
    report.orphans = [OrphanRow(one.path, one.reason) for one in made.orphans]
    report.changed = True
    if made.orphans:
        report.ending = Ending.INCOMPLETE
    unreadable = [one.path for one in made.orphans if one.path.endswith(layout.MANIFEST) and _is_unreadable(vault, one)]
    if unreadable:
        report.notes.append(
            "a manifest that cannot be read is made again from its archive once you have moved it away;"
            " a note, tags and a pin that it had are lost then"
        )
    return report


def _is_unreadable(vault: Vault, orphan: rebuild.Orphan) -> bool:
    try:
        sidecar.read(vault.path / orphan.path)
    except LifeboatError:
        return True
    return False


def _manifest_inside(session: Session, volumes: Sequence[Path]) -> Manifest:
    from toolkit.archive.reader import open_archive

    passphrase = None
    parsed = layout.parse_name(volumes[0].name)
    profile = session.known_profile(parsed[0].profile) if parsed is not None else None
    if profile is not None and profile.archive.encrypt is not None and profile.archive.encrypt.passphrase is not None:
        passphrase = profile.archive.encrypt.passphrase.resolve()
    with open_archive(volumes, passphrase=passphrase) as reader:
        return reader.manifest()


def _restore_lists(vault: Vault, job: Job, report: RebuildReport) -> list[str]:
    """Write the file lists that are missing beside plain archives again, from inside them; return the ids."""
    restored = []
    for found in list(sidecar.load_all(vault)):
        backup = StoredBackup(found.manifest, found.path.parent)
        if found.manifest.encrypted or not found.manifest.archives or backup.file_list.exists():
            continue
        job.raise_if_stopped()
        try:
            _restore_list(backup.manifest, backup.file_list, backup)
        except LifeboatError as error:
            if error.code in ("no-space", "storage", "forbidden", "cancelled"):
                raise
            report.warn(
                "file-list-lost", f"the file list cannot be made again: {error.message}", subject=str(found.path)
            )
            continue
        restored.append(found.manifest.id)
    return restored


def _restore_list(manifest: Manifest, target: Path, backup: StoredBackup) -> None:
    writer = ListWriter(target.parent, target.name, manifest.id)
    try:
        with backup.reader() as reader:
            for entry in reader.file_list():
                writer.add(entry)
        _require_same(writer.counts().digest, manifest)
        for _ in writer.read():
            pass
        with durable.translated(target):
            writer.finish()
            writer.publish()
    except BaseException:
        writer.discard()
        raise


def _require_same(digest: str, manifest: Manifest) -> None:
    if digest != manifest.files.digest:
        raise ArchiveDamagedError("the list in the archive is not the one that the manifest names")
