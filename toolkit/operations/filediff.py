"""How the files of a backup differ from those of another, or from what is there now. Lists are streamed."""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

import msgspec

from toolkit.archive.manifest import Manifest
from toolkit.errors import CancelledError, LifeboatError
from toolkit.events import ShouldStop
from toolkit.filelist import FileEntry, FileType, Section
from toolkit.operations.archiving import StoredBackup
from toolkit.operations.show import moment
from toolkit.operations.taking.survey import Survey
from toolkit.tree import compare, scan

_TREES = (Section.FILES, Section.CONFIG, Section.LOGS, Section.GIT)
Root = tuple[Section, str]
Differ = Callable[[FileEntry, FileEntry], tuple[str, ...]]


class Change(enum.StrEnum):
    """What happened to a thing on the way from left to right."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class Stand(msgspec.Struct, frozen=True, kw_only=True):
    """How a file stands on one side."""

    size: int
    mtime: datetime | None
    digest: str = ""


class FileChange(msgspec.Struct, frozen=True, kw_only=True):
    """A file that differs; `how` is some of `type content time target mode owner`."""

    path: str
    section: str
    change: Change
    how: tuple[str, ...] = ()
    left: Stand | None = None
    right: Stand | None = None


class FileComparison(msgspec.Struct, kw_only=True):
    """The first `limit` differences, and the counts of all."""

    named: list[FileChange] = msgspec.field(default_factory=list)
    added: int = 0
    removed: int = 0
    changed: int = 0
    same: int = 0

    def take(self, left: FileEntry | None, right: FileEntry | None, how: tuple[str, ...], limit: int) -> None:
        """Count the pair, and name it while there is room."""
        entry = left or right
        if entry is None or (left and right and not how):
            self.same += 1
            return
        change = Change.ADDED if left is None else Change.REMOVED if right is None else Change.CHANGED
        if change is Change.ADDED:
            self.added += 1
        elif change is Change.REMOVED:
            self.removed += 1
        else:
            self.changed += 1
        if len(self.named) < limit:
            self.named.append(
                FileChange(
                    path=entry.path,
                    section=entry.section.value,
                    change=change,
                    how=how,
                    left=_stand(left),
                    right=_stand(right),
                )
            )


def _stand(entry: FileEntry | None) -> Stand | None:
    return None if entry is None else Stand(size=entry.size, mtime=moment(entry.mtime_ns), digest=entry.digest)


def _roots(manifest: Manifest) -> set[Root]:
    """Return what the files of `manifest` lie below; everything, where it does not say."""
    if not manifest.sources:
        return {(section, "/") for section in _TREES}
    return {(source.section, source.path) for source in manifest.sources if source.section in _TREES}


def _within(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


def _widest(roots: Iterable[Root]) -> list[Root]:
    """Return the roots that lie in no other of their section, in order."""
    every = set(roots)
    return sorted(
        (section, path)
        for section, path in every
        if not any(other != path and kind is section and _within(path, other) for kind, other in every)
    )


def _nested(roots: Iterable[Root], root: Root) -> bool:
    """Say whether another root lies in `root`: its entries then come twice, and out of order."""
    return any(kind is root[0] and path != root[1] and _within(path, root[1]) for kind, path in roots)


def _select(entries: Iterable[FileEntry], root: Root, *, mixed: bool) -> Iterator[FileEntry]:
    """Yield the entries below `root` in the order of a walk; with `mixed` they are sorted in memory first."""
    section, path = root
    chosen = (one for one in entries if one.section is section and (section is Section.GIT or _within(one.path, path)))
    if not mixed:
        return chosen
    return iter(sorted({one.path: one for one in chosen}.values(), key=lambda one: compare.walk_key(one.path)))


def _one_git(roots: set[Root]) -> set[Root]:
    """Take all repositories as one root: their members are not named by their address."""
    return {root for root in roots if root[0] is not Section.GIT} | (
        {(Section.GIT, "/")} if any(root[0] is Section.GIT for root in roots) else set()
    )


def backups_differ(left: StoredBackup, right: StoredBackup, *, limit: int) -> FileComparison:
    """Compare two backups by digest, root by root. Exports are left out: they follow from the databases."""
    found = FileComparison()
    roots = _one_git(_roots(left.manifest) | _roots(right.manifest))
    for root in _widest(roots):
        mixed = root[0] is Section.GIT or _nested(roots, root)
        ours = _select(left.entries(), root, mixed=mixed)
        theirs = _select(right.entries(), root, mixed=mixed)
        _join(found, ours, theirs, _by_digest, limit)
    return found


def _join(
    found: FileComparison, ours: Iterable[FileEntry], theirs: Iterable[FileEntry], differ: Differ, limit: int
) -> None:
    for one, other in compare.join(ours, theirs):
        found.take(one, other, differ(one, other) if one is not None and other is not None else (), limit)


def _by_digest(one: FileEntry, other: FileEntry) -> tuple[str, ...]:
    how = _outside(one, other)
    if "type" not in how and one.type is FileType.FILE and (one.size, one.digest) != (other.size, other.digest):
        return ("content", *how)
    return how


def _outside(one: FileEntry, other: FileEntry) -> tuple[str, ...]:
    """Return how two entries differ but for their content and time."""
    if one.type is not other.type:
        return ("type",)
    how = []
    if one.target != other.target:
        how.append("target")
    if one.mode != other.mode and one.type is not FileType.SYMLINK:
        how.append("mode")
    if (one.uid, one.gid) != (other.uid, other.gid):
        how.append("owner")
    return tuple(how)


def live_differs(
    left: StoredBackup, found: Survey, *, limit: int, content: bool, should_stop: ShouldStop
) -> FileComparison:
    """Compare a backup with what `found` surveyed: by size and time, or by digest when `content`.

    Databases, their sidecars and repositories are left out. What the backup has, is still there, and is only
    filtered out now (an old log), is no difference. Raises `CancelledError`.
    """
    result = FileComparison()
    filters = {(root.section, str(root.path)): root.filters for root in found.roots}
    skipped = found.skipped | {
        f"{one.path}{suffix}" for one in left.manifest.databases for suffix in ("", "-wal", "-shm", "-journal")
    }
    roots = {root for root in _roots(left.manifest) | filters.keys() if root[0] is not Section.GIT}

    def walk(root: Root) -> Iterator[FileEntry]:
        scanner = scan.Scanner(_say_nothing)
        for kind, path in sorted(filters, key=lambda one: compare.walk_key(one[1])):
            if kind is root[0] and _within(path, root[1]):
                try:
                    for entry in scanner.walk(kind, path, filters[kind, path]):
                        if should_stop():
                            raise CancelledError("cancelled while comparing; nothing was changed")
                        yield entry
                except LifeboatError as error:
                    if error.code == "cancelled":
                        raise

    def differ(one: FileEntry, other: FileEntry) -> tuple[str, ...]:
        return _by_content(one, other) if content else _by_time(one, other)

    for root in _widest(roots):
        mixed = _nested(roots, root)
        ours = _without(_select(left.entries(), root, mixed=mixed), skipped)
        theirs = _without(_select(walk(root), root, mixed=mixed), skipped)
        for one, other in compare.join(ours, theirs):
            if one is not None and other is None and os.path.lexists(one.raw_path):
                continue
            how = differ(one, other) if one is not None and other is not None else ()
            result.take(one, other, how, limit)
    return result


def _without(entries: Iterable[FileEntry], skipped: frozenset[str]) -> Iterator[FileEntry]:
    return (entry for entry in entries if entry.path not in skipped)


def _by_time(one: FileEntry, other: FileEntry) -> tuple[str, ...]:
    how = _outside(one, other)
    if "type" in how or one.type is not FileType.FILE:
        return how
    if one.size != other.size:
        return ("content", *how)
    return how if one.mtime_ns == other.mtime_ns else ("time", *how)


def _by_content(one: FileEntry, other: FileEntry) -> tuple[str, ...]:
    how = _outside(one, other)
    if "type" in how or one.type is not FileType.FILE:
        return how
    clash = compare.clash(one, other.raw_path, digest=bool(one.digest))
    return how if clash.kind is compare.ClashKind.SAME else ("content", *how)


def _say_nothing(_left: scan.LeftOut) -> None:
    """What cannot be looked at is in the next backup's report; here it counts as not there."""
