"""Backups taken away, and brought back: a tombstone in the manifest first, the manifest itself last.

The tombstone says what was meant, so whatever moment the machine stops at, `recover` finishes it: a
tombstone with `trash` outside the trash is moved there, one without is removed, and a manifest in the
trash without a tombstone goes home. Callers hold the profile's lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.archive.manifest import Manifest, Status, Tombstone
from toolkit.errors import BackupNotFoundError, LastGoodCopyError, RefusedError
from toolkit.retention import Candidate, Kind
from toolkit.vault import catalog, layout, sidecar, store
from toolkit.vault.catalog import Say, say_nothing
from toolkit.vault.layout import Vault
from toolkit.vault.sidecar import Found

TRASH_FOR = timedelta(hours=24)
"""How long deleted backups stay in the trash, unless the configuration says otherwise."""


def candidate(manifest: Manifest) -> Candidate:
    """Return what retention needs to know of a backup.

    File sets are its sources that are no databases and were not left out as a whole. Every safety set
    that holds a damaged database and was not undone counts as the only copy of a damaged original: its
    write-ahead log may differ from that of another copy with the same main file.
    """
    absent = {left.path for left in manifest.left_out}
    sets = {f"{one.section}:{one.path}" for one in manifest.sources if one.section != "databases"}
    sets -= {f"{one.section}:{one.path}" for one in manifest.sources if one.path in absent}
    if not manifest.sources and manifest.files.entries:
        sets.add("files")
    if manifest.sealed:  # nobody can say what it holds: it counts as one copy of everything that is sealed like it
        sets.add(f"sealed {manifest.scope}")
    undone = manifest.undo is not None and manifest.undo.undone is not None
    original = manifest.damaged or any(database.damaged for database in manifest.databases)
    return Candidate(
        id=manifest.id,
        kind=manifest.kind,
        scope=manifest.scope,
        finished=manifest.finished or manifest.started,
        size=manifest.size,
        good=manifest.good,
        damaged=original or bool(manifest.evidence.damage),
        pin=manifest.pin,
        databases=frozenset(database.path for database in manifest.databases),
        sections=frozenset(sets),
        only_damaged_copy=manifest.kind is Kind.SAFETY and original and not undone,
        status=str(manifest.status),
    )


def present(vault: Vault, profile: str) -> tuple[Manifest, ...]:
    """Return the manifests of a profile's backups that are not removed, from the sidecars, newest first."""
    found = [one.manifest for one in sidecar.load_all(vault, profile) if one.manifest.tombstone is None]
    return tuple(sorted(found, key=lambda manifest: (manifest.started, manifest.id), reverse=True))


