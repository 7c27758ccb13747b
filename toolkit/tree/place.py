"""Putting entries back: staged where nobody looks, durable as a whole, then merged by renames.

A `Stage` mirrors a target below a private folder on the target's own file system. Nothing staged counts
until `finish` has made all of it durable; `toolkit.tree.staging` knows the way from there.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Self

import msgspec

from toolkit import durable
from toolkit.beside import LARGE, Beside
from toolkit.errors import ArchiveDamagedError, LifeboatError, NotFoundError, StorageError, UnsafeArchiveError
from toolkit.filelist import FileEntry, encode_entry
from toolkit.hashing import Digest
from toolkit.tree.attributes import Attributes
from toolkit.tree.folders import OPEN_FOLDER, Folders, sync_file_system
from toolkit.tree.merge import BASE, DIRECTORIES, IMPLICIT, directories
from toolkit.tree.read import segments
from toolkit.tree.scan import STAGING_PREFIX
from toolkit.tree.staging import FILLING, READY, Staging

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NAME_LIMIT, _PATH_LIMIT = 255, 4095
_UNCLEAN = re.compile(r"(?:\A|/)\.{0,2}(?:/|\Z)|\0")
_ZEROS = bytes(1024 * 1024)
_AHEAD = 2


class Stage(Staging):
    """One target folder `root` and what is to be put below it. Not for use in several threads at once.

    `root` need not exist; its own path is trusted and may lead through links, nothing below it is followed.
    With `owners` the recorded owners are set. Raises `StorageError` when `root` is no folder, or cannot be
    written. Left behind by a crash: the staging folder, which `resume` finds through the journal.
    """

    def __init__(self, root: bytes | str | Path, ident: str, *, owners: bool) -> None:
        real = os.path.realpath(os.fsdecode(root))
        super().__init__(real, _nearest(real), ident, owners=owners)
        self._attributes = Attributes(owners=owners)
        self._asked = os.path.abspath(os.fsdecode(root)).rstrip("/") + "/"
        self._real = real.rstrip("/") + "/"
        self._inside = real[len(self._base.rstrip("/")) + 1 :]
        self._implicit: set[str] = set()
        try:
            with durable.translated(self.folder):
                self._make_folder()
                self._tree = os.open(FILLING, OPEN_FOLDER, dir_fd=self._fd)
                self._directories = os.fdopen(os.open(DIRECTORIES, _NEW_FILE, 0o600, dir_fd=self._fd), "wb")
        except BaseException:
            super().close()
            raise
        self._folders = Folders(self._tree, create=self._create)
        self._last, self._last_fd = "", self._tree

    @property
    def unowned(self) -> int:
        """How many staged entries could not be given the owner that they had."""
        return self._attributes.unowned

    @property
    def bare(self) -> int:
        """How many staged entries miss extended attributes that could not be set here."""
        return self._attributes.bare

    def _make_folder(self) -> None:
        durable.on_step("mkdir", str(self.folder))
        os.mkdir(self._name, 0o700, dir_fd=self._base_fd)
        self._fd = os.open(self._name, OPEN_FOLDER, dir_fd=self._base_fd)
        with suppress(OSError):  # what the target hands down to new folders must not reach what is staged
            os.removexattr(self._fd, "system.posix_acl_default")
        os.fchmod(self._fd, 0o700)
        os.mkdir(FILLING, 0o700, dir_fd=self._fd)

    def _create(self, parent: int, name: str, relative: str) -> None:
        os.mkdir(name, 0o777, dir_fd=parent)
        self._implicit.add(relative)

    def _relative(self, path: bytes | str) -> str:
        """Return `path` from the base; raises `UnsafeArchiveError` outside the root, `StorageError` for length."""
        text = os.fsdecode(path)
        if not f"{text}/".startswith(self._asked):
            if not f"{text}/".startswith(self._real):
                raise UnsafeArchiveError("would be written outside the target", subject=path)
            relative = text[len(self._real) :]
        else:
            relative = text[len(self._asked) :]
        if self._inside:
            relative = f"{self._inside}/{relative}" if relative else self._inside
        if relative and _UNCLEAN.search(relative):
            raise UnsafeArchiveError("is no clean path", subject=path)
        if relative.startswith(STAGING_PREFIX) and relative.split("/")[0] == self._name:
            raise UnsafeArchiveError("has the name of the staging folder", subject=path)
        if len(text) > _NAME_LIMIT // 4 and not (len(text) <= _NAME_LIMIT and text.isascii()):
            raw = os.fsencode(text)
            if len(raw) > _PATH_LIMIT or any(len(part) > _NAME_LIMIT for part in raw.split(b"/")):
                raise StorageError("the name is longer than the system takes", subject=path)
        return relative

    def _place(self, path: bytes | str) -> tuple[int, str]:
        """Return the staged folder for `path`, made when missing, and the name in it."""
        folder, _, name = self._relative(path).rpartition("/")
        if not name:
            raise UnsafeArchiveError("would replace the target folder itself", subject=path)
        if folder != self._last:
            try:
                self._last_fd = self._folders.open(folder)
            except NotADirectoryError as error:
                raise UnsafeArchiveError("lies below something that is no folder", subject=path) from error
            self._last = folder
        return self._last_fd, name

    def directory(self, entry: FileEntry, path: bytes | str) -> None:
        """Stage a folder; its owner, mode, attributes and time are set when all is in it.

        Raises `UnsafeArchiveError`, `StorageError`.
        """
        relative = self._relative(path)
        try:
            if relative and relative in self._implicit:
                self._implicit.discard(relative)
            elif relative:
                parent, name = self._place(path)
                os.mkdir(name, 0o700, dir_fd=parent)
            line = encode_entry(msgspec.structs.replace(entry, path=relative, layers=()))
            if relative:
                self._directories.write(line)
            else:
                self._write_record(BASE, line)
        except OSError as error:
            raise _staging_error(error, path) from error

    def file(self, entry: FileEntry, path: bytes | str, pieces: Iterable[bytes | memoryview] | memoryview) -> str:
        """Stage a file from the data outside its holes, `entry.data_size` bytes, and return its SHA-256 (hex).

        A file without holes may come whole, as one view.

        The digest is of the logical content, holes read as zeros. Raises `ArchiveDamagedError` when there is
        more or less data than the entry says, `UnsafeArchiveError`, `StorageError`; the file is not staged then.
        """
        try:
            parent, name = self._place(path)
            fd = os.open(name, _NEW_FILE, 0o600, dir_fd=parent)
        except OSError as error:
            raise _staging_error(error, path) from error
        try:
            digest = _write(fd, entry, pieces, path)
            self._attributes.apply(fd, entry)
        except BaseException as error:
            os.unlink(name, dir_fd=parent)
            if isinstance(error, OSError):
                raise _staging_error(error, path) from error
            raise
        finally:
            os.close(fd)
        return digest

    def symlink(self, entry: FileEntry, path: bytes | str) -> None:
        """Stage a symbolic link. Raises `UnsafeArchiveError`, `StorageError`."""
        try:
            parent, name = self._place(path)
            os.symlink(entry.target, name, dir_fd=parent)
            self._attributes.apply_link(parent, name, entry)
        except OSError as error:
            raise _staging_error(error, path) from error

    def hardlink(self, entry: FileEntry, path: bytes | str, first_path: bytes | str) -> None:  # noqa: ARG002
        """Stage another name for the file that was staged as `first_path`.

        Raises `NotFoundError` when that was not staged (stage the content again, as a file of its own),
        `UnsafeArchiveError`, `StorageError`.
        """
        folder, _, first = self._relative(first_path).rpartition("/")
        try:
            held = os.dup(self._folders.open(folder))
            self._last, self._last_fd = "", self._tree
            try:
                parent, name = self._place(path)
                os.link(first, name, src_dir_fd=held, dst_dir_fd=parent, follow_symlinks=False)
            finally:
                os.close(held)
        except FileNotFoundError as error:
            raise NotFoundError("the first name of this hard link is not being restored", subject=path) from error
        except OSError as error:
            raise _staging_error(error, path) from error

    def staged(self, path: bytes | str) -> Path:
        """Return where the file that will be `path` lies now, to check it before it takes its name."""
        return self.folder / self.phase / self._relative(path)

    def finish(self) -> None:
        """Make everything staged complete and durable; from here on `merge` may be called.

        Raises `StorageError` or `SpaceError`; nothing at the target has changed then.
        """
        with durable.translated(self.folder):
            self._directories.flush()
            self._write_record(IMPLICIT, b"\0".join(os.fsencode(name) for name in sorted(self._implicit)))
            for relative, entry in directories(self._fd):
                self._attributes.apply(self._folders.open(relative), entry, keep=0o700)
            self._release()
            durable.on_step("sync", str(self.folder))
            sync_file_system(self._fd)
            self.enter(FILLING, READY)
            os.fsync(self._base_fd)

    def _write_record(self, name: str, data: bytes) -> None:
        with os.fdopen(os.open(name, _NEW_FILE, 0o600, dir_fd=self._fd), "wb") as file:
            file.write(data)

    def close(self) -> None:
        """Close what is open; the staging folder stays as it is, for `resume`."""
        self._release()
        super().close()

    def _release(self) -> None:
        with suppress(OSError):  # what is not flushed yet is of no use to anybody: `finish` did not succeed
            self._directories.close()
        self._folders.close()
        if self._tree >= 0:
            os.close(self._tree)
            self._tree = -1


def staging_folder(root: bytes | str | Path, ident: str) -> Path:
    """Return where a `Stage` of `root` and `ident` would make its private folder."""
    return Path(_nearest(os.path.realpath(os.fsdecode(root)))) / f"{STAGING_PREFIX}{ident}"


def _nearest(root: str) -> str:
    """Return `root`, or its nearest parent that is there. Raises `StorageError` where that is no folder."""
    base = root
    while not os.path.lexists(base):
        base = os.path.dirname(base)
    if not os.path.isdir(base):
        raise StorageError("is not a folder", subject=base, hint="choose another target")
    return base


def _staging_error(error: OSError, path: bytes | str) -> LifeboatError:
    if isinstance(error, FileExistsError):
        return UnsafeArchiveError("two entries have the same name", subject=path)
    if isinstance(error, NotADirectoryError):
        return UnsafeArchiveError("lies below something that is no folder", subject=path)
    return durable.translate(error, subject=path)


def _write(fd: int, entry: FileEntry, pieces: Iterable[bytes | memoryview] | memoryview, path: bytes | str) -> str:
    """Write the data of `entry` around its holes and return the SHA-256 of the whole. Raises `OSError`."""
    if isinstance(pieces, memoryview):
        if len(pieces) != entry.size:
            raise ArchiveDamagedError(f"holds {len(pieces):,} bytes instead of {entry.size:,}", subject=path)
        _write_all(fd, pieces, 0)
        return hashlib.sha256(pieces).hexdigest()
    digest = Digest()
    with _Output(fd) as output:
        if not entry.holes:
            for piece in pieces:
                digest.update(piece)
                output.write(piece)
            if output.position != entry.size:
                raise ArchiveDamagedError(f"holds {output.position:,} bytes instead of {entry.size:,}", subject=path)
            return digest.hexdigest()
        rest = memoryview(b"")
        source = iter(pieces)
        for offset, length in segments(entry):
            _hash_zeros(digest, offset - output.position)
            output.position = offset
            while output.position < offset + length:
                if not rest:
                    rest = memoryview(next(source, b""))
                    if not rest:
                        raise ArchiveDamagedError("holds less data than the list says", subject=path)
                part = rest[: offset + length - output.position]
                rest = rest[len(part) :]
                digest.update(part)
                output.write(part)
        if rest or any(source):
            raise ArchiveDamagedError("holds more data than the list says", subject=path)
        _hash_zeros(digest, entry.size - output.position)
    os.ftruncate(fd, entry.size)
    return digest.hexdigest()


class _Output:
    """The data of an open file, written at `position`; large pieces in a thread beside the one that makes them.

    Nothing is written any more when the block ends: its descriptor may be closed then.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._beside: Beside | None = None
        self.position = 0

    def write(self, data: bytes | memoryview) -> None:
        """Write `data`, which must not be changed afterwards, perhaps a little later. Raises `OSError`."""
        if len(data) < LARGE:
            _write_all(self._fd, data, self.position)
        else:
            if self._beside is None:
                self._beside = Beside("writing", ahead=_AHEAD)
            self._beside.do(_write_all, self._fd, data, self.position)
        self.position += len(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._beside is None:
            return
        if kind is not None:
            self._beside.abandon()
            return
        try:
            self._beside.settle()
        finally:
            self._beside.abandon()


def _write_all(fd: int, data: bytes | memoryview, position: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, position)
        view, position = view[written:], position + written


def _hash_zeros(digest: Digest, length: int) -> None:
    while length > 0:
        digest.update(_ZEROS[:length])
        length -= len(_ZEROS)
