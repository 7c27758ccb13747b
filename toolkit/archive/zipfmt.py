"""ZIP archives through the standard library: deflate or stored, ZIP64, Unix modes and links.

What zip can't hold (owners, hard links, holes, exact times, names that are not UTF-8) is exact in the
file list. Streaming: no seeking back, sizes stand in the central directory, which every tool reads.
Memory grows with the number of members (about 600 bytes each).
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO

from toolkit.archive.member import PIECE, Member, fill_holes
from toolkit.archive.names import escape, unescape
from toolkit.archive.sink import Pieces
from toolkit.errors import ArchiveDamagedError, FormatError, PassphraseError, UnsafeArchiveError
from toolkit.filelist import FileEntry, FileType

COMMENT = b"lifeboat archive 1"
"""Comment of our archives: in them, and only in them, names are escaped."""

LONGEST_LINK = 64 * 1024
_FORMATS = {FileType.FILE: stat.S_IFREG, FileType.DIRECTORY: stat.S_IFDIR, FileType.SYMLINK: stat.S_IFLNK}


class _Stream(io.RawIOBase):
    """An output that can only be appended to, so that zipfile writes no size twice."""

    def __init__(self, sink: Callable[[bytes], object]) -> None:
        super().__init__()
        self.sink: Callable[[bytes], object] | None = sink

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        if self.sink is not None:
            self.sink(data)  # type: ignore[arg-type]
        return len(data)  # type: ignore[arg-type]


def _dos_time(mtime_ns: int) -> tuple[int, int, int, int, int, int]:
    """Return local time as zip has it: 1980 to 2107."""
    moment = time.localtime(min(max(mtime_ns // 1_000_000_000, 315_619_200), 4_354_700_000))
    return moment[:6]


class ZipSink:
    """Writes a ZIP archive."""

    keeps_hard_links = False

    def __init__(self, sink: Callable[[bytes], object], level: int) -> None:
        method = zipfile.ZIP_DEFLATED if level else zipfile.ZIP_STORED
        self._stream = _Stream(sink)
        self._buffered = io.BufferedWriter(self._stream, PIECE)
        self._zip = zipfile.ZipFile(self._buffered, "w", method, compresslevel=level or None)
        self._method = method
        self._level = level or None

    def put(self, entry: FileEntry, member: str, content: bytes | Pieces | None, *, link_to: str | None = None) -> None:
        """Write one member; holes are written as zeros."""
        if link_to is not None:
            raise ValueError("zip has no hard links")
        name = escape(os.fsencode(member))
        info = zipfile.ZipInfo(name + ("/" if entry.type is FileType.DIRECTORY else ""), _dos_time(entry.mtime_ns))
        info.create_system = 3
        info.external_attr = (_FORMATS[entry.type] | entry.mode & 0o7777) << 16
        info.compress_type = self._method
        info._compresslevel = self._level  # type: ignore[attr-defined] # noqa: SLF001 - as ZipFile.writestr does
        if entry.type is FileType.DIRECTORY:
            info.external_attr |= 0x10
            info.compress_type = zipfile.ZIP_STORED
            pieces: Pieces = ()
        elif entry.type is FileType.SYMLINK:
            info.compress_type = zipfile.ZIP_STORED
            target = os.fsencode(entry.target)
            pieces = (target,)
            info.file_size = len(target)
        else:
            data = (content,) if isinstance(content, bytes | bytearray) else content or ()
            pieces = fill_holes(data, entry.size, entry.holes) if entry.holes else data
            info.file_size = entry.size
        with self._zip.open(info, "w", force_zip64=info.file_size >= 2**30) as member_file:
            for piece in pieces:
                member_file.write(piece)

    def finish(self) -> None:
        """Write the central directory."""
        self._zip.comment = COMMENT
        self._zip.close()
        self._buffered.flush()

    def cancel(self) -> None:
        """Give up: nothing more is written."""
        self._stream.sink = None
        with contextlib.suppress(OSError, ValueError):
            self._zip.close()


class ZipReader:
    """The members of a ZIP archive, in the order in which they lie in it, or one by its name."""

    def __init__(self, file: IO[bytes], passphrase: str | None = None) -> None:
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
            raise ArchiveDamagedError("the zip archive cannot be read") from error
        self._password = passphrase.encode() if passphrase else None
        self.comment = self._zip.comment
        self.ours = self.comment == COMMENT
        self._infos = sorted(self._zip.infolist(), key=lambda info: info.header_offset)

    def close(self) -> None:
        """Close the archive."""
        self._zip.close()

    def __iter__(self) -> Iterator[Member]:
        """Yield every member."""
        for info in self._infos:
            yield self._member(info)

    def names(self) -> Iterator[bytes]:
        """Yield every name, unescaped."""
        for info in self._infos:
            yield self._name(info)

    def member(self, name: bytes) -> Member | None:
        """Return the member of that name."""
        for info in self._infos:
            if self._name(info) == name:
                return self._member(info)
        return None

    def _name(self, info: zipfile.ZipInfo) -> bytes:
        name = info.orig_filename
        if self.ours:
            return unescape(name).removesuffix(b"/")
        if info.flag_bits & 0x800:
            return name.encode(errors="surrogateescape").removesuffix(b"/") if name != "/" else b"/"
        try:
            raw = name.encode("cp437")
        except UnicodeEncodeError:
            raw = name.encode(errors="surrogateescape")
        try:
            raw.decode()
        except UnicodeDecodeError:
            raw = name.encode()
        return raw.removesuffix(b"/") if raw != b"/" else raw

    def _member(self, info: zipfile.ZipInfo) -> Member:
        mode = info.external_attr >> 16
        kind = stat.S_IFMT(mode) if info.create_system == 3 else 0
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
            raise UnsafeArchiveError("a member is a device node or a FIFO", subject=self._name(info))
        if info.orig_filename.endswith("/") or kind == stat.S_IFDIR:
            return Member(
                self._name(info), FileType.DIRECTORY, 0, iter(()), mode=mode & 0o7777 or 0o755, mtime_ns=_ns(info)
            )
        if kind == stat.S_IFLNK:
            if info.file_size > LONGEST_LINK:
                raise UnsafeArchiveError("the target of a link is absurdly long", subject=self._name(info))
            target = b"".join(self._pieces(info))
            return Member(
                self._name(info), FileType.SYMLINK, 0, iter(()), target=target, mode=0o777, mtime_ns=_ns(info)
            )
        return Member(
            self._name(info),
            FileType.FILE,
            info.file_size,
            self._pieces(info),
            mode=mode & 0o7777 or 0o644,
            mtime_ns=_ns(info),
        )

    def _pieces(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        if info.flag_bits & 1 and self._password is None:
            raise PassphraseError("the archive is encrypted", hint="give its passphrase")
        total = 0
        try:
            with self._zip.open(info, pwd=self._password) as file:
                while piece := file.read(PIECE):
                    total += len(piece)
                    yield piece
        except NotImplementedError as error:
            raise FormatError("a member is compressed in a way that is not known", subject=self._name(info)) from error
        except RuntimeError as error:
            raise PassphraseError("the passphrase is wrong") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
            raise ArchiveDamagedError("a member is damaged", subject=self._name(info)) from error
        if total != info.file_size:
            raise ArchiveDamagedError("a member does not have its promised size", subject=self._name(info))


def _ns(info: zipfile.ZipInfo) -> int:
    try:
        return int(time.mktime((*info.date_time, 0, 0, -1))) * 1_000_000_000
    except (ValueError, OverflowError):
        return 0
