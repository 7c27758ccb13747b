"""A backup's copy at a destination: the volumes of the archive first, the file list, and the manifest last.

A backup is complete there when its manifest is, so a copy that stops anywhere is none, and goes on where it
stopped. Before anything is sent the destination is asked what it has of this backup: objects that arrived in a run
which never knew are taken as they are, and no object is made twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.archive import manifest as format_
from toolkit.archive.key import Lock
from toolkit.archive.manifest import Copy, Manifest, Status, Volume
from toolkit.archive.seal import seal
from toolkit.destinations.base import Destination, FileBookmark, Properties, Query, RemoteObject, Role
from toolkit.errors import (
    ArchiveDamagedError,
    CancelledError,
    DestinationFullError,
    PassphraseError,
    SourceMissingError,
)
from toolkit.events import Progress, ShouldStop, never_stop, no_progress
from toolkit.vault import layout
from toolkit.vault.queue import BOOKMARK

Note = Callable[[str], None]
_BLOCK = 1 << 20
SEALED_OF = "sealed"
"""Beside a manifest on its way: the SHA-256 of the whole that it was made of."""


class Piece(msgspec.Struct, frozen=True):
    """A file of a backup on its way: where it lies here, its size, and what will be said of it there."""

    path: Path
    size: int
    properties: Properties


def volumes(manifest: Manifest) -> tuple[Volume, ...]:
    """Return the files of the archive in order, whether it is in volumes or in one piece."""
    return tuple(
        volume
        for archive in manifest.archives
        for volume in archive.volumes or (Volume(archive.file, archive.size, archive.sha256),)
    )


def outgoing(manifest: Manifest, lock: Lock | None = None) -> Manifest:
    """Return the manifest as it lies at destinations: complete, without what only this machine can say.

    That of an encrypted archive is sealed with `lock`; `PassphraseError` where there is none.
    """
    made = msgspec.structs.replace(manifest, status=Status.COMPLETED, destinations=(), error="", job="")
    if not manifest.encrypted:
        return made
    if lock is None:
        raise PassphraseError("the manifest cannot be encrypted without its passphrase", subject=manifest.profile)
    return seal(made, lock, stem=str(layout.stem_of(manifest)))


def replicate(
    folder: Path,
    manifest: Manifest,
    destination: Destination,
    scratch: Path,
    *,
    now: datetime,
    lock: Lock | None = None,
    on_progress: Progress = no_progress,
    should_stop: ShouldStop = never_stop,
) -> Copy:
    """Make the copy of the backup whose files lie in `folder`; return what the manifest should say of it.

    The manifest of an encrypted archive goes there sealed with `lock`.
    `scratch` is the private folder of this upload (bookmarks, the manifest on its way), the same for each try.
    `on_progress` counts bytes of all files. Raises `SourceMissingError` when a file of the backup is gone here,
    `ArchiveDamagedError` when it was found damaged here,
    `DestinationFullError` before anything is sent where that is known, and what `Destination.put` raises; whatever
    arrived stays for the next try.
    """
    if manifest.evidence.damage:
        raise ArchiveDamagedError("the archive here is damaged, and is not copied", subject=manifest.id)
    pieces = [*_data_pieces(folder, manifest, should_stop), _manifest_piece(manifest, scratch, lock)]
    there = list(destination.objects(Query(host=manifest.host, backup_id=manifest.id)))
    _require_room(destination, pieces, there)
    total = sum(piece.size for piece in pieces)
    done = 0
    arrived: list[RemoteObject] = []
    for piece in pieces:
        base = done

        def report(moved: int, _total: int | None, base: int = base) -> None:
            on_progress(base + moved, total)

        found = _same(piece, there)
        if found is None:
            bookmark = FileBookmark(scratch / f"{piece.properties.file_name}{BOOKMARK}")
            found = destination.put(
                piece.path, piece.properties, bookmark=bookmark, on_progress=report, should_stop=should_stop
            )
        arrived.append(found)
        done += piece.size
        on_progress(done, total)
    _remove_older_manifests(destination, there, arrived[-1])
    return Copy(destination.name, arrived[-1].id, arrived[0].link, _digest_of(manifest), now)


def abandon(destination: Destination, scratch: Path) -> None:
    """Take away what arrived of the files of an upload that nobody goes on with; raises what `remove` raises."""
    for path in sorted(scratch.glob(f"*{BOOKMARK}")):
        destination.abandon(FileBookmark(path))


def _digest_of(manifest: Manifest) -> str:
    return manifest.archives[0].sha256 if manifest.archives else ""


def _properties(manifest: Manifest, role: Role, name: str, sha256: str) -> Properties:
    return Properties(
        role=role,
        profile=manifest.profile,
        kind=str(manifest.kind),
        host=manifest.host,
        backup_id=manifest.id,
        sha256=sha256,
        file_name=name,
    )


def _data_pieces(folder: Path, manifest: Manifest, should_stop: ShouldStop) -> list[Piece]:
    pieces = [
        Piece(folder / volume.file, volume.size, _properties(manifest, Role.ARCHIVE, volume.file, volume.sha256))
        for volume in volumes(manifest)
    ]
    if not pieces:
        raise SourceMissingError("the backup has no archive", subject=manifest.id)
    for piece in pieces:
        if not piece.path.is_file():
            raise SourceMissingError("the archive, or a volume of it, is missing", subject=piece.path)
    listed = folder / f"{layout.stem_of(manifest)}{layout.FILE_LIST}"
    if listed.is_file():
        with durable.translated(listed):
            size, sha256 = listed.stat().st_size, sha256_of(listed, should_stop)
        pieces.append(Piece(listed, size, _properties(manifest, Role.FILE_LIST, listed.name, sha256)))
    return pieces


def sha256_of(path: Path, should_stop: ShouldStop = never_stop) -> str:
    """Return the SHA-256 of a file; raises `OSError`, `CancelledError`."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            if should_stop():
                raise CancelledError("cancelled")
            digest.update(block)
    return digest.hexdigest()


