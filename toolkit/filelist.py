"""The file list: what is known of each file of a backup, one JSON object a line.

A list can hold a million files, so it is only ever streamed: written line by line beside the archive
while that is written, read back line by line. Names are bytes on Unix; here they are `str` with
surrogate escapes (`os.fsdecode`), and on the wire `{"text", "b64"}` where they are not clean UTF-8.
"""

from __future__ import annotations

import base64
import contextlib
import enum
import os
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from toolkit.errors import ArchiveDamagedError


class Section(enum.StrEnum):
    """The top folder of a member, and what its source is."""

    DATABASES = "databases"
    FILES = "files"
    CONFIG = "config"
    LOGS = "logs"
    GIT = "git"
    EXPORTS = "exports"


class FileType(enum.StrEnum):
    """What kind of thing a name in the tree is. Only these are kept; others are recorded as left out."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"


class Layer(msgspec.Struct, frozen=True, array_like=True):
    """Where a content lies: the backup id of an archive and the member's name in it."""

    archive: str
    member: str


class FileEntry(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One file, directory or link as it was at the source.

    `path` is absolute and as the kernel gave it. `size` is the logical length in bytes, `digest` the
    SHA-256 (hex) of the logical content, holes read as zeros. `holes` are (offset, length) pairs in
    ascending order. Entries with the same `link_group` were one inode: the first carries the content,
    the others have `link_to`, the path of the first. `xattrs` are base64 by name (POSIX ACLs are the
    `system.posix_acl_*` ones). `changed` marks content that was still changing when it was read.
    """

    section: Section
    path: str
    type: FileType
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    user: str = ""
    group: str = ""
    size: int = 0
    digest: str = ""
    target: str = ""
    link_group: int = 0
    link_to: str = ""
    xattrs: dict[str, str] = {}
    holes: tuple[tuple[int, int], ...] = ()
    changed: bool = False
    layers: tuple[Layer, ...] = ()

    @property
    def raw_path(self) -> bytes:
        """The path as the kernel knows it."""
        return os.fsencode(self.path)

    @property
    def data_size(self) -> int:
        """Bytes of content that are not in holes."""
        return self.size - sum(length for _, length in self.holes) if self.holes else self.size


class Content:
    """What a file holds, as promised when it was opened.

    `entry` is the file as it was then, with its true size and times. Small files come whole in `data`.
    Others come as `pieces`, which yields exactly `entry.data_size` bytes (holes are skipped): a file that
    shrinks meanwhile is padded with zeros, one that grows is cut, and `changed` is True afterwards.
    """

    __slots__ = ("changed", "data", "entry", "pieces")

    def __init__(
        self,
        entry: FileEntry,
        *,
        data: bytes | None = None,
        pieces: Iterator[bytes] | None = None,
        changed: bool = False,
    ) -> None:
        self.entry = entry
        self.data = data
        self.pieces = pieces
        self.changed = changed


class Item(msgspec.Struct, frozen=True):
    """An entry on its way into an archive; `load` opens its content (None for what has none).

    `load` may be called in any thread, once (once more for each further name of a hard link, where the
    format of the archive has no hard links); it raises `SourceError` or `SourceMissingError` when the
    file cannot be read any more.
    """

    entry: FileEntry
    load: Callable[[], Content] | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(FileEntry)
_NAMES = ("path", "target", "link_to", "user", "group")


def encode_name(name: str) -> str | dict[str, str]:
    """Return `name` for JSON: itself, or `{"text", "b64"}` when it is not clean UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raw = os.fsencode(name)
        return {"text": raw.decode(errors="replace"), "b64": base64.b64encode(raw).decode()}
    return name


def decode_name(name: object) -> str:
    """Return the name that `encode_name` wrote.

    Raises `ArchiveDamagedError` when it is neither text nor an encoded name.
    """
    if isinstance(name, str):
        return name
    if isinstance(name, dict) and isinstance(name.get("b64"), str):
        with contextlib.suppress(ValueError):
            return os.fsdecode(base64.b64decode(name["b64"]))
    raise ArchiveDamagedError("a name in the file list cannot be read")


def _plain(entry: FileEntry) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.structs.asdict(entry)
    for key in _NAMES:
        fields[key] = encode_name(fields[key])
    fields["layers"] = [[layer.archive, encode_name(layer.member)] for layer in entry.layers]
    return fields


def encode_entry(entry: FileEntry) -> bytes:
    """Return the line of `entry`, with its newline."""
    try:
        return _encoder.encode(entry) + b"\n"
    except UnicodeEncodeError:
        return _encoder.encode(_plain(entry)) + b"\n"


def decode_entry(line: bytes) -> FileEntry:
    """Return the entry that `line` describes.

    Raises `ArchiveDamagedError` when the line is not an entry.
    """
    try:
        return _decoder.decode(line)
    except msgspec.ValidationError:
        pass
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ArchiveDamagedError("a line of the file list is not JSON") from error
    try:
        fields = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ArchiveDamagedError("a line of the file list is not JSON") from error
    if not isinstance(fields, dict):
        raise ArchiveDamagedError("a line of the file list is not an object")
    names = {key: decode_name(fields.pop(key)) for key in _NAMES if key in fields}
    try:
        layers = tuple(Layer(str(archive), decode_name(member)) for archive, member in fields.pop("layers", []))
        entry = msgspec.convert({**fields, "path": ""}, FileEntry)
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise ArchiveDamagedError("a line of the file list misses fields") from error
    return msgspec.structs.replace(entry, layers=layers, **names)