def lost_with(manifests: Iterable[Manifest], ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Say, by id, of which databases and file sets the last good copy would go if all of `ids` were removed.

    `manifests` are those of one profile that are not removed; safety sets never count as good copies.
    Where several of `ids` hold the last copies together, the newest is named. Only copies of damaged
    originals are named too.
    """
    everything = [candidate(manifest) for manifest in manifests]
    going = set(ids)
    leaving = [one for one in everything if one.id in going]
    good = [one for one in everything if one.good and one.kind is not Kind.SAFETY]
    covered = {holding for one in good if one.id not in going for holding in one.holdings}
    lost: dict[str, tuple[str, ...]] = {}
    for holding in sorted({holding for one in good for holding in one.holdings} - covered):
        newest = max((one for one in good if holding in one.holdings), key=lambda one: (one.finished, one.id))
        lost[newest.id] = (*lost.get(newest.id, ()), f"last good copy of {holding[1]}")
    for one in leaving:
        if one.only_damaged_copy:
            lost[one.id] = (*lost.get(one.id, ()), "only copy of a damaged original")
    return lost


def refuse(manifests: Sequence[Manifest], ids: Sequence[str], *, allow_last_good: bool = False) -> None:
    """Raise the error that forbids to remove `ids`, all of one profile whose `manifests` are all given.

    `RefusedError` for pinned and unfinished backups; `LastGoodCopyError` for the last good copy of
    something or the only copy of a damaged original, unless `allow_last_good`.
    """
    for manifest in (manifest for manifest in manifests if manifest.id in ids):
        if manifest.pin:
            hint = f"`lifeboat unpin {manifest.id}` first, if it may go"
            raise RefusedError("the backup is pinned", subject=manifest.id, hint=hint)
        if manifest.status is Status.CREATING:
            hint = "wait for it, or cancel its job"
            raise RefusedError("the backup is still being made", subject=manifest.id, hint=hint)
    for backup_id, words in {} if allow_last_good else lost_with(manifests, ids).items():
        raise LastGoodCopyError(
            f"this is the {', the '.join(words)}",
            subject=backup_id,
            hint="make and verify a new backup first, or say that it may go with --allow-last-good",
        )


def to_trash(
    vault: Vault,
    backup_id: str,
    *,
    now: datetime,
    reason: str = "deleted",
    allow_last_good: bool = False,
    say: Say = say_nothing,
) -> Manifest:
    """Move a backup to the trash of its profile, from where `untrash` brings it back; return its manifest.

    Raises what `refuse` raises, and `BackupNotFoundError`; nothing was changed then. After any other
    failure `recover` finishes it.
    """
    path = sidecar.locate(vault, backup_id)
    manifest = sidecar.read(path)
    if manifest.tombstone is not None:
        raise BackupNotFoundError("the backup is deleted already", subject=backup_id)
    refuse(present(vault, manifest.profile), [backup_id], allow_last_good=allow_last_good)
    return begin_trashing(vault, Found(manifest, path), now=now, reason=reason, say=say)


def begin_trashing(vault: Vault, found: Found, *, now: datetime, reason: str, say: Say = say_nothing) -> Manifest:
    """Do what `to_trash` does, for a backup that was found and may go."""
    vault.make_folder(vault.trash(found.manifest.profile))
    marked = msgspec.structs.replace(found.manifest, tombstone=Tombstone(now, reason, trash=True))
    store.write(vault, marked, found.path, say=say)
    finish_trashing(vault, found.path, say=say)
    return marked


def finish_trashing(vault: Vault, path: Path, *, say: Say = say_nothing) -> Path:
    """Move the files of a backup with a tombstone to the trash, the manifest last; return where it lies now."""
    return _move(vault, path, vault.make_folder(path.parent.with_name(layout.TRASH)), say)


def _move(vault: Vault, path: Path, folder: Path, say: Say) -> Path:
    with durable.translated(path):
        for file in (*layout.data_files(path), path):
            durable.rename(file, folder / file.name)
    catalog.record(vault, folder / path.name, say=say)
    return folder / path.name


def untrash(vault: Vault, backup_id: str, *, say: Say = say_nothing) -> Manifest:
    """Bring a deleted backup back from the trash to its folder; return its manifest.

    Raises `BackupNotFoundError` when it is not in the trash. After a failure `recover` finishes it.
    """
    path = sidecar.locate(vault, backup_id)
    manifest = sidecar.read(path)
    if manifest.tombstone is None and path.parent.name != layout.TRASH:
        raise BackupNotFoundError("the backup is not in the trash", subject=backup_id, hint="it is still there")
    if manifest.tombstone is not None and not manifest.tombstone.trash:
        raise BackupNotFoundError("the backup is being removed for good", subject=backup_id)
    restored = msgspec.structs.replace(manifest, tombstone=None)
    path = finish_trashing(vault, path, say=say) if path.parent.name != layout.TRASH else path
    store.write(vault, restored, path, say=say)
    finish_untrashing(vault, path, say=say)
    return restored


def finish_untrashing(vault: Vault, path: Path, *, say: Say = say_nothing) -> Path:
    """Move the files of a backup in the trash that has no tombstone home, the manifest last."""
    return _move(vault, path, vault.make_folder(vault.home(sidecar.read(path))), say)


def purge(
    vault: Vault,
    backup_id: str,
    *,
    now: datetime,
    reason: str,
    allow_last_good: bool = False,
    say: Say = say_nothing,
) -> Manifest:
    """Remove a backup for good, in the trash or not; return the manifest that it had.

    Raises what `to_trash` raises, but not for what is in the trash: that was decided when it went there. After
    a failure on the way `recover` finishes it.
    """
    path = sidecar.locate(vault, backup_id)
    manifest = sidecar.read(path)
    if manifest.tombstone is None:
        refuse(present(vault, manifest.profile), [backup_id], allow_last_good=allow_last_good)
    begin_purge(vault, Found(manifest, path), now=now, reason=reason, say=say)
    return manifest


def begin_purge(vault: Vault, found: Found, *, now: datetime, reason: str, say: Say = say_nothing) -> None:
    """Do what `purge` does, for a backup that was found and may go."""
    marked = msgspec.structs.replace(found.manifest, tombstone=Tombstone(now, reason))
    store.write(vault, marked, found.path, say=say)
    finish_purge(vault, found.path, say=say)


def finish_purge(vault: Vault, path: Path, *, say: Say = say_nothing) -> None:
    """Remove the files of a backup with a tombstone: volumes, file list, and the manifest last.

    What an interrupted move left in the other folder (home or trash) goes too.
    """
    stem = path.name.removesuffix(layout.MANIFEST)
    named = layout.parse_stem(stem)
    homes = {path.parent}
    if named is not None:
        homes |= {vault.folder(named.profile, named.kind), vault.trash(named.profile)}
    with durable.translated(path):
        for folder in sorted(homes):
            for file in layout.files_of_stem(folder, stem):
                durable.remove(file)
        durable.remove(path)
    catalog.record(vault, path, say=say)


def expired(vault: Vault, *, now: datetime, keep_for: timedelta = TRASH_FOR, profile: str | None = None) -> list[str]:
    """Return the ids of backups that have been in the trash for `keep_for`; none from the future (clock went back)."""
    return sorted(
        one.manifest.id
        for one in sidecar.load_all(vault, profile)
        if one.manifest.tombstone is not None
        and one.manifest.tombstone.trash
        and now - one.manifest.tombstone.when >= keep_for
    )
