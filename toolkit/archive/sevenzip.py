"""7z archives through py7zr: LZMA2, and COPY with AES-256 and an encrypted header.

Only methods that stock `7z` opens; Brotli and PPMd of py7zr write archives that nobody can read. 7z
knows nothing of owners, hard links and holes, and its tools refuse links that are absolute or have `..`,
so such a link is stored as a small file that holds its target. Names are escaped as in zip. Memory grows
with the number of members (about 2 KB each).
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import queue
import stat
import threading
from collections.abc import Iterator
from typing import IO, Any

from toolkit.archive.member import fill_holes
from toolkit.archive.names import escape
from toolkit.archive.sink import Pieces
from toolkit.filelist import FileEntry, FileType

FILETIME_1970 = 116_444_736_000_000_000
"""100-nanosecond steps from 1601, where FILETIME begins, to 1970."""

_UNIX = 0x8000
_DOS_DIRECTORY = 0x10
_FORMATS = {FileType.FILE: stat.S_IFREG, FileType.DIRECTORY: stat.S_IFDIR, FileType.SYMLINK: stat.S_IFLNK}


class PulledStream(io.BufferedIOBase):
    """Pieces as a file that can be read once; `writef` asks for a size, which it never uses for the data."""

    def __init__(self, pieces: Iterator[bytes | memoryview], size: int) -> None:
        super().__init__()
        self._pieces = pieces
        self._rest = memoryview(b"")
        self._size = size
        self._end = False

    def readable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Note whether the end was asked for."""
        self._end = whence == os.SEEK_END
        return self._size if self._end else offset

    def tell(self) -> int:
        """Return the size after a seek to the end, else 0."""
        return self._size if self._end else 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes, at most `size`; b"" at the end."""
        while not len(self._rest):
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._rest = memoryview(piece)
        limit = len(self._rest) if size is None or size < 0 else size
        data = bytes(self._rest[:limit])
        self._rest = self._rest[limit:]
        return data


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


class EncryptedStream:
    """A 7z archive with one AES-256 member, into which bytes are pushed; py7zr pulls them in a thread."""

    def __init__(self, output: io.RawIOBase, member: str, passphrase: str) -> None:
        self._queue: queue.Queue[bytes | None] = queue.Queue(4)
        self._failure: BaseException | None = None
        self._cancelled = False
        self._thread = threading.Thread(target=self._run, args=(output, member, passphrase), name="encrypt")
        self._thread.start()

    def _run(self, output: io.RawIOBase, member: str, passphrase: str) -> None:
        try:
            import py7zr

            filters = [{"id": py7zr.FILTER_COPY}, {"id": py7zr.FILTER_CRYPTO_AES256_SHA256}]
            archive = py7zr.SevenZipFile(output, "w", filters=filters, password=passphrase, header_encryption=True)
            archive.writef(PulledStream(iter(self._queue.get, None), 0), member)
            if not self._cancelled:
                archive.close()
        except BaseException as error:  # noqa: BLE001 - it is raised again in the caller's thread
            self._failure = error
            while not self._cancelled and self._queue.get() is not None:
                pass

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        if self._failure is not None:
            raise self._failure
        self._queue.put(data)

    def finish(self) -> None:
        """Complete the archive."""
        self._queue.put(None)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def cancel(self) -> None:
        """Give up."""
        self._cancelled = True
        while self._thread.is_alive():
            with contextlib.suppress(queue.Full):
                self._queue.put_nowait(None)
            self._thread.join(0.01)
