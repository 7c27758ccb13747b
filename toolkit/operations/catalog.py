"""`catalog rebuild`: the index of backups, and lost manifests, made again from what is on disk."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from toolkit import durable
from toolkit.archive.filelists import ListWriter
from toolkit.archive.manifest import Copy, Manifest, Status
from toolkit.errors import ArchiveDamagedError, LifeboatError
from toolkit.jobs.context import Job
from toolkit.operations import keys
from toolkit.operations.archiving import StoredBackup
from toolkit.operations.delete import holding
from toolkit.operations.report import Ending, Report
from toolkit.operations.session import Session
from toolkit.vault import layout, offsite, rebuild, sidecar, store
from toolkit.vault.layout import Vault
from toolkit.vault.offsite import RemoteBackup

if TYPE_CHECKING:
    from toolkit.destinations.base import Destination


class OrphanRow(msgspec.Struct, frozen=True):
    """Something that has lost its other half: its path in the vault, and what is wrong. It was left alone."""

    path: str
    reason: str


class RebuildReport(Report, kw_only=True):
    """How many backups the catalog has now, whose manifests and file lists were made again, and what is left.

    `fetched` are ids whose manifest came from the destination, `remote` those of backups that are only there.
    """

    backups: int = 0
    restored: list[str] = msgspec.field(default_factory=list)
    lists: list[str] = msgspec.field(default_factory=list)
    orphans: list[OrphanRow] = msgspec.field(default_factory=list)
    fetched: list[str] = msgspec.field(default_factory=list)
    remote: list[str] = msgspec.field(default_factory=list)


def run(session: Session, job: Job, *, source: str | None = None) -> RebuildReport:
    """Make lost manifests and file lists again from their archives, then the catalog from all manifests.

    With `source` (`DEST[:FOLDER]`) lost manifests of archives that are here come from there first, with the rating,
    note, tags and pin that they had when they were copied; copies there that the manifests here do not know are
    entered. Backups that are only there are named in `remote`: `restore --from` brings them. A manifest that is here
    is never touched otherwise. Raises `NotFoundError` when there is no vault, `LockedError`
    while a run of one of its profiles goes on, `StorageError`, `SpaceError`, `CancelledError`.
    """
    report = RebuildReport()
    if source is not None:
        from_destination(session, source, job, report)
    vault = session.existing_vault
    job.step("rebuild", "Reading the manifests, and archives that lost theirs")

    def say(message: str) -> None:
        report.notes.append(message)

    profiles = {stem.profile for _, stem, _ in layout.files(vault)}
    with holding(session, sorted(profiles), "rebuild the catalog", job):
        made = rebuild.rebuild(
            vault,
            lambda volumes: _manifest_inside(session, volumes),
            now=session.now(),
            on_progress=job.progress(unit="files"),
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


def from_destination(session: Session, source: str, job: Job, report: RebuildReport) -> None:
    """Bring what the destination knows into the vault: lost manifests, and where copies are."""
    from toolkit.operations.offsite import remote

    vault = session.vault
    with remote.opened(session, source, job) as destination:
        job.step("look", f"Reading the manifests at {destination.name}")
        for one in offsite.backups(destination):
            job.raise_if_stopped()
            if one.manifest is None:
                continue
            with session.hold(one.stem.profile, "rebuild the catalog", job):
                _take_over(session, vault, destination, one, report, known=remote.is_default(session, source))


def _take_over(
    session: Session,
    vault: Vault,
    destination: Destination,
    one: RemoteBackup,
    report: RebuildReport,
    *,
    known: bool,
) -> None:
    here = {path.name: path for path, stem, _ in layout.files(vault, one.stem.profile) if stem.id == one.id}
    if not any(layout.is_volume(name.removeprefix(str(one.stem))) for name in here):
        report.remote.append(one.id)
        return
    try:
        manifest = offsite.read_manifest(destination, one, lambda name: keys.known_key(session, name))
    except LifeboatError as error:
        report.warn(error.code, f"a manifest at {destination.name} cannot be used: {error.message}", subject=one.id)
        return
    link = one.manifest or one.objects[0]
    copy = Copy(destination.name, link.id, link.link, manifest.archives[0].sha256, session.now())
    if f"{one.stem}{layout.MANIFEST}" in here:
        if known:
            with contextlib.suppress(ArchiveDamagedError):  # named with the orphans
                store.update(vault, one.id, lambda old: _with_copy(old, copy))
        return
    folder = next(iter(here.values())).parent
    if rebuild.missing(folder, manifest):
        return  # the archive here is another: the manifest inside it says what it is
    store.save(vault, msgspec.structs.replace(manifest, destinations=(copy,) if known else ()))
    report.fetched.append(one.id)


def _with_copy(manifest: Manifest, copy: Copy) -> Manifest:
    known = any(one.destination == copy.destination and one.id == copy.id for one in manifest.copies)
    if known or not manifest.archives or manifest.archives[0].sha256 != copy.digest:
        return manifest
    others = tuple(one for one in manifest.destinations if one.destination != copy.destination)
    status = Status.UPLOADING if any(one.when is None for one in others) else Status.COMPLETED
    return msgspec.structs.replace(manifest, destinations=(*others, copy), status=status)


def _is_unreadable(vault: Vault, orphan: rebuild.Orphan) -> bool:
    try:
        sidecar.read(vault.path / orphan.path)
    except LifeboatError:
        return True
    return False


def _manifest_inside(session: Session, volumes: Sequence[Path]) -> Manifest:
    from toolkit.archive.reader import open_archive

    parsed = layout.parse_name(volumes[0].name)
    key = keys.known_key(session, parsed[0].profile if parsed is not None else "")
    with open_archive(volumes, key=key) as reader:
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
