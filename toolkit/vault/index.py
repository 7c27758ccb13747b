"""The catalog's SQLite file: opened, made usable, written in transactions that read the manifests themselves.

Rollback journal, not WAL: a vault may lie on a read-only or network file system and be shared by a
group. The busy timeout lets several processes take turns.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from toolkit import durable
from toolkit.errors import ForbiddenError, LifeboatError, LockedError, SpaceError, StorageError
from toolkit.vault import layout, migrations, sidecar
from toolkit.vault.layout import Vault
from toolkit.vault.rows import TABLES, Record, details_of, record_of

if TYPE_CHECKING:
    from sqlite_utils import Database

Say = Callable[[str], None]
Answer = TypeVar("Answer")
BUSY_TIMEOUT = 30.0
"""Seconds that one process waits for another's transaction."""
_BATCH = 1000


class UnusableError(Exception):
    """The catalog cannot be used as it is; `state` says why, `inode` which file it was (0: none)."""

    def __init__(self, state: str, inode: int = 0) -> None:
        super().__init__(state)
        self.state = state
        self.inode = inode


def inode(vault: Vault) -> int:
    """Return the inode of the catalog file, 0 when there is none."""
    try:
        return vault.catalog.stat().st_ino
    except FileNotFoundError:
        return 0


@contextlib.contextmanager
def _translated(vault: Vault, inode: int) -> Iterator[None]:
    """Turn SQLite's errors into `UnusableError` where a refill helps, else into Lifeboat's."""
    try:
        yield
    except sqlite3.Error as error:
        extended = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        code = extended & 0xFF
        where = vault.catalog
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise LockedError("other runs keep the catalog busy", subject=where, hint="try again later") from error
        if extended == sqlite3.SQLITE_READONLY_DBMOVED:  # another process moved it aside meanwhile
            raise UnusableError("out of date") from error
        if code == sqlite3.SQLITE_FULL:
            raise SpaceError("no space left for the catalog", subject=where, hint="free some space") from error
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
            if not os.access(vault.path, os.W_OK):
                read_only = os.statvfs(vault.path).f_flag & os.ST_RDONLY
                why = OSError(errno.EROFS if read_only else errno.EACCES, "")
                raise durable.translate(why, subject=where) from error
            raise ForbiddenError("the catalog cannot be opened or written", subject=where) from error
        if code == sqlite3.SQLITE_IOERR:
            raise StorageError("input/output error in the catalog", subject=where, hint="check the disk") from error
        raise UnusableError("damaged", inode) from error


def _wrap(connection: sqlite3.Connection) -> Database:
    from sqlite_utils import Database

    return Database(connection, execute_plugins=False)


def _state(db: Database) -> str:
    """Return "usable", "old" (steps are pending), "new" (a newer Lifeboat's), "empty" or "damaged" (foreign)."""
    steps = migrations.migrations()
    applied = {step.name for step in steps.applied(db)}
    known = {name for name, _ in migrations.STEPS}
    if applied - known:
        return "new"
    if applied == known:
        return "usable"
    if applied:
        return "old"
    return "damaged" if set(db.table_names()) - {steps.migrations_table} else "empty"


@contextlib.contextmanager
def reading(vault: Vault) -> Iterator[Database]:
    """Open the catalog read-only. Raises `UnusableError` when it is missing, old, newer or damaged."""
    opened = inode(vault)
    if not opened:
        raise UnusableError("missing")
    with _translated(vault, opened):
        address = f"file:{quote(os.fsencode(vault.catalog.absolute()))}?mode=ro"
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT)) as connection:
            db = _wrap(connection)
            state = _state(db)
            if state != "usable":
                raise UnusableError({"new": "of a newer Lifeboat", "old": "out of date"}.get(state, state), opened)
            yield db


