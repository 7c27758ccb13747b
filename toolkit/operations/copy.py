"""Copy a backup to a folder: every volume, the file list and the manifest, compared afterwards."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.archive import manifest as format_
from toolkit.archive.manifest import Manifest, Volume
from toolkit.errors import ArchiveDamagedError, RefusedError, StorageError, UsageError
from toolkit.jobs.context import Job, ProgressReporter
from toolkit.operations import keys
from toolkit.operations.archiving import StoredBackup
from toolkit.operations.report import Report
from toolkit.operations.session import Session
from toolkit.vault import layout
from toolkit.wording import count_text, size_text

_PIECE = 1 << 20


class CopyReport(Report, kw_only=True):
    """What was copied: paths of the copies, those that were there already, and bytes of all of it."""

    id: str = ""
    folder: str = ""
    archive: str = ""
    copied: list[str] = msgspec.field(default_factory=list)
    same: list[str] = msgspec.field(default_factory=list)
    size: int = 0

    @property
    def made(self) -> tuple[str, ...]:
        """The copies."""
        return tuple(self.copied)


class _Part(msgspec.Struct, frozen=True):
    """One file to be: its name, its bytes, where they come from (or what they are), and the SHA-256 they must have."""

    name: str
    size: int
    source: Path | None
    data: bytes = b""
    digest: str = ""


def run(session: Session, backup: StoredBackup, folder: Path, job: Job) -> CopyReport:
    """Copy `backup` into `folder`, made when it is not there; the manifest comes last.

    Each file has its name only when it is whole and durable; all are read back and compared. Files with the
    same content are left as they are. Raises `RefusedError` when another file has such a name, `SpaceError`,
    `ArchiveDamagedError` when the archive is not what its manifest says: then nothing new is in the folder.
    """
    folder = _checked_folder(session, folder)
    parts = _parts(session, backup)
    report = CopyReport(id=backup.manifest.id, folder=str(folder), size=sum(part.size for part in parts))
    report.archive = str(folder / parts[0].name)
    job.step("copy", f"Copying {backup.manifest.id} to {folder}")
    with session.hold_keys((os.path.realpath(folder),), f"copy of {backup.manifest.id}", job):
        missing = [part for part in parts if not _is_there(folder, part, report)]
        durable.require_space(folder, sum(part.size for part in missing))
        progress = job.progress(total=2 * sum(part.size for part in missing))
        with durable.translated(folder):
            made_folder = not folder.exists()
            durable.make_directory(folder)
            _sweep(folder, parts)
        try:
            _copy(folder, missing, job, progress, report)
        except BaseException:
            _take_back(folder, report.copied, made_folder=made_folder)
            raise
    report.changed = bool(report.copied)
    report.notes.append(f"{count_text(len(parts), 'file')}, {size_text(report.size)}, read back and compared")
    return report


def _checked_folder(session: Session, folder: Path) -> Path:
    if folder.exists() and not folder.is_dir():
        raise UsageError("this is no folder", subject=folder, hint="name a folder; the files keep their names")
    real = Path(os.path.realpath(folder))
    if real.is_relative_to(os.path.realpath(session.vault_path)):
        raise UsageError("the folder lies in the vault", subject=folder, hint="copy to another place")
    return Path(os.path.abspath(folder))


def _parts(session: Session, backup: StoredBackup) -> list[_Part]:
    """Return the files of the backup: volumes, file list, manifest."""
    volumes = backup.volumes
    archive = backup.manifest.archives[0]
    described = archive.volumes or (Volume(archive.file, archive.size, archive.sha256),)
    parts = []
    for path, volume in zip(volumes, described, strict=True):
        with durable.translated(path):
            size = path.stat().st_size
        if size != volume.size:
            raise ArchiveDamagedError(
                f"the archive has {size:,} bytes instead of {volume.size:,}",
                subject=path,
                hint=f"lifeboat verify {backup.manifest.id}",
            )
        parts.append(_Part(path.name, size, path, digest=volume.sha256))
    if backup.file_list.exists():
        parts.append(_Part(backup.file_list.name, backup.file_list.stat().st_size, backup.file_list))
    data = format_.encode(_leaving(session, backup))
    parts.append(_Part(f"{layout.stem_of(backup.manifest)}{layout.MANIFEST}", len(data), None, data))
    return parts


def _leaving(session: Session, backup: StoredBackup) -> Manifest:
    """Return the manifest as it may leave this machine: sealed beside an encrypted archive."""
    lock = keys.lock_for(session, backup.manifest)
    if lock is None:
        return backup.manifest
    from toolkit.archive.seal import seal

    return seal(backup.manifest, lock, stem=str(layout.stem_of(backup.manifest)))


def _is_there(folder: Path, part: _Part, report: CopyReport) -> bool:
    """Say whether the same file is in `folder` already; raises `RefusedError` for another with its name."""
    target = folder / part.name
    if not os.path.lexists(target):
        return False
    if target.is_file() and not target.is_symlink() and target.stat().st_size == part.size:
        with durable.translated(target):
            if _digest(_read(target)) == _wanted(part):
                report.same.append(str(target))
                return True
    raise RefusedError(
        "another file with this name is there",
        subject=target,
        hint="copy to another folder, or move that file away",
    )


def _wanted(part: _Part) -> str:
    if part.digest:
        return part.digest
    return _digest(_pieces(part))


def _pieces(part: _Part) -> Iterator[bytes]:
    if part.source is None:
        yield part.data
    else:
        yield from _read(part.source)


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while data := file.read(_PIECE):
            yield data


def _digest(pieces: Iterable[bytes]) -> str:
    sha = hashlib.sha256()
    for piece in pieces:
        sha.update(piece)
    return sha.hexdigest()


def _copy(folder: Path, parts: list[_Part], job: Job, progress: ProgressReporter, report: CopyReport) -> None:
    done = 0
    for part in parts:
        target = folder / part.name
        sha = hashlib.sha256()
        with durable.translated(target):
            # Announced before it has the name: what fails after the rename is taken back too.
            with durable.atomic_file(target) as file:
                for piece in _pieces(part):
                    job.raise_if_stopped()
                    sha.update(piece)
                    file.write(piece)
                    done += len(piece)
                    progress(done)
                if part.digest and sha.hexdigest() != part.digest:
                    raise ArchiveDamagedError(
                        "the archive is not what its manifest says: its SHA-256 differs",
                        subject=part.source,
                        hint="choose another backup, or verify this one",
                    )
                report.copied.append(str(target))
            again = _digest(_read(target))
        done += part.size
        progress(done)
        if again != sha.hexdigest():
            raise StorageError(
                "what was written does not read back the same", subject=target, hint="check the disk of the target"
            )


def _take_back(folder: Path, copied: list[str], *, made_folder: bool) -> None:
    for path in reversed(copied):
        with contextlib.suppress(OSError):
            durable.remove(Path(path))
    if made_folder:
        with contextlib.suppress(OSError):
            durable.on_step("rmdir", str(folder))
            os.rmdir(folder)


def _sweep(folder: Path, parts: list[_Part]) -> None:
    """Remove what an earlier copy of the same files left unfinished; we hold the folder's lock."""
    names = {part.name[:200] for part in parts}
    for path in folder.iterdir():
        match = re.fullmatch(r"\.(.+)\.[0-9a-f]{8}\.partial", path.name)
        if match is not None and match[1] in names:
            durable.remove(path)
