"""Backups as a list that a person scrolls, filters and sorts: the order once, then page by page off the catalog."""

# ruff: noqa: S608 -- names are ours, values are bound

from __future__ import annotations

from array import array
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from toolkit.vault import catalog, conditions, index
from toolkit.vault.conditions import Condition, Field
from toolkit.vault.layout import Vault
from toolkit.vault.rows import Row, row_of

if TYPE_CHECKING:
    from sqlite_utils import Database

_STATE = (
    "case when status = 'failed' then 'failed' when status = 'creating' then 'writing' when damaged then 'damaged'"
    " else case evidence when 0 then 'written' when 1 then 'verified' when 2 then 'opened' else 'rehearsed' end end"
)
_TAGS = "(select group_concat(tag, char(10)) from tags where backup = backups.id)"
_PLACES = "(select group_concat(destination, char(10)) from copies where backup = backups.id)"

FIELDS = {
    "age": Field("started", "moment"),
    "target": Field("profile"),
    "kind": Field("kind"),
    "size": Field("size", "number"),
    "state": Field(_STATE),
    "rate": Field("rating", "number"),
    "where": Field(f"'here' || coalesce(char(10) || {_PLACES}, '')", "words"),
    "note": Field("note"),
    "tag": Field(_TAGS, "words"),
    "id": Field("id"),
    "scope": Field("scope"),
    "host": Field("host"),
    "format": Field("format"),
    "pin": Field("case when pin then 'yes' else 'no' end"),
    "good": Field("case when good then 'yes' else 'no' end"),
    "files": Field("files", "number"),
    "databases": Field("databases", "number"),
}
"""What filters can ask for, by name."""

_PLAIN = ("age", "target", "kind", "state", "where", "note", "tag", "id")
_SORTS = {
    "age": "started",
    "target": "profile",
    "kind": "kind",
    "size": "size",
    "state": "case status when 'failed' then -2 when 'creating' then 4 else iif(damaged, -1, evidence) end",
    "rate": "rating",
    "where": "(select count(*) from copies where backup = backups.id)",
}
_NEWEST_FIRST = ("age", "")
_CHUNK = 500


class Arranged(msgspec.Struct, frozen=True):
    """Which backups pass, as row numbers of the catalog in their order, and of how many that are there."""

    rows: array[int]
    total: int


def arrange(
    vault: Vault, wanted: Sequence[Condition], *, sort: str = "", reverse: bool = False, now: datetime
) -> Arranged:
    """Return the backups that pass, the newest first or by the column `sort`; those without a value come last.

    Raises what `catalog.ask` raises.
    """
    condition, values = conditions.where(wanted, FIELDS, now, plain=_PLAIN)
    column = _SORTS.get(sort, "started")
    down = "desc" if (sort in _NEWEST_FIRST) is not reverse else "asc"
    order = f"started {down}, id {down}" if column == "started" else f"{column} is null, {column} {down}, started desc"

    def question(db: Database) -> Arranged:
        _fold(db)
        total = db.table("backups").count_where("removed = ''")
        sql = f"select rowid from backups where removed = '' and {condition} order by {order}"
        return Arranged(array("q", (found for (found,) in db.execute(sql, values))), total)

    return catalog.ask(vault, question)


def page(vault: Vault, rows: Sequence[int]) -> tuple[Row, ...]:
    """Return the backups with these row numbers in their order, without those that went meanwhile."""

    def question(db: Database) -> tuple[Row, ...]:
        found: dict[int, Row] = {}
        for start in range(0, len(rows), _CHUNK):
            found |= _read(db, vault, rows[start : start + _CHUNK])
        return tuple(found[number] for number in rows if number in found)

    return catalog.ask(vault, question)


def place_of(vault: Vault, arranged: Arranged, backup_id: str) -> int | None:
    """Return where the backup with this whole id is in `arranged`, or None."""

    def question(db: Database) -> int | None:
        found = next(db.execute("select rowid from backups where id = ?", [backup_id]), None)
        return None if found is None else int(found[0])

    number = catalog.ask(vault, question)
    try:
        return None if number is None else arranged.rows.index(number)
    except ValueError:
        return None


def _fold(db: Database) -> None:
    db.conn.create_function("fold", 1, conditions.fold, deterministic=True)


def _read(db: Database, vault: Vault, rows: Sequence[int]) -> dict[int, Row]:
    where = f"rowid in ({', '.join('?' * len(rows))})"
    records = list(db.table("backups").rows_where(where, list(rows), select="rowid as number, *"))
    ids = [record["id"] for record in records]
    tags = catalog.by_backup(db, "tags", "tag", ids)
    places = catalog.by_backup(db, "copies", "destination", ids)
    try:
        return {one["number"]: row_of(one, tags.get(one["id"], ()), places.get(one["id"], ())) for one in records}
    except (ValueError, KeyError, TypeError) as error:
        raise index.UnusableError("damaged", index.inode(vault)) from error