@contextlib.contextmanager
def in_memory(vault: Vault) -> Iterator[Database]:
    """Fill a catalog in memory from the manifests, for vaults that cannot be written."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        db = _wrap(connection)
        migrations.migrations().apply(db)
        with _transaction(connection):
            fill(db, vault)
        yield db


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("begin immediate")
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


@contextlib.contextmanager
def _writing(vault: Vault) -> Iterator[Database]:
    """Open the catalog in a transaction, created, migrated and filled where need be."""
    opened = inode(vault)
    with (
        _translated(vault, opened),
        contextlib.closing(sqlite3.connect(vault.catalog, timeout=BUSY_TIMEOUT)) as connection,
    ):
        db = _wrap(connection)
        with _transaction(connection):
            state = _state(db)
            if state in ("new", "damaged"):
                raise UnusableError("of a newer Lifeboat" if state == "new" else state, opened)
            if state != "usable":
                # a catalog that another member of the group made, or that others have moved aside: `change` sees that
                with contextlib.suppress(PermissionError, FileNotFoundError):
                    os.chmod(vault.catalog, vault.file_mode)
                migrations.migrations().apply(db)
                empty(db)
                fill(db, vault)
            yield db


def change(vault: Vault, step: Callable[[Database], Answer], say: Say) -> Answer:
    """Run `step` in a transaction of the catalog, which is made usable first; return its answer.

    When another process moved the catalog aside meanwhile, the step is run again on the new one. Raises
    `LockedError`, `StorageError`, `SpaceError` or `ForbiddenError`.
    """
    for _ in range(3):
        durable.on_step("catalog", str(vault.catalog))
        opened = inode(vault)
        if not opened:
            repair(vault, UnusableError("missing"), say)
            opened = inode(vault)
        try:
            with _writing(vault) as db:
                answer = step(db)
        except UnusableError as error:
            repair(vault, error, say)
            continue
        if inode(vault) == opened:
            return answer
    raise StorageError("the catalog cannot be written", subject=vault.catalog, hint="run `lifeboat catalog rebuild`")


def repair(vault: Vault, trouble: UnusableError, say: Say) -> None:
    """Make the catalog usable: moved aside when it is damaged or newer, then filled from the manifests; say so.

    Of several processes that find it so, one does it. Raises a `StorageError` or `ForbiddenError` when
    the vault cannot be written.
    """
    with durable.translated(vault.catalog):
        lock = os.open(vault.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # network file systems that cannot lock a directory
            fcntl.flock(lock, fcntl.LOCK_EX)
        aside = trouble.inode and trouble.inode == inode(vault) and trouble.state != "out of date"
        if aside:
            _move_aside(vault, "newer" if trouble.state != "damaged" else "damaged")
        count = 0
        with contextlib.suppress(UnusableError), durable.translated(vault.catalog), _writing(vault) as db:
            count = db.table("backups").count
        if aside or (trouble.state == "missing" and count):
            say(f"the catalog was {trouble.state}; it was rebuilt from {count} manifests")
    finally:
        os.close(lock)


def _move_aside(vault: Vault, word: str) -> None:
    with durable.translated(vault.catalog):
        for ending in ("-journal", "-wal", "-shm"):
            durable.remove(vault.catalog.with_name(vault.catalog.name + ending))
        durable.rename(vault.catalog, vault.catalog.with_name(f"{vault.catalog.name}.{word}"))


def stamp_of(path: Path) -> str:
    """Return what tells whether the file at `path` was replaced; "" when it is gone."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return ""
    return f"{status.st_mtime_ns}:{status.st_size}:{status.st_ino}"


def empty(db: Database) -> None:
    """Remove every row."""
    for table in ("backups", *TABLES):
        db.execute(f"delete from {table}")  # noqa: S608  (fixed names)


def fill(db: Database, vault: Vault) -> int:
    """Put every readable manifest into an empty catalog; return their number."""
    tables: dict[str, list[Record]] = {table: [] for table in ("backups", *TABLES)}
    seen: set[str] = set()
    for path in layout.manifests(vault):
        found = _read(vault, path)
        if found is None or str(found[0]["id"]) in seen:
            continue
        seen.add(str(found[0]["id"]))
        tables["backups"].append(found[0])
        for table, records in found[1].items():
            tables[table] += records
        if len(tables["backups"]) >= _BATCH:
            _flush(db, tables)
    _flush(db, tables)
    return len(seen)


def _flush(db: Database, tables: dict[str, list[Record]]) -> None:
    for table, records in tables.items():
        _insert(db, table, records)
        records.clear()


def _insert(db: Database, table: str, records: Iterable[Record]) -> None:
    db.table(table).insert_all(records, replace=True)


def _read(vault: Vault, path: Path) -> tuple[Record, dict[str, list[Record]]] | None:
    stamp = stamp_of(path)
    try:
        manifest = sidecar.read(path)
    except LifeboatError:
        return None
    return record_of(manifest, str(path.relative_to(vault.path)), stamp), details_of(manifest)


def follow(db: Database, vault: Vault, path: Path) -> bool:
    """Put what the manifest at `path` says now into the catalog; forget the backup when it is gone or unreadable.

    Return whether a row was written or removed.
    """
    backup_id = layout.id_of(path)
    found = _read(vault, path)
    if found is None:
        known = db.execute("select path from backups where id = ?", [backup_id]).fetchone()
        if known is None or known[0] != str(path.relative_to(vault.path)):
            return False
    for table, column in (("backups", "id"), *((table, "backup") for table in TABLES)):
        db.execute(f"delete from {table} where {column} = ?", [backup_id])  # noqa: S608  (fixed names)
    if found is not None:
        _insert(db, "backups", [found[0]])
        for table, records in found[1].items():
            _insert(db, table, records)
    return True


def snapshot(db: Database, backup_id: str) -> object:
    """Return all that the catalog holds of a backup, comparable."""
    own = [dict(record) for record in db.table("backups").rows_where("id = ?", [backup_id])]
    return own, {table: sorted(map(repr, db.table(table).rows_where("backup = ?", [backup_id]))) for table in TABLES}
