"""Reading archives, ours and others': the format is told by content, every name is checked (promise 7).

`members` is sequential for every format and raises `UnsafeArchiveError` at the first unsafe member; for an
archive that was not verified, `check` goes over all of it first, so that nothing is written before.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

from toolkit import durable
from toolkit.archive import manifest as manifests
from toolkit.archive.decompress import decompressed
from toolkit.archive.filelists import parse_entries
from toolkit.archive.formats import AGE, FORMATS, Compression, Container, format_named
from toolkit.archive.key import Key
from toolkit.archive.manifest import Manifest
from toolkit.archive.member import Member
from toolkit.archive.names import UNLIMITED, Limits, NameGuard
from toolkit.archive.stream import ByteStream
from toolkit.archive.tarfmt import TarReader
from toolkit.archive.tarheader import decode
from toolkit.archive.volumes import READ, VolumeReader, volumes_of
from toolkit.errors import ArchiveDamagedError, FormatError, UnsafeArchiveError
from toolkit.filelist import FileEntry, FileType

if TYPE_CHECKING:
    from typing_extensions import Buffer

FILE_LIST = b"files.jsonl"
MANIFEST = b"manifest.json"
LARGEST_MANIFEST = 256 * 1024 * 1024

_BEGINNINGS = (
    (b"age-encryption.org/", AGE),
    (b"\x28\xb5\x2f\xfd", "tar.zst"),
    (b"\x1f\x8b", "tar.gz"),
    (b"BZh", "tar.bz2"),
    (b"\xfd7zXZ\0", "tar.xz"),
)


def detect(head: bytes) -> str | None:
    """Return the format whose archives begin with `head` (512 bytes), "tar" included, or None."""
    for magic, name in _BEGINNINGS:
        if head.startswith(magic):
            return name
    if head[1:4] == b"\x2a\x4d\x18" and b"\x50" <= head[:1] <= b"\x5f":
        return "tar.zst"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if head.startswith(b"7z\xbc\xaf\x27\x1c"):
        return "7z"
    if len(head) >= 512 and (head[257:262] == b"ustar" or _old_tar(head[:512])):
        return "tar"
    return None


def _old_tar(head: bytes) -> bool:
    """Whether `head` is a header from before POSIX: only its checksum tells."""
    if not head[0] or not head[148:156].strip(b" \0"):
        return False
    try:
        decode(head)
    except ArchiveDamagedError:
        return False
    return True


def open_archive(
    paths: Path | Sequence[Path],
    *,
    format: str | None = None,  # noqa: A002 - the word that users know
    key: Key | None = None,
) -> ArchiveReader:
    """Open the archive in `paths` (its volumes in order; one path finds its volumes itself).

    Raises `NotFoundError`, `FormatError` for what is no archive. Its reader's methods raise `PassphraseError`,
    `IdentityError` where `key` does not open it, and `ArchiveDamagedError`.
    """
    if isinstance(paths, Path):
        paths = volumes_of(paths)
    elif len(paths) == 1:
        paths = volumes_of(paths[0])
    return ArchiveReader(tuple(paths), format, key)


class ArchiveReader:
    """An open archive; close it, or use it as a context manager. One iteration at a time."""

    def __init__(self, paths: tuple[Path, ...], format_name: str | None, key: Key | None) -> None:
        self._raw = VolumeReader(paths)
        self.paths = paths
        self.size = self._raw.size
        self._key = key
        self.on_packed: Callable[[bytes], None] | None = None
        try:
            self.format = format_name or self._detected()
            self._container = Container.TAR if self.format == "tar" else format_named(self.format).container
        except BaseException:
            self._raw.close()
            raise

    @property
    def _passphrase(self) -> str | None:
        return self._key.passphrase if self._key is not None else None

    def _buffered(self) -> IO[bytes]:
        self._raw.seek(0)
        return io.BufferedReader(_Uncloseable(self._raw), READ)

    def _detected(self) -> str:
        with durable.translated(self.paths[0]):
            found = detect(next(self._raw.chunks(size=512), b""))
        if found is None:
            raise FormatError(
                "this is no archive that Lifeboat knows",
                subject=self.paths[0],
                hint="a backup is named by its id, latest, or PROFILE@latest: `lifeboat list` shows them",
            )
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all volumes."""
        self._raw.close()

    @property
    def sequential(self) -> bool:
        """Whether one pass reads the packed bytes in order, each once, so that `on_packed` sees them all."""
        return self._container is Container.TAR

    def members(self, limits: Limits | None = None) -> Iterator[Member]:
        """Yield every member in order, its name normalised; the root of the archive itself is left out.

        `pieces` that are not taken are skipped. Raises `UnsafeArchiveError` (promise 7, and `limits` on
        sizes, by default those for archives of unknown origin) and `ArchiveDamagedError`.
        """
        limits = limits or Limits()
        guard = NameGuard()
        unpacked = logical = 0
        for member in self._members():
            directory = member.type is FileType.DIRECTORY
            name = guard.add(member.name, directory=directory, hard_link_to=member.link_to)
            if not name:
                continue
            if limits is not UNLIMITED:
                unpacked += member.data_size if member.holes else member.size
                logical += member.size
                try:
                    limits.check(unpacked, logical, self.size)
                except UnsafeArchiveError as error:
                    error.subject = error.subject or str(self.paths[0])
                    raise
            member.name = name
            if member.link_to is not None:
                member.link_to = member.link_to.removeprefix(b"./")
            yield member

    def check(self, limits: Limits | None = None) -> None:
        """Go over all members, writing nothing; raises what `members` raises, `UnsafeArchiveError` before all.

        For zip only names and sizes are looked at, for tar and 7z everything is decompressed.
        """
        for _ in self.members(limits):
            pass

    def _members(self) -> Iterator[Member]:
        if self._container is Container.TAR:
            yield from self._tar_members(self._raw.chunks(self.on_packed), self.format)
            return
        buffered = self._buffered()
        if self._container is Container.ZIP:
            yield from self._zip_members(buffered)
        else:
            yield from self._sevenzip_members(buffered)

    def _tar_members(self, chunks: Iterator[bytes], format_name: str) -> Iterator[Member]:
        if format_name == AGE:
            from toolkit.archive.age import decrypted

            chunks = decrypted(chunks, self._key)
        compression = Compression.NONE if format_name == "tar" else FORMATS[format_name].compression
        source = decompressed(compression, chunks)
        stream = ByteStream(source)
        try:
            with durable.translated(self.paths[0]):
                yield from TarReader(stream)
                stream.drain()
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                close()

    def _zip_members(self, file: IO[bytes]) -> Iterator[Member]:
        from toolkit.archive.zipfmt import ZipReader

        archive = ZipReader(file, self._passphrase)
        try:
            yield from archive
        finally:
            archive.close()

    def _sevenzip_members(self, file: IO[bytes]) -> Iterator[Member]:
        from toolkit.archive.sevenzipreader import SevenZipReader

        archive = SevenZipReader(file, self._passphrase)
        try:
            names = list(archive.names())
            nested = len(names) == 1 and names[0].endswith(b".tar.zst")
            for member in archive:
                if nested:
                    yield from self._tar_members((bytes(piece) for piece in member.pieces), "tar.zst")
                else:
                    yield member
        finally:
            archive.close()

    def comment(self) -> str:
        """Return the comment of a zip archive; "" for every other."""
        if self._container is not Container.ZIP:
            return ""
        from toolkit.archive.zipfmt import ZipReader

        archive = ZipReader(self._buffered())
        try:
            return archive.comment.decode(errors="replace")
        finally:
            archive.close()

    def read(self, name: str | bytes, limit: int) -> bytes:
        """Return the content of the member `name`, which may have at most `limit` bytes.

        Raises `ArchiveDamagedError` when it is not there or bigger. Costs a pass over a tar or 7z.
        """
        wanted = name.encode(errors="surrogateescape") if isinstance(name, str) else name
        for member in self._found(wanted):
            if member.size > limit:
                raise ArchiveDamagedError(f"a member has more than {limit:,} bytes", subject=wanted)
            return b"".join(member.pieces)
        raise ArchiveDamagedError("the archive has no such member", subject=wanted)

    def _found(self, name: bytes) -> Iterator[Member]:
        if self._container is Container.ZIP:
            from toolkit.archive.zipfmt import ZipReader

            archive = ZipReader(self._buffered(), self._passphrase)
            try:
                member = archive.member(name)
                if member is not None:
                    yield member
            finally:
                archive.close()
            return
        for member in self._members():
            if member.name == name:
                yield member
                return

    def manifest(self) -> Manifest:
        """Return the manifest inside.

        Raises `ArchiveDamagedError` when there is none, `FormatError` for a newer version.
        """
        return manifests.decode(self.read(MANIFEST, LARGEST_MANIFEST))

    def file_list(self) -> Iterator[FileEntry]:
        """Yield the entries of the file list inside."""
        for member in self._found(FILE_LIST):
            yield from parse_entries(bytes(piece) for piece in member.pieces)
            return
        raise ArchiveDamagedError("the archive has no file list", subject=self.paths[0])


class _Uncloseable(io.RawIOBase):
    """The volumes, which stay open when a reader that was laid over them is closed."""

    def __init__(self, raw: VolumeReader) -> None:
        super().__init__()
        self._inner = raw

    def tell(self) -> int:
        """Return the position in all of the archive."""
        return self._inner.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a position."""
        return self._inner.seek(offset, whence)

    def readinto(self, buffer: Buffer, /) -> int:
        """Read into `buffer`; 0 at the end."""
        return self._inner.readinto(buffer)

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True
