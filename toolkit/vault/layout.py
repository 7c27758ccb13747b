"""The only place where the vault's names are made or parsed (docs/format/vault-v1.md, section 3).

Everything that a name is made of is checked here, so no hostile profile name, id or link can lead
outside the vault.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.archive.manifest import Manifest
from toolkit.errors import FormatError, NotFoundError, RefusedError, UsageError
from toolkit.retention import Kind

VERSION = 1
GROUP = "lifeboat"
MANIFEST = ".manifest.json"
FILE_LIST = ".files.jsonl.zst"
PARTIAL = ".partial"
TRASH = "trash"
RECOVERY = "recovery"
CATALOG = "catalog.db"
MARKER = "vault.json"
NOTE = "README.txt"
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
ID_LENGTH = 8
PROFILE_LENGTH = 64

_PROFILE = re.compile(r"[a-z0-9][a-z0-9-]*")
_STEM = re.compile(r"(?P<profile>[a-z0-9][a-z0-9-]*)_(?P<kind>[a-z]+)_(?P<when>[0-9]{8}T[0-9]{6}Z)_(?P<id>[a-z2-7]{8})")
_MOMENT = "%Y%m%dT%H%M%SZ"
_RESERVED = (RECOVERY,)
_KINDS = frozenset(kind.value for kind in Kind)
_README = """This folder is a Lifeboat vault: the backups of one server.

PROFILE/KIND/ holds for each backup its archive (.tar.zst, .zip, .7z, ... or pieces .001, .002, ... that
`cat` joins), the description of it (.manifest.json) and the list of its files (.files.jsonl.zst).
PROFILE/safety/ holds what a restore or repair replaced, PROFILE/trash/ what was deleted in the last hours,
recovery/ what was salvaged from damaged databases. catalog.db is only an index and can be rebuilt.

The archives open with tar, unzip or 7z; RESTORE.txt inside each says how to put it back by hand.
Don't rename or move single files here: `lifeboat list` shows them, `lifeboat copy` takes one elsewhere.
"""


class _Marker(msgspec.Struct, frozen=True):
    vault: int


class Stem(msgspec.Struct, frozen=True):
    """What the names of a backup's files begin with; `when` is its start, to the second, in UTC."""

    profile: str
    kind: Kind
    when: datetime
    id: str

    def __str__(self) -> str:
        """`PROFILE_KIND_YYYYMMDDTHHMMSSZ_ID`."""
        return f"{self.profile}_{self.kind}_{self.when.astimezone(UTC).strftime(_MOMENT)}_{self.id}"


def new_id() -> str:
    """Return a new id: 8 random base-32 characters, lower case."""
    return "".join(secrets.choice(ALPHABET) for _ in range(ID_LENGTH))


def check_profile(name: str) -> str:
    """Return `name` when it can be a profile's name: `[a-z0-9][a-z0-9-]*`, at most 64 characters.

    Raises `UsageError` for any other, and for names that the vault uses itself.
    """
    if not _PROFILE.fullmatch(name) or len(name) > PROFILE_LENGTH:
        raise UsageError(
            "this is no name for a profile",
            subject=name,
            hint=f"use lower-case letters, digits and dashes, at most {PROFILE_LENGTH}",
        )
    if name in _RESERVED:
        raise UsageError("the vault uses this name itself", subject=name, hint="give the profile another name")
    return name


def check_id(text: str) -> str:
    """Return `text` when it is a whole backup id; raises `UsageError` when it is not."""
    if len(text) != ID_LENGTH or not set(text) <= set(ALPHABET):
        raise UsageError("this is no backup id", subject=text, hint="`lifeboat list` shows the ids")
    return text


def stem_of(manifest: Manifest) -> Stem:
    """Return the stem of the files of the backup that `manifest` describes.

    Raises `UsageError` when its profile or id is none, as in a hostile manifest.
    """
    return Stem(check_profile(manifest.profile), manifest.kind, manifest.started, check_id(manifest.id))


def parse_stem(text: str) -> Stem | None:
    """Return the stem that `text` is, or None."""
    match = _STEM.fullmatch(text)
    if match is None or match["kind"] not in _KINDS:
        return None
    try:
        when = datetime.fromisoformat(match["when"])
        return Stem(check_profile(match["profile"]), Kind(match["kind"]), when, match["id"])
    except (ValueError, UsageError):
        return None


def parse_name(name: str) -> tuple[Stem, str] | None:
    """Return the stem and the ending (with its dot) of a file of a backup, or None for any other name."""
    head, dot, ending = name.partition(".")
    stem = parse_stem(head)
    return (stem, dot + ending) if stem is not None and dot else None


