"""Does an archive hold what its file list says? Every byte is read, hashed and compared, in one pass."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolkit import durable
from toolkit.archive import manifest as manifests
from toolkit.archive.key import Key
from toolkit.archive.manifest import ArchiveFile, Manifest
from toolkit.archive.member import HoleDigest, Member
from toolkit.archive.names import UNLIMITED
from toolkit.archive.reader import FILE_LIST, LARGEST_MANIFEST, MANIFEST, ArchiveReader, open_archive
from toolkit.archive.sevenzip import keeps_link
from toolkit.archive.volumes import READ
from toolkit.beside import LARGE
from toolkit.errors import CancelledError, IdentityError, LifeboatError, PassphraseError
from toolkit.events import Progress, ShouldStop, never_stop, no_progress
from toolkit.filelist import FileEntry, FileType
from toolkit.hashing import Digest

MOST_ERRORS = 100
RESTORE_TEXT = b"RESTORE.txt"


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What verifying found: `errors` has at most `MOST_ERRORS` sentences; files and logical bytes that were read.

    `inside` is the manifest in the archive, None when it was not come to.
    """

    ok: bool
    errors: tuple[str, ...]
    files: int
    bytes: int
    seconds: float
    inside: Manifest | None = None


def verify(
    archive: ArchiveFile | None,
    paths: Path | Sequence[Path],
    file_list: Iterable[FileEntry] | None,
    *,
    key: Key | None = None,
    on_progress: Progress = no_progress,
    should_stop: ShouldStop = never_stop,
) -> VerifyReport:
    """Read the archive in `paths` and compare all of it with `archive` (its digests) and `file_list`.

    Without `archive` only the contents are compared, without `file_list` with the list inside (which costs
    a second pass). Damage is in the report, never raised; `CancelledError`, `NotFoundError` and, for an
    archive whose bytes are the right ones, `PassphraseError` and `IdentityError` are. `on_progress` is told packed
    bytes.
    """
    begun = time.monotonic()
    run = _Verification(on_progress, should_stop)
    try:
        with open_archive(paths, key=key) as reader:
            run.volumes(archive, reader)
            run.contents(reader, file_list, paths, key)
        run.whole(archive)
    except CancelledError:
        raise
    except PassphraseError as error:  # what does not open can still be compared with its digests
        run.rest()
        run.whole(archive)
        if not run.errors:
            raise _with_proof(error, archive) from error
    except LifeboatError as error:
        if error.code in ("not-found", "source-missing"):
            raise
        run.fail(str(error))
    return VerifyReport(not run.errors, tuple(run.errors), run.files, run.bytes, time.monotonic() - begun, run.inside)


def _with_proof(error: PassphraseError, archive: ArchiveFile | None) -> PassphraseError:
    """Return `error`; where a machine is not meant to open the archive, with what was proven nevertheless."""
    if not isinstance(error, IdentityError) or archive is None:
        return error
    return IdentityError(
        f"its bytes are those that were written (digest compared), but what they hold cannot be read: {error.message}",
        subject=error.subject,
        hint=error.hint,
    )


