"""What the next run does, under the profile's lock, after one that did not end: finish it or take it back.

Afterwards the disk holds no half-made file of a dead run, and the catalog says what the manifests say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.archive.manifest import Manifest, Status
from toolkit.errors import LifeboatError
from toolkit.vault import catalog, layout, remove, sidecar, store
from toolkit.vault.catalog import Say, say_nothing
from toolkit.vault.layout import Vault

_STRAY_AGE = timedelta(days=1)


class Recovery(msgspec.Struct, frozen=True):
    """What was done, in words; the ids of backups that turned out interrupted; and what nobody can read."""

    actions: tuple[str, ...] = ()
    interrupted: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Run:
    vault: Vault
    now: datetime
    say: Say
    actions: list[str] = field(default_factory=list)
    interrupted: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def recover(
    vault: Vault,
    *,
    now: datetime,
    alive: Callable[[str], bool],
    profile: str | None = None,
    keep_trash: timedelta = remove.TRASH_FOR,
    say: Say = say_nothing,
) -> Recovery:
    """Bring one profile, or the whole vault, into a state without half-done work; return what was done.

    `alive` says whether the job with this id (never "") still runs; backups of such jobs are left alone.
    A backup whose job is gone becomes a `failed` record ("interrupted") and its archive goes; removals
    and undone deletions are finished; old trash is purged; the catalog follows. Doing it again does
    nothing. Raises a `StorageError` or `ForbiddenError` when the vault cannot be written.
    """
    run = _Run(vault, now, say)
    busy: set[str] = set()
    for path in list(layout.manifests(vault, profile)):
        try:
            manifest = sidecar.read(path)
        except LifeboatError as error:
            run.unreadable.append(str(error))
            continue
        unfinished = manifest.status in (Status.CREATING, Status.UPLOADING)
        if unfinished and manifest.tombstone is None and manifest.job and alive(manifest.job):
            busy.add(manifest.id)
        else:
            _settle(run, manifest, path)
    _sweep(run, profile, busy)
    for backup_id in remove.expired(vault, now=now, keep_for=keep_trash, profile=profile):
        remove.purge(vault, backup_id, now=now, reason="expired in the trash", say=say)
        run.actions.append(f"removed backup {backup_id} from the trash for good: its time was over")
    changed = catalog.resync(vault, say=say)
    if changed:
        run.actions.append(f"brought the catalog in line with the manifests of {', '.join(changed)}")
    return Recovery(tuple(run.actions), tuple(run.interrupted), tuple(run.unreadable))


def _settle(run: _Run, manifest: Manifest, path: Path) -> None:
    """Finish what one manifest says was begun."""
    in_trash = path.parent.name == layout.TRASH
    tombstone = manifest.tombstone
    if tombstone is not None and not tombstone.trash:
        remove.finish_purge(run.vault, path, say=run.say)
        run.actions.append(f"finished the removal of backup {manifest.id}")
    elif tombstone is not None and not in_trash:
        remove.finish_trashing(run.vault, path, say=run.say)
        run.actions.append(f"finished moving backup {manifest.id} to the trash")
    elif tombstone is None and in_trash:
        remove.finish_untrashing(run.vault, path, say=run.say)
        run.actions.append(f"finished bringing backup {manifest.id} back from the trash")
    elif tombstone is None and manifest.status is Status.CREATING:
        _interrupt(run, manifest, path)
    elif tombstone is None and manifest.status is Status.UPLOADING and not manifest.pending:
        store.write(run.vault, msgspec.structs.replace(manifest, status=Status.COMPLETED), path, say=run.say)
        run.actions.append(f"backup {manifest.id} is complete here; nothing waits to be uploaded")


def _interrupt(run: _Run, manifest: Manifest, path: Path) -> None:
    left = layout.data_files(path)
    with durable.translated(path):
        for file in left:
            durable.remove(file)
    failed = msgspec.structs.replace(
        manifest,
        status=Status.FAILED,
        error="interrupted",
        finished=max(run.now, manifest.started),
        archives=(),
    )
    store.write(run.vault, failed, path, say=run.say)
    run.interrupted.append(manifest.id)
    gone = f", {len(left)} of its files removed" if left else ""
    run.actions.append(f"backup {manifest.id} of {manifest.profile} was interrupted: recorded as failed{gone}")


def _sweep(run: _Run, profile: str | None, busy: set[str]) -> None:
    """Remove the unfinished files of dead runs; strays in the vault's own folder only when they are old."""
    with durable.translated(run.vault.path):
        removed = [path for path, backup_id in layout.partials(run.vault, profile) if backup_id not in busy]
        removed += [
            path
            for path in run.vault.path.glob(f".*{layout.PARTIAL}")
            if run.now.timestamp() - path.stat().st_mtime > _STRAY_AGE.total_seconds()
        ]
        for path in removed:
            durable.remove(path)
    if removed:
        run.actions.append(f"removed {len(removed)} unfinished files of runs that are gone")
