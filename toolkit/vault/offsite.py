"""What backups a destination holds: found by the properties of objects, or by their names where somebody put them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import msgspec

from toolkit.archive import manifest as format_
from toolkit.archive.key import Key
from toolkit.archive.manifest import Manifest
from toolkit.archive.seal import unseal
from toolkit.destinations.base import EVERYTHING, Destination, Query, RemoteObject, Role
from toolkit.errors import (
    ArchiveDamagedError,
    BackupNotFoundError,
    ObjectNotFoundError,
    TransferDamagedError,
    UsageError,
)
from toolkit.retention import Kind
from toolkit.vault import layout
from toolkit.vault.layout import Stem
from toolkit.vault.replicate import volumes

LARGEST_MANIFEST = 256 << 20


class RemoteBackup(msgspec.Struct, frozen=True, kw_only=True):
    """A backup at a destination. `host` is "" for one that was put there by hand and has no manifest to say it.

    `by_hand`: no Lifeboat put it there. Without a `manifest` it is incomplete (an upload that goes on), or, by hand,
    an archive whose own manifest is inside it. `size` is bytes of all its objects.
    """

    stem: Stem
    host: str
    by_hand: bool
    manifest: RemoteObject | None
    file_lists: tuple[RemoteObject, ...]
    volumes: tuple[RemoteObject, ...]

    @property
    def id(self) -> str:
        """The backup's id."""
        return self.stem.id

    @property
    def size(self) -> int:
        """Bytes of the archive there."""
        return sum(volume.size for volume in self.volumes)

    @property
    def objects(self) -> tuple[RemoteObject, ...]:
        """Everything of it in the order of removal: the manifest first, so that no half backup looks whole."""
        return (*((self.manifest,) if self.manifest is not None else ()), *self.file_lists, *self.volumes)


def backups(destination: Destination, query: Query = EVERYTHING) -> list[RemoteBackup]:
    """Return the backups that the destination holds, newest first; what is no part of a backup is passed over."""
    groups: dict[tuple[str, str, bool], list[tuple[RemoteObject, str]]] = defaultdict(list)
    stems: dict[str, Stem] = {}
    for found in destination.objects(query):
        parsed = layout.parse_name(found.name)
        if (
            parsed is None
            or "/" in found.name
            or "\0" in found.name
            or (found.properties is not None and found.properties.role is Role.PROBE)
        ):
            continue
        stem, ending = parsed
        stems[str(stem)] = stem
        host = found.properties.host if found.properties is not None else ""
        groups[str(stem), host, found.properties is None].append((found, ending))
    made = [_backup(stems[name], host, members) for (name, host, _), members in groups.items()]
    return sorted(made, key=_age, reverse=True)


def _age(backup: RemoteBackup) -> tuple[datetime, datetime, str, str]:
    """Return what orders backups: the names know seconds only, so within one it is when the manifest came."""
    came = backup.manifest.modified if backup.manifest is not None else None
    return backup.stem.when, came or backup.stem.when, backup.id, backup.host


def _backup(
    stem: Stem,
    host: str,
    members: Sequence[tuple[RemoteObject, str]],
) -> RemoteBackup:
    newest = sorted(
        members, key=lambda one: (one[0].modified or datetime.min.replace(tzinfo=stem.when.tzinfo), one[0].id)
    )
    manifests = [found for found, ending in newest if ending == layout.MANIFEST]
    return RemoteBackup(
        stem=stem,
        host=host,
        by_hand=members[0][0].properties is None,
        manifest=manifests[-1] if manifests else None,
        file_lists=tuple(found for found, ending in newest if ending == layout.FILE_LIST),
        volumes=tuple(
            sorted((found for found, ending in newest if layout.is_volume(ending)), key=lambda found: found.name)
        ),
    )


def complete(backups_there: Iterable[RemoteBackup]) -> list[RemoteBackup]:
    """Return those that can be fetched: with a manifest, or, put there by hand, with an archive."""
    return [one for one in backups_there if one.manifest is not None or (one.by_hand and one.volumes)]


