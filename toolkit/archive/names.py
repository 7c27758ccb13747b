"""Which members of an archive may be written: promise 7 in one place, for every format and every origin.

The rule: the target of a symbolic link is data, so a link may point anywhere and is restored as a link;
but no member lies below the name of a link or a file, and a hard link names a file that came before it.
Names are relative, without `..`, empty parts or NUL, at most `MAX_NAME` bytes, and none comes twice.
Whoever writes files creates links last or opens parents without following links; this check says that
no honest archive would need it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from toolkit.errors import UnsafeArchiveError
from toolkit.filelist import FileEntry

MAX_NAME = 4096
"""Bytes: PATH_MAX of Linux, which no longer name could be opened under."""

MAX_PART = 255
"""Bytes of one part of a name: NAME_MAX of the common file systems."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an archive may unpack to: in all, and as a multiple of its size once past `free`.

    deflate reaches 1,032 to 1 at most, text rarely 20 to 1; real archives stay far below.
    """

    total: int = 16 * 1024**4
    ratio: int = 1000
    free: int = 100 * 1024**2

    def check(self, unpacked: int, logical: int, packed: int) -> None:
        """Raise `UnsafeArchiveError` when `unpacked` bytes (`logical` with holes) from `packed` are absurd."""
        if logical > self.total:
            raise UnsafeArchiveError(f"the archive unpacks to more than {self.total:,} bytes", hint=_BOMB_HINT)
        if unpacked > self.free and unpacked > self.ratio * packed:
            raise UnsafeArchiveError(f"the archive unpacks to over {self.ratio:,} times its size", hint=_BOMB_HINT)


_BOMB_HINT = "it looks like a decompression bomb; raise the limit only if you know where it comes from"

UNLIMITED = Limits(total=2**63, ratio=2**63)
"""For archives whose file list was checked: there the promised sizes are the limit."""


_SUSPECT = re.compile(rb"(?:^|/)\.{0,2}(?:/|$)")
"""An empty part, `.` or `..`; what it does not find needs no closer look."""


def member_name(entry: FileEntry) -> str:
    """Return the member of `entry`: its section and its absolute path."""
    return f"{entry.section.value}/{entry.path.lstrip('/')}" if entry.path.strip("/") else entry.section.value


def normalise(name: bytes) -> bytes:
    """Return `name` without a leading `./` and a trailing slash; b"" for the root of the archive itself.

    Raises `UnsafeArchiveError` when the name could reach outside the target or is none at all.
    """
    if name.startswith(b"/"):
        raise UnsafeArchiveError("a member has an absolute name", subject=name)
    if len(name) > MAX_NAME:
        raise UnsafeArchiveError(f"a member's name has more than {MAX_NAME:,} bytes", subject=name[:80])
    if b"\0" in name:
        raise UnsafeArchiveError("a member's name holds a NUL", subject=name.replace(b"\0", b"?"))
    if not name:
        raise UnsafeArchiveError("a member has no name")
    while name.startswith(b"./"):
        name = name[2:]
    name = name.removesuffix(b"/")
    if name in (b"", b"."):
        return b""
    if name.startswith(b"/"):
        raise UnsafeArchiveError("a member has an absolute name", subject=name)
    if len(name) <= MAX_PART and not _SUSPECT.search(name):
        return name
    parts = name.split(b"/")
    if b".." in parts:
        raise UnsafeArchiveError("a member's name leads upwards (..)", subject=name)
    if b"" in parts or b"." in parts:
        raise UnsafeArchiveError("a member's name has an empty part", subject=name)
    if len(name) > MAX_PART and max(map(len, parts)) > MAX_PART:
        raise UnsafeArchiveError(f"a part of a member's name has more than {MAX_PART} bytes", subject=name[:80])
    return name


class NameGuard:
    """Sees every member of one archive in order and raises `UnsafeArchiveError` at the first unsafe one.

    Memory: about 80 bytes a member, because names are kept as 64-bit hashes.
    """

    def __init__(self) -> None:
        self._files: set[int] = set()
        self._directories: set[int] = set()
        self._parents: set[int] = set()
        self._last_parent = b""

    def add(self, name: bytes, *, directory: bool = False, hard_link_to: bytes | None = None) -> bytes:
        """Take the member `name` and return it normalised (b"" for the root itself).

        `hard_link_to` is the name of the member that it shares its inode with.
        """
        name = normalise(name)
        if not name:
            if not directory:
                raise UnsafeArchiveError("a member has no name")
            return name
        if hard_link_to is not None and hash(normalise(hard_link_to)) not in self._files:
            raise UnsafeArchiveError("a hard link to what is not a file of this archive before it", subject=name)
        self._below(name)
        key = hash(name)
        if key in self._files or (key in self._directories and not directory):
            raise UnsafeArchiveError("two members have the same name", subject=name)
        if directory:
            self._directories.add(key)
        else:
            if key in self._parents:
                raise UnsafeArchiveError("a member lies below another that is no directory", subject=name)
            self._files.add(key)
        return name

    def has(self, name: bytes) -> bool:
        """Whether a member of that name, which is normalised, was added."""
        key = hash(name)
        return key in self._files or key in self._directories

    def _below(self, name: bytes) -> None:
        parent = name.rpartition(b"/")[0]
        if parent == self._last_parent:
            return
        self._last_parent = parent
        while parent:
            key = hash(parent)
            if key in self._files:
                raise UnsafeArchiveError("a member lies below another that is no directory", subject=name)
            if key in self._parents:
                return
            self._parents.add(key)
            parent = parent.rpartition(b"/")[0]


_ESCAPED = re.compile(rb"%[0-9A-F]{2}")
_NEEDS_ESCAPE = re.compile(rb"[\x00-\x1f\x7f\\]|%(?=[0-9A-Fa-f]{2})")


def _percent(raw: bytes) -> bytes:
    return b"".join(b"%%%02X" % byte for byte in raw)


def escape(name: bytes) -> str:
    r"""Return `name` as zip and 7z can hold it: `%XX` for control characters, `\` and what is not UTF-8.

    A `%` is itself escaped only where two hexadecimal digits follow, so that `unescape` takes every name
    back exactly and most names stay as they are.
    """
    text = _NEEDS_ESCAPE.sub(lambda match: _percent(match[0]), name)
    try:
        return text.decode()
    except UnicodeDecodeError:
        raw = text.decode(errors="surrogateescape")
        return "".join(f"%{ord(c) - 0xDC00:02X}" if "\udc80" <= c <= "\udcff" else c for c in raw)


def unescape(name: str) -> bytes:
    """Return the bytes that `escape` was given."""
    return _ESCAPED.sub(lambda match: bytes([int(match[0][1:], 16)]), name.encode(errors="surrogateescape"))
