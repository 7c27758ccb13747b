"""Retention at destinations: `keep` and the profile's rules over what this host put there, never the last good copy.

Backups are looked at by host and profile, through their manifests: the one in the vault where it is there (it knows
pins and later evidence), else the one at the destination. What no Lifeboat of this host put there is left alone, and so
is what cannot be judged. The ids of the objects that go are written down first, so that a removal which was
stopped is finished by the next run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from toolkit import durable, retention
from toolkit.archive.manifest import Manifest
from toolkit.destinations.base import Destination, Query
from toolkit.errors import DamageError, DestinationError, FormatError, ObjectNotFoundError, TransferDamagedError
from toolkit.retention import Rules, Verdict
from toolkit.vault import offsite, remove
from toolkit.vault.offsite import RemoteBackup

JOURNAL = "removals.json"


class Expired(msgspec.Struct, frozen=True):
    """What retention did at a destination: removed and kept, why; what nobody can judge; all that was there."""

    removed: tuple[Verdict, ...] = ()
    kept: tuple[Verdict, ...] = ()
    unreadable: tuple[str, ...] = ()
    there: frozenset[str] = frozenset()


class _Going(msgspec.Struct, frozen=True):
    """A backup that is being removed: its id, and the objects that are left of it, in the order in which they go."""

    id: str
    objects: tuple[str, ...]


def decide(
    destination: Destination,
    *,
    host: str,
    profile: str,
    rules: Rules,
    keep: int | None,
    known: Callable[[str], Manifest | None],
    now: datetime,
) -> tuple[Expired, tuple[RemoteBackup, ...]]:
    """Return what would be removed of a profile's backups there and why, and those backups; nothing is changed.

    `known` gives the manifest of a backup in the vault. Raises `UsageError` for empty rules and what the
    destination raises.
    """
    there = [
        one
        for one in offsite.backups(destination, Query(host=host, profile=profile))
        if one.manifest is not None and not one.by_hand
    ]
    manifests: dict[str, Manifest] = {}
    unreadable = []
    for one in there:
        try:
            manifests[one.id] = known(one.id) or offsite.read_manifest(destination, one)
        except (DamageError, FormatError, TransferDamagedError, ObjectNotFoundError) as error:
            unreadable.append(f"{one.id}: {error.message}")
    candidates = [
        msgspec.structs.replace(remove.candidate(manifest), status="completed") for manifest in manifests.values()
    ]
    verdicts = retention.decide(candidates, rules, now, at_most=keep)
    going = {verdict.id for verdict in verdicts if not verdict.keep}
    expired = Expired(
        tuple(verdict for verdict in verdicts if verdict.id in going),
        tuple(verdict for verdict in verdicts if verdict.id not in going),
        tuple(unreadable),
        frozenset(one.id for one in there),
    )
    return expired, tuple(one for one in there if one.id in going)


def apply(destination: Destination, going: Sequence[RemoteBackup], folder: Path) -> bool:
    """Remove `going`, the oldest first, each with its manifest first; return whether a bin has them now.

    `folder` is where what was decided is written down. Raises what `Destination.remove` raises; `finish` does the rest.
    """
    if not going:
        return False
    oldest_first = sorted(going, key=lambda one: one.stem.when)
    _write(folder, [_Going(one.id, tuple(found.id for found in one.objects)) for one in oldest_first])
    return finish(destination, folder)


def finish(destination: Destination, folder: Path) -> bool:
    """Finish what `apply` began, in this process or in one that is gone; return whether a bin has it."""
    binned = False
    for one in _read(folder):
        for object_id in one.objects:
            with contextlib.suppress(ObjectNotFoundError):
                binned = destination.remove(object_id).binned or binned
    with durable.translated(folder / JOURNAL):
        if (folder / JOURNAL).exists():
            durable.remove(folder / JOURNAL)
    return binned


def _read(folder: Path) -> list[_Going]:
    try:
        return msgspec.json.decode((folder / JOURNAL).read_bytes(), type=list[_Going])
    except FileNotFoundError:
        return []
    except msgspec.DecodeError as error:
        raise DestinationError(
            "the record of removals that were begun cannot be read",
            subject=folder / JOURNAL,
            hint="remove it; what was to be removed is decided again",
        ) from error


def _write(folder: Path, going: list[_Going]) -> None:
    with durable.translated(folder / JOURNAL):
        durable.make_directory(folder)
        durable.write_file(folder / JOURNAL, msgspec.json.encode(going))
