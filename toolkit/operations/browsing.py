"""What screens scroll through: all backups of the vault, and the files of one, without reading more than is seen."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import msgspec

from toolkit.archive import manifest as manifests
from toolkit.errors import LifeboatError
from toolkit.operations import listing, prune, targets
from toolkit.operations.archiving import StoredBackup
from toolkit.operations.listing import ListedBackup
from toolkit.operations.session import Session
from toolkit.vault import browse, catalog, conditions, filetree, layout, sidecar
from toolkit.vault import prune as pruning
from toolkit.vault.layout import Vault
from toolkit.vault.rows import Row

Manifest = manifests.Manifest
DatabaseRecord = manifests.DatabaseRecord
visible_tables = manifests.visible_tables
Condition = conditions.Condition
FileTree = filetree.FileTree
Node = filetree.Node
ROOT = filetree.ROOT
COLUMNS = frozenset(browse.FIELDS)
FILE_COLUMNS = frozenset(filetree.FIELDS)

MOST_REASONED = 2000
"""Backups of a profile up to which it is told why each is kept: all of their manifests must be read for that."""


class Browsed(msgspec.Struct, frozen=True, kw_only=True):
    """A backup in the list, and what its archive file is now: empty (as it should be), `lost` or `changed`."""

    backup: ListedBackup
    archive: str = ""


class BackupList:
    """The backups of the vault in one order, narrowed; `rows` reads only what is asked for.

    `stamp` changes when the catalog did: then arrange again.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._arranged: browse.Arranged | None = None

    @property
    def stamp(self) -> tuple[int, int]:
        """What tells one state of the catalog from another."""
        try:
            found = os.stat(self._session.existing_vault.catalog)
        except (OSError, LifeboatError):
            return 0, 0
        return found.st_mtime_ns, found.st_size

    def arrange(self, wanted: Sequence[Condition], sort: str, *, reverse: bool) -> tuple[int, int]:
        """Take a filter and an order; return how many pass, of how many.

        Raises `NotFoundError` when there is no vault, `LockedError` when others keep the catalog busy.
        """
        session = self._session
        arranged = browse.arrange(session.existing_vault, wanted, sort=sort, reverse=reverse, now=session.now())
        self._arranged = arranged
        return len(arranged.rows), arranged.total

    def rows(self, offset: int, limit: int) -> list[Browsed]:
        """Return the backups from `offset` on, as arranged, each archive file looked at (one `stat`)."""
        if self._arranged is None:
            return []
        vault = self._session.existing_vault
        found = browse.page(vault, self._arranged.rows[offset : offset + limit])
        return [
            Browsed(backup=listing.listed(self._session, vault, row), archive=_archive_state(vault, row))
            for row in found
        ]

    def place_of(self, backup: str) -> int | None:
        """Return the place of the backup with this id, or None."""
        if self._arranged is None:
            return None
        return browse.place_of(self._session.existing_vault, self._arranged, backup)


def _archive_state(vault: Vault, row: Row) -> str:
    """Return `lost` or `changed` for an archive whose file is not there, or has not the size that was written."""
    if not row.size:
        return ""
    path = f"{str(vault.path / row.path).removesuffix(layout.MANIFEST)}.{row.format}"
    try:
        return "" if os.lstat(path).st_size == row.size else "changed"
    except OSError:
        return "" if os.path.lexists(f"{path}.001") else "lost"  # volumes are not added up here


class BackupFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one backup besides its row: the manifest, where it lies, why retention keeps it (or not)."""

    manifest: Manifest
    folder: str
    kept: str = ""


def facts_of(session: Session, backup: str, *, reasons: bool = True) -> BackupFacts:
    """Return what is known of the backup with this id; reads its manifest, with `reasons` those of its profile too.

    Raises `BackupNotFoundError` when it is gone, and what reading a manifest raises.
    """
    vault = session.existing_vault
    path = sidecar.locate(vault, backup)
    manifest = sidecar.read(path)
    kept = _reason(session, manifest) if reasons else ""
    return BackupFacts(manifest=manifest, folder=str(path.parent), kept=kept)


def _reason(session: Session, manifest: Manifest) -> str:
    if manifest.pin:
        return "pinned: nothing takes it"
    vault = session.existing_vault
    if catalog.count(vault, catalog.Filter(profile=manifest.profile)) > MOST_REASONED:
        return ""
    rules = prune.rules_for(session.known_profile(manifest.profile), {})
    try:
        plan = pruning.plan_prune(vault, manifest.profile, rules, now=session.now())
    except LifeboatError:
        return ""
    told = {one.id: f"kept: {one.reason}" for one in plan.kept}
    told |= {one.id: f"goes with the next retention: {one.reason}" for one in plan.removed}
    return told.get(manifest.id, "")


def tree_of(session: Session, word: str) -> tuple[StoredBackup, FileTree]:
    """Return the backup and the tree of its files, still empty: `fill` it with `backup.entries()` in a thread.

    Raises `BackupNotFoundError`, `PassphraseError`.
    """
    backup = targets.backup(session, word)
    return backup, FileTree(secret=backup.manifest.encrypted)


def fill(
    backup: StoredBackup, tree: FileTree, *, should_stop: Callable[[], bool], told: Callable[[int], object]
) -> None:
    """Read the file list of `backup` into `tree`; raises what reading it raises, and the tree then has the rest."""
    tree.fill(backup.entries(), should_stop=should_stop, told=told)
