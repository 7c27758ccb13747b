"""What destinations hold, looked at from any machine, and backups brought back from there into the vault.

A backup that is fetched becomes an ordinary one: everything else (restore, verify, show) then works as always.
It is downloaded to `VAULT/.incoming/`, where a download that was cut goes on, and moves home with the manifest
last, so that the vault never holds half of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from toolkit import durable
from toolkit.archive.manifest import Copy, Evidence, Manifest, Status
from toolkit.errors import (
    ArchiveDamagedError,
    BackupNotFoundError,
    LifeboatError,
    NotFoundError,
    UsageError,
)
from toolkit.jobs.context import Job
from toolkit.operations import keys
from toolkit.operations.report import Ending, Report
from toolkit.operations.session import Session
from toolkit.profile.adhoc import is_profile_word
from toolkit.profile.model import AnyDestination, DirectoryDestination
from toolkit.vault import layout, offsite, sidecar, store
from toolkit.vault.layout import Vault
from toolkit.vault.offsite import RemoteBackup

if TYPE_CHECKING:
    from toolkit.destinations.base import Destination, RemoteObject

INCOMING = ".incoming"


class RemoteRow(msgspec.Struct, frozen=True, kw_only=True):
    """A backup at a destination. `complete`: it can be fetched; `here`: it is in the vault too."""

    destination: str
    id: str
    host: str
    profile: str
    kind: str
    started: datetime
    size: int
    complete: bool
    by_hand: bool
    here: bool
    link: str = ""


class RemoteReport(Report, kw_only=True):
    """The backups at one destination or several, by host and profile, newest first."""

    backups: list[RemoteRow] = msgspec.field(default_factory=list)


def resolve(session: Session, word: str) -> tuple[AnyDestination, str]:
    """Return the destination that `DEST[:FOLDER]` means, and the folder; a word with a slash is a directory.

    Raises `ConfigError` with the known names, `UsageError` for an empty folder.
    """
    if not is_profile_word(word.partition(":")[0]):
        path = Path(word).absolute()
        return DirectoryDestination(name=str(path), path=path), "."
    name, colon, folder = word.partition(":")
    if colon and not folder:
        raise UsageError("there is no folder after the colon", subject=word)
    return session.config.destination(name), folder


@contextlib.contextmanager
def opened(session: Session, word: str, job: Job | None = None) -> Iterator[Destination]:
    """Open the destination that `DEST[:FOLDER]` means, for reading only."""
    from toolkit.destinations import registry
    from toolkit.events import never_stop

    config, folder = resolve(session, word)
    stop = job.should_stop if job is not None else never_stop
    with registry.connect(config, state=session.state, folder=folder, read_only=True, should_stop=stop) as destination:
        yield destination


def listing(session: Session, words: tuple[str, ...], *, profile: str | None = None) -> RemoteReport:
    """Return what the destinations `words` hold (all of the configuration when there are none).

    One that cannot be reached is a warning when there are several: `INCOMPLETE`; alone it raises its error.
    """
    names = words or tuple(config.name for config in session.config.destinations)
    if not names:
        raise NotFoundError("no destination is configured", hint="configure one under destinations:")
    here = _ids_here(session)
    report = RemoteReport()
    for word in names:
        try:
            with opened(session, word) as destination:
                report.backups += [
                    _row(destination, one, here)
                    for one in offsite.backups(destination)
                    if profile in (None, one.stem.profile)
                ]
        except LifeboatError as error:
            if len(names) == 1:
                raise
            report.warn(error.code, error.message, subject=error.subject, hint=error.hint)
            report.ending = Ending.INCOMPLETE
    report.backups.sort(key=lambda row: (row.destination, row.host, row.profile))  # each newest first already
    return report


def _ids_here(session: Session) -> frozenset[str]:
    try:
        return frozenset(layout.id_of(path) for path in layout.manifests(session.existing_vault))
    except NotFoundError:
        return frozenset()


def _row(destination: Destination, one: RemoteBackup, here: frozenset[str]) -> RemoteRow:
    return RemoteRow(
        destination=destination.name,
        id=one.id,
        host=one.host,
        profile=one.stem.profile,
        kind=str(one.stem.kind),
        started=one.stem.when,
        size=one.size,
        complete=bool(offsite.complete([one])),
        by_hand=one.by_hand,
        here=one.id in here,
        link=one.volumes[0].link if one.volumes else "",
    )


def bring(session: Session, word: str, backup: str, job: Job) -> Manifest:
    """Fetch the backup `backup` (an id, its beginning, `latest`, `PROFILE@latest`) from a destination into the vault.

    Returns its manifest. One that is in the vault already is not fetched again. Raises `BackupNotFoundError`,
    `UsageError` (several answer), `SpaceError` before anything is downloaded, `TransferDamagedError`, and what the
    destination raises; what came stays for the next try.
    """
    with opened(session, word, job) as destination:
        job.step("look", f"Looking at what {destination.name} has")
        chosen = offsite.choose(offsite.backups(destination), backup, host=session.host)
        with session.hold(chosen.stem.profile, "fetch", job):
            session.recover(chosen.stem.profile, job)
            present = _present(session.vault, chosen.id)
            if present is not None:
                _clear(session.vault.path / INCOMING / chosen.id)
                return present
            return _fetch(session, word, destination, chosen, job)


def _present(vault: Vault, backup_id: str) -> Manifest | None:
    """Return the manifest of a backup whose archive is here whole; None where it must be fetched."""
    from toolkit.vault.rebuild import missing

    try:
        path = sidecar.locate(vault, backup_id)
    except BackupNotFoundError:
        return None
    manifest = sidecar.read(path)
    if manifest.tombstone is not None:
        raise UsageError(
            "the backup is in the trash of this vault", subject=backup_id, hint="`lifeboat undo` brings it back"
        )
    return None if missing(path.parent, manifest) or not manifest.archives else manifest


def is_default(session: Session, word: str) -> bool:
    """Say whether `word` is a destination of the configuration in its own folder: only such copies are remembered."""
    return any(config.name == word for config in session.config.destinations)


def _fetch(session: Session, word: str, destination: Destination, chosen: RemoteBackup, job: Job) -> Manifest:
    vault = session.vault
    incoming = vault.path / INCOMING / chosen.id
    with durable.translated(incoming):
        durable.make_directory(incoming)
    if chosen.manifest is None:
        manifest, files = _without_manifest(session, destination, chosen, incoming, job)
        link = chosen.volumes[0]
    else:
        manifest = offsite.read_manifest(destination, chosen, lambda name: keys.known_key(session, name))
        wanted = offsite.archive_objects(chosen, manifest)
        files = _download(destination, [*wanted, *chosen.file_lists[-1:]], incoming, job)
        _require_digests(manifest, files)
        link = chosen.manifest
    copy = Copy(destination.name, link.id, link.link, manifest.archives[0].sha256, session.now())
    copies = (copy,) if is_default(session, word) else ()
    manifest = msgspec.structs.replace(
        manifest, status=Status.COMPLETED, error="", tombstone=None, destinations=copies, job=""
    )
    _take_home(vault, manifest, files, incoming)
    job.log("info", "fetched", f"backup {manifest.id} came from {destination.name}")
    return manifest


def _download(
    destination: Destination, wanted: list[RemoteObject], folder: Path, job: Job
) -> dict[str, tuple[Path, str]]:
    """Return, by name, where each object lies now and its SHA-256."""
    from toolkit.destinations.fetch import fetch, partial_of

    total = sum(found.size for found in wanted)
    there = sum(_size(folder / found.name) + _size(partial_of(found, folder / found.name)) for found in wanted)
    durable.require_space(folder, max(0, total - there))
    job.step("download", f"Downloading from {destination.name}")
    progress = job.progress(total=total)
    done = 0
    files: dict[str, tuple[Path, str]] = {}
    for found in wanted:
        target = folder / found.name
        base = done
        if target.exists():
            with durable.translated(target):
                durable.rename(target, partial_of(found, target))  # compared again, whatever came between
        digest = fetch(
            destination,
            found,
            target,
            on_progress=lambda moved, _, base=base: progress(base + moved, total),  # type: ignore[misc]
            should_stop=job.should_stop,
        )
        files[found.name] = (target, digest)
        done += found.size
    return files


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _require_digests(manifest: Manifest, files: dict[str, tuple[Path, str]]) -> None:
    from toolkit.vault.replicate import volumes

    for volume in volumes(manifest):
        path, digest = files[volume.file]
        if digest != volume.sha256:
            with durable.translated(path):
                durable.remove(path)
            raise ArchiveDamagedError(
                "the archive there is not the one that its manifest describes", subject=volume.file
            )


def _without_manifest(
    session: Session, destination: Destination, chosen: RemoteBackup, incoming: Path, job: Job
) -> tuple[Manifest, dict[str, tuple[Path, str]]]:
    """Fetch an archive that somebody put there without its manifest, and take the manifest from inside it."""
    from toolkit.operations.archiving import stored_file

    files = _download(destination, list(chosen.volumes), incoming, job)
    job.step("read", "Reading the manifest inside the archive")
    manifest = stored_file(session, incoming / chosen.volumes[0].name).manifest
    if str(layout.stem_of(manifest)) != str(chosen.stem):
        raise ArchiveDamagedError("the archive is of another backup than its name says", subject=chosen.volumes[0].name)
    evidence = Evidence("written", session.now(), f"fetched from {destination.name} without its manifest")
    return msgspec.structs.replace(manifest, evidence=evidence), files


def _take_home(vault: Vault, manifest: Manifest, files: dict[str, tuple[Path, str]], incoming: Path) -> None:
    home = vault.make_folder(vault.home(manifest))
    with durable.translated(home):
        for path, _ in files.values():
            path.chmod(vault.file_mode)
            durable.rename(path, home / path.name)
    store.save(vault, manifest)
    _clear(incoming)


def _clear(incoming: Path) -> None:
    """Remove the folder of a download that is done, and the one around it when that is empty."""
    with durable.translated(incoming):
        for path in incoming.glob("*") if incoming.is_dir() else ():
            durable.remove(path)
    for folder in (incoming, incoming.parent):
        with contextlib.suppress(OSError):
            durable.on_step("rmdir", str(folder))
            folder.rmdir()
