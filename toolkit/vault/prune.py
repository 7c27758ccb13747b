"""Removal as a plan: what `delete` and `prune` would take, with a digest, then the same plan applied (promise 2)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import msgspec

from toolkit import retention
from toolkit.archive import manifest as format_
from toolkit.archive.manifest import Manifest
from toolkit.errors import BackupNotFoundError, OutdatedPlanError
from toolkit.retention import Kind, Rules, Verdict
from toolkit.vault import remove, sidecar
from toolkit.vault.catalog import Say, say_nothing
from toolkit.vault.layout import Vault


class Removal(msgspec.Struct, frozen=True):
    """One backup that would go: `size` in bytes, why, and what would be lost with it (last good copies)."""

    id: str
    profile: str
    kind: Kind
    started: datetime
    size: int
    reason: str
    lost: tuple[str, ...] = ()


class RemovalPlan(msgspec.Struct, frozen=True):
    """What a removal would do. `operation` is `delete` (to the trash) or `prune` (for good).

    `digest` covers the manifests that were looked at; `apply` refuses when one of them changed since.
    `profiles` are the profiles whose backups were all looked at.
    """

    operation: str
    removed: tuple[Removal, ...]
    kept: tuple[Verdict, ...]
    freed: int
    digest: str
    profiles: tuple[str, ...]

    @property
    def last_good(self) -> tuple[Removal, ...]:
        """The removals that would take a last good copy, or the only copy of a damaged original."""
        return tuple(removal for removal in self.removed if removal.lost)


def _digest(words: Iterable[str], manifests: Iterable[Manifest]) -> str:
    state = hashlib.sha256()
    for word in words:
        state.update(f"{word}\n".encode())
    for manifest in sorted(manifests, key=lambda manifest: manifest.id):
        state.update(hashlib.sha256(format_.encode(manifest)).digest())
    return state.hexdigest()


def _plan(
    operation: str,
    manifests: Sequence[Manifest],
    reasons: dict[str, str],
    kept: tuple[Verdict, ...],
    profiles: tuple[str, ...],
) -> RemovalPlan:
    going = [manifest for manifest in manifests if manifest.id in reasons]
    lost: dict[str, tuple[str, ...]] = {}
    for profile in profiles:
        lost |= remove.lost_with([one for one in manifests if one.profile == profile], reasons)
    removed = tuple(
        Removal(one.id, one.profile, one.kind, one.started, one.size, reasons[one.id], lost.get(one.id, ()))
        for one in going
    )
    freed = sum(removal.size for removal in removed)
    digest = _digest([operation, *sorted(reasons)], manifests)
    return RemovalPlan(operation, removed, kept, freed, digest, profiles)


def plan_prune(vault: Vault, profile: str, rules: Rules, *, now: datetime) -> RemovalPlan:
    """Return what the retention rules would remove of a profile's backups, and why each other one stays.

    Reads the sidecars, not the catalog; nothing is changed. Raises `UsageError` for empty rules.
    """
    manifests = remove.present(vault, profile)
    verdicts = retention.decide([remove.candidate(manifest) for manifest in manifests], rules, now)
    reasons = {verdict.id: verdict.reason for verdict in verdicts if not verdict.keep}
    return _plan("prune", manifests, reasons, tuple(one for one in verdicts if one.keep), (profile,))


def plan_delete(vault: Vault, ids: Iterable[str]) -> RemovalPlan:
    """Return what deleting these backups (whole ids) would take, with what would be lost for good copies.

    Raises `BackupNotFoundError` for an id that is not there, or is deleted already. Nothing is changed.
    """
    wanted = dict.fromkeys(ids)
    chosen = [sidecar.load(vault, backup_id) for backup_id in wanted]
    for manifest in chosen:
        if manifest.tombstone is not None:
            raise BackupNotFoundError("the backup is deleted already", subject=manifest.id)
    profiles = tuple(sorted({manifest.profile for manifest in chosen}))
    manifests = [manifest for profile in profiles for manifest in remove.present(vault, profile)]
    return _plan("delete", manifests, dict.fromkeys(wanted, "deleted by hand"), (), profiles)


def apply(
    vault: Vault,
    plan: RemovalPlan,
    *,
    now: datetime,
    allow_last_good: bool = False,
    on_removed: Callable[[Removal], None] = lambda _removal: None,
    say: Say = say_nothing,
) -> tuple[str, ...]:
    """Do what `plan` says, oldest first; return the ids that went, `on_removed` is told each at once.

    `delete` moves to the trash, `prune` removes for good and never takes a last good copy, whatever
    `allow_last_good` says. Before anything is changed it raises `OutdatedPlanError` when a backup of these
    profiles came, went or changed since the plan was made, and what `remove.refuse` raises. After any
    other failure some went (`on_removed` knows which), and `recover` finishes the one that was begun.
    """
    manifests = [manifest for profile in plan.profiles for manifest in remove.present(vault, profile)]
    if _digest([plan.operation, *sorted(one.id for one in plan.removed)], manifests) != plan.digest:
        raise OutdatedPlanError("the backups changed since the plan was made", hint="look at the new plan")
    for profile in plan.profiles:
        remove.refuse(
            [manifest for manifest in manifests if manifest.profile == profile],
            [removal.id for removal in plan.removed],
            allow_last_good=allow_last_good and plan.operation == "delete",
        )
    found = {one.manifest.id: one for profile in plan.profiles for one in sidecar.load_all(vault, profile)}
    gone: list[str] = []
    for removal in sorted(plan.removed, key=lambda removal: (removal.started, removal.id)):
        if plan.operation == "delete":
            remove.begin_trashing(vault, found[removal.id], now=now, reason=removal.reason, say=say)
        else:
            remove.begin_purge(vault, found[removal.id], now=now, reason=removal.reason, say=say)
        gone.append(removal.id)
        on_removed(removal)
    return tuple(gone)
