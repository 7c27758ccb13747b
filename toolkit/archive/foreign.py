"""Archives made elsewhere: what they are, and what is in them, so that they can become ordinary backups.

Told by content: (a) `metadata.json` with a `files` list of `file_name` and `code`, the files in it or
beside it; (b) a source forge's download with one top folder `NAME-BRANCH` or `OWNER-NAME-SHA`; (c)
`database.sqlite`, `files/` and `backup-metadata.json`; (d) any other ZIP, tar or 7z; a bare SQLite
database; one compressed file such as `.sql.gz`.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from toolkit import durable
from toolkit.archive import foreignmeta
from toolkit.archive.decompress import decompressed
from toolkit.archive.foreignmeta import FileNote, ForeignKind, SourceNote
from toolkit.archive.formats import FORMATS
from toolkit.archive.key import Key
from toolkit.archive.member import Member
from toolkit.archive.names import Limits, NameGuard, normalise
from toolkit.archive.reader import FILE_LIST, MANIFEST, ArchiveReader, detect, open_archive
from toolkit.archive.volumes import READ
from toolkit.errors import ArchiveDamagedError, FormatError
from toolkit.filelist import FileType, Section

SQLITE_MAGIC = b"SQLite format 3\0"
_TABLES = (b"metadata.json", b"backup-metadata.json")


@dataclass(frozen=True, slots=True)
class Foreign:
    """What was recognised: how many files with how many bytes, tags, note, version, date, notes on single files.

    `repository` and `branch` (a branch, tag or commit) are those of a source-forge download, "" elsewhere.
    """

    kind: ForeignKind
    path: Path
    format: str
    count: int
    bytes: int
    repository: str = ""
    branch: str = ""
    source: SourceNote = foreignmeta.UNKNOWN
    files: tuple[FileNote, ...] = ()
    key: Key | None = field(default=None, repr=False)

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags for the backup that it becomes: the repository's name and the tags of its files."""
        found = [self.repository, *self.source.tags, *(tag for note in self.files for tag in note.tags)]
        return tuple(dict.fromkeys(tag for tag in found if tag))


@dataclass(frozen=True, slots=True)
class ForeignItem:
    """One thing to import; `note` says what its archive knew of it. `pieces` only until the next is asked for."""

    section: Section
    name: str
    type: FileType
    size: int
    pieces: Iterator[bytes | memoryview]
    mode: int = 0o644
    mtime_ns: int = 0
    target: str = ""
    link_to: str = ""
    holes: tuple[tuple[int, int], ...] = ()
    note: FileNote | None = None


def recognise(path: Path, *, key: Key | None = None, limits: Limits | None = None) -> Foreign:
    """Say what the file `path` is, after going over all of it; nothing is written.

    Raises `UnsafeArchiveError` (promise 7, bombs), `ArchiveDamagedError`, `PassphraseError`,
    `NotFoundError`, and `FormatError` for what is neither an archive nor a database nor a compressed file.
    """
    limits = limits or Limits()
    with durable.translated(path), path.open("rb") as file:
        head = file.read(512)
    if head.startswith(SQLITE_MAGIC):
        return Foreign(ForeignKind.DATABASE, path, "", 1, path.stat().st_size)
    found = detect(head)
    if found is None and path.name.endswith(".sql"):
        return Foreign(ForeignKind.DUMP, path, "", 1, path.stat().st_size)
    if found is not None and found.startswith("tar.") and not _holds_tar(path, found):
        return _single(path, found, limits)
    with open_archive(path, key=key) as reader:
        return _archive(reader, path, key, limits)


def _unpacked(path: Path, found: str) -> Iterator[bytes]:
    with durable.translated(path), path.open("rb") as file:
        yield from decompressed(FORMATS[found].compression, iter(lambda: file.read(READ), b""))


def _holds_tar(path: Path, found: str) -> bool:
    """Whether a compressed file holds a tar (an empty one counts as none)."""
    pieces = _unpacked(path, found)
    try:
        head = b""
        for piece in pieces:
            head += piece[:512]
            if len(head) >= 512:
                break
    finally:
        pieces.close()  # type: ignore[attr-defined]
    return detect(head[:512]) == "tar" or (len(head) >= 512 and not any(head[:512]))


def _single(path: Path, found: str, limits: Limits) -> Foreign:
    packed = path.stat().st_size
    size = 0
    head = b""
    for piece in _unpacked(path, found):
        head = head or piece[:16]
        size += len(piece)
        limits.check(size, size, packed)
    kind = ForeignKind.DATABASE if head == SQLITE_MAGIC else ForeignKind.DUMP
    return Foreign(kind, path, found, 1, size)