def id_of(path: Path) -> str:
    """Return the backup id in the name of a backup's file; "" for any other file."""
    parsed = parse_name(path.name)
    return parsed[0].id if parsed else ""


def is_volume(ending: str) -> bool:
    """Say whether a file with this ending is (a piece of) an archive, and no sidecar."""
    return ending not in (MANIFEST, FILE_LIST) and not ending.startswith((MANIFEST, FILE_LIST))


@dataclass(frozen=True, slots=True)
class Vault:
    """A vault that is there; made by `open_vault` or `create_vault`.

    `directory_mode` and `file_mode` are 0700 and 0600, or 2770 and 0660 in a vault of the group `lifeboat`.
    """

    path: Path
    directory_mode: int = 0o700
    file_mode: int = 0o600

    @property
    def catalog(self) -> Path:
        """The catalog's file."""
        return self.path / CATALOG

    @property
    def recovery(self) -> Path:
        """Where exports and reports of damaged databases go."""
        return self.path / RECOVERY

    def folder(self, profile: str, kind: Kind) -> Path:
        """Return the folder of a kind's backups, which may not exist yet."""
        return self.path / check_profile(profile) / kind

    def home(self, manifest: Manifest) -> Path:
        """Return the folder where a backup belongs that is not in the trash."""
        return self.folder(manifest.profile, manifest.kind)

    def trash(self, profile: str) -> Path:
        """Return the folder of a profile's deleted backups, which may not exist yet."""
        return self.path / check_profile(profile) / TRASH

    def manifest_path(self, manifest: Manifest) -> Path:
        """Return where the manifest of a backup lies that is not in the trash."""
        return self.home(manifest) / f"{stem_of(manifest)}{MANIFEST}"

    def make_folder(self, folder: Path) -> Path:
        """Create `folder` of this vault, durably and with the vault's mode; return it.

        Raises a `StorageError` (or `ForbiddenError`) when that fails.
        """
        with durable.translated(folder):
            for step in (*reversed(folder.relative_to(self.path).parents[:-1]), folder.relative_to(self.path)):
                _make(self.path / step, self.directory_mode)
        return folder


def _make(path: Path, mode: int) -> None:
    if not path.is_dir():
        durable.make_directory(path, mode=mode)
        path.chmod(mode)


def _read_marker(path: Path) -> None:
    with durable.translated(path / MARKER):
        data = (path / MARKER).read_bytes()
    try:
        marker = msgspec.json.decode(data, type=_Marker)
    except msgspec.DecodeError as error:
        raise FormatError(
            "the vault's version cannot be read",
            subject=path / MARKER,
            hint=f'write {{"vault": {VERSION}}} into it when this is a vault of this Lifeboat',
        ) from error
    if marker.vault > VERSION:
        raise FormatError(
            f"the vault has format version {marker.vault}, this Lifeboat reads up to {VERSION}",
            subject=path,
            hint="upgrade Lifeboat on this machine",
        )


def _holds_backups(path: Path) -> bool:
    return any(parse_name(found.name.removesuffix(MANIFEST) + ".") for found in path.glob(f"*/*/*{MANIFEST}"))


def open_vault(path: Path) -> Vault:
    """Return the vault at `path`; nothing is written. One that lost only its marker is recognised by its backups.

    Raises `NotFoundError` when there is none, `FormatError` when a newer Lifeboat made it, and
    `ForbiddenError` when this user may not look into it.
    """
    with durable.translated(path):
        try:
            mode = path.stat().st_mode
            marked = (path / MARKER).exists()
        except FileNotFoundError:
            mode, marked = 0, False
        if not marked and not (stat.S_ISDIR(mode) and _holds_backups(path)):
            raise NotFoundError("there is no vault", subject=path, hint="the first backup makes it")
    if marked:
        _read_marker(path)
    shared = mode & 0o2070 == 0o2070
    return Vault(path, 0o2770, 0o660) if shared else Vault(path)


