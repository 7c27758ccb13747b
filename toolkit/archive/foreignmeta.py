"""What archives made elsewhere say about themselves: their JSON tables and the names of their folders."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from toolkit.errors import ArchiveDamagedError

LARGEST = 256 * 1024 * 1024
"""Bytes of a table that is taken into memory; it can hold the files themselves."""


class ForeignKind(enum.StrEnum):
    """What an archive made elsewhere is."""

    LISTED = "listed-files"
    REPOSITORY = "repository"
    APPLICATION = "application"
    ARCHIVE = "archive"
    DATABASE = "database"
    DUMP = "dump"
    LIFEBOAT = "lifeboat"


class FileNote(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a table says of one file; `code` is its content where the table holds it."""

    file_name: str
    language: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""
    version: int | None = None
    created: datetime | None = None
    updated: datetime | None = None
    code: str | None = None

    def without_code(self) -> FileNote:
        """Return the note without the content."""
        return msgspec.structs.replace(self, code=None)


class SourceNote(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a table says of the whole archive."""

    repository: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""
    rating: str = ""
    version: str = ""
    application_version: str = ""
    created: datetime | None = None


UNKNOWN = SourceNote()


def moment(value: object) -> datetime | None:
    """Return an aware UTC time from ISO text or seconds since 1970; None for anything else."""
    try:
        if isinstance(value, bool):
            return None
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value / 1000 if value > 1e11 else value, UTC)
        if isinstance(value, str):
            parsed = datetime.fromisoformat(value)
            return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _tags(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    return tuple(_text(tag) for tag in value if _text(tag)) if isinstance(value, list) else ()


def _table(data: bytes) -> dict[str, Any] | None:
    try:
        fields = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"))
    except msgspec.DecodeError:
        return None
    return fields if isinstance(fields, dict) else None


def listed_files(data: bytes) -> tuple[SourceNote, list[FileNote]] | None:
    """Return what a `metadata.json` says, or None when it has no `files` with `file_name`.

    Raises `ArchiveDamagedError` when the list has such files and others that cannot be read.
    """
    fields = _table(data)
    if fields is None or not isinstance(fields.get("files"), list):
        return None
    rows = fields["files"]
    if rows and not any(isinstance(row, dict) and "file_name" in row for row in rows):
        return None
    notes = []
    for row in rows:
        if not isinstance(row, dict) or not isinstance(row.get("file_name"), str) or not row["file_name"]:
            raise ArchiveDamagedError("an entry of metadata.json has no file_name")
        version = row.get("version")
        notes.append(
            FileNote(
                file_name=row["file_name"],
                language=_text(row.get("programming_language") or row.get("language")),
                tags=_tags(row.get("tags")),
                note=_text(row.get("note") or row.get("description")),
                version=version if isinstance(version, int) and not isinstance(version, bool) else None,
                created=moment(row.get("created_at")),
                updated=moment(row.get("updated_at")),
                code=row["code"] if isinstance(row.get("code"), str) else None,
            )
        )
    source = SourceNote(
        repository=_text(fields.get("repo")),
        tags=_tags(fields.get("tags")),
        note=_text(fields.get("note")),
        rating=_text(fields.get("rating")),
        version=_text(fields.get("version")),
        created=moment(fields.get("created_at")),
    )
    return source, notes


def application_note(data: bytes) -> SourceNote:
    """Return what a `backup-metadata.json` says."""
    fields = _table(data) or {}
    return SourceNote(
        note=_text(fields.get("note")),
        version=_text(fields.get("version")),
        application_version=_text(fields.get("appVersion")),
        created=moment(fields.get("createdAt")),
    )


def named(notes: Iterable[FileNote]) -> Iterator[tuple[str, FileNote]]:
    """Yield each note with the name that its file gets.

    Of several versions of one name the highest keeps it, the others get `.vN` in front of the extension.
    """
    groups: dict[str, list[FileNote]] = {}
    for note in notes:
        groups.setdefault(note.file_name, []).append(note)
    taken = set(groups)
    for name, group in groups.items():
        group.sort(key=lambda note: note.version or 0)
        yield name, group[-1]
        for number, note in enumerate(group[:-1], 1):
            stem, dot, extension = name.rpartition(".")
            version = note.version if note.version is not None else number
            other = f"{stem}.v{version}{dot}{extension}" if stem else f"{name}.v{version}"
            while other in taken:
                other += f"-{number}"
            taken.add(other)
            yield other, note


_COMMIT = re.compile(
    r"^(?P<owner>[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*?)-(?P<name>.+)-(?=\d*[a-f])(?P<commit>[0-9a-f]{7,40})$"
)
_USUAL = r"main|master|trunk|develop|dev|staging|production|release|gh-pages|v?\d+(?:\.\d+)+\S*"
_BRANCH = re.compile(rf"^(?P<name>[\w.][\w.-]*?)-(?P<branch>{_USUAL})$")


def download_of(folder: str, comment: str) -> tuple[str, str] | None:
    """Return (repository, branch, tag or commit) when `folder` is the top of a source forge's download.

    A forge writes the commit into the comment of the ZIP; with one, any `NAME-BRANCH` is believed, without
    only the usual branches, versions and commits.
    """
    commit = _COMMIT.match(folder)
    if commit:
        return f"{commit['owner']}/{commit['name']}", commit["commit"]
    branch = _BRANCH.match(folder)
    if branch:
        return branch["name"], branch["branch"]
    if re.fullmatch(r"[0-9a-f]{40}", comment) and "-" in folder:
        name, _, rest = folder.rpartition("-")
        return name, rest
    return None