def _archive(reader: ArchiveReader, path: Path, key: Key | None, limits: Limits) -> Foreign:
    names: set[bytes] = set()
    tops: set[bytes] = set()
    tables: dict[bytes, bytes] = {}
    count = size = 0
    folders = False
    for member in reader.members(limits):
        top, below, _ = member.name.partition(b"/")
        tops.add(top)
        folders = folders or bool(below) or member.type is FileType.DIRECTORY
        if not below:
            names.add(member.name)
        if member.name in _TABLES and member.size <= foreignmeta.LARGEST:
            tables[member.name] = b"".join(member.pieces)
        if member.type is FileType.FILE:
            count += 1
            size += member.size
    if {FILE_LIST, MANIFEST, b"RESTORE.txt"} <= names:
        return Foreign(ForeignKind.LIFEBOAT, path, reader.format, count, size, key=key)
    if b"database.sqlite" in names and b"backup-metadata.json" in names:
        source = foreignmeta.application_note(tables.get(b"backup-metadata.json", b""))
        return Foreign(ForeignKind.APPLICATION, path, reader.format, count, size, source=source, key=key)
    listed = foreignmeta.listed_files(tables[b"metadata.json"]) if b"metadata.json" in tables else None
    if listed is not None:
        source, notes = listed
        count, size = _count_listed(reader, limits, notes)
        return Foreign(
            ForeignKind.LISTED,
            path,
            reader.format,
            count,
            size,
            repository=source.repository,
            source=source,
            files=tuple(note.without_code() for note in notes),
            key=key,
        )
    download = None
    if len(tops) == 1 and folders:
        download = foreignmeta.download_of(os.fsdecode(next(iter(tops))), reader.comment())
    if download is not None:
        repository, branch = download
        return Foreign(ForeignKind.REPOSITORY, path, reader.format, count, size, repository, branch, key=key)
    return Foreign(ForeignKind.ARCHIVE, path, reader.format, count, size, key=key)


def _count_listed(reader: ArchiveReader, limits: Limits, notes: list[FileNote]) -> tuple[int, int]:
    """Return how many files an archive of kind (a) holds, and their bytes; refuses unsafe names in the list."""
    guard = NameGuard()
    count = size = 0
    for member in reader.members(limits):
        guard.add(member.name, directory=member.type is FileType.DIRECTORY)
        if member.type is FileType.FILE:
            count += 1
            size += member.size
    for name, note in foreignmeta.named(notes):
        raw = os.fsencode(name)
        if guard.has(normalise(raw)) or note.code is None:
            continue
        guard.add(raw)
        count += 1
        size += len(note.code.encode(errors="surrogatepass"))
    return count, size


def items(foreign: Foreign, *, limits: Limits | None = None) -> Iterator[ForeignItem]:
    """Yield everything to import from what `recognise` returned; the names are relative and safe.

    SQLite databases (by their header) come in the section `databases`, dumps in `exports`, all else in
    `files`. Raises what `recognise` raises, and `FormatError` for one of our own archives.
    """
    if foreign.kind is ForeignKind.LIFEBOAT:
        raise FormatError("this is a backup of Lifeboat, not a foreign archive", subject=foreign.path)
    if foreign.kind in (ForeignKind.DATABASE, ForeignKind.DUMP):
        yield _bare(foreign)
        return
    with open_archive(foreign.path, key=foreign.key) as reader:
        yield from _members(foreign, reader, limits or Limits())


def _bare(foreign: Foreign) -> ForeignItem:
    status = foreign.path.stat()
    name = foreign.path.name
    if foreign.format:
        name = name.removesuffix("." + FORMATS[foreign.format].compression.value) or name
        pieces = _exactly(_unpacked(foreign.path, foreign.format), foreign.bytes)
    else:
        pieces = _exactly(_plain(foreign.path), foreign.bytes)
    section = Section.DATABASES if foreign.kind is ForeignKind.DATABASE else Section.EXPORTS
    return ForeignItem(section, name, FileType.FILE, foreign.bytes, pieces, mtime_ns=status.st_mtime_ns)


def _plain(path: Path) -> Iterator[bytes]:
    with durable.translated(path), path.open("rb") as file:
        while piece := file.read(READ):
            yield piece


def _exactly(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    total = 0
    for piece in pieces:
        total += len(piece)
        yield piece
    if total != size:
        raise ArchiveDamagedError("the file changed while it was imported")


def _members(foreign: Foreign, reader: ArchiveReader, limits: Limits) -> Iterator[ForeignItem]:
    notes: list[FileNote] = []
    if foreign.kind is ForeignKind.LISTED:
        listed = foreignmeta.listed_files(reader.read("metadata.json", foreignmeta.LARGEST))
        notes = listed[1] if listed is not None else []
    by_name = dict(foreignmeta.named(notes))
    seen: set[str] = set()
    for member in reader.members(limits):
        name = os.fsdecode(member.name)
        seen.add(name)
        note = by_name.get(name)
        yield _item(member, name, note.without_code() if note is not None else None)
    for name, note in by_name.items():
        clean = os.fsdecode(normalise(os.fsencode(name)))
        if clean in seen or note.code is None:
            continue
        data = note.code.encode(errors="surrogatepass")
        moment = note.updated or note.created
        mtime_ns = int(moment.timestamp()) * 1_000_000_000 if moment is not None else 0
        yield ForeignItem(
            Section.FILES, clean, FileType.FILE, len(data), iter((data,)), mtime_ns=mtime_ns, note=note.without_code()
        )


def _item(member: Member, name: str, note: FileNote | None) -> ForeignItem:
    section, pieces = Section.FILES, member.pieces
    if member.type is FileType.FILE and member.link_to is None and not (member.holes and member.holes[0][0] == 0):
        first = next(pieces, b"")
        if bytes(first[:16]) == SQLITE_MAGIC:
            section = Section.DATABASES
        pieces = itertools.chain((first,) if first else (), pieces)
    return ForeignItem(
        section,
        name,
        member.type,
        member.size,
        pieces,
        mode=member.mode,
        mtime_ns=member.mtime_ns,
        target=os.fsdecode(member.target),
        link_to=os.fsdecode(member.link_to) if member.link_to is not None else "",
        holes=member.holes,
        note=note,
    )
