"""From an archive into stages: one pass, every digest compared, nothing at the target touched yet."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from toolkit.archive.member import Member, fill_holes
from toolkit.archive.names import UNLIMITED
from toolkit.archive.reader import FILE_LIST, MANIFEST
from toolkit.beside import LARGE
from toolkit.errors import (
    ArchiveDamagedError,
    LifeboatError,
    NotFoundError,
    SpaceError,
    UnsafeArchiveError,
)
from toolkit.filelist import FileEntry, FileType, Section
from toolkit.jobs.context import Job
from toolkit.operations.archiving import StoredBackup, named
from toolkit.tree.place import Stage
from toolkit.tree.read import segments

OWN_MEMBERS = frozenset({b"RESTORE.txt", FILE_LIST, MANIFEST})

Place = tuple[Stage, str]
Choose = Callable[[FileEntry], Place | None]
"""Says where an entry goes (the stage and the target's path), or None to leave it; asked once for each, in order."""


@dataclass(frozen=True)
class FailedItem:
    """An entry that could not be restored, and why."""

    path: str
    reason: str


@dataclass
class Filled:
    """What was staged: how many entries of each type, bytes, and what could not be."""

    files: int = 0
    others: int = 0
    bytes: int = 0
    failed: list[FailedItem] = field(default_factory=list)


class _Filler:
    def __init__(self, backup: StoredBackup, choose: Choose, job: Job, total: int | None) -> None:
        self._backup = backup
        self._choose = choose
        self._job = job
        self._progress = job.progress(total=total)
        self._linked: dict[str, list[tuple[FileEntry, Place]]] = {}
        self._firsts: dict[str, Place] = {}
        self.filled = Filled()

    def run(self) -> Filled:
        for member, entry in self._pairs():
            place = self._choose(entry)
            if place is not None:
                self._stage(member, entry, place)
        if self._linked:
            self._stage_first_contents()
        return self.filled

    def _pairs(self) -> Iterator[tuple[Member, FileEntry]]:
        """Yield each member with its entry: both are in the order of writing."""
        with self._backup.reader() as reader:
            entries = self._backup.entries()
            for member in reader.members(UNLIMITED):
                if member.name in OWN_MEMBERS:
                    continue
                entry = next(entries, None)
                if entry is None or not entry.layers or os.fsencode(entry.layers[0].member) != member.name:
                    raise ArchiveDamagedError(
                        "the archive and its file list do not belong together",
                        subject=member.name,
                        hint=f"lifeboat verify {self._backup.manifest.id}",
                    )
                if self._job.should_stop():
                    self._job.raise_if_stopped()
                yield member, entry
            if next(entries, None) is not None:
                raise ArchiveDamagedError(
                    "the archive ends before its file list does", subject=self._backup.volumes[-1]
                )

    def _stage(self, member: Member, entry: FileEntry, place: Place) -> None:
        stage, path = place
        try:
            if entry.type is FileType.DIRECTORY:
                stage.directory(entry, path)
                self.filled.others += 1
            elif entry.type is FileType.SYMLINK:
                stage.symlink(entry, path)
                self.filled.others += 1
            elif entry.link_to and self._linked_to_staged(entry, place):
                self.filled.files += 1
            elif member.link_to is not None:
                self._linked.setdefault(entry.link_to, []).append((entry, place))
            else:
                self._file(member, entry, place)
        except (SpaceError, UnsafeArchiveError):
            raise
        except LifeboatError as error:
            if error.code == "cancelled":
                raise
            self.filled.failed.append(FailedItem(path, error.message))

    def _linked_to_staged(self, entry: FileEntry, place: Place) -> bool:
        """Stage the link when its first name was staged by the same stage; say whether that was so."""
        stage, path = place
        first = self._firsts.get(entry.link_to)
        if first is None or first[0] is not stage:
            return False
        try:
            stage.hardlink(entry, path, first[1])
        except NotFoundError:
            return False
        return True

    def _file(self, member: Member, entry: FileEntry, place: Place) -> None:
        stage, path = place
        if member.data is not None and not entry.holes and len(member.data) < LARGE:
            self._progress(self.filled.bytes + len(member.data))
            digest = stage.file(entry, path, member.data)
        else:
            digest = stage.file(entry, path, self._watched(data_of(member, entry)))
        if digest != entry.digest:
            stage.staged(path).unlink()
            raise ArchiveDamagedError("its content in the archive is not what was backed up", subject=path)
        if entry.link_group:
            self._firsts[entry.path] = place
        self.filled.files += 1
        self.filled.bytes += entry.size

    def _watched(self, pieces: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
        done = self.filled.bytes
        for piece in pieces:
            done += len(piece)
            self._progress(done)
            self._job.raise_if_stopped()
            yield piece

    def _stage_first_contents(self) -> None:
        """Stage hard links whose first name is not restored: its content, under the first name that is."""
        waiting = self._linked
        for member, entry in self._pairs():
            links = waiting.pop(entry.path, None)
            if not links:
                continue
            (named, place), *rest = links
            with contextlib.suppress(LifeboatError):
                self._file(member, msgspec.structs.replace(named, digest=entry.digest, holes=entry.holes), place)
            for other, (stage, path) in rest:
                stage.hardlink(other, path, place[1])
                self.filled.files += 1
            if not waiting:
                return


def data_of(member: Member, entry: FileEntry) -> Iterable[bytes | memoryview]:
    """Return the data of `member` outside the holes of `entry`: zip and 7z keep holes as zeros."""
    if member.holes == entry.holes:
        return member.pieces
    return _outside_holes(fill_holes(member.pieces, member.size, member.holes), entry)


def _outside_holes(pieces: Iterable[bytes], entry: FileEntry) -> Iterator[bytes]:
    position = 0
    wanted = segments(entry)
    offset, length = next(wanted, (entry.size, 0))
    for piece in pieces:
        start = position
        position += len(piece)
        while length and offset < position:
            begin = max(offset, start)
            end = min(offset + length, position)
            yield piece[begin - start : end - start]
            length -= end - begin
            offset = end
            if not length:
                offset, length = next(wanted, (entry.size, 0))


def fill(backup: StoredBackup, choose: Choose, job: Job, *, total: int | None = None) -> Filled:
    """Stage every entry that `choose` wants, in one pass (a second one for hard links without their first name).

    Every content is hashed on the way and compared with the file list. An item that cannot be staged is in
    `failed`, the others go on. Raises `ArchiveDamagedError` when the archive cannot be read on,
    `UnsafeArchiveError`, `SpaceError`, `CancelledError`: the caller discards the stages.
    """
    with named(backup.volumes[-1]):
        return _Filler(backup, choose, job, total).run()


@dataclass(frozen=True)
class Extraction:
    """A backup restored to a folder of its own: what came, and where each path of the origin is now."""

    root: Path
    filled: Filled

    @property
    def failed(self) -> list[FailedItem]:
        """What could not be restored."""
        return self.filled.failed

    def place_of(self, path: str) -> Path:
        """Return where the thing that was `path` is now."""
        return Path(elsewhere(self.root, path))


def elsewhere(root: Path | str, path: str) -> str:
    """Return where the absolute `path` goes below `root`."""
    return f"{str(root).rstrip('/')}/{path.lstrip('/')}"


def target_elsewhere(root: Path | str, entry: FileEntry) -> str:
    """Return where `entry` goes below `root`: its whole old path; repositories go to `git/`."""
    return elsewhere(root, f"git{entry.path}" if entry.section is Section.GIT else entry.path)


def extract(backup: StoredBackup, root: Path, job: Job, *, only_databases: set[str] | None = None) -> Extraction:
    """Restore `backup` (or only the databases with these paths) below the folder `root`, which is not there yet."""
    with Stage(root, f"{job.id}x", owners=os.geteuid() == 0) as stage:

        def choose(entry: FileEntry) -> Place | None:
            if only_databases is not None and not (entry.section is Section.DATABASES and entry.path in only_databases):
                return None
            return stage, target_elsewhere(root, entry)

        try:
            filled = fill(backup, choose, job, total=backup.manifest.files.bytes)
            stage.finish()
        except BaseException:
            stage.discard()
            raise
        merged = stage.merge()
        filled.failed.extend(FailedItem(one.path, one.reason) for one in merged.failed)
    return Extraction(root, filled)