class _Verification:
    def __init__(self, on_progress: Progress, should_stop: ShouldStop) -> None:
        self._on_progress = on_progress
        self._should_stop = should_stop
        self._sha = Digest()
        self._pieces: list[tuple[int, Digest]] = []
        self._packed = 0
        self._total = 0
        self._paths: tuple[Path, ...] = ()
        self.errors: list[str] = []
        self.inside: Manifest | None = None
        self.files = 0
        self.bytes = 0

    def fail(self, message: str, subject: str | bytes = "") -> None:
        """Note an error."""
        if len(self.errors) < MOST_ERRORS:
            self.errors.append(f"{message}: {os.fsdecode(subject)}" if subject else message)

    def volumes(self, archive: ArchiveFile | None, reader: ArchiveReader) -> None:
        """Compare names and sizes, and arrange for the packed bytes to be hashed as they are read."""
        self._total, self._paths = reader.size, reader.paths
        if archive is not None:
            if archive.volumes and len(archive.volumes) != len(reader.paths):
                self.fail(f"{len(reader.paths)} volumes are there, {len(archive.volumes)} should be")
            if archive.size != reader.size:
                self.fail(f"the archive has {reader.size:,} bytes, {archive.size:,} should be")
            self._pieces = [(volume.size, Digest()) for volume in archive.volumes]
        if reader.sequential:
            reader.on_packed = self._see
        elif archive is not None:
            self._hash_files(reader.paths)

    def rest(self) -> None:
        """Have the packed bytes hashed, if reading the contents did not come to all of them."""
        if self._packed != self._total:
            self._sha = Digest()
            self._pieces = [(size, Digest()) for size, _ in self._pieces]
            self._packed = 0
            self._hash_files(self._paths)

    def _hash_files(self, paths: Iterable[Path]) -> None:
        for path in paths:
            with durable.translated(path), path.open("rb", buffering=0) as file:
                while data := file.read(READ):
                    self._see(data)

    def _see(self, data: bytes) -> None:
        if self._should_stop():
            raise CancelledError("verifying was cancelled")
        self._sha.update(data)
        position, view = self._packed, memoryview(data)
        for size, sha in self._pieces:
            if position < size and view:
                sha.update(view[: size - position])
                view = view[size - position :]
                position = size
            position -= size
            if position < 0:
                break
        self._packed += len(data)
        self._on_progress(self._packed, self._total)

    def whole(self, archive: ArchiveFile | None) -> None:
        """Compare the digests of the packed bytes, when all of them were read."""
        if archive is None or self._packed != self._total:
            return
        if self._sha.hexdigest() != archive.sha256:
            self.fail("the SHA-256 of the archive is not the one in the manifest")
        for volume, (_, sha) in zip(archive.volumes, self._pieces, strict=True):
            if sha.hexdigest() != volume.sha256:
                self.fail("the SHA-256 of a volume is not the one in the manifest", volume.file)

    def contents(
        self,
        reader: ArchiveReader,
        file_list: Iterable[FileEntry] | None,
        paths: Path | Sequence[Path],
        key: Key | None,
    ) -> None:
        """Compare the members with the file list, in lock-step: both are in the order of writing."""
        with contextlib.ExitStack() as stack:
            if file_list is None:
                second = stack.enter_context(open_archive(paths, key=key))
                file_list = second.file_list()
            entries = iter(file_list)
            close = getattr(entries, "close", None)
            if close is not None:
                stack.callback(close)
            self._compare(reader, entries)

    def _compare(self, reader: ArchiveReader, entries: Iterator[FileEntry]) -> None:
        seen: dict[bytes, tuple[str, bytes]] = {}
        for member in reader.members(UNLIMITED):
            if self._should_stop():
                raise CancelledError("verifying was cancelled")
            if member.name in (RESTORE_TEXT, FILE_LIST, MANIFEST):
                seen[member.name] = self._read_own(member)
                continue
            entry = next(entries, None)
            if entry is None:
                self.fail("a member is not in the file list", member.name)
                continue
            name = entry.layers[0].member if entry.layers else ""
            if member.name != os.fsencode(name):
                self.fail("the archive does not continue as the file list does", name)
                self.fail("this member stands there instead", member.name)
                return
            self._member(member, entry, reader.format)
        for entry in entries:
            self.fail("a member is missing", entry.layers[0].member if entry.layers else entry.path)
        self._own(seen)

    def _read_own(self, member: Member) -> tuple[str, bytes]:
        sha = hashlib.sha256()
        keep = member.name == MANIFEST and member.size <= LARGEST_MANIFEST
        kept = []
        for piece in member.pieces:
            sha.update(piece)
            if keep:
                kept.append(bytes(piece))
        return sha.hexdigest(), b"".join(kept)

    def _own(self, seen: dict[bytes, tuple[str, bytes]]) -> None:
        for name in (RESTORE_TEXT, FILE_LIST, MANIFEST):
            if name not in seen:
                self.fail("a member is missing", name)
                return
        inside = self.inside = manifests.decode(seen[MANIFEST][1])
        if inside.files.digest != seen[FILE_LIST][0]:
            self.fail("the file list inside is not the one that the manifest inside names")

    def _member(self, member: Member, entry: FileEntry, format_name: str) -> None:
        link = entry.type is FileType.SYMLINK
        as_file = link and format_name == "7z" and member.type is FileType.FILE
        as_file = as_file and not keeps_link(entry.target)
        if member.type is not entry.type and not as_file:
            self.fail(f"a member is a {member.type.value}, not a {entry.type.value}", member.name)
        elif link:
            target = b"".join(member.pieces) if as_file else member.target
            if target != os.fsencode(entry.target):
                self.fail("a link leads elsewhere than the file list says", member.name)
        elif member.link_to is not None:
            if not entry.link_to or member.link_to != _linked(entry):
                self.fail("a hard link is to another file than the file list says", member.name)
        elif entry.type is FileType.FILE:
            self._content(member, entry)

    def _content(self, member: Member, entry: FileEntry) -> None:
        self.files += 1
        self.bytes += member.size
        if member.size != entry.size:
            self.fail(f"a member has {member.size:,} bytes, {entry.size:,} should be", member.name)
            return
        if _digest(member) != entry.digest:
            self.fail("the content of a member is not what was backed up", member.name)


def _digest(member: Member) -> str:
    if member.data is not None and len(member.data) < LARGE:
        return hashlib.sha256(member.data).hexdigest()
    sha = HoleDigest(member.holes)
    for piece in member.pieces:
        sha.update(piece)
    return sha.hexdigest()


def _linked(entry: FileEntry) -> bytes:
    return os.fsencode(f"{entry.section.value}/{entry.link_to.lstrip('/')}")
