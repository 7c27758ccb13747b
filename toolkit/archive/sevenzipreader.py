"""Reading 7z archives through py7zr, as a stream of members with flat memory.

py7zr pushes what it extracts; a thread and a bounded queue turn that round. Damage, wrong passphrases
and unknown methods come out of it as all sorts of exceptions, which `_translate` sorts.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import stat
from collections.abc import Callable, Iterator
from typing import IO, Any

from toolkit.archive.member import Member
from toolkit.archive.names import unescape
from toolkit.archive.sevenzip import FILETIME_1970
from toolkit.archive.turned import Pulled
from toolkit.errors import ArchiveDamagedError, FormatError, PassphraseError, UnsafeArchiveError
from toolkit.filelist import FileType

LONGEST_LINK = 64 * 1024
LARGEST_PIECE = 4 * 1024 * 1024
SIP = 64 * 1024
_OURS = {"RESTORE.txt", "files.jsonl", "manifest.json"}


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


class _Sips(io.RawIOBase):
    """A file that can be told to give little at a time.

    py7zr feeds a MiB of packed data for each piece that it takes out; what the decompressor can't use yet
    would pile up in it.
    """

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._inner = file
        self.largest = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return self._inner.seek(offset, whence)

    def tell(self) -> int:
        return self._inner.tell()

    def read(self, size: int = -1, /) -> bytes:
        return self._inner.read(min(size, self.largest) if self.largest and size > 0 else size)


class SevenZipReader:
    """The members of a 7z archive in their order; contents stream through a bounded queue."""

    def __init__(self, file: IO[bytes], passphrase: str | None = None) -> None:
        import py7zr

        self._file = _Sips(file)
        self._header_encrypted = False
        if passphrase is not None:
            try:
                py7zr.SevenZipFile(self._file, "r").close()
            except py7zr.PasswordRequired:
                self._header_encrypted = True
            except Exception as error:
                raise _translate(error, encrypted=False) from error
            self._file.seek(0)
        try:
            self._archive = py7zr.SevenZipFile(self._file, "r", password=passphrase)
        except Exception as error:
            raise _translate(error, encrypted=self._header_encrypted) from error
        self._file.largest = SIP
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
        mtime_ns = (int(item.lastwritetime) - FILETIME_1970) * 100 if item.lastwritetime is not None else 0
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
        self._encrypted = encrypted
        self._pending: tuple[int, bytes] | None = None
        self._sizes = [0 if item.is_directory or item.emptystream else item.uncompressed for item in files]
        self._turned: Pulled[tuple[int, bytes]] = Pulled("extract", functools.partial(_extract, archive, files))

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
        try:
            return self._turned.next()
        except Exception as error:
            raise _translate(error, encrypted=self._encrypted) from error

    def finish(self) -> None:
        """Wait for the end of the extraction, whose last checksums may still fail."""
        while self._next() is not None:
            pass

    def stop(self) -> None:
        """End the thread."""
        self._turned.stop()


Put = Callable[[tuple[int, bytes]], None]


def _extract(archive: Any, files: list[Any], put: Put) -> None:
    from py7zr.io import MemIO

    factory = _factory_class()(put)
    archive.reset()
    worker = _worker_class()(archive.files, archive.afterheader, archive.header)
    for item in files:
        if not item.is_directory:
            worker.register_filelike(item.id, MemIO(str(item.id), factory))
    worker.extract(archive.fp, None, parallel=False)


@functools.cache
def _worker_class() -> type[Any]:
    import zlib

    from py7zr.exceptions import Bad7zFile, CrcError
    from py7zr.py7zr import Worker

    class Modest(Worker):  # type: ignore[misc]
        """A worker that takes `LARGEST_PIECE` at a time; py7zr's own takes up to 128 MB."""

        def decompress(
            self, fp: Any, folder: Any, fq: Any, size: int, compressed_size: int | None, src_end: int, _q: Any = None
        ) -> int:
            decompressor = folder.get_decompressor(compressed_size)
            crc = 0
            while size > 0:
                position = fp.tell()
                data = decompressor.decompress(fp, min(size, LARGEST_PIECE))
                if not data and fp.tell() == position:
                    raise Bad7zFile("the packed data ends early")
                size -= len(data)
                fq.write(data)
                crc = zlib.crc32(data, crc)
            if fp.tell() >= src_end and decompressor.crc is not None and not decompressor.check_crc():
                raise CrcError(decompressor.crc, decompressor.digest, None)
            return crc

    return Modest


@functools.cache
def _factory_class() -> type[Any]:
    from py7zr.io import Py7zIO, WriterFactory

    class Piecewise(Py7zIO):  # type: ignore[misc]
        """Hands on what is written."""

        def __init__(self, put: Put, index: int) -> None:
            self._put = put
            self._index = index

        def write(self, data: bytes | bytearray) -> int:
            self._put((self._index, bytes(data)))
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

        def __init__(self, put: Put) -> None:
            self._put = put

        def create(self, filename: str) -> Any:
            return Piecewise(self._put, int(filename))

    return Factory
