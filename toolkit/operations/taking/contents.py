"""The contents of a backup in archive order: files as soon as the snapshots are held, then databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from toolkit.archive.manifest import DatabaseRecord, LeftOut
from toolkit.errors import CancelledError, LifeboatError
from toolkit.filelist import Content, FileEntry, FileType, Item, Section
from toolkit.operations.taking.copies import Copies, DamagedCopyError, TakenCopy
from toolkit.operations.taking.survey import Survey, entry_of
from toolkit.tree import read, scan


class Contents:
    """Collects what goes into the archive while its items are streamed.

    `more` are staged items besides. After `groups` is exhausted, `databases` has the record of each copy with
    where it lies, `left_out` what is not in the backup, `errors` how many of those should have been, `added`
    how many entries are, `changed` what changed while it was read.
    """

    def __init__(self, found: Survey, copies: Copies, extra: Callable[[], Iterator[Item]] | None = None) -> None:
        self.more: list[Item] = []
        self.left_out: list[LeftOut] = []
        self.changed: list[str] = []
        self.errors = 0
        self.added = 0
        self.copy_seconds = 0.0
        self.check_seconds = 0.0
        self._found = found
        self._copies = copies
        self._extra = extra
        self._records: dict[str, DatabaseRecord] = {}
        self._places: dict[str, FileEntry] = {}
        self._scanner = scan.Scanner(self._scan_left_out)

    @property
    def databases(self) -> list[DatabaseRecord]:
        """The records of the databases that are in the archive, and where in it they lie."""
        return [
            msgspec.structs.replace(record, digest=place.digest, size=place.size, layers=place.layers)
            for path, record in self._records.items()
            if (place := self._places.get(path)) is not None
        ]

    def groups(self) -> Iterator[Iterator[Item]]:
        """Yield the items of the backup in groups, each as soon as it can be read, which may wait.

        First the files, once the snapshots are held; then the files of each copy; then exports and what else there
        is, once all copies are checked. Raises `DamagedCopyError` for copies that are in the archive by then.
        """
        self._copies.wait_for_snapshots()
        yield self._files()
        taken = []
        for copy in self._copies:
            taken.append(copy)
            self.copy_seconds += copy.seconds
            yield self._database_items(copy)
        for problem in self._copies.problems:
            self._leave_out(problem)
        yield self._exports(taken)
        yield iter(self.more)
        if self._extra is not None:
            yield self._extra()

    def _files(self) -> Iterator[Item]:
        skipped = self._found.skipped
        for root in self._found.roots:
            try:
                entries = self._scanner.walk(root.section, root.path, root.filters)
            except LifeboatError as error:
                self._leave_out(LeftOut(str(root.path), error.message))
                continue
            for entry in entries:
                if entry.path not in skipped:
                    yield read.item(entry)

    def note_added(self, entry: FileEntry) -> None:
        """Take note of an entry that is in the archive now: where a database lies, what changed meanwhile."""
        self.added += 1
        if entry.changed:
            self.changed.append(entry.path)
        if entry.section is Section.DATABASES:
            self._places[entry.path] = entry

    def problem(self, path: str, reason: str) -> None:
        """Record that a source could not be read."""
        self._leave_out(LeftOut(path, reason))

    def skip(self, entry: FileEntry, reason: str, *, error: bool = True) -> None:
        """Record that the content of `entry` could not be read any more."""
        self._leave_out(LeftOut(entry.path, reason, not error))

    def _scan_left_out(self, left: scan.LeftOut) -> None:
        self._leave_out(LeftOut(left.path, left.reason, not left.error))

    def _leave_out(self, left: LeftOut) -> None:
        self.left_out.append(left)
        self.errors += not left.expected

    def _database_items(self, copy: TakenCopy) -> Iterator[Item]:
        for staged, original in copy.files:
            entry = copy.database.entry
            if original != entry.path:
                there = str(copy.database.path) == entry.path
                entry = entry_of(Section.DATABASES, Path(original)) if there else _renamed(entry, original)
            yield staged_item(staged, entry)

    def _exports(self, taken: Sequence[TakenCopy]) -> Iterator[Item]:
        """Wait for what the checks say, keep the records and yield the exports; raises `DamagedCopyError`."""
        damaged: dict[str, DatabaseRecord] = {}
        unsure = False
        for copy in taken:
            try:
                outcome = copy.outcome.result()
            except DamagedCopyError as error:
                damaged |= error.known
                continue
            except CancelledError:
                raise
            except LifeboatError:
                unsure = True
                continue
            self._records[outcome.record.path] = outcome.record
            self.check_seconds += outcome.check_seconds
            for staged, name in outcome.exports:
                named = msgspec.structs.replace(copy.database.entry, section=Section.EXPORTS, path=name)
                yield staged_item(staged, named)
        if damaged or unsure:
            raise DamagedCopyError(damaged)


def _renamed(entry: FileEntry, path: str) -> FileEntry:
    return msgspec.structs.replace(entry, path=path)


def staged_item(staged: Path, entry: FileEntry) -> Item:
    """Return an item with the content of the private file `staged` and everything else from `entry`."""
    own = entry_of(entry.section, staged)

    def load() -> Content:
        content = read.load(own)
        content.entry = _named(content.entry, entry)
        return content

    return Item(_named(own, entry), load)


def _named(own: FileEntry, entry: FileEntry) -> FileEntry:
    return msgspec.structs.replace(entry, type=FileType.FILE, size=own.size, holes=own.holes, link_to="", link_group=0)
