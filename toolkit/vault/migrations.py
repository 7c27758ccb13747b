"""The catalog's tables, by steps that are never changed once released; new ones are appended.

The catalog is only a cache: a step may drop what it likes, since `catalog` fills a catalog whose tables
changed from the manifests again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database, Migrations

SET = "lifeboat"


def _backups(db: Database) -> None:
    db.table("backups").create(
        {
            "id": str,
            "profile": str,
            "kind": str,
            "scope": str,
            "format": str,
            "host": str,
            "status": str,
            "error": str,
            "started": str,
            "finished": str,
            "size": int,
            "good": int,
            "damaged": int,
            "evidence": int,
            "pin": int,
            "rating": int,
            "note": str,
            "removed": str,
            "databases": int,
            "files": int,
            "path": str,
            "stamp": str,
        },
        pk="id",
        not_null=("profile", "kind", "scope", "status", "started", "size", "good", "removed", "path", "stamp"),
    )


def _indexes(db: Database) -> None:
    table = db.table("backups")
    for columns in (  # each ends with the id, by which ties are broken, so that a page is read off the index
        ("removed", "started", "id"),
        ("removed", "profile", "started", "id"),
        ("removed", "kind", "started", "id"),
        ("removed", "size", "id"),
        ("removed", "rating", "id"),
        ("removed", "finished", "id"),
        ("removed", "damaged", "finished", "id"),
    ):
        table.create_index(columns)


def _tags(db: Database) -> None:
    table = db.table("tags")
    table.create({"backup": str, "tag": str}, pk=("backup", "tag"))
    table.create_index(("tag",))


def _contents(db: Database) -> None:
    databases = db.table("databases")
    databases.create(
        {"backup": str, "path": str, "name": str, "size": int, "damaged": int, "schema_digest": str},
        pk=("backup", "path"),
    )
    databases.create_index(("path",))
    db.table("row_counts").create({"backup": str, "path": str, "name": str, "rows": int}, pk=("backup", "path", "name"))


def _copies(db: Database) -> None:
    table = db.table("copies")
    table.create({"backup": str, "destination": str, "remote_id": str, "at": str}, pk=("backup", "destination"))
    table.create_index(("destination",))


STEPS = (
    ("0001_backups", _backups),
    ("0002_indexes", _indexes),
    ("0003_tags", _tags),
    ("0004_contents", _contents),
    ("0005_copies", _copies),
)


def migrations() -> Migrations:
    """Return the steps as sqlite-utils applies them: each in a transaction, recorded in the catalog."""
    from sqlite_utils import Migrations

    steps = Migrations(SET)
    for name, step in STEPS:
        steps(name=name)(step)
    return steps
