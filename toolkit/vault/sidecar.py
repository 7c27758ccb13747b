"""The manifests on disk, read: the sidecars are the truth about what backups exist."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.archive import manifest as format_
from toolkit.archive.manifest import Manifest
from toolkit.errors import ArchiveDamagedError, BackupNotFoundError, LifeboatError, UsageError
from toolkit.vault import layout
from toolkit.vault.layout import Vault


class Found(msgspec.Struct, frozen=True):
    """A manifest and where it lies."""

    manifest: Manifest
    path: Path

    @property
    def in_trash(self) -> bool:
        """Whether it lies in the trash of its profile."""
        return self.path.parent.name == layout.TRASH


def read(path: Path) -> Manifest:
    """Return the manifest in the file `path`.

    Raises `ArchiveDamagedError` when it is none or describes another backup than its name says,
    `FormatError` when it is of a newer version, `SourceMissingError` when it is gone.
    """
    with durable.translated(path):
        data = path.read_bytes()
    try:
        manifest = format_.decode(data)
        named = layout.parse_name(path.name)
        if named is not None and str(layout.stem_of(manifest)) != str(named[0]):
            raise ArchiveDamagedError("the manifest describes another backup than its name says")
    except UsageError as error:
        raise ArchiveDamagedError("the manifest describes no backup of this vault", subject=path) from error
    except LifeboatError as error:
        error.subject = error.subject or str(path)
        raise
    return manifest


def locate(vault: Vault, backup_id: str) -> Path:
    """Return the path of the manifest of the backup with this whole id, in its folder or in the trash.

    Looks on disk, not in the catalog. Raises `BackupNotFoundError` when there is none.
    """
    for path in layout.manifests(vault, backup_id=backup_id):
        if layout.id_of(path) == backup_id:
            return path
    raise BackupNotFoundError("no backup has this id", subject=backup_id, hint="`lifeboat list` shows what there is")


def load(vault: Vault, backup_id: str) -> Manifest:
    """Return the manifest of the backup with this whole id, from its sidecar.

    Raises `BackupNotFoundError`, and what `read` raises.
    """
    return read(locate(vault, backup_id))


def load_all(vault: Vault, profile: str | None = None) -> Iterator[Found]:
    """Yield every manifest that can be read, of one profile or of all, the trash included, in no order.

    Unreadable ones are passed over; `rebuild` and `recover` name them.
    """
    for path in layout.manifests(vault, profile):
        try:
            yield Found(read(path), path)
        except LifeboatError:
            continue
