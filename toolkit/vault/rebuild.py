"""The catalog and lost manifests made again from what is on disk (`catalog rebuild`)."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.archive import manifest as format_
from toolkit.archive.manifest import ArchiveFile, Evidence, Manifest, Status, Tombstone, Volume
from toolkit.errors import ArchiveDamagedError, CancelledError, LifeboatError
from toolkit.events import Progress, ShouldStop, never_stop, no_progress
from toolkit.vault import catalog, layout, sidecar
from toolkit.vault.catalog import Say, say_nothing
from toolkit.vault.layout import Stem, Vault

ManifestFromArchive = Callable[[Sequence[Path]], Manifest]
"""Given the paths of an archive (its volumes in order), return the manifest inside, or raise a LifeboatError."""

REBUILT = "rebuilt from the archive; rating, note, tags, pin and destinations are what they were when it was written"
_BLOCK = 1 << 20


class Orphan(msgspec.Struct, frozen=True):
    """Something that has lost its other half: its path relative to the vault, and what is wrong."""

    path: str
    reason: str


class Rebuilt(msgspec.Struct, frozen=True):
    """How many backups the catalog has now, the ids whose manifest was made again, and what is left alone."""

    backups: int
    restored: tuple[str, ...] = ()
    orphans: tuple[Orphan, ...] = ()


def rebuild(
    vault: Vault,
    manifest_from_archive: ManifestFromArchive | None = None,
    *,
    now: datetime,
    on_progress: Progress = no_progress,
    should_stop: ShouldStop = never_stop,
    say: Say = say_nothing,
) -> Rebuilt:
    """Make lost manifests again from their archives, then fill the catalog from all manifests.

    A manifest that is there is never touched, so no pin is lost. One made again has the archive's sizes
    and SHA-256, computed now, and the evidence `written`. Archives that cannot be read, unreadable
    manifests, and manifests whose archive is gone or has another size are named in `orphans`. Progress
    counts bytes of archives read. Raises `StorageError`, `ForbiddenError` or `CancelledError`; what was
    made again before stays, and running it again goes on.
    """
    groups: dict[tuple[Path, str], list[str]] = defaultdict(list)
    stems: dict[str, Stem] = {}
    described: set[str] = set()
    for path, stem, ending in layout.files(vault):
        groups[path.parent, str(stem)].append(ending)
        stems[str(stem)] = stem
        if ending == layout.MANIFEST:
            described.add(str(stem))
    lost = [(folder, name) for folder, name in sorted(groups) if name not in described]
    orphans: list[Orphan] = []
    restored: list[str] = []
    done = 0
    for folder, name in lost:
        if should_stop():
            raise CancelledError("the rebuild was cancelled")
        volumes = [folder / f"{name}{one}" for one in sorted(groups[folder, name]) if layout.is_volume(one)]
        try:
            manifest = _again(stems[name], volumes, manifest_from_archive, now)
        except LifeboatError as error:
            first = volumes[0] if volumes else folder / f"{name}{min(groups[folder, name])}"
            orphans.append(_orphan(vault, first, error.message))
            continue
        if folder.name == layout.TRASH:
            manifest = msgspec.structs.replace(manifest, tombstone=Tombstone(now, "found in the trash", trash=True))
        path = folder / f"{name}{layout.MANIFEST}"
        with durable.translated(path):
            durable.write_file(path, format_.encode(manifest), mode=vault.file_mode)
        restored.append(manifest.id)
        done += manifest.size
        on_progress(done, None)
    orphans += _widowed(vault)
    return Rebuilt(catalog.refill(vault, say=say), tuple(restored), tuple(orphans))


def _orphan(vault: Vault, path: Path, reason: str) -> Orphan:
    return Orphan(str(path.relative_to(vault.path)), reason)


def _again(stem: Stem, volumes: list[Path], source: ManifestFromArchive | None, now: datetime) -> Manifest:
    if not volumes:
        raise ArchiveDamagedError("a file list without archive and manifest")
    if source is None:
        raise ArchiveDamagedError("an archive without manifest")
    inside = source(volumes)
    if str(layout.stem_of(inside)) != str(stem):
        raise ArchiveDamagedError("the manifest in the archive describes another backup than its name says")
    return msgspec.structs.replace(
        inside,
        archives=(measure(stem.id, volumes),),
        status=Status.COMPLETED,
        finished=inside.finished or inside.started,
        evidence=Evidence(level="written", when=now, by=REBUILT),
        tombstone=None,
    )


def measure(archive_id: str, volumes: Sequence[Path]) -> ArchiveFile:
    """Return the name, size and SHA-256 of an archive and of each of its volumes, read from disk in order."""
    whole = hashlib.sha256()
    pieces: list[Volume] = []
    for path in volumes:
        digest = hashlib.sha256()
        size = 0
        with durable.translated(path), path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                whole.update(block)
                size += len(block)
        pieces.append(Volume(path.name, size, digest.hexdigest()))
    single = len(pieces) == 1 and not pieces[0].file.endswith(".001")
    name = pieces[0].file if single else pieces[0].file.rpartition(".")[0]
    size = sum(piece.size for piece in pieces)
    return ArchiveFile(archive_id, name, size, whole.hexdigest(), () if single else tuple(pieces))


def _widowed(vault: Vault) -> list[Orphan]:
    """Return the manifests that cannot be read, or whose archive is not what they say."""
    found: list[Orphan] = []
    for path in sorted(layout.manifests(vault)):
        try:
            manifest = sidecar.read(path)
        except LifeboatError as error:
            found.append(_orphan(vault, path, error.message))
            continue
        if manifest.status in (Status.COMPLETED, Status.UPLOADING):
            found += [_orphan(vault, path, reason) for reason in missing(path.parent, manifest)]
    return found


def missing(folder: Path, manifest: Manifest) -> tuple[str, ...]:
    """Say which files of a finished backup are not in `folder`, or have another size than its manifest says."""
    wrong: list[str] = []
    for archive in manifest.archives:
        for volume in archive.volumes or (Volume(archive.file, archive.size, archive.sha256),):
            path = folder / Path(volume.file).name
            try:
                size = path.stat().st_size
            except OSError:
                wrong.append(f"its archive is missing: {path.name}")
                continue
            if size != volume.size:
                wrong.append(f"its archive has {size:,} bytes instead of {volume.size:,}: {path.name}")
    return tuple(wrong)