def create_vault(path: Path, *, group: str | None = None) -> Vault:
    """Return the vault at `path`, made when it is not there: 0700, or 2770 for the members of `group`.

    An existing vault stays as it is. Raises `RefusedError` for a folder that holds other things,
    `UsageError` for an unknown group. What was begun is finished by the next call.
    """
    path = Path(os.path.abspath(path))
    with contextlib.suppress(NotFoundError):
        vault = open_vault(path)
        _write_notes(vault)
        return vault
    with durable.translated(path):
        if path.is_dir() and not {entry.name for entry in path.iterdir() if not _own_partial(entry.name)} <= {NOTE}:
            raise RefusedError(
                "this folder is no vault and holds other things",
                subject=path,
                hint="give an empty folder, or a new one",
            )
        vault = Vault(path, 0o2770, 0o660) if group else Vault(path)
        durable.make_directory(path, mode=0o700)
        if group:
            os.chown(path, -1, _group_id(group))
        path.chmod(vault.directory_mode)
    _write_notes(vault)
    return vault


def _own_partial(name: str) -> bool:
    return name.startswith(".") and name.endswith(PARTIAL)


def _write_notes(vault: Vault) -> None:
    """Write the note and the marker where they are absent; the marker last, since it makes it a vault."""
    for name, data in ((NOTE, _README.encode()), (MARKER, msgspec.json.encode(_Marker(VERSION)) + b"\n")):
        with durable.translated(vault.path / name):
            if not (vault.path / name).exists() and os.access(vault.path, os.W_OK):
                durable.write_file(vault.path / name, data, mode=vault.file_mode)


def _group_id(group: str) -> int:
    import grp

    try:
        return grp.getgrnam(group).gr_gid
    except KeyError as error:
        raise UsageError("there is no such group", subject=group, hint=f"make it with `groupadd {group}`") from error


def _folders(vault: Vault, profiles: Iterable[str] | None) -> Iterator[Path]:
    with durable.translated(vault.path):
        names = sorted(os.listdir(vault.path)) if profiles is None else sorted(profiles)
    for name in names:
        if not _PROFILE.fullmatch(name) or name in _RESERVED:
            continue
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(vault.path / name) as kinds:
            for kind in sorted(kinds, key=lambda entry: entry.name):
                if (kind.name in _KINDS or kind.name == TRASH) and kind.is_dir(follow_symlinks=False):
                    yield Path(kind.path)


def files(vault: Vault, profile: str | None = None) -> Iterator[tuple[Path, Stem, str]]:
    """Yield (path, stem, ending) of every finished file of every backup, of one profile or of all.

    A backup's files are in its kind's folder or in its profile's trash; links and foreign files are
    passed over. Raises a `StorageError` or `ForbiddenError` for folders that cannot be read.
    """
    for folder in _folders(vault, None if profile is None else (check_profile(profile),)):
        with durable.translated(folder), os.scandir(folder) as entries:
            for entry in entries:
                parsed = parse_name(entry.name)
                if parsed is not None and entry.is_file(follow_symlinks=False):
                    yield Path(entry.path), *parsed


def manifests(vault: Vault, profile: str | None = None, *, backup_id: str = "") -> Iterator[Path]:
    """Yield the path of every manifest on disk, the trash included, of one profile or of all.

    With `backup_id` only those whose name ends with it.
    """
    ending = f"{backup_id}{MANIFEST}"
    for folder in _folders(vault, None if profile is None else (check_profile(profile),)):
        with durable.translated(folder), os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if name.endswith(ending) and parse_name(name) and entry.is_file(follow_symlinks=False):
                    yield folder / name


def partials(vault: Vault, profile: str | None = None) -> Iterator[tuple[Path, str]]:
    """Yield (path, backup id or "") of every unfinished file, of one profile or of all."""
    for folder in _folders(vault, None if profile is None else (check_profile(profile),)):
        with durable.translated(folder), os.scandir(folder) as entries:
            for entry in entries:
                if _own_partial(entry.name) and entry.is_file(follow_symlinks=False):
                    found = _STEM.search(entry.name)
                    yield Path(entry.path), found["id"] if found else ""


def data_files(manifest_path: Path) -> list[Path]:
    """Return the other files of the backup whose manifest lies at `manifest_path`, in the same folder, sorted.

    Archive volumes come first, sidecars after them: the order in which they are removed.
    """
    return files_of_stem(manifest_path.parent, manifest_path.name.removesuffix(MANIFEST))


def files_of_stem(folder: Path, stem: str) -> list[Path]:
    """Return the files of the backup `stem` in `folder` but its manifest: volumes first, sidecars after them."""
    found: list[tuple[bool, str]] = []
    with durable.translated(folder), contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        found = [
            (not is_volume(entry.name.removeprefix(stem)), entry.name)
            for entry in entries
            if entry.name.startswith(f"{stem}.") and entry.name != f"{stem}{MANIFEST}"
        ]
    return [folder / name for _, name in sorted(found)]