def _manifest_piece(manifest: Manifest, scratch: Path, lock: Lock | None) -> Piece:
    path = scratch / f"{layout.stem_of(manifest)}{layout.MANIFEST}"
    with durable.translated(path):
        durable.make_directory(scratch)
        data = _sealed_before(path, manifest) or format_.encode(outgoing(manifest, lock))
        durable.write_file(path, data)
        durable.write_file(path.with_name(SEALED_OF), _plain_digest(manifest))
    return Piece(path, len(data), _properties(manifest, Role.MANIFEST, path.name, hashlib.sha256(data).hexdigest()))


def _plain_digest(manifest: Manifest) -> bytes:
    whole = msgspec.structs.replace(manifest, status=Status.COMPLETED, destinations=(), error="", job="")
    return hashlib.sha256(format_.encode(whole)).hexdigest().encode()


def _sealed_before(path: Path, manifest: Manifest) -> bytes | None:
    """Return what an earlier try made of the same manifest: age seals no text twice to the same bytes."""
    note = path.with_name(SEALED_OF)
    if not (manifest.encrypted and path.exists() and note.exists() and note.read_bytes() == _plain_digest(manifest)):
        return None
    return path.read_bytes()


def _same(piece: Piece, there: Iterable[RemoteObject]) -> RemoteObject | None:
    return next((one for one in there if one.properties == piece.properties and one.size == piece.size), None)


def _require_room(destination: Destination, pieces: Sequence[Piece], there: Sequence[RemoteObject]) -> None:
    needed = sum(piece.size for piece in pieces if _same(piece, there) is None)
    usage = destination.usage()
    if usage.free is not None and usage.free < needed:
        binned = f", {usage.binned:,} lie in the bin" if usage.binned else ""
        raise DestinationFullError(
            f"too little space there: {needed:,} bytes needed, {usage.free:,} free{binned}",
            subject=destination.name,
            hint="free some space there, empty its bin, or lower `keep`",
        )


def _remove_older_manifests(destination: Destination, there: Sequence[RemoteObject], newest: RemoteObject) -> None:
    """Remove the manifests of this backup that the new one takes the place of."""
    for one in there:
        if one.properties is not None and one.properties.role is Role.MANIFEST and one.id != newest.id:
            destination.remove(one.id)
