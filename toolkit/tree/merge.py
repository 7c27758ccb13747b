"""Merging a staged tree into the live one: by renames, each of which can be repeated.

Every name is reached from the base folder by descriptors that follow no link, so that a link planted at
any moment in a folder that belongs to another user leads nowhere. Folders' owners, modes and times come
last, from the list that was staged with them.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from toolkit import durable
from toolkit.events import Progress
from toolkit.filelist import FileEntry, decode_entry
from toolkit.tree.across import copy_across
from toolkit.tree.attributes import Attributes
from toolkit.tree.folders import OPEN_FOLDER, Folders, mount_points, remove_tree, sync_file_system

DIRECTORIES = "directories.jsonl"
IMPLICIT = "implicit"
BASE = "base"
ASIDE = "aside"

_TRIES = 5
_ONE_NAME = (errno.EACCES, errno.EPERM, errno.EBUSY, errno.ETXTBSY, errno.ENAMETOOLONG, errno.EMLINK, errno.EINVAL)
_SWAPPED = (errno.ENOTDIR, errno.ELOOP, errno.ENOENT)


@dataclass(frozen=True, slots=True)
class Failure:
    """A path that could not be placed, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge did: names renamed into place (a new folder counts once, whole), things moved away, failures."""

    placed: int = 0
    moved_away: int = 0
    failed: tuple[Failure, ...] = ()


def directories(staging: int) -> Iterator[tuple[str, FileEntry]]:
    """Yield (relative path, entry) of the staged folders, last first, so that what is inside comes before."""
    fd = os.open(DIRECTORIES, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=staging)
    with os.fdopen(fd, "rb") as file:
        position, rest = file.seek(0, os.SEEK_END), b""
        while position > 0:
            length = min(65536, position)
            position -= length
            file.seek(position)
            lines = (file.read(length) + rest).split(b"\n")
            rest = lines.pop(0)
            for line in reversed(lines):
                if line:
                    entry = decode_entry(line)
                    yield entry.path, entry
        if rest:
            entry = decode_entry(rest)
            yield entry.path, entry


def base_entry(staging: int) -> FileEntry | None:
    """Return the entry of the base folder itself, when it was staged."""
    try:
        fd = os.open(BASE, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=staging)
    except FileNotFoundError:
        return None
    with os.fdopen(fd, "rb") as file:
        return decode_entry(file.read())


class Merge:
    """One merge of the tree in `staging` into the folder `base`; both are open folders of the caller."""

    def __init__(self, base: str, base_fd: int, staging: int, ident: str, *, owners: bool) -> None:
        self._base = base.rstrip("/")
        self._base_fd = base_fd
        self._staging = staging
        self._ident = ident
        self._attributes = Attributes(owners=owners)
        self._target = Folders(base_fd)
        self._mounts = tuple(point for point in mount_points() if point.startswith(f"{self._base}/"))
        self._implicit: frozenset[str] = frozenset()
        self._linked: dict[tuple[int, int], str] = {}
        self._crossed: dict[int, str] = {}
        self._failed: list[Failure] = []
        self._placed = self._moved_away = 0

    def run(self, tree: str, on_progress: Progress) -> Merged:
        """Merge the folder `tree` of the staging folder and make the result durable. Raises `OSError`."""
        with os.fdopen(os.open(IMPLICIT, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._staging), "rb") as file:
            self._implicit = frozenset(os.fsdecode(file.read()).split("\0")) - {""}
        top = os.open(tree, OPEN_FOLDER, dir_fd=self._staging)
        staged = Folders(top)
        try:
            self._merge(staged, on_progress)
            self._finish_folders()
            durable.on_step("sync", self._base)
            for relative in self._crossed.values():
                sync_file_system(self._target.open(relative))
            sync_file_system(self._base_fd)
        finally:
            staged.close()
            self._target.close()
            os.close(top)
        return Merged(self._placed, self._moved_away, tuple(self._failed))

    def _path(self, relative: str) -> str:
        return f"{self._base}/{relative}"

    def _fail(self, relative: str, reason: str) -> None:
        self._failed.append(Failure(self._path(relative), reason))

    def _merge(self, staged: Folders, on_progress: Progress) -> None:
        pending = [""]
        while pending:
            relative = pending.pop()
            if relative and not self._ready(staged, relative):
                continue
            try:
                source, target = staged.open(relative), self._target.open(relative)
                self._make_writable(target, relative)
            except OSError as error:
                if error.errno not in (*_SWAPPED, *_ONE_NAME):
                    raise
                self._fail(relative, error.strerror or "cannot be opened")
                continue
            with os.scandir(source) as listing:
                inside = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in listing)
            for name, folder in inside:
                below = f"{relative}/{name}" if relative else name
                if folder:
                    pending.append(below)
                else:
                    self._file(source, target, name, below)
            on_progress(self._placed, None)

    def _make_writable(self, target: int, relative: str) -> None:
        """Let an ordinary user write in a folder of theirs that gets its recorded mode at the end anyway."""
        if not relative or relative in self._implicit or os.geteuid() == 0:
            return
        status = os.fstat(target)
        if status.st_uid == os.geteuid() and status.st_mode & 0o300 != 0o300:
            os.fchmod(target, stat.S_IMODE(status.st_mode) | 0o300)

    # -- folders --------------------------------------------------------------------------------------

    def _ready(self, staged: Folders, relative: str) -> bool:
        """Place the staged folder whole when its name is free; answer True when there is one to merge into."""
        above, _, name = relative.rpartition("/")
        try:
            for _ in range(_TRIES):
                parent = self._target.open(above)
                try:
                    mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
                except FileNotFoundError:
                    if self._rename_folder(staged.open(above), parent, name, relative):
                        staged.forget(relative)
                        return False
                    continue
                if stat.S_ISDIR(mode):
                    if self._opens(relative):
                        return True
                elif relative in self._implicit:
                    self._fail(relative, "a folder is needed here, and something else stands in its place")
                    return False
                else:
                    self._move_away(parent, name, relative)
            self._fail(relative, "went on changing while it was restored")
        except OSError as error:
            if error.errno not in (*_SWAPPED, *_ONE_NAME):
                raise
            self._fail(relative, error.strerror or "cannot be placed")
        return False

    def _opens(self, relative: str) -> bool:
        try:
            self._target.open(relative)
        except OSError as error:
            if error.errno in _SWAPPED:
                return False
            raise
        return True

    def _rename_folder(self, source: int, parent: int, name: str, relative: str) -> bool:
        """Rename a staged folder into place; where that cannot be, on another file system, make an empty one there.

        Answers whether it is placed whole.
        """
        durable.on_step("rename", self._path(relative))
        try:
            os.rename(name, name, src_dir_fd=source, dst_dir_fd=parent)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                return False
            if error.errno != errno.EXDEV:
                raise
            os.mkdir(name, 0o777 if relative in self._implicit else 0o700, dir_fd=parent)
            return False
        self._placed += 1
        return True

    def _finish_folders(self) -> None:
        """Set owner, attributes, mode and time of every folder that was staged, innermost first."""
        durable.on_step("attributes", self._base)
        failed = {failure.path for failure in self._failed}
        for relative, entry in directories(self._staging):
            try:
                self._attributes.apply(self._target.open(relative), entry)
            except OSError as error:
                if error.errno not in (*_SWAPPED, *_ONE_NAME):
                    raise
                if not failed:
                    self._fail(relative, error.strerror or "its attributes cannot be set")
        base = base_entry(self._staging)
        if base is not None:
            self._attributes.apply(self._base_fd, base)

    # -- files ----------------------------------------------------------------------------------------

    def _file(self, source: int, target: int, name: str, relative: str) -> None:
        """Rename a staged file or link over what has its name."""
        try:
            for _ in range(_TRIES):
                durable.on_step("rename", self._path(relative))
                try:
                    os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
                except IsADirectoryError:
                    self._move_away(target, name, relative)
                    continue
                except OSError as error:
                    if error.errno != errno.EXDEV:
                        raise
                    self._copy(source, target, name, relative)
                self._placed += 1
                return
            self._fail(relative, "went on changing while it was restored")
        except OSError as error:
            if error.errno not in _ONE_NAME:
                raise
            self._fail(relative, error.strerror or "cannot be placed")

    def _copy(self, source: int, target: int, name: str, relative: str) -> None:
        """Copy a staged file to another file system, with its hard links; what is staged stays until the end."""
        status = os.stat(name, dir_fd=source, follow_symlinks=False)
        device = os.fstat(target).st_dev
        self._crossed.setdefault(device, relative.rpartition("/")[0])
        key = (status.st_ino, device)
        try:
            mode = os.stat(name, dir_fd=target, follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                self._move_away(target, name, relative)
        except FileNotFoundError:
            pass
        first = self._linked.get(key) if status.st_nlink > 1 else None
        folder = Folders(self._base_fd)
        try:
            link = None
            if first is not None:
                above, _, known = first.rpartition("/")
                link = (folder.open(above), known)
            copy_across(source, target, name, f".lifeboat-{self._ident}.partial", link=link)
        finally:
            folder.close()
        if status.st_nlink > 1:
            self._linked.setdefault(key, relative)

    def _move_away(self, parent: int, name: str, relative: str) -> None:
        """Take what stands at a name out of the way: into the staging folder, or where that cannot be, remove it."""
        path = self._path(relative)
        if any(point == path or point.startswith(f"{path}/") for point in self._mounts):
            raise OSError(errno.EBUSY, "a file system is mounted here")
        durable.on_step("rename", path)
        self._target.forget(relative)
        with suppress(FileExistsError):
            os.mkdir(ASIDE, 0o700, dir_fd=self._staging)
        aside = os.open(ASIDE, OPEN_FOLDER, dir_fd=self._staging)
        try:
            os.rename(name, secrets.token_hex(12), src_dir_fd=parent, dst_dir_fd=aside)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            remove_tree(parent, name)
        finally:
            os.close(aside)
        self._moved_away += 1
