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
from collections.abc import Callable, Iterator
from typing import IO, Any

from toolkit.archive.member import Member, fill_holes
from toolkit.archive.names import escape, unescape
from toolkit.archive.sink import Pieces
from toolkit.errors import ArchiveDamagedError, FormatError, PassphraseError, UnsafeArchiveError
from toolkit.filelist import FileEntry, FileType

FOREIGN_EPOCH = 116_444_736_000_000_000
"""100-nanosecond steps from 1601, where FILETIME begins, to 1970."""

LONGEST_LINK = 64 * 1024
_UNIX = 0x8000
_DOS_DIRECTORY = 0x10
_FORMATS = {FileType.FILE: stat.S_IFREG, FileType.DIRECTORY: stat.S_IFDIR, FileType.SYMLINK: stat.S_IFLNK}
_OURS = {"RESTORE.txt", "files.jsonl", "manifest.json"}


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
                "lastwritetime": max(self.entry.mtime_ns // 100 + FOREIGN_EPOCH, 0),
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


class _StoppedError(Exception):
    """Nobody reads on."""


def _translate(error: Exception, *, encrypted: bool) -> Exception:
    import lzma

    from py7zr.exceptions import ArchiveError, PasswordRequired, UnsupportedCompressionMethodError

    if isinstance(error, PasswordRequired):
        return PassphraseError("the archive is encrypted", hint="give its passphrase")
    if isinstance(error, UnsupportedCompressionMethodError):
        return FormatError("the archive is compressed in a way that is not known")
    if encrypted and isinstance(error, TypeError | lzma.LZMAError | ArchiveError):
        return PassphraseError("the passphrase is wrong, or the archive is damaged")
    if isinstance(error, ArchiveError | lzma.LZMAError | ValueError | TypeError | EOFError | LookupError | OSError):
        return ArchiveDamagedError("the 7z archive is damaged")
    return error


class SevenZipReader:
    """The members of a 7z archive in their order; contents stream through a bounded queue."""

    def __init__(self, file: IO[bytes], passphrase: str | None = None) -> None:
        import py7zr

        self._header_encrypted = False
        if passphrase is not None:
            try:
                py7zr.SevenZipFile(file, "r").close()
            except py7zr.PasswordRequired:
                self._header_encrypted = True
            except Exception as error:
                raise _translate(error, encrypted=False) from error
            file.seek(0)
        try:
            self._archive = py7zr.SevenZipFile(file, "r", password=passphrase)
        except Exception as error:
            raise _translate(error, encrypted=self._header_encrypted) from error
        self._guess = passphrase is not None and not self._header_encrypted
        self._files = list(self._archive.files)
        if self._archive.needs_password() and passphrase is None:
            raise PassphraseError("the archive is encrypted", hint="give its passphrase")
        self.ours = {item.filename for item in self._files} >= _OURS

    def close(self) -> None:
        """Close the archive."""
        with contextlib.suppress(Exception):
            self._archive.close()

    def names(self) -> Iterator[bytes]:
        """Yield every name, unescaped."""
        for item in self._files:
            yield self._name(item)

    def _name(self, item: Any) -> bytes:
        name: str = item.filename
        return unescape(name) if self.ours else name.encode(errors="surrogatepass").removesuffix(b"/") or b"/"

    def __iter__(self) -> Iterator[Member]:
        """Yield every member; for links the target is read first."""
        stream = _Extraction(self._archive, self._files, encrypted=self._guess)
        try:
            for index, item in enumerate(self._files):
                yield from self._member(item, functools.partial(stream.pieces, index))
            stream.finish()
        finally:
            stream.stop()

    def _member(self, item: Any, pieces: Callable[[], Iterator[bytes]]) -> Iterator[Member]:
        name = self._name(item)
        mode = item.posix_mode
        mtime_ns = (int(item.lastwritetime) - FOREIGN_EPOCH) * 100 if item.lastwritetime is not None else 0
        if item.st_fmt not in (None, 0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
            raise UnsafeArchiveError("a member is a device node or a FIFO", subject=name)
        if item.is_directory:
            yield Member(name, FileType.DIRECTORY, 0, iter(()), mode=0o755 if mode is None else mode, mtime_ns=mtime_ns)
        elif item.is_symlink or item.is_junction:
            if item.uncompressed > LONGEST_LINK:
                raise UnsafeArchiveError("the target of a link is absurdly long", subject=name)
            target = b"".join(pieces())
            yield Member(name, FileType.SYMLINK, 0, iter(()), target=target, mode=0o777, mtime_ns=mtime_ns)
        else:
            content = pieces()
            mode = 0o644 if mode is None else mode
            yield Member(name, FileType.FILE, item.uncompressed, content, mode=mode, mtime_ns=mtime_ns)
            for _ in content:
                pass


class _Extraction:
    """Runs py7zr's extraction in a thread and hands its pieces over in the order of the members."""

    def __init__(self, archive: Any, files: list[Any], *, encrypted: bool) -> None:
        self._queue: queue.Queue[tuple[int, bytes] | Exception | None] = queue.Queue(4)
        self._stopped = threading.Event()
        self._encrypted = encrypted
        self._pending: tuple[int, bytes] | None = None
        self._done = False
        self._sizes = [0 if item.is_directory or item.emptystream else item.uncompressed for item in files]
        self._thread = threading.Thread(target=self._run, args=(archive, files), name="extract", daemon=True)
        self._thread.start()

    def put(self, item: tuple[int, bytes] | Exception | None) -> None:
        while not self._stopped.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(item, timeout=0.1)
                return
        raise _StoppedError

    def _run(self, archive: Any, files: list[Any]) -> None:
        from py7zr.io import MemIO

        factory = _factory_class()(self)
        try:
            archive.reset()
            for item in files:
                if not item.is_directory:
                    archive.worker.register_filelike(item.id, MemIO(str(item.id), factory))
            archive.worker.extract(archive.fp, None, parallel=False)
            self.put(None)
        except _StoppedError:
            pass
        except Exception as error:  # noqa: BLE001 - it is raised again in the reader's thread
            with contextlib.suppress(_StoppedError):
                self.put(error)

    def pieces(self, index: int) -> Iterator[bytes]:
        """Yield the content of member `index`; earlier ones that were not taken are dropped."""
        left = self._sizes[index]
        while left:
            item = self._pending or self._next()
            self._pending = None
            if item is None:
                raise ArchiveDamagedError("the 7z archive ends in the middle of a member")
            if item[0] < index:
                continue
            if item[0] > index:
                self._pending = item
                raise ArchiveDamagedError("the members of the 7z archive do not lie in their order")
            left -= len(item[1])
            yield item[1]

    def _next(self) -> tuple[int, bytes] | None:
        item = self._queue.get()
        if isinstance(item, Exception):
            raise _translate(item, encrypted=self._encrypted) from item
        return item

    def finish(self) -> None:
        """Wait for the end of the extraction, whose last checksums may still fail."""
        while self._next() is not None:
            pass

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join()


@functools.cache
def _factory_class() -> type[Any]:
    from py7zr.io import Py7zIO, WriterFactory

    class Piecewise(Py7zIO):  # type: ignore[misc]
        """Hands what is written to the extraction."""

        def __init__(self, extraction: _Extraction, index: int) -> None:
            self._extraction = extraction
            self._index = index

        def write(self, data: bytes | bytearray) -> int:
            self._extraction.put((self._index, bytes(data)))
            return len(data)

        def read(self, _size: int | None = None) -> bytes:
            return b""

        def seek(self, offset: int, _whence: int = 0) -> int:
            return offset

        def flush(self) -> None:
            """Nothing waits."""

        def size(self) -> int:
            return 0

    class Factory(WriterFactory):  # type: ignore[misc]
        """Makes the writer of each member, whose "name" is its index."""

        def __init__(self, extraction: _Extraction) -> None:
            self._extraction = extraction

        def create(self, filename: str) -> Any:
            return Piecewise(self._extraction, int(filename))

    return Factory
