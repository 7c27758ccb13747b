"""The times of folders in which a restore changes names: those of the backup, or for an undo those from before.

They are kept as JSON lines: beside the journal of a restore, to be given at its end, and in the undo list of its
safety backup.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from toolkit import durable
from toolkit.errors import ArchiveDamagedError
from toolkit.filelist import FileEntry, FileType, Section, decode_name, encode_name
from toolkit.operations.restoring.plan import IN_PLACE, Action, Chooser, RestorePlan
from toolkit.operations.restoring.request import OnConflict
from toolkit.tree import times
from toolkit.tree.times import FolderTime


@dataclass
class Times:
    """What folders show before a restore, and what they are to show after it."""

    before: list[FolderTime] = field(default_factory=list)
    after: list[FolderTime] = field(default_factory=list)


def held(made: RestorePlan) -> dict[str, int]:
    """Return the times in ns of the folders that will hold a staging folder: ask before they do."""
    found = {}
    for path in (*made.roots, *(os.path.dirname(row.path) for row in made.databases)):
        with suppress(OSError):
            found[os.path.realpath(path)] = os.stat(path).st_mtime_ns
    return found


def reckon(
    made: RestorePlan, before: dict[str, int], removed: Iterable[str] = (), undone: Iterable[FolderTime] = ()
) -> Times:
    """Say what the times of folders are and are to be, while nothing at the target has changed.

    `before` is what `held` said, `removed` the paths that an undo takes away, `undone` what folders showed before the
    operation that is undone: a safety backup holds no folder that stayed.
    """
    walk = _Walk(made)
    walk.run()
    changed = {os.path.realpath(folder) for folder in walk.changed} | {os.path.dirname(path) for path in removed}
    found = Times()
    for folder in sorted(changed | before.keys()):
        shown = times.time_of(folder, before.get(folder))
        if shown is not None:
            found.before.append(shown)
            if folder not in changed:  # only staging folders and databases come and go in it
                found.after.append(shown)
    found.after += [one for one in (*walk.listed(), *undone) if one.folder in changed or one.folder in before]
    return found


class _Walk:
    """One pass over the list: the folders in which names change, and the names that the backup has in those that stay.

    Folders that are made new come with their time, but for those that get a database afterwards.
    """

    def __init__(self, made: RestorePlan) -> None:
        self._made = made
        self._choices = {row.path: row.choice for row in made.clashes}
        self._mtimes: dict[str, int] = {}
        self._prints = {os.path.dirname(row.path): 0 for row in made.databases}
        self._new: set[str] = set()
        self.changed: set[str] = set()

    def run(self) -> None:
        chooser, actions = Chooser(self._made.request), iter(self._made.actions)
        for entry in self._made.request.backup.entries():
            target = chooser.target(entry)
            if target is None:
                if self._stands(entry):
                    self._note(entry, entry.path, Action.SAME)
            elif entry.section is Section.DATABASES:
                self._note(entry, target, Action.SAME)
            else:
                self._note(entry, target, next(actions))

    def listed(self) -> Iterator[FolderTime]:
        """Yield the folders of the backup that need their time given back."""
        for folder, mtime_ns in self._mtimes.items():
            yield FolderTime(os.path.realpath(folder), mtime_ns, self._prints[folder])

    def _stands(self, entry: FileEntry) -> bool:
        """Say whether an entry that is not restored may be there all the same."""
        return self._made.request.in_place and (entry.section in IN_PLACE or entry.section is Section.DATABASES)

    def _note(self, entry: FileEntry, target: str, action: int) -> None:
        above, _, name = target.rpartition("/")
        if above in self._prints:
            self._prints[above] = times.names_print((name,), self._prints[above])
        if entry.type is FileType.DIRECTORY and (action != Action.CREATE or target in self._prints):
            self._prints.setdefault(target, 0)
            self._mtimes[target] = entry.mtime_ns
        elif entry.type is FileType.DIRECTORY:
            self._new.add(target)
        if self._renames(entry, target, action) and above not in self._new:
            self.changed.add(above)

    def _renames(self, entry: FileEntry, target: str, action: int) -> bool:
        if action == Action.CLASH:
            return self._choices.get(target) is not OnConflict.SKIP
        return action == Action.CREATE or (action == Action.REPLACE and entry.type is not FileType.DIRECTORY)


def line(one: FolderTime) -> bytes:
    """Return `one` as a JSON line."""
    return (
        msgspec.json.encode({"folder": encode_name(one.folder), "mtime_ns": one.mtime_ns, "names": one.names}) + b"\n"
    )


def of_line(value: Any) -> FolderTime | None:
    """Return what the decoded JSON of a line says of a folder, or None when it says something else."""
    if not isinstance(value, dict) or "folder" not in value:
        return None
    try:
        return msgspec.convert({**value, "folder": decode_name(value["folder"])}, FolderTime)
    except msgspec.ValidationError as error:
        raise ArchiveDamagedError("the time of a folder cannot be read") from error


def write(path: Path, found: Iterable[FolderTime]) -> None:
    """Write, durably, what `give` needs. Raises `StorageError` or `SpaceError`."""
    with durable.translated(path), durable.atomic_file(path) as file:
        for one in found:
            file.write(line(one))


def read(path: Path) -> Iterator[FolderTime]:
    """Yield the times in a file of lines, whatever else is in it; none when there is no file."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        for text in file:
            try:
                one = of_line(msgspec.json.decode(text))
            except msgspec.DecodeError as error:
                raise ArchiveDamagedError("the times of folders cannot be read", subject=path) from error
            if one is not None:
                yield one


def give(path: str) -> None:
    """Give the folders that the file `path` names their times, as the last step; may be repeated."""
    if path:
        times.put_back(read(Path(path)))
