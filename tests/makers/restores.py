"""A whole circle without an archive: walk a tree, load its files, stage them at a target, merge."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from toolkit.filelist import FileEntry, FileType, Section
from toolkit.tree import read, scan
from toolkit.tree.place import Stage


def walk(root: Path, said: list[scan.LeftOut] | None = None) -> list[FileEntry]:
    return list(scan.Scanner((said if said is not None else []).append).walk(Section.FILES, root))


def stage(entries: Iterable[FileEntry], source: Path, target: Path, ident: str = "test") -> Stage:
    """Stage what `entries` of `source` say, with the content that is there now, for `target`."""
    staged = Stage(target, ident, owners=os.geteuid() == 0)
    for entry in entries:
        add(staged, entry, source, target)
    return staged


def add(staged: Stage, entry: FileEntry, source: Path, target: Path) -> str:
    """Stage one entry and return its digest."""

    def there(path: str) -> str:
        return str(target) + path[len(str(source)) :]

    if entry.type is FileType.DIRECTORY:
        staged.directory(entry, there(entry.path))
    elif entry.type is FileType.SYMLINK:
        staged.symlink(entry, there(entry.path))
    elif entry.link_to:
        staged.hardlink(entry, there(entry.path), there(entry.link_to))
    else:
        content = read.load(entry)
        pieces = content.pieces if content.data is None else [content.data]
        return staged.file(content.entry, there(entry.path), pieces or [])
    return ""
