"""The bytes of an archive on disk: in one file, or in pieces `NAME.001`, `NAME.002` … that `cat` joins."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from toolkit import durable
from toolkit.archive.manifest import ArchiveFile, Volume
from toolkit.errors import ArchiveDamagedError, NotFoundError
from toolkit.hashing import Digest

READ = 1024 * 1024
_PIECE = re.compile(r"^(?P<stem>.+)\.(?P<number>\d{3,})$")


def partial_name(name: str, ident: str) -> str:
    """Return the hidden name of a file that is not finished: a dot, the name, `ident`, `.partial`."""
    return f".{name[:200]}.{ident}.partial"


class _Piece:
    __slots__ = ("file", "path", "sha", "size")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = durable.create_file(path)
        self.sha = Digest()
        self.size = 0


class VolumeWriter(io.RawIOBase):
    """Writes an archive under partial names, hashing as it goes, in pieces of `split` bytes when given.

    It can be written at an earlier position too (7z fills in its first 32 bytes at the end); then the
    digests are made again by reading. `finish` makes all of it durable, `publish` gives the final names,
    `discard` removes what is there. `OSError`s pass through untranslated.
    """

    def __init__(self, folder: Path, name: str, ident: str, split: int | None) -> None:
        super().__init__()
        self._folder = folder
        self._final = name
        self._ident = ident
        self._split = split
        self._pieces: list[_Piece] = []
        self._sha = Digest()
        self._position = 0
        self._rewritten = False
        self.size = 0
        self._next_piece()

    def _next_piece(self) -> _Piece:
        if self._pieces:
            self._pieces[-1].file.flush()
        name = partial_name(f"{self._final}.{len(self._pieces) + 1:03d}", self._ident)
        self._pieces.append(_Piece(self._folder / name))
        return self._pieces[-1]

    def writable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Return the position in all of the archive."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a position that was written already, or to the end."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        self._position = min(max(base + offset, 0), self.size)
        return self._position

    def write(self, data: object, /) -> int:
        """Write all of `data` at the position."""
        view = memoryview(data).cast("B")  # type: ignore[arg-type]
        if not isinstance(data, bytes):  # it is hashed a little later, and a buffered writer fills its buffer again
            view = memoryview(bytes(view))
        if self._position < self.size:
            return self._overwrite(view)
        done = 0
        self._sha.update(view)
        while done < len(view):
            piece = self._pieces[-1]
            if self._split is not None and piece.size >= self._split:
                piece = self._next_piece()
            part = view[done:] if self._split is None else view[done : done + self._split - piece.size]
            piece.file.write(part)
            piece.sha.update(part) if self._split is not None else None
            piece.size += len(part)
            done += len(part)
        self.size += done
        self._position = self.size
        return done

    def _overwrite(self, view: memoryview) -> int:
        self._rewritten = True
        room = self.size - self._position
        inside, after = view[:room], view[room:]
        start = 0
        for piece in self._pieces:
            first = max(self._position, start)
            until = min(self._position + len(inside), start + piece.size)
            if first < until:
                piece.file.flush()
                os.pwrite(piece.file.fileno(), inside[first - self._position : until - self._position], first - start)
            start += piece.size
        self._position += len(inside)
        return len(inside) + (self.write(after) if len(after) else 0)

    def finish(self) -> None:
        """Make every byte durable under the partial names."""
        for piece in self._pieces:
            durable.sync_file(piece.file)
        if self._rewritten:
            self._hash_again()
        for piece in self._pieces:
            piece.file.close()

    def _hash_again(self) -> None:
        self._sha = Digest()
        for piece in self._pieces:
            piece.sha = Digest()
            piece.file.seek(0)
            while data := piece.file.read(READ):
                self._sha.update(data)
                piece.sha.update(data)

    def final_names(self) -> list[str]:
        """Return the names that the pieces get: the archive's own when there is only one."""
        if len(self._pieces) == 1:
            return [self._final]
        return [f"{self._final}.{number:03d}" for number in range(1, len(self._pieces) + 1)]

    def publish(self) -> ArchiveFile:
        """Rename every piece to its final name, in order, and return the description of the archive."""
        names = self.final_names()
        for piece, name in zip(self._pieces, names, strict=True):
            durable.rename(piece.path, self._folder / name)
            piece.path = self._folder / name
        volumes: tuple[Volume, ...] = ()
        if len(names) > 1:
            volumes = tuple(
                Volume(name, piece.size, piece.sha.hexdigest()) for piece, name in zip(self._pieces, names, strict=True)
            )
        return ArchiveFile(self._ident, self._final, self.size, self._sha.hexdigest(), volumes)

    def discard(self) -> None:
        """Close and remove every piece, whatever its name is by now."""
        for piece in self._pieces:
            with contextlib.suppress(OSError):
                piece.file.close()
            with contextlib.suppress(OSError):
                durable.remove(piece.path)
        self._pieces.clear()


def volumes_of(path: Path) -> tuple[Path, ...]:
    """Return the files that hold the archive `path`, in order: itself, or its volumes.

    `path` is the archive's name or that of any volume. Raises `NotFoundError` when nothing is there and
    `ArchiveDamagedError` when a volume between others is missing.
    """
    match = _PIECE.match(path.name)
    base = path.name
    if match and (path.with_name(f"{match['stem']}.001").exists() or not path.exists()):
        base = match["stem"]
    elif path.exists():
        return (path,)
    found: dict[int, Path] = {}
    with durable.translated(path.parent):
        for name in os.listdir(path.parent):
            piece = _PIECE.match(name)
            if piece and piece["stem"] == base:
                found[int(piece["number"])] = path.with_name(name)
    if not found:
        raise NotFoundError("no such archive", subject=path)
    missing = [number for number in range(1, max(found) + 1) if number not in found]
    if missing:
        raise ArchiveDamagedError(f"volume {missing[0]:03d} of {max(found)} is missing", subject=path.with_name(base))
    return tuple(found[number] for number in sorted(found))


class VolumeReader(io.RawIOBase):
    """The volumes of an archive as one seekable stream of bytes."""

    def __init__(self, paths: Sequence[Path]) -> None:
        super().__init__()
        self._files: list[BinaryIO] = []
        self._starts: list[int] = []
        self._position = 0
        self.size = 0
        try:
            for path in paths:
                with durable.translated(path):
                    file = path.open("rb", buffering=0)
                    self._files.append(file)
                    self._starts.append(self.size)
                    self.size += os.fstat(file.fileno()).st_size
        except BaseException:
            self.close()
            raise

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Return the position in all of the archive."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a position, which may lie behind the end."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise OSError(22, "negative seek position")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: object, /) -> int:
        """Read into `buffer` from one volume; 0 at the end."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        for file, start in zip(reversed(self._files), reversed(self._starts), strict=True):
            if start <= self._position:
                count = os.preadv(file.fileno(), [view], self._position - start)
                if count or not len(view):
                    self._position += count
                    return count
                return 0
        return 0

    def chunks(self, seen: Callable[[bytes], None] | None = None, size: int = READ) -> Iterator[bytes]:
        """Yield all bytes from the start; `seen` is shown each chunk first."""
        for file in self._files:
            position = 0
            while data := os.pread(file.fileno(), size, position):
                position += len(data)
                if seen is not None:
                    seen(data)
                yield data

    def close(self) -> None:
        """Close every volume."""
        for file in self._files:
            file.close()
        self._files.clear()
        super().close()
