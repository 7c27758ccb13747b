"""The files of a backup as a tree that is opened folder by folder, over any number of files.

The list beside the archive is read once, as a stream, into a private index that only this process sees: SQLite's own
temporary file, which has no name and goes with the connection. What is read by then can be looked at meanwhile.
"""

# ruff: noqa: S608 -- names are ours, values are bound

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from toolkit.filelist import FileEntry, FileType, Section
from toolkit.vault import conditions
from toolkit.vault.conditions import Condition, Field
from toolkit.vault.rows import plain, text

ROOT = 0
"""The number of what holds the sources."""

_TYPES = (FileType.DIRECTORY, FileType.FILE, FileType.SYMLINK)
_SECTIONS = tuple(Section)
_BATCH = 1000
_REMEMBERED = 20_000
_COLUMNS = "id, parent, type, name, section, size, mtime, mode, owner, target, files"

FIELDS = {
    "name": Field("name"),
    "size": Field("size", "number"),
    "age": Field("mtime", "ns"),
    "type": Field("case type when 0 then 'folder' when 1 then 'file' else 'link' end"),
    "owner": Field("owner"),
    "files": Field("files", "number"),
}
"""What filters can ask for, by name; a word without a column is looked for in the name."""


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One name in the tree; those right below `ROOT` have their whole path as `name`.

    Of a folder `size` and `files` are those of all that is below it, as far as it was read.
    """

    id: int
    parent: int
    type: FileType
    name: str
    section: Section
    size: int
    mtime_ns: int
    mode: int
    owner: str
    target: str
    files: int

    @property
    def folder(self) -> bool:
        """Whether it can hold something."""
        return self.type is FileType.DIRECTORY


class _Open:
    """A folder whose content is being read: what it has by now goes to the index when the list leaves it."""

    __slots__ = ("files", "id", "path", "size")

    def __init__(self, path: str, ident: int) -> None:
        self.path, self.id = path, ident
        self.size = self.files = 0


class FileTree:
    """The index of one file list. `fill` runs in one thread, the rest may be asked from another meanwhile.

    With `secret` nothing of it ever reaches a disk; it then lies in memory.
    """

    def __init__(self, *, secret: bool = False) -> None:
        self._db = sqlite3.connect(":memory:" if secret else "", check_same_thread=False, isolation_level=None)
        self._mutex = threading.Lock()
        self._stack = [_Open("", ROOT)]
        self._known: dict[str, int] = {}
        self._batch: list[tuple[object, ...]] = []
        self._left: list[tuple[int, int, int]] = []
        self._last = 0
        self.count = 0
        self._db.executescript(
            "pragma journal_mode=off; pragma synchronous=off; pragma cache_size=-2000;"
            "create table entries(id integer primary key, parent int, type int, name, section int, size int, mtime int,"
            " mode int, owner text, target, files int);"
            "create index children on entries(parent, type);"
        )
        self._db.create_function("fold", 1, conditions.fold, deterministic=True)

    def close(self) -> None:
        """Let the index go."""
        with self._mutex:
            self._db.close()

    def __del__(self) -> None:
        self._db.close()

    # ---- filling

    def fill(
        self, entries: Iterable[FileEntry], *, should_stop: Callable[[], bool], told: Callable[[int], object]
    ) -> None:
        """Take all `entries`; `told` gets how many there are by now, from time to time. Stops early when asked to."""
        for entry in entries:
            self._take(entry)
            if len(self._batch) >= _BATCH:
                self._write()
                if should_stop():
                    return
                told(self.count)
        while self._stack[1:]:
            self._leave()
        self._write()
        told(self.count)

    def _take(self, entry: FileEntry) -> None:
        path = entry.path.rstrip("/") or "/"
        folder, _, name = path.rpartition("/")
        parent = self._parent(folder)
        ident = self._add(parent, entry, path if parent.id == ROOT else name)
        if entry.type is FileType.DIRECTORY:
            self._enter(path, ident)
        else:
            parent.size += entry.size
            parent.files += 1

    def _parent(self, folder: str) -> _Open:
        """Return the open folder that `folder` is, opened again where the list comes back to it; else the top."""
        while self._stack[1:] and not f"{folder}/".startswith(f"{self._stack[-1].path}/"):
            self._leave()
        if self._stack[-1].path != folder:
            self._reopen(folder)
        if self._stack[1:] and self._stack[-1].path != folder:  # a folder that the list left out
            while self._stack[1:]:
                self._leave()
        return self._stack[-1]

    def _reopen(self, folder: str) -> None:
        """Open the known folders from the last open one down to `folder` again."""
        at = len(self._stack[-1].path)
        while at >= 0:
            at = folder.find("/", at + 1)
            path = folder if at < 0 else folder[:at]
            if path in self._known:
                self._stack.append(_Open(path, self._known[path]))

    def _enter(self, path: str, ident: int) -> None:
        self._stack.append(_Open(path, ident))
        if len(self._known) < _REMEMBERED:
            self._known[path] = ident

    def _leave(self) -> None:
        gone = self._stack.pop()
        self._left.append((gone.size, gone.files, gone.id))
        above = self._stack[-1]
        if above.id != ROOT:
            above.size += gone.size
            above.files += gone.files

    def _add(self, parent: _Open, entry: FileEntry, name: str) -> int:
        self._last += 1
        self.count += 1
        folder = entry.type is FileType.DIRECTORY
        owner = f"{entry.user or entry.uid}:{entry.group or entry.gid}"
        target = entry.target or entry.link_to
        size, files = (0, 0) if folder else (entry.size, 1)
        row = (
            self._last,
            parent.id,
            _TYPES.index(entry.type),
            text(name),
            _SECTIONS.index(entry.section),
            size,
            min(max(entry.mtime_ns, -(2**63)), 2**63 - 1),
            entry.mode,
            text(owner),
            text(target),
            files,
        )
        self._batch.append(row)
        return self._last

    def _write(self) -> None:
        with self._mutex:
            self._db.execute("begin")
            self._db.executemany("insert into entries values(?,?,?,?,?,?,?,?,?,?,?)", self._batch)
            self._db.executemany("update entries set size = size + ?, files = files + ? where id = ?", self._left)
            self._db.execute("commit")
        self._batch.clear()
        self._left.clear()

    # ---- asking

    def children(self, folder: int) -> int:
        """Return how many names are right below `folder`."""
        return int(self._ask("select count(*) from entries where parent = ?", [folder])[0][0])

    def page(self, folder: int, offset: int, limit: int) -> list[Node]:
        """Return the names right below `folder` from `offset` on: folders first, then in the order of the list."""
        inner = "select id from entries where parent = ? order by type, id limit ? offset ?"
        sql = f"select {_COLUMNS} from entries where id in ({inner}) order by type, id"
        return [_node(row) for row in self._ask(sql, [folder, limit, offset])]

    def place(self, node: Node) -> int:
        """Return the place of `node` among the names beside it, as `page` counts."""
        kind = _TYPES.index(node.type)
        sql = "select count(*) from entries where parent = ? and (type < ? or (type = ? and id < ?))"
        return int(self._ask(sql, [node.parent, kind, kind, node.id])[0][0])

    def node(self, ident: int) -> Node | None:
        """Return the node with this number."""
        rows = self._ask(f"select {_COLUMNS} from entries where id = ?", [ident])
        return _node(rows[0]) if rows else None

    def path(self, node: Node) -> str:
        """Return the whole path of `node`, as the kernel gave it."""
        names = [node.name]
        above = node
        while above.parent != ROOT and (found := self.node(above.parent)) is not None:
            above = found
            names.append(above.name)
        first, *rest = reversed(names)
        return "/".join([first.rstrip("/"), *rest]) if rest else first

    def search(self, wanted: Sequence[Condition], *, now: datetime, limit: int) -> list[Node]:
        """Return the first `limit` names anywhere in the tree that pass, in the order of the list."""
        condition, values = conditions.where(wanted, FIELDS, now, plain=("name",))
        sql = f"select {_COLUMNS} from entries where {condition} order by id limit ?"
        return [_node(row) for row in self._ask(sql, [*values, limit])]

    def _ask(self, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        with self._mutex:
            return self._db.execute(sql, values).fetchall()


def _node(row: Sequence[Any]) -> Node:
    ident, parent, kind, name, section, size, mtime, mode, owner, target, files = row
    return Node(
        id=ident,
        parent=parent,
        type=_TYPES[kind],
        name=plain(name),
        section=_SECTIONS[section],
        size=size,
        mtime_ns=mtime,
        mode=mode,
        owner=plain(owner),
        target=plain(target),
        files=files,
    )
