"""7z archives through py7zr: LZMA2, and COPY with AES-256 and an encrypted header.

Only methods that stock `7z` opens; Brotli and PPMd of py7zr write archives that nobody can read. 7z
knows nothing of owners, hard links and holes, and its tools refuse links that are absolute or have `..`,
so such a link is stored as a small file that holds its target. Names are escaped as in zip. Memory grows
with the number of members (about 2 KB each).
"""

from __future__ import annotations

import functools
import io
import os
import stat
from collections.abc import Iterator
from typing import IO, Any

from toolkit.archive.member import fill_holes
from toolkit.archive.names import escape
from toolkit.archive.sink import Pieces
from toolkit.archive.turned import PulledStream, Pushed
from toolkit.filelist import FileEntry, FileType

FILETIME_1970 = 116_444_736_000_000_000
"""100-nanosecond steps from 1601, where FILETIME begins, to 1970."""

_UNIX = 0x8000
_DOS_DIRECTORY = 0x10
_FORMATS = {FileType.FILE: stat.S_IFREG, FileType.DIRECTORY: stat.S_IFDIR, FileType.SYMLINK: stat.S_IFLNK}


@functools.cache
def _writer_class() -> type[Any]:
    import py7zr

    class Writer(py7zr.SevenZipFile):  # type: ignore[misc]
        """A SevenZipFile whose members have the modes, times and types that the entry says."""

        entry: FileEntry
        kind: FileType

        def _make_file_info_from_name(self, bio: IO[Any], size: int, arcname: str) -> Any:
            attributes = (_FORMATS[self.kind] | self.entry.mode & 0o7777) << 16 | _UNIX
            directory = self.kind is FileType.DIRECTORY
            info: dict[str, Any] = {
                "origin": None,
                "filename": arcname,
                "uncompressed": size,
                "emptystream": directory,
                "attributes": attributes | (_DOS_DIRECTORY if directory else 0),
                "lastwritetime": max(self.entry.mtime_ns // 100 + FILETIME_1970, 0),
            }
            return info if directory else {**info, "data": bio}

    return Writer


def keeps_link(target: str) -> bool:
    """Whether a link to `target` is stored as a link: stock `7z` refuses absolute ones and any with `..`."""
    try:
        target.encode()
    except UnicodeEncodeError:
        return False
    return bool(target) and not target.startswith("/") and "\\" not in target and ".." not in target.split("/")


class SevenZipSink:
    """Writes a 7z archive with LZMA2."""

    keeps_hard_links = False

    def __init__(self, output: io.RawIOBase, level: int) -> None:
        import lzma

        self._archive = _writer_class()(output, "w", filters=[{"id": lzma.FILTER_LZMA2, "preset": level}])

    def put(self, entry: FileEntry, member: str, content: bytes | Pieces | None, *, link_to: str | None = None) -> None:
        """Write one member; holes are written as zeros."""
        if link_to is not None:
            raise ValueError("7z has no hard links")
        archive = self._archive
        archive.entry, archive.kind = entry, entry.type
        stream: io.BufferedIOBase
        if entry.type is FileType.DIRECTORY:
            stream = io.BytesIO()
        elif entry.type is FileType.SYMLINK:
            if not keeps_link(entry.target):
                archive.kind = FileType.FILE
            stream = io.BytesIO(os.fsencode(entry.target))
        elif isinstance(content, bytes | bytearray) and not entry.holes:
            stream = io.BytesIO(content)
        else:
            data = (content,) if isinstance(content, bytes | bytearray) else content or ()
            stream = PulledStream(fill_holes(data, entry.size, entry.holes), entry.size)
        archive.writef(stream, escape(os.fsencode(member)))

    def finish(self) -> None:
        """Write the header."""
        self._archive.close()

    def cancel(self) -> None:
        """Give up: nothing more is written."""


class EncryptedStream(Pushed):
    """A 7z archive with one AES-256 member, into which bytes are pushed; py7zr pulls them in a thread."""

    def __init__(self, output: io.RawIOBase, member: str, passphrase: str) -> None:
        self._output = output
        self._member = member
        self._passphrase = passphrase
        super().__init__("encrypt", self._encrypt)

    def _encrypt(self, pieces: Iterator[bytes]) -> None:
        import py7zr

        filters = [{"id": py7zr.FILTER_COPY}, {"id": py7zr.FILTER_CRYPTO_AES256_SHA256}]
        archive = py7zr.SevenZipFile(
            self._output, "w", filters=filters, password=self._passphrase, header_encryption=True
        )
        archive.writef(PulledStream(pieces), self._member)
        if not self.cancelled:
            archive.close()
