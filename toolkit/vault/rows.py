"""What the catalog says of a backup, and how it is put into the catalog's tables and taken out again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from toolkit.archive.manifest import Manifest, Status
from toolkit.retention import Kind, Scope

TABLES = ("tags", "databases", "row_counts", "copies")
"""The tables beside `backups`; each has a column `backup`."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One backup as lists show it; all of it comes from its manifest.

    `removed` is empty, `trash` (deleted, can be undone) or `removing` (a removal that is under way).
    `databases` and `files` are counts, `path` is the manifest's, relative to the vault.
    """

    id: str
    profile: str
    kind: Kind
    scope: Scope
    format: str
    host: str
    status: Status
    error: str
    started: datetime
    finished: datetime | None
    size: int
    good: bool
    damaged: bool
    evidence: int
    pin: bool
    rating: int | None
    note: str
    removed: str
    databases: int
    files: int
    path: str
    tags: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()


class RowCount(msgspec.Struct, frozen=True):
    """The rows of one table of one database in one backup; None where they could not be counted."""

    backup: str
    started: datetime
    table: str
    rows: int | None


Value = str | bytes | int | None
Record = dict[str, Value]


def moment(when: datetime) -> str:
    """Return `when` as the catalog keeps it: UTC, of fixed length, so that text sorts like time."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def text(value: str) -> str | bytes:
    """Return `value` as SQLite can keep it: bytes where it is no clean UTF-8 (names from the kernel)."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogateescape" if _from_kernel(value) else "backslashreplace")
    return value


def _from_kernel(value: str) -> bool:
    return all(not 0xD800 <= ord(char) < 0xE000 or 0xDC80 <= ord(char) < 0xDD00 for char in value)


def plain(value: object) -> str:
    """Return the text that `text` made ready for SQLite."""
    return os.fsdecode(value) if isinstance(value, bytes) else str(value)


def removed_word(manifest: Manifest) -> str:
    """Return what the catalog's `removed` says for this manifest."""
    if manifest.tombstone is None:
        return ""
    return "trash" if manifest.tombstone.trash else "removing"


def record_of(manifest: Manifest, path: str, stamp: str) -> Record:
    """Return the record of a manifest in the table `backups`; `stamp` tells whether the file changed since."""
    return {
        "id": manifest.id,
        "profile": manifest.profile,
        "kind": manifest.kind.value,
        "scope": manifest.scope.value,
        "format": text(manifest.format),
        "host": text(manifest.host),
        "status": manifest.status.value,
        "error": text(manifest.error),
        "started": moment(manifest.started),
        "finished": moment(manifest.finished) if manifest.finished is not None else None,
        "size": manifest.size,
        "good": int(manifest.good),
        "damaged": int(manifest.damaged or bool(manifest.evidence.damage)),
        "evidence": int(manifest.level),
        "pin": int(manifest.pin),
        "rating": manifest.rating,
        "note": text(manifest.note),
        "removed": removed_word(manifest),
        "databases": len(manifest.databases),
        "files": manifest.files.files,
        "path": path,
        "stamp": stamp,
    }


def details_of(manifest: Manifest) -> dict[str, list[Record]]:
    """Return the records of a manifest in the other tables, by table."""
    backup = manifest.id
    databases: dict[str, Record] = {}
    counts: dict[tuple[str, str], Record] = {}
    for database in manifest.databases:
        databases[database.path] = {
            "backup": backup,
            "path": text(database.path),
            "name": text(database.name),
            "size": database.size,
            "damaged": int(database.damaged),
            "schema_digest": text(database.schema_digest),
        }
        for table, rows in database.tables.items():
            counts[database.path, table] = {
                "backup": backup,
                "path": text(database.path),
                "name": text(table),
                "rows": rows,
            }
    copies: dict[str, Record] = {
        copy.destination: {
            "backup": backup,
            "destination": text(copy.destination),
            "remote_id": text(copy.id),
            "at": moment(copy.when) if copy.when is not None else None,
        }
        for copy in manifest.copies
    }
    return {
        "tags": [{"backup": backup, "tag": text(tag)} for tag in dict.fromkeys(manifest.tags)],
        "databases": list(databases.values()),
        "row_counts": list(counts.values()),
        "copies": list(copies.values()),
    }


def row_of(record: Mapping[str, Any], tags: tuple[str, ...] = (), destinations: tuple[str, ...] = ()) -> Row:
    """Return the row that a record of the table `backups` holds.

    Raises `ValueError` when the record cannot be one: the catalog is damaged.
    """
    return Row(
        id=record["id"],
        profile=record["profile"],
        kind=Kind(record["kind"]),
        scope=Scope(record["scope"]),
        format=plain(record["format"]),
        host=plain(record["host"]),
        status=Status(record["status"]),
        error=plain(record["error"]),
        started=datetime.fromisoformat(record["started"]),
        finished=datetime.fromisoformat(record["finished"]) if record["finished"] else None,
        size=record["size"],
        good=bool(record["good"]),
        damaged=bool(record["damaged"]),
        evidence=record["evidence"],
        pin=bool(record["pin"]),
        rating=record["rating"],
        note=plain(record["note"]),
        removed=record["removed"],
        databases=record["databases"],
        files=record["files"],
        path=record["path"],
        tags=tags,
        destinations=destinations,
    )
