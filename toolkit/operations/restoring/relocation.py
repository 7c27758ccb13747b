"""A backup of another machine, seen as if it had been taken here: other folders, other owners.

Only what is said is changed: links that point to an absolute path still point there, and ACLs keep the numbers that
they hold.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable, Iterator, Sequence

import msgspec

from toolkit.archive.manifest import Manifest
from toolkit.errors import UsageError
from toolkit.filelist import FileEntry, Section
from toolkit.operations.archiving import StoredBackup
from toolkit.operations.restoring.request import RestoreRequest

NOBODY = 2**32 - 1
"""The number that no user or group has: chown(2) takes it for "leave it as it is"."""

_MOVED = frozenset({Section.DATABASES, Section.FILES, Section.CONFIG, Section.LOGS})


class Owner(msgspec.Struct, frozen=True):
    """A user or group of this machine; `name` is empty for one that only has a number."""

    name: str
    number: int


class Relocation(msgspec.Struct, frozen=True, kw_only=True):
    """What is where here: folders by the folder that they were, users and groups by their names or numbers there."""

    paths: tuple[tuple[str, str], ...] = ()
    users: dict[str, Owner] = {}
    groups: dict[str, Owner] = {}
    words: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.paths or self.users or self.groups)

    def path(self, path: str) -> str:
        """Return where `path` of the other machine is here; the longest folder that holds it decides."""
        for old, new in self.paths:
            if path == old:
                return new
            if path.startswith(old.rstrip("/") + "/"):
                return new.rstrip("/") + path[len(old.rstrip("/")) :]
        return path

    def entry(self, entry: FileEntry) -> FileEntry:
        """Return `entry` with its place and its owners here."""
        user = self.users.get(entry.user) or self.users.get(str(entry.uid)) if self.users else None
        group = self.groups.get(entry.group) or self.groups.get(str(entry.gid)) if self.groups else None
        moved = entry.section in _MOVED
        return msgspec.structs.replace(
            entry,
            path=self.path(entry.path) if moved else entry.path,
            link_to=self.path(entry.link_to) if moved and entry.link_to else entry.link_to,
            user=entry.user if user is None else user.name,
            uid=entry.uid if user is None else user.number,
            group=entry.group if group is None else group.name,
            gid=entry.gid if group is None else group.number,
        )

    def manifest(self, manifest: Manifest) -> Manifest:
        """Return `manifest` with its databases and sources at their places here."""
        return msgspec.structs.replace(
            manifest,
            databases=tuple(msgspec.structs.replace(one, path=self.path(one.path)) for one in manifest.databases),
            sources=tuple(
                msgspec.structs.replace(one, path=self.path(one.path)) if one.section in _MOVED else one
                for one in manifest.sources
            ),
        )


class RelocatedBackup(StoredBackup):
    """A backup whose databases, files and owners are said to be where `relocation` puts them."""

    def __init__(self, backup: StoredBackup, relocation: Relocation) -> None:
        super().__init__(relocation.manifest(backup.manifest), backup.folder, key=backup.key)
        self.relocation = relocation

    def entries(self, *, checked: bool = False) -> Iterator[FileEntry]:
        """Yield the file list, each entry with its place and owners here."""
        return map(self.relocation.entry, super().entries(checked=checked))


def relocated(request: RestoreRequest, relocation: Relocation) -> RestoreRequest:
    """Return `request` for its backup as if it had been taken here; `only` and `databases` may name the old folders.

    Raises `UsageError` when folders are mapped and the backup goes elsewhere: then it keeps its old folders.
    """
    if not relocation:
        return request
    if relocation.paths and request.to is not None:
        raise UsageError("--map says where things are in place; --to puts all of it elsewhere", hint="give one of them")
    return msgspec.structs.replace(
        request,
        backup=RelocatedBackup(request.backup, relocation),
        only=tuple(relocation.path(glob) for glob in request.only),
        databases=tuple(relocation.path(word) for word in request.databases),
        mapping=relocation.words,
    )


def parse(paths: Sequence[str], users: Sequence[str], groups: Sequence[str]) -> Relocation:
    """Return what the words `OLD=NEW` say of folders, users and groups.

    Raises `UsageError` for a word without `=`, a folder that is not absolute, one that is named twice, and a user or
    group that this machine does not have.
    """
    folders: dict[str, str] = {}
    for word in paths:
        old, new = (os.path.normpath(part) for part in _pair(word, "/srv/old=/srv/new"))
        if not (old.startswith("/") and new.startswith("/")):
            raise UsageError("both folders must be absolute", subject=word, hint="--map /srv/old=/srv/new")
        if old in folders:
            raise UsageError("this folder is mapped twice", subject=old)
        folders[old] = new
    return Relocation(
        paths=tuple(sorted(folders.items(), key=lambda pair: len(pair[0]), reverse=True)),
        users=dict(_owner(word, _user, "user") for word in users),
        groups=dict(_owner(word, _group, "group") for word in groups),
        words=(
            *(part for word in paths for part in ("--map", word)),
            *(part for word in users for part in ("--map-user", word)),
            *(part for word in groups for part in ("--map-group", word)),
        ),
    )


def _pair(word: str, example: str) -> tuple[str, str]:
    old, sign, new = word.partition("=")
    if not (old and sign and new):
        raise UsageError("say what it was and what it is here, with = between", subject=word, hint=f"such as {example}")
    return old, new


def _owner(word: str, look_up: Callable[[str], Owner], kind: str) -> tuple[str, Owner]:
    old, new = _pair(word, "shop=www-data")
    try:
        return old, look_up(new)
    except KeyError as error:
        raise UsageError(
            f"this machine has no such {kind}", subject=new, hint=f"make the {kind} first, or give its number"
        ) from error


def _number(word: str) -> int:
    if int(word) >= NOBODY:
        raise UsageError("no user or group has such a number", subject=word, hint=f"at most {NOBODY - 1}")
    return int(word)


def _user(word: str) -> Owner:
    if word.isdecimal():
        return Owner("", _number(word))
    return Owner(word, pwd.getpwnam(word).pw_uid)


def _group(word: str) -> Owner:
    if word.isdecimal():
        return Owner("", _number(word))
    return Owner(word, grp.getgrnam(word).gr_gid)
