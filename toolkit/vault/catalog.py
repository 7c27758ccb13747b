"""The index of the manifests: lists, filters and sorts over any number of backups without reading them.

It is only a cache. One that is missing, damaged or of a newer Lifeboat is moved aside and filled from the
manifests again, which is said; where the vault cannot be written, that happens in memory. A row is
always read from its manifest inside the transaction that writes it, so of two processes the last one to
finish leaves what is on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from toolkit.archive.manifest import Status
from toolkit.errors import LifeboatError, LockedError, UsageError
from toolkit.retention import Kind, Scope
from toolkit.vault import index, layout
from toolkit.vault.layout import Vault
from toolkit.vault.rows import Row, RowCount, moment, plain, row_of, text

if TYPE_CHECKING:
    from sqlite_utils import Database

Say = index.Say
Answer = TypeVar("Answer")
ORDERS = ("started", "finished", "size", "rating", "profile", "kind", "evidence")
_CHUNK = 500


def say_nothing(_message: str) -> None:
    """Take a remark about the catalog and drop it."""


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which backups: all that satisfy every part that is given.

    `removed` is "" for those that are there, "trash" for deleted ones, None for both. `tags` must all be
    there; `text` occurs in the note (case of ASCII letters does not matter).
    """

    profile: str | None = None
    kinds: tuple[Kind, ...] = ()
    scopes: tuple[Scope, ...] = ()
    statuses: tuple[Status, ...] = ()
    tags: tuple[str, ...] = ()
    destination: str | None = None
    database: str | None = None
    good: bool | None = None
    damaged: bool | None = None
    pin: bool | None = None
    rating: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None
    id_prefix: str | None = None
    removed: str | None = ""


def _conditions(wanted: Filter) -> tuple[str, list[object]]:
    def day(when: datetime | None) -> str | None:
        return moment(when) if when is not None else None

    has_tag = "exists (select 1 from tags where backup = id and tag = ?)"
    singles: list[tuple[str, object]] = [
        ("removed = ?", wanted.removed),
        ("profile = ?", wanted.profile),
        ("good = ?", wanted.good),
        ("damaged = ?", wanted.damaged),
        ("pin = ?", wanted.pin),
        ("rating >= ?", wanted.rating),
        ("started >= ?", day(wanted.since)),
        ("started < ?", day(wanted.until)),
        ("instr(lower(note), lower(?)) > 0", wanted.text),
        ("id >= ?", wanted.id_prefix),
        ("id < ?", None if wanted.id_prefix is None else wanted.id_prefix + "\x7f"),
        *((has_tag, tag) for tag in wanted.tags),
        ("exists (select 1 from copies where backup = id and destination = ?)", wanted.destination),
        ("exists (select 1 from databases as d where d.backup = backups.id and d.path = ?)", wanted.database),
    ]
    parts = [condition for condition, value in singles if value is not None]
    values = [text(value) if isinstance(value, str) else value for _, value in singles if value is not None]
    for column, choices in (("kind", wanted.kinds), ("scope", wanted.scopes), ("status", wanted.statuses)):
        if choices:
            parts.append(f"{column} in ({', '.join('?' * len(choices))})")
            values += [choice.value for choice in choices]
    return " and ".join(parts) or "1", values


def rows(
    vault: Vault,
    wanted: Filter | None = None,
    *,
    order: str = "started",
    descending: bool = True,
    limit: int | None = None,
    offset: int = 0,
    say: Say = say_nothing,
) -> tuple[Row, ...]:
    """Return the backups that `wanted` describes, sorted by one of `ORDERS`, a page of them with `limit`, `offset`.

    Raises `UsageError` for another order or negative numbers, and what `ask` raises.
    """
    if order not in ORDERS:
        raise UsageError("backups cannot be sorted by that", subject=order, hint="use " + ", ".join(ORDERS))
    if (limit is not None and limit < 0) or offset < 0:
        raise UsageError("limit and offset are counts", hint="give 0 or more")
    where, values = _conditions(wanted or Filter())
    way = "desc" if descending else "asc"

    def question(db: Database) -> tuple[Row, ...]:
        found = list(
            db.table("backups").rows_where(
                where, values, order_by=f"{order} {way}, id {way}", limit=limit, offset=offset or None
            )
        )
        ids = [record["id"] for record in found]
        tags = by_backup(db, "tags", "tag", ids)
        places = by_backup(db, "copies", "destination", ids)
        try:
            return tuple(row_of(one, tags.get(one["id"], ()), places.get(one["id"], ())) for one in found)
        except (ValueError, KeyError, TypeError) as error:  # a flipped byte can leave nonsense in a sound file
            raise index.UnusableError("damaged", index.inode(vault)) from error

    return ask(vault, question, say=say)