def choose(there: Sequence[RemoteBackup], word: str, *, host: str) -> RemoteBackup:
    """Return the backup that `word` means: an id or its beginning, `latest`, `latest~2`, or one after `PROFILE@`.

    `latest` counts the finished backups of one profile of one host: of `host` (this machine) where it has any there.
    Raises `BackupNotFoundError`, and `UsageError` with the candidates where several answer.
    """
    profile, _, rest = word.rpartition("@")
    chosen = [one for one in complete(there) if not profile or one.stem.profile == profile]
    head, _, back = rest.partition("~")
    if head == "latest" and (not back or back.isdigit()):
        return _latest(chosen, int(back or 0), word, host)
    found = [one for one in chosen if one.id == rest] or [one for one in chosen if one.id.startswith(rest.lower())]
    if len(found) == 1:
        return found[0]
    named = ", ".join(f"{one.id} ({one.host or 'by hand'}, {one.stem.profile})" for one in (found or chosen)[:5])
    if found:
        raise UsageError("several backups there begin like this", subject=word, hint=named)
    raise BackupNotFoundError(
        "no backup there has this name", subject=word, hint=f"the newest are {named}" if named else "there are none"
    )


def _latest(chosen: Sequence[RemoteBackup], back: int, word: str, host: str) -> RemoteBackup:
    regular = [one for one in chosen if one.stem.kind is not Kind.SAFETY]
    own = [one for one in regular if one.host == host]
    regular = own or regular
    owners = sorted({(one.host, one.stem.profile) for one in regular})
    if len(owners) > 1:
        named = ", ".join(f"{profile} of {owner or 'nobody'}" for owner, profile in owners)
        raise UsageError(
            "there are backups of several hosts or profiles",
            subject=word,
            hint=f"give an id, or PROFILE@latest: {named}",
        )
    if back >= len(regular):
        raise BackupNotFoundError("there is no such backup there", subject=word, hint=f"there are {len(regular)}")
    return regular[back]


Keys = Callable[[str], Key | None]
"""Gives what opens a profile's archives, where anything here does."""


def read_manifest(destination: Destination, backup: RemoteBackup, keys: Keys | None = None) -> Manifest:
    """Return the manifest of a backup, compared with its digest; a sealed one is opened where `keys` are given.

    Raises `PassphraseError` when that fails, `ObjectNotFoundError` when it has none, `TransferDamagedError`,
    `ArchiveDamagedError` when it describes another backup than its name says, `FormatError`, and what
    `Destination.read` raises.
    """
    found = backup.manifest
    if found is None:
        raise ObjectNotFoundError("the backup there has no manifest", subject=str(backup.stem))
    if found.size > LARGEST_MANIFEST:
        raise ArchiveDamagedError("the manifest there is too large to be one", subject=found.name)
    data = b"".join(destination.read(found.id))
    if len(data) != found.size or not format_.is_unchanged(data):
        raise TransferDamagedError("the manifest that came is not the one that was stored", subject=found.name)
    manifest = format_.decode(data)
    if str(layout.stem_of(manifest)) != str(backup.stem):
        raise ArchiveDamagedError("the manifest describes another backup than its name says", subject=found.name)
    if keys is None or not manifest.sealed:
        return manifest
    return unseal(manifest, keys(manifest.profile), stem=str(backup.stem))


def archive_objects(backup: RemoteBackup, manifest: Manifest) -> list[RemoteObject]:
    """Return the objects that hold the archive's volumes, in order; of doubled names the one with the right size.

    Raises `ObjectNotFoundError` when one is missing there.
    """
    chosen = []
    for volume in volumes(manifest):
        named = [one for one in backup.volumes if one.name == volume.file and one.size == volume.size]
        best = [one for one in named if one.digest == volume.sha256] or [one for one in named if not one.digest]
        if not best:
            raise ObjectNotFoundError("the archive, or a volume of it, is missing there", subject=volume.file)
        chosen.append(best[-1])
    return chosen
