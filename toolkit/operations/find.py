"""`find`: a file over all backups, with its versions."""

from __future__ import annotations

from datetime import datetime

import msgspec

from toolkit.archive.manifest import Manifest
from toolkit.errors import LifeboatError
from toolkit.events import ShouldStop, never_stop
from toolkit.filelist import FileEntry, FileType
from toolkit.operations import keys
from toolkit.operations.archiving import StoredBackup
from toolkit.operations.report import Ending, Report
from toolkit.operations.session import Session
from toolkit.operations.show import matches, moment
from toolkit.operations.targets import profile_names
from toolkit.vault import sidecar


class FindRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to look for (a glob or a part of a name; with a slash, of a path), where, and how many paths to show."""

    name: str
    profile: str | None = None
    limit: int = 50


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that holds the version."""

    id: str
    profile: str
    when: datetime


class Version(msgspec.Struct, kw_only=True):
    """One content of a file and the backups that hold it in a row, newest first; `mtime` is that in the newest."""

    type: str
    size: int
    mtime: datetime | None
    digest: str
    target: str
    backups: list[Seen]


class FoundFile(msgspec.Struct, kw_only=True):
    """A path and its versions, newest first."""

    path: str
    section: str
    versions: list[Version]


class FindReport(Report, kw_only=True):
    """The files found: at most `limit` paths of `total`, in `searched` backups."""

    files: list[FoundFile] = msgspec.field(default_factory=list)
    total: int = 0
    searched: int = 0


class _Finder:
    def __init__(self, request: FindRequest) -> None:
        self._pattern = request.name
        self._limit = request.limit
        self._files: dict[str, FoundFile] = {}
        self._beyond: set[int] = set()

    def take(self, manifest: Manifest, entry: FileEntry) -> None:
        found = self._files.get(entry.path)
        if found is None:
            if len(self._files) >= self._limit:
                self._beyond.add(hash(entry.path))
                return
            found = self._files[entry.path] = FoundFile(path=entry.path, section=entry.section.value, versions=[])
        seen = Seen(id=manifest.id, profile=manifest.profile, when=manifest.started)
        last = found.versions[-1] if found.versions else None
        target = entry.target or entry.link_to
        if last is not None and (last.type, last.digest, last.target) == (entry.type.value, entry.digest, target):
            last.backups.append(seen)
            return
        version = Version(
            type=entry.type.value,
            size=entry.size,
            mtime=moment(entry.mtime_ns),
            digest=entry.digest,
            target=target,
            backups=[seen],
        )
        found.versions.append(version)

    def wants(self, entry: FileEntry) -> bool:
        if entry.type is FileType.DIRECTORY:
            return False
        where = entry.path if "/" in self._pattern else entry.path.rpartition("/")[2]
        return self._pattern in where or matches(entry.path, self._pattern)

    def result(self) -> tuple[list[FoundFile], int]:
        return sorted(self._files.values(), key=lambda one: one.path), len(self._files) + len(self._beyond)


def run(session: Session, request: FindRequest, *, should_stop: ShouldStop = never_stop) -> FindReport:
    """Look through the file lists of all backups, newest first; lists are streamed, only matches are kept.

    A backup whose list cannot be read becomes a warning, and the report is incomplete. Raises
    `NotFoundError` when there is no vault, `ProfileNotFoundError`. Ends early, with what was found, when told to stop.
    """
    vault = session.existing_vault
    if request.profile is not None:
        profile_names(session, [request.profile])
    finder = _Finder(request)
    report = FindReport()
    there = [
        one for one in sidecar.load_all(vault, request.profile) if one.manifest.archives and not one.manifest.tombstone
    ]
    for one in sorted(there, key=lambda one: (one.manifest.started, one.manifest.id), reverse=True):
        if should_stop():
            break
        try:
            _search(StoredBackup(one.manifest, one.path.parent), session, finder, should_stop)
            report.searched += 1
        except LifeboatError as error:
            report.warn("not-searched", f"the backup could not be searched: {error.message}", subject=one.manifest.id)
            report.ending = Ending.INCOMPLETE
    report.files, report.total = finder.result()
    if not report.files and report.ending is Ending.DONE:
        report.ending = Ending.NOTHING
    return report


def _search(backup: StoredBackup, session: Session, finder: _Finder, should_stop: ShouldStop) -> None:
    if backup.manifest.encrypted:
        backup.key = keys.key_for(session, backup.manifest)
    for number, entry in enumerate(backup.entries()):
        if number % 1000 == 0 and should_stop():
            return
        if finder.wants(entry):
            finder.take(backup.manifest, entry)
