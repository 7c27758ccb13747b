"""`show`: everything that is known of one backup."""

from __future__ import annotations

import fnmatch
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from toolkit.archive.formats import AGE
from toolkit.archive.manifest import Manifest
from toolkit.filelist import FileEntry
from toolkit.operations import keys, targets
from toolkit.operations.archiving import StoredBackup
from toolkit.operations.report import Report, clean
from toolkit.operations.session import Session
from toolkit.vault import sidecar

_TAR_LETTERS = {"tar.gz": "z", "tar.bz2": "j", "tar.xz": "J"}


class ShowRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which backup, and whether a page of its files is wanted; `only` is a glob for paths."""

    backup: str
    files: bool = False
    only: str | None = None
    limit: int | None = 100
    offset: int = 0


class FileRow(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the file list; `mode` is octal text, `mtime` null where no calendar has it."""

    path: str
    section: str
    type: str
    size: int
    mode: str
    user: str
    group: str
    mtime: datetime | None
    digest: str
    target: str
    changed: bool


class ShowReport(Report, kw_only=True):
    """A backup: its manifest, where its files are, the command that opens it without Lifeboat.

    `files` is the page of its file list that was asked for, of `matching` entries; null when none was.
    """

    backup: Manifest
    folder: str
    archive: tuple[str, ...]
    file_list: str | None
    missing: tuple[str, ...]
    command: str
    files: list[FileRow] | None = None
    matching: int | None = None

    def document(self) -> dict[str, Any]:
        """Return the report with every key of the manifest, those with their default value too."""
        fields = super().document()
        extra = {"good": self.backup.good, "size": self.backup.size}
        fields["backup"] = clean({**plain(self.backup), **extra})
        return fields


def plain(value: Any) -> Any:
    """Return `value` as plain JSON values, with all keys of its structs."""
    if isinstance(value, msgspec.Struct):
        if value.__struct_config__.array_like:
            return [plain(getattr(value, name)) for name in value.__struct_fields__]
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return msgspec.to_builtins(value)


def run(session: Session, request: ShowRequest) -> ShowReport:
    """Return what is known of the backup.

    Raises `BackupNotFoundError`, `UsageError`, and with `files` what reading the file list raises.
    """
    backup = _find(session, request.backup)
    manifest = backup.manifest
    volumes = backup.volumes if manifest.archives else []
    report = ShowReport(
        backup=manifest,
        folder=str(backup.folder),
        archive=tuple(map(str, volumes)),
        file_list=str(backup.file_list) if backup.file_list.exists() else None,
        missing=tuple(str(path) for path in volumes if not path.exists()),
        command=open_command(manifest, volumes),
    )
    for path in report.missing:
        report.warn("archive-missing", "the archive, or a volume of it, is missing", subject=path)
    if request.files:
        if backup.key is None:
            backup.key = keys.key_for(session, manifest)
        _page(report, request, backup.entries())
    return report


def _find(session: Session, word: str) -> StoredBackup:
    """Return the backup; the passphrase of an encrypted one of the vault is not asked for yet."""
    if targets.is_archive_path(word):
        return targets.backup(session, word)
    manifest = targets.manifest(session, word)
    return StoredBackup(manifest, sidecar.locate(session.existing_vault, manifest.id).parent)


def _page(report: ShowReport, request: ShowRequest, entries: Iterator[FileEntry]) -> None:
    page: list[FileRow] = []
    matching = 0
    for entry in entries:
        if request.only is not None and not matches(entry.path, request.only):
            continue
        matching += 1
        if matching > request.offset and (request.limit is None or len(page) < request.limit):
            page.append(_row(entry))
    report.files = page
    report.matching = matching


def matches(path: str, pattern: str) -> bool:
    """Say whether the glob `pattern` fits the whole path or its last part; a literal name fits too."""
    name = path.rpartition("/")[2]
    return pattern in (name, path) or fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(path, pattern)


def moment(nanoseconds: int) -> datetime | None:
    """Return a time of the kernel as a datetime in UTC; None beyond the years that datetime knows."""
    try:
        return datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _row(entry: FileEntry) -> FileRow:
    return FileRow(
        path=entry.path,
        section=entry.section.value,
        type=entry.type.value,
        size=entry.size,
        mode=f"{entry.mode:04o}",
        user=entry.user or str(entry.uid),
        group=entry.group or str(entry.gid),
        mtime=moment(entry.mtime_ns),
        digest=entry.digest,
        target=entry.target or entry.link_to,
        changed=entry.changed,
    )


def open_command(manifest: Manifest, volumes: list[Path]) -> str:
    """Return the stock command that unpacks the archive here, to be run in an empty directory; "" without one."""
    if not volumes:
        return ""
    files = " ".join(shlex.quote(str(path)) for path in volumes)
    form = manifest.format
    if form == "7z":
        first = f"7z x {shlex.quote(str(volumes[0]))}"
        return f"{first} && zstd -dc *.tar.zst | tar -xpf -" if manifest.encrypted else first
    if form == "zip":
        return f"unzip {files}" if len(volumes) == 1 else f"cat {files} > whole.zip && unzip whole.zip"
    if form == AGE:
        joined = f"cat {files} | age -d -i KEY" if len(volumes) > 1 else f"age -d -i KEY {files}"
        return f"{joined} | zstd -dc | tar -xpf -"
    if form == "tar.zst":
        return f"zstd -dc {files} | tar -xpf -" if len(volumes) == 1 else f"cat {files} | zstd -dc | tar -xpf -"
    letter = _TAR_LETTERS.get(form, "")
    if len(volumes) == 1:
        return f"tar -x{letter}pf {files}"
    return f"cat {files} | tar -x{letter}pf -"
