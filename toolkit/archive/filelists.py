"""The file list beside an archive: JSON Lines, compressed with zstd, written while the archive is."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from toolkit import durable
from toolkit.archive.decompress import decompressed
from toolkit.archive.formats import Compression
from toolkit.archive.manifest import FileCounts
from toolkit.archive.volumes import READ, partial_name
from toolkit.errors import ArchiveDamagedError
from toolkit.filelist import FileEntry, FileType, decode_entry, encode_entry

LONGEST_LINE = 1024 * 1024
_FLUSH = 256 * 1024


def _compressor() -> Any:
    from toolkit.archive.zstdlib import zstd

    options: dict[int, int] = {
        zstd.CompressionParameter.compression_level: 3,
        zstd.CompressionParameter.checksum_flag: 1,
    }
    return zstd.ZstdCompressor(options=options)


def _nameless(folder: Path) -> IO[bytes]:
    import tempfile

    return tempfile.TemporaryFile(dir=folder)


class ListWriter:
    """Writes the file list under a partial name; `hidden` keeps it out of the folder altogether.

    A hidden list never has a name: beside an encrypted archive nothing may tell what is in it.
    """

    def __init__(self, folder: Path, name: str, ident: str, *, hidden: bool = False) -> None:
        self._target = folder / name
        self._path = None if hidden else folder / partial_name(name, ident)
        self._file: IO[bytes] = durable.create_file(self._path) if self._path is not None else _nameless(folder)
        self._compressor = _compressor()
        self._buffer = bytearray()
        self._sha = hashlib.sha256()
        self._entries = self._files = self._bytes = 0
        self.size = 0

    def add(self, entry: FileEntry) -> None:
        """Write the line of `entry`."""
        line = encode_entry(entry)
        self._sha.update(line)
        self._buffer += line
        self.size += len(line)
        self._entries += 1
        if entry.type is FileType.FILE:
            self._files += 1
            self._bytes += 0 if entry.link_to else entry.size
        if len(self._buffer) >= _FLUSH:
            self._file.write(self._compressor.compress(self._buffer))
            self._buffer.clear()

    def counts(self) -> FileCounts:
        """Return what the list holds so far, and the digest of its lines."""
        return FileCounts(self._entries, self._files, self._bytes, self._sha.hexdigest())

    def read(self) -> Iterator[bytes]:
        """Complete the list and yield its lines again, in pieces."""
        data = self._compressor.compress(self._buffer) + self._compressor.flush()
        self._buffer.clear()
        self._file.write(data)
        self._file.seek(0)
        return decompressed(Compression.ZSTD, iter(lambda: self._file.read(READ), b""))

    def finish(self) -> None:
        """Make it durable under its partial name."""
        if self._path is not None:
            durable.sync_file(self._file)
        self._file.close()

    def publish(self) -> Path | None:
        """Give it its final name and return that; None for a hidden one."""
        if self._path is None:
            return None
        durable.rename(self._path, self._target)
        self._path = self._target
        return self._target

    def discard(self) -> None:
        """Remove it, whatever its name is by now."""
        with contextlib.suppress(OSError):
            self._file.close()
        if self._path is not None:
            with contextlib.suppress(OSError):
                durable.remove(self._path)


def split_lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the lines in `pieces`.

    Raises `ArchiveDamagedError` for a line of absurd length.
    """
    rest = b""
    for piece in pieces:
        lines = (rest + piece).split(b"\n")
        rest = lines.pop()
        if len(rest) > LONGEST_LINE:
            raise ArchiveDamagedError("a line of the file list is absurdly long")
        yield from lines
    if rest:
        yield rest


def parse_entries(pieces: Iterator[bytes]) -> Iterator[FileEntry]:
    """Yield the entries of a file list that comes in `pieces`."""
    for line in split_lines(pieces):
        if line:
            yield decode_entry(line)


def read_file_list(path: Path, *, digest: str = "") -> Iterator[FileEntry]:
    """Yield the entries of the `.files.jsonl.zst` at `path`.

    Raises `ArchiveDamagedError` when it is damaged or, after the last entry, when the SHA-256 of its
    lines is not `digest` (`manifest.files.digest`); `SourceMissingError` when it is not there.
    """
    sha = hashlib.sha256()

    def pieces() -> Iterator[bytes]:
        with durable.translated(path):
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file, durable.translated(path):
            for piece in decompressed(Compression.ZSTD, iter(lambda: file.read(READ), b"")):
                sha.update(piece)
                yield piece

    yield from parse_entries(pieces())
    if digest and sha.hexdigest() != digest:
        raise ArchiveDamagedError("the file list is not the one that the manifest names", subject=path)