def by_backup(db: Database, table: str, column: str, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return what `column` of `table` has for each of the backups `ids`, in the order of the manifest."""
    found: dict[str, tuple[str, ...]] = {}
    where, values = (f"backup in ({', '.join('?' * len(ids))})", ids) if len(ids) <= _CHUNK else ("1", ())
    for record in db.table(table).rows_where(where, values, order_by="rowid"):
        found[record["backup"]] = (*found.get(record["backup"], ()), plain(record[column]))
    return found


def count(vault: Vault, wanted: Filter | None = None, *, say: Say = say_nothing) -> int:
    """Return how many backups `wanted` describes. Raises what `ask` raises."""
    where, values = _conditions(wanted or Filter())
    return ask(vault, lambda db: int(db.table("backups").count_where(where, values)), say=say)


def row(vault: Vault, backup_id: str, *, say: Say = say_nothing) -> Row | None:
    """Return the row of the backup with this whole id, removed or not, or None. Raises what `ask` raises."""
    found = rows(vault, Filter(id_prefix=backup_id, removed=None), limit=2, say=say)
    return next((one for one in found if one.id == backup_id), None)


def row_counts(vault: Vault, database: str, *, say: Say = say_nothing) -> tuple[RowCount, ...]:
    """Return the rows of each table of the database with this path in every backup, oldest first (`timeline`)."""

    def question(db: Database) -> tuple[RowCount, ...]:
        found = db.query(
            "select r.backup, b.started, r.name, r.rows from row_counts as r join backups as b on b.id = r.backup"
            " where r.path = ? and b.removed = '' order by b.started, b.id, r.name",
            [text(database)],
        )
        return tuple(
            RowCount(one["backup"], datetime.fromisoformat(one["started"]), plain(one["name"]), one["rows"])
            for one in found
        )

    return ask(vault, question, say=say)


def ask(vault: Vault, question: Callable[[Database], Answer], *, say: Say = say_nothing) -> Answer:
    """Return what `question` finds in the catalog, which is made usable first where it is not.

    What that took is told to `say`. Where the catalog can neither be read nor mended, the question is put to
    one made in memory. Raises `LockedError` when others keep the catalog busy, and what `question` raises.
    """
    state = "unreadable"
    for _ in range(3):
        try:
            with index.reading(vault) as db:
                return question(db)
        except LockedError:
            raise
        except LifeboatError as error:
            state = f"unreadable ({error.message})"
            break
        except index.UnusableError as error:
            state = error.state
            try:
                index.repair(vault, error, say)
            except LockedError:
                raise
            except LifeboatError:
                break
    say(f"the catalog is {state}; the manifests were read instead")
    with index.in_memory(vault) as db:
        return question(db)


def record(vault: Vault, path: Path, *, say: Say = say_nothing) -> None:
    """Bring the row of the manifest at `path` in line with what is on disk; the row goes when the manifest is gone.

    Never raises for trouble with the catalog: that is told to `say`, and the next `recover` mends it.
    """
    try:
        index.change(vault, lambda db: index.follow(db, vault, path), say)
    except LifeboatError as error:
        say(f"the catalog could not be brought up to date ({error.message}); the next run does it")


def prepare(vault: Vault, *, say: Say = say_nothing) -> None:
    """Make sure that there is a catalog, so that a later loss of it is noticed. Never raises, like `record`."""
    if not vault.catalog.exists():
        try:
            index.change(vault, lambda _db: None, say)
        except LifeboatError as error:
            say(f"the catalog could not be made ({error.message}); the next run does it")


def resync(vault: Vault, *, say: Say = say_nothing) -> tuple[str, ...]:
    """Compare every row with its manifest on disk by size and time, and read what changed again.

    Return the ids whose rows changed, sorted. Raises `LockedError`, `StorageError` or `ForbiddenError`.
    """
    return index.change(vault, lambda db: _compare(db, vault), say)


def _compare(db: Database, vault: Vault) -> tuple[str, ...]:
    records = db.table("backups").rows_where(select="id, path, stamp")
    known = {record["path"]: (record["id"], record["stamp"]) for record in records}
    changed: set[str] = set()
    present = {str(path.relative_to(vault.path)): path for path in layout.manifests(vault)}
    for name in [*(set(known) - set(present)), *present]:
        path = vault.path / name
        backup_id, stamp = known.get(name, ("", "unknown"))
        if stamp != index.stamp_of(path) and index.follow(db, vault, path):
            changed.add(backup_id or layout.id_of(path))
    return tuple(sorted(changed))


def refill(vault: Vault, *, say: Say = say_nothing) -> int:
    """Empty the catalog and fill it from the manifests, in one transaction; return the number of backups."""

    def change(db: Database) -> int:
        index.empty(db)
        return index.fill(db, vault)

    return index.change(vault, change, say)


def differences(vault: Vault) -> tuple[str, ...]:
    """Say, in words, where the catalog does not tell what the manifests on disk say. Nothing is changed."""
    found: list[str] = []
    try:
        with index.reading(vault) as db:
            lines = [line["quick_check"] for line in db.query("pragma quick_check(10)")]
            found += [f"the catalog is damaged: {line}" for line in lines if line != "ok"]
            stored = {record["id"]: index.snapshot(db, record["id"]) for record in db.table("backups").rows}
    except index.UnusableError as error:
        return (f"the catalog is {error.state}",)
    with index.in_memory(vault) as db:
        true = {record["id"]: index.snapshot(db, record["id"]) for record in db.table("backups").rows}
    found += [f"backup {one} is not in the catalog" for one in sorted(set(true) - set(stored))]
    found += [f"backup {one} is in the catalog only" for one in sorted(set(stored) - set(true))]
    found += _changed(stored, true)
    return tuple(found)


def _changed(stored: dict[str, object], true: dict[str, object]) -> Iterable[str]:
    return [
        f"the catalog says something else of backup {one} than its manifest"
        for one in sorted(set(true) & set(stored))
        if stored[one] != true[one]
    ]


def profiles(vault: Vault, *, say: Say = say_nothing) -> tuple[str, ...]:
    """Return the names of the profiles that have backups, deleted ones not counted, sorted."""

    def question(db: Database) -> tuple[str, ...]:
        found = db.query("select distinct profile from backups where removed = '' order by profile")
        return tuple(record["profile"] for record in found)

    return ask(vault, question, say=say)
