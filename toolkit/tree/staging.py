"""The staging folder of a restore: where it is, how far it got, and the way out of it.

What is on disk says how far a restore got, never a process: the staged tree is called `filling`, then
`ready`, `merging`, `done`. Before `merging` the target is untouched and `discard` leads out; from then on
only `merge` does, which can be repeated after a stop at any moment and only ever goes forward.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Self

import msgspec

from toolkit import durable
from toolkit.errors import ArchiveDamagedError, FormatError, RefusedError
from toolkit.events import Progress, no_progress
from toolkit.tree.folders import OPEN_FOLDER, remove_tree
from toolkit.tree.merge import Merge, Merged, base_entry
from toolkit.tree.scan import STAGING_PREFIX

VERSION = 1
FILLING, READY, MERGING, DONE, GONE = "filling", "ready", "merging", "done", "gone"


class _Journal(msgspec.Struct, frozen=True):
    """What finds a staging folder again; names are base64, as they are any bytes."""

    stage: int
    root: bytes
    base: bytes
    ident: str
    owners: bool
    inode: int
    mtime_ns: int


class Staging:
    """A private folder `.lifeboat-IDENT` in `base`, on the file system of the target `root` (or its nearest parent)."""

    def __init__(self, root: str, base: str, ident: str, *, owners: bool) -> None:
        self.root = root
        self.ident = ident
        self._base = base
        self._owners = owners
        self._name = f"{STAGING_PREFIX}{ident}"
        self._fd = -1
        with durable.translated(base):
            self._base_fd = os.open(base, OPEN_FOLDER)
            self._base_mtime_ns = os.fstat(self._base_fd).st_mtime_ns

    @property
    def folder(self) -> Path:
        """The staging folder."""
        return Path(self._base) / self._name

    @property
    def phase(self) -> str:
        """How far it got: `filling`, `ready`, `merging`, `done`, or `gone` when there is no staging folder any more."""
        if self._fd < 0:
            return GONE
        with os.scandir(self._fd) as listing:
            names = {entry.name for entry in listing}
        return next((phase for phase in (FILLING, READY, MERGING) if phase in names), DONE)

    def merge(self, on_progress: Progress = no_progress) -> Merged:
        """Rename everything staged into place, then remove the staging folder; repeat it after a stop.

        A name that is new comes with all below it in one rename, a file replaces a file at once, folders that
        are on both sides are merged, and what is of another type is moved away first. What cannot be placed
        (no permission, a mount in the way) is in the result's `failed`; the rest goes on. `on_progress` counts
        names placed. Raises `RefusedError` when the staging was not finished, `StorageError` or `SpaceError`
        when it must stop: the staging folder stays, and merging can be repeated.
        """
        phase = self.phase
        if phase == FILLING:
            raise RefusedError("what is staged is not complete", subject=self.folder)
        merged = Merged()
        if phase == GONE:
            return merged
        with durable.translated(self.folder):
            if phase == READY:
                self.enter(READY, MERGING)
            if phase in (READY, MERGING):
                work = Merge(self._base, self._base_fd, self._fd, self.ident, owners=self._owners)
                merged = work.run(MERGING, on_progress)
                self.enter(MERGING, DONE)
            base = base_entry(self._fd)
            self._remove(base.mtime_ns if base is not None else None)
        return merged

    def discard(self) -> None:
        """Remove the staging folder before anything was merged; the target is untouched.

        Raises `RefusedError` once merging has begun: then only `merge` leads out.
        """
        phase = self.phase
        if phase == MERGING:
            raise RefusedError("merging has begun and can only be finished", subject=self.folder)
        if phase != GONE:
            with durable.translated(self.folder):
                self._remove(self._base_mtime_ns)

    def enter(self, old: str, new: str) -> None:
        """Go from one phase to the next, durably. Raises `OSError`."""
        durable.on_step("rename", str(self.folder / new))
        os.rename(old, new, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        os.fsync(self._fd)

    def save(self, journal: Path) -> None:
        """Write, durably, what `resume` needs to `journal`; at any time after the start.

        Raises `StorageError` or `SpaceError`.
        """
        inode = os.fstat(self._fd).st_ino
        raw_root, raw_base = os.fsencode(self.root), os.fsencode(self._base)
        record = _Journal(VERSION, raw_root, raw_base, self.ident, self._owners, inode, self._base_mtime_ns)
        with durable.translated(journal):
            durable.write_file(journal, msgspec.json.encode(record))

    def close(self) -> None:
        """Close what is open; the staging folder stays as it is, for `resume`."""
        for fd in (self._fd, self._base_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._base_fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _remove(self, mtime_ns: int | None) -> None:
        """Remove the staging folder, after which the base is as old as it should be."""
        durable.on_step("rmdir", str(self.folder))
        remove_tree(self._base_fd, self._name)
        if mtime_ns is not None:
            with suppress(PermissionError):
                os.utime(self._base_fd, ns=(mtime_ns, mtime_ns))
        os.fsync(self._base_fd)
        self.close()

    def _reopen(self, inode: int) -> None:
        with suppress(FileNotFoundError):
            self._fd = os.open(self._name, OPEN_FOLDER, dir_fd=self._base_fd)
            status = os.fstat(self._fd)
            if (status.st_ino, status.st_uid, stat.S_IMODE(status.st_mode)) != (inode, os.geteuid(), 0o700):
                self.close()
                raise RefusedError("this is not the staging folder that was left", subject=self.folder)

    @classmethod
    def resume(cls, journal: Path) -> Staging:
        """Return the staging that `save` wrote down: look at its `phase`, then `merge` or `discard`.

        Raises `FormatError` or `ArchiveDamagedError` for a journal that cannot be read, `RefusedError` when the
        folder of that name is not the one that was left.
        """
        with durable.translated(journal):
            data = journal.read_bytes()
        try:
            record = msgspec.json.decode(data, type=_Journal)
        except msgspec.DecodeError as error:
            raise ArchiveDamagedError("the journal of a restore cannot be read", subject=journal) from error
        if record.stage > VERSION:
            raise FormatError("the journal is of a newer Lifeboat", subject=journal, hint="upgrade Lifeboat")
        staging = Staging(os.fsdecode(record.root), os.fsdecode(record.base), record.ident, owners=record.owners)
        with durable.translated(staging.folder):
            staging._base_mtime_ns = record.mtime_ns
            staging._reopen(record.inode)
        return staging
