"""Looking before a backup: which databases there are, what is missing, how many bytes it will be.

Databases inside folders are found by their header here, before any connection to them exists in this
process (closing a file drops the locks of every connection of the same process to it).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import msgspec

from toolkit.archive.manifest import LeftOut, Source
from toolkit.errors import CancelledError, LifeboatError, NotADatabaseError, SourceMissingError
from toolkit.events import ShouldStop
from toolkit.filelist import FileEntry, FileType, Section
from toolkit.profile.checks import left_out_of
from toolkit.profile.model import DatabaseSource, GitSource, Profile
from toolkit.retention import Scope
from toolkit.sqlite import deleted
from toolkit.sqlite.header import is_database
from toolkit.tree import read, scan
from toolkit.tree.filters import Filters

SIDECARS = ("-wal", "-shm", "-journal")
SUFFIXES = (b".db", b".db3", b".sqlite", b".sqlite3", b".s3db")


@dataclass(frozen=True, slots=True)
class Root:
    """A folder or file that the profile names, with the filters for what is below it."""

    section: Section
    path: Path
    filters: Filters


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDatabase:
    """A database to copy: where it is, its name in the backup, the bytes of it and its WAL.

    `entry` says under which path it is kept; only an imported one lies elsewhere.
    """

    path: Path
    name: str
    bytes: int
    source: DatabaseSource
    entry: FileEntry


@dataclass(slots=True)
class Survey:
    """What a backup of one profile will hold. `problems` are sources that are missing or empty."""

    databases: list[FoundDatabase] = field(default_factory=list)
    roots: list[Root] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    problems: list[LeftOut] = field(default_factory=list)
    git: list[GitSource] = field(default_factory=list)
    entries: int = 0
    bytes: int = 0
    asked: int = 0

    @property
    def database_bytes(self) -> int:
        """Bytes of all databases with their WALs."""
        return sum(database.bytes for database in self.databases)

    @property
    def skipped(self) -> frozenset[str]:
        """The paths that must not be read as plain files: databases and their sidecars."""
        return frozenset(f"{database.path}{suffix}" for database in self.databases for suffix in ("", *SIDECARS))


def survey(profile: Profile, scope: Scope, *, skip: tuple[Path, ...], now: datetime, should_stop: ShouldStop) -> Survey:
    """Look at everything that `profile` names, for `scope`; the folders of `skip` (the vault) are never walked.

    With the scope `database` the folders are walked for the databases that lie in them, named in the profile or not.
    Reads headers only. Raises `CancelledError` when `should_stop` says so.
    """
    found = Survey()
    if scope is not Scope.FILES:
        for source in profile.databases:
            _configured(found, source)
    if scope is Scope.DATABASE:
        for root in _roots(profile, skip, now):
            _walk_for_databases(found, root, should_stop)
    else:
        for root in _roots(profile, skip, now):
            _walk(found, root, should_stop)
        for repository in profile.git:
            found.asked += 1
            found.git.append(repository)
            found.sources.append(Source(Section.GIT, repository.url))
    _name_databases(found)
    return found


def _configured(found: Survey, source: DatabaseSource) -> None:
    found.asked += 1
    path = Path(os.path.realpath(source.path))
    found.sources.append(Source(Section.DATABASES, str(path)))
    try:
        _add_database(found, path, source)
    except LifeboatError as error:
        found.problems.append(LeftOut(str(path), error.message))


def _add_database(found: Survey, path: Path, source: DatabaseSource) -> None:
    """Add the database at `path`; raises `SourceMissingError` or `NotADatabaseError`."""
    try:
        size = path.stat().st_size
    except FileNotFoundError as error:
        held = deleted.find(path) is not None
        said = ", deleted while it is open: `lifeboat diagnose` says by whom, and how to have it back" if held else ""
        raise SourceMissingError(f"the database is missing{said}", subject=path) from error
    if size == 0:
        raise NotADatabaseError("the database has 0 bytes", subject=path)
    wal = Path(f"{path}-wal")
    size += wal.stat().st_size if wal.exists() else 0
    entry = entry_of(Section.DATABASES, path)
    found.databases.append(FoundDatabase(path=path, name=path.name, bytes=size, source=source, entry=entry))
    found.bytes += size


def _roots(profile: Profile, skip: tuple[Path, ...], now: datetime) -> Iterator[Root]:
    def own(source: Path) -> tuple[str, ...]:
        return tuple(str(path) for path in left_out_of(source, skip))

    for section, trees in ((Section.FILES, profile.files), (Section.CONFIG, profile.config_files)):
        for tree in trees:
            cross = not tree.one_file_system
            yield Root(
                section, tree.path, Filters.compile(exclude=tree.exclude, cross_mounts=cross, skip=own(tree.path))
            )
    for log in profile.logs:
        filters = Filters.compile(exclude=log.exclude, days=log.days, now=now, cross_mounts=True, skip=own(log.path))
        yield Root(Section.LOGS, log.path, filters)


def _walk(found: Survey, root: Root, should_stop: ShouldStop) -> None:
    found.asked += 1
    found.sources.append(Source(root.section, str(root.path)))
    if not os.path.lexists(root.path):
        found.problems.append(LeftOut(str(root.path), "the folder or file is missing"))
        return
    found.roots.append(root)
    known = {database.path for database in found.databases}
    for entry in _entries(root, should_stop):
        found.entries += 1
        found.bytes += entry.data_size
        _find_database(found, entry, known)


def _walk_for_databases(found: Survey, root: Root, should_stop: ShouldStop) -> None:
    if not os.path.lexists(root.path):
        return
    known = {database.path for database in found.databases}
    already = len(known)
    for entry in _entries(root, should_stop):
        _find_database(found, entry, known)
    for database in found.databases[already:]:
        found.sources.append(Source(Section.DATABASES, str(database.path)))
        found.bytes += database.bytes


def _entries(root: Root, should_stop: ShouldStop) -> Iterator[FileEntry]:
    for number, entry in enumerate(scan.Scanner(_say_nothing).walk(root.section, root.path, root.filters), 1):
        if not number % 1000 and should_stop():
            raise CancelledError("cancelled while looking at the files; nothing was written")
        yield entry


def _find_database(found: Survey, entry: FileEntry, known: set[Path]) -> None:
    """Add the database that `entry` is, or is the -wal of, when it is not in `known`."""
    main = _main_file(entry)
    if main is not None and main.type is FileType.FILE and not main.link_to and _is_database(main):
        path = Path(main.path)
        if path not in known:
            known.add(path)
            found.databases.append(
                FoundDatabase(
                    path=path,
                    name=path.name,
                    bytes=main.size + _size(f"{path}-wal"),
                    source=DatabaseSource(path=path),
                    entry=msgspec.structs.replace(main, section=Section.DATABASES, link_group=0),
                )
            )


def entry_of(section: Section, path: Path) -> FileEntry:
    """Return the entry of the one file, folder or link at `path`, which is looked at now."""
    return next(scan.Scanner(_say_nothing).walk(section, path))


def _say_nothing(_left: scan.LeftOut) -> None:
    """Leave it to the pass that reads the files to report what is left out."""


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _main_file(entry: FileEntry) -> FileEntry | None:
    """Return the file whose header is worth a look: `entry`, or the one that `entry` is the -wal of.

    A database has whole pages, unless it is cut; then its name tells, or the -wal, which comes after it.
    """
    if entry.path.endswith("-wal") and os.path.isfile(main := entry.path.removesuffix("-wal")):
        return entry_of(entry.section, Path(main))
    if entry.size < 512 or (entry.size % 512 and not entry.raw_path.endswith(SUFFIXES)):
        return None
    return entry


def _is_database(entry: FileEntry) -> bool:
    try:
        return is_database(read.prefix(entry, 16))
    except LifeboatError:
        return False


def _name_databases(found: Survey) -> None:
    """Give each database the shortest tail of its path that no other has."""
    paths = [database.path for database in found.databases]
    for index, database in enumerate(found.databases):
        parts = database.path.parts
        for take in range(1, len(parts)):
            name = "/".join(parts[-take:])
            if sum(path.parts[-take:] == parts[-take:] for path in paths) == 1:
                break
        found.databases[index] = replace(database, name=database.source.name or name)
