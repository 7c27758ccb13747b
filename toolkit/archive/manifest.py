"""The manifest: the description of one backup, format version 1 (docs/format/vault-v1.md).

The copy beside the archive is authoritative: rating, note, tags, pin, evidence and destinations live in
it. The copy inside is the last member and leaves `archives` out. Readers refuse newer versions and keep
keys that they do not know (`extra`), so that an older Lifeboat never loses what a newer one wrote.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from toolkit.errors import ArchiveDamagedError, FormatError
from toolkit.filelist import Layer, Section, decode_name, encode_name
from toolkit.retention import Kind, Scope

VERSION = 1
CHECKSUM = "checksum"
"""The key of the SHA-256 of all other values, as compact JSON in the order of the file."""


class Status(enum.StrEnum):
    """How far a backup got. `CREATING` whose job is gone means interrupted."""

    CREATING = "creating"
    UPLOADING = "uploading"
    COMPLETED = "completed"
    FAILED = "failed"


class EvidenceLevel(enum.IntEnum):
    """How well a backup is proven; higher includes lower."""

    WRITTEN = 0
    VERIFIED = 1
    OPENED = 2
    REHEARSED = 3

    @property
    def word(self) -> str:
        """The level as the manifest and the user say it."""
        return self.name.lower()


class Tool(msgspec.Struct, frozen=True):
    """The program that wrote the backup."""

    name: str
    version: str


class Volume(msgspec.Struct, frozen=True):
    """One piece of an archive: its file name in the folder of the manifest, size in bytes, SHA-256."""

    file: str
    size: int
    sha256: str


class ArchiveFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """An archive: its id (the backup's), name, size and SHA-256 of all its bytes in order.

    `volumes` is empty for an archive in one piece; else the pieces in order, which `cat` joins.
    """

    id: str
    file: str
    size: int
    sha256: str
    volumes: tuple[Volume, ...] = ()


class Source(msgspec.Struct, frozen=True):
    """What was asked to be in the backup: a section and the absolute path (or URL) of its source."""

    section: Section
    path: str


class Check(msgspec.Struct, frozen=True, omit_defaults=True):
    """A check that was made of a database copy and what it said (at most the first 100 lines)."""

    name: str
    ok: bool
    messages: tuple[str, ...] = ()


class DatabaseRecord(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A database in the backup.

    `form` is `copy` for a consistent copy made through SQLite, `raw` for the file and its sidecars taken
    bit for bit (damaged databases and safety sets; the sidecars are entries of the file list beside
    it). `digest` is the SHA-256 of the main file in the archive; `tables` counts the rows of each table
    (None where it could not be read), those of a damaged database too when its schema can be read. `free_pages` counts
    the pages on the freelist (None in manifests of versions that did not note it).
    """

    name: str
    path: str
    engine: str = "sqlite"
    form: str = "copy"
    damaged: bool = False
    size: int = 0
    page_size: int = 0
    page_count: int = 0
    free_pages: int | None = None
    user_version: int = 0
    application_id: int = 0
    encoding: str = ""
    journal_mode: str = ""
    sqlite_version: str = ""
    schema_digest: str = ""
    tables: dict[str, int | None] = {}
    foreign_key_violations: int | None = None
    checks: tuple[Check, ...] = ()
    digest: str = ""
    layers: tuple[Layer, ...] = ()


INNER = (
    "_data",
    "_idx",
    "_docsize",
    "_config",
    "_content",
    "_segments",
    "_segdir",
    "_stat",
    "_node",
    "_parent",
    "_rowid",
)
"""Endings of the inner tables of full-text and R-tree indexes, whose rows come and go as the index is tidied up."""


def visible_tables(tables: Mapping[str, int | None]) -> dict[str, int | None]:
    """Return the counts of `DatabaseRecord.tables` without the inner tables of virtual ones: what a user knows of."""
    return {
        name: rows
        for name, rows in tables.items()
        if not any(name.endswith(word) and name.removesuffix(word) in tables for word in INNER)
    }


class FileCounts(msgspec.Struct, frozen=True, omit_defaults=True):
    """How many entries the file list has, how many of them are regular files, and their logical bytes."""

    entries: int = 0
    files: int = 0
    bytes: int = 0
    digest: str = ""


class LeftOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that is not in the backup, and why; `expected` where nothing is missed by it, as with a socket."""

    path: str
    reason: str
    expected: bool = False


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True):
    """The best proof so far, when it was made, and by which job or command; `damage` when a later check failed.

    `seconds` is how long making it took, a rehearsal with its restore and smoke tests: what a real one takes too.
    """

    level: str = "written"
    when: datetime | None = None
    by: str = ""
    damage: tuple[str, ...] = ()
    seconds: float = 0.0


class Copy(msgspec.Struct, frozen=True, omit_defaults=True):
    """A copy at a destination: its name in the configuration, id (of the manifest) and link there, when it arrived.

    `digest` is the archive's SHA-256, compared there. Without `when` it has not arrived yet: it is queued, and `error`
    says why the last try failed.
    """

    destination: str
    id: str = ""
    link: str = ""
    digest: str = ""
    when: datetime | None = None
    error: str = ""


class Tombstone(msgspec.Struct, frozen=True):
    """A removal that was begun: written before anything is removed."""

    when: datetime
    reason: str
    trash: bool = False


class UndoRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """For safety backups: the operation it was made before, its job, the backup that was put in place, and where.

    `finished` is when the operation was done, `undone` when it was taken back.
    """

    operation: str
    job: str = ""
    backup: str = ""
    target: str = ""
    finished: datetime | None = None
    undone: datetime | None = None


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One backup: one archive (perhaps in volumes) of one profile at one moment.

    `sealed` is the whole manifest, encrypted, where only part of it may be read (`toolkit.archive.seal`).
    """

    manifest: int = VERSION
    id: str
    profile: str
    kind: Kind
    scope: Scope
    format: str
    host: str
    user: str = ""
    tool: Tool
    application_version: str = ""
    started: datetime
    finished: datetime | None = None
    status: Status = Status.CREATING
    error: str = ""
    job: str = ""
    note: str = ""
    tags: tuple[str, ...] = ()
    rating: int | None = None
    pin: bool = False
    encrypted: bool = False
    damaged: bool = False
    archives: tuple[ArchiveFile, ...] = ()
    sources: tuple[Source, ...] = ()
    databases: tuple[DatabaseRecord, ...] = ()
    files: FileCounts = FileCounts()
    left_out: tuple[LeftOut, ...] = ()
    changed: tuple[str, ...] = ()
    evidence: Evidence = Evidence()
    destinations: tuple[Copy, ...] = ()
    tombstone: Tombstone | None = None
    undo: UndoRecord | None = None
    sealed: str = ""
    extra: dict[str, Any] = {}

    @property
    def level(self) -> EvidenceLevel:
        """The evidence as a number that can be compared."""
        return EvidenceLevel[self.evidence.level.upper()]

    @property
    def good(self) -> bool:
        """Completed, undamaged, and verified at least (DESIGN.md section 1)."""
        return (
            self.status in (Status.COMPLETED, Status.UPLOADING)
            and not self.damaged
            and not self.evidence.damage
            and self.tombstone is None
            and self.level >= EvidenceLevel.VERIFIED
        )

    @property
    def copies(self) -> tuple[Copy, ...]:
        """The copies that arrived at destinations."""
        return tuple(copy for copy in self.destinations if copy.when is not None)

    @property
    def pending(self) -> tuple[Copy, ...]:
        """The copies that are still to be made; any makes the status `uploading`."""
        return tuple(copy for copy in self.destinations if copy.when is None)

    @property
    def size(self) -> int:
        """Bytes of the archive on disk."""
        return sum(archive.size for archive in self.archives)


def _walk_names(value: Any, change: Any) -> Any:
    if isinstance(value, dict):
        return {
            key.encode(errors="backslashreplace").decode(): _walk_names(item, change) for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_walk_names(item, change) for item in value]
    return change(value)


def encode(manifest: Manifest, *, inside: bool = False) -> bytes:
    """Return the JSON of `manifest`, indented; `inside` leaves out what only the sidecar may say."""
    if inside:
        manifest = msgspec.structs.replace(manifest, archives=())
    fields = msgspec.to_builtins(manifest)
    extra = fields.pop("extra", {})
    fields = {"manifest": VERSION, **fields, **extra}

    def clean(value: object) -> object:
        return encode_name(value) if isinstance(value, str) else value

    plain = _walk_names(fields, clean)
    plain[CHECKSUM] = _checksum(plain)
    return msgspec.json.format(msgspec.json.encode(plain), indent=1) + b"\n"


def _checksum(fields: dict[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(fields)).hexdigest()


def is_unchanged(data: bytes) -> bool:
    """Say whether a manifest still says what Lifeboat wrote: its checksum, which each has, covers every value."""
    try:
        fields = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(fields, dict) and fields.pop(CHECKSUM, None) == _checksum(fields)


def decode(data: bytes) -> Manifest:
    """Return the manifest that `data` holds.

    Raises `FormatError` for a newer version, `ArchiveDamagedError` for what is no manifest.
    """
    try:
        fields = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ArchiveDamagedError("the manifest is not JSON") from error
    if not isinstance(fields, dict) or not isinstance(fields.get("manifest"), int):
        raise ArchiveDamagedError("this is no manifest of a Lifeboat backup")
    if fields["manifest"] > VERSION:
        raise FormatError(
            f"the manifest has format version {fields['manifest']}, this Lifeboat reads up to {VERSION}",
            hint="upgrade Lifeboat on this machine",
        )

    def plain(value: object) -> object:
        return decode_name(value) if isinstance(value, dict) and value.keys() == {"text", "b64"} else value

    def restore(value: object) -> object:
        value = plain(value)
        if isinstance(value, dict):
            return {key: restore(item) for key, item in value.items()}
        if isinstance(value, list):
            return [restore(item) for item in value]
        return value

    fields = {key: restore(value) for key, value in fields.items() if key != CHECKSUM}
    known = set(Manifest.__struct_fields__)
    extra = {key: fields.pop(key) for key in list(fields) if key not in known}
    try:
        return msgspec.convert({**fields, "extra": extra}, Manifest)
    except msgspec.ValidationError as error:
        raise ArchiveDamagedError(f"the manifest cannot be read: {error}") from error
