"""Manifests on disk: written durably, then the catalog follows (promise 1).

The sidecar is authoritative. When the machine stops between the two, the next run's `recover` brings
the catalog in line. Callers hold the profile's lock.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.archive import manifest as format_
from toolkit.archive.manifest import Manifest, Status
from toolkit.errors import UsageError
from toolkit.vault import catalog, layout
from toolkit.vault.layout import Vault
from toolkit.vault.sidecar import Found, load, load_all, locate, read

__all__ = ["Found", "fail", "load", "load_all", "locate", "read", "save", "update", "write"]


def write(vault: Vault, manifest: Manifest, path: Path, *, say: catalog.Say = catalog.say_nothing) -> None:
    """Make `manifest` durable as `path`, then bring its catalog row in line.

    When writing fails (`StorageError`, `SpaceError`, `ForbiddenError`) the old manifest is untouched. A
    catalog that cannot be written is only said: it is a cache, and the next `recover` brings it in line.
    """
    with durable.translated(path):
        durable.write_file(path, format_.encode(manifest), mode=vault.file_mode)
    catalog.record(vault, path, say=say)


def save(vault: Vault, manifest: Manifest, *, say: catalog.Say = catalog.say_nothing) -> Path:
    """Record a backup: its manifest in its kind's folder, durable, then the catalog; return the manifest's path.

    Call it with status `creating` before the archive is begun, and with `completed` after the archive
    and file list are durable. Raises what `write` raises.
    """
    catalog.prepare(vault, say=say)
    vault.make_folder(vault.home(manifest))
    path = vault.manifest_path(manifest)
    write(vault, manifest, path, say=say)
    return path


def update(
    vault: Vault,
    backup_id: str,
    change: Callable[[Manifest], Manifest],
    *,
    say: catalog.Say = catalog.say_nothing,
) -> Manifest:
    """Replace the manifest of a backup by what `change` makes of it, durably; return the new one.

    For rating, note, tags, pin, evidence and destinations. What decides its name (id, profile, kind,
    start) cannot change: `UsageError`. Nothing is written when nothing changed. Raises
    `BackupNotFoundError` and what `read` and `write` raise.
    """
    path = locate(vault, backup_id)
    old = read(path)
    new = change(old)
    if str(layout.stem_of(new)) != str(layout.stem_of(old)):
        raise UsageError("a backup's id, profile, kind and start never change", subject=backup_id)
    if new != old:
        write(vault, new, path, say=say)
    return new


def fail(
    vault: Vault, backup_id: str, error: str, *, now: datetime, say: catalog.Say = catalog.say_nothing
) -> Manifest:
    """Turn a backup that was begun into a failed record with its message; return it."""

    def change(manifest: Manifest) -> Manifest:
        return msgspec.structs.replace(manifest, status=Status.FAILED, error=error, finished=now)

    return update(vault, backup_id, change, say=say)
