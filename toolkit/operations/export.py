"""`export`: a database in plain formats, from a consistent copy or a backup; of a damaged one, what is left."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from toolkit.archive.manifest import DatabaseRecord
from toolkit.errors import (
    DatabaseDamagedError,
    NotADatabaseError,
    RefusedError,
    SourceMissingError,
    UsageError,
)
from toolkit.jobs.context import Job
from toolkit.operations import targets
from toolkit.operations.archiving import StoredBackup
from toolkit.operations.remembered import named
from toolkit.operations.repairing import salvaging
from toolkit.operations.repairing.salvaging import Salvaged
from toolkit.operations.report import Report
from toolkit.operations.restoring.extract import extract
from toolkit.operations.scratch import private_folder
from toolkit.operations.session import Session
from toolkit.operations.taking.survey import survey
from toolkit.profile.adhoc import absolute, is_profile_word, slug
from toolkit.retention import Scope
from toolkit.sqlite import check, hotcopy
from toolkit.sqlite.check import FOREIGN_KEYS, Checkup
from toolkit.sqlite.connect import SIDECARS

Form = Literal["sql", "json", "csv"]


class ExportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to export: the database of a path or profile, or one of a backup; `name` chooses among several."""

    form: Form
    database: str | None = None
    backup: str | None = None
    name: str | None = None
    output: Path | None = None


class ExportReport(Report, kw_only=True):
    """What was written: the file, or for CSV the folder and its files, and the rows of each table.

    `salvage` says what was got out of a damaged database; null for a sound one. `chosen`: nobody named the output.
    """

    database: str
    backup: str | None
    form: str
    output: str
    files: list[str] = msgspec.field(default_factory=list)
    tables: dict[str, int] = msgspec.field(default_factory=dict)
    size: int = 0
    salvage: Salvaged | None = None
    chosen: bool = False

    @property
    def made(self) -> tuple[str, ...]:
        """The output."""
        return (self.output,)

    @property
    def results(self) -> tuple[str, ...]:
        """The output, where nobody named it."""
        return (self.output,) if self.chosen else ()


def run(session: Session, request: ExportRequest, job: Job) -> ExportReport:
    """Export the database; the output appears only when it is whole.

    Of a damaged database what is left of it is exported: the report warns of what was lost and is incomplete then.

    Raises `RefusedError` when something has the output's name, `SourceMissingError`, `UsageError` when several
    databases could be meant, `UnrepairableError` when nothing could be got back, `SourceChangedError` when a damaged
    one is being written to, and what copying or extracting raises. Then nothing is left of the output.
    """
    if (request.database is None) == (request.backup is None):
        raise UsageError("name a database, or a backup with --from", hint="lifeboat export /srv/shop/shop.db")
    if request.output is not None and os.path.lexists(request.output):
        raise RefusedError("something has this name already", subject=request.output, hint="give another --output")
    if request.backup is not None:
        return _from_backup(session, request, job)
    path = _live(session, request, job)
    with _folder(session, request, job) as folder:
        job.step("copy", f"Copying {path.name}")
        staged = _copied(path, folder / "copy.db", job)
        if staged is not None and _is_sound(check.check(staged, level="quick", should_stop=job.should_stop)):
            return _write(session, request, job, staged, str(path), None)
        source = salvaging.raw_set(path, folder / "raw", job, otherwise=staged)
        return _write_damaged(session, request, job, source, str(path), backup=None)


def _copied(path: Path, target: Path, job: Job) -> Path | None:
    """Copy a live database to `target`; None where it is too damaged for that."""
    try:
        hotcopy.copy(path, target, on_progress=job.progress(), should_stop=job.should_stop)
    except DatabaseDamagedError:
        return None
    except NotADatabaseError:
        if not path.is_file() or not os.path.getsize(path):
            raise
        return None
    return target


def _live(session: Session, request: ExportRequest, job: Job) -> Path:
    word = request.database or ""
    if not is_profile_word(word) and not Path(word).is_dir():
        return absolute(Path(word))
    found = survey(
        named(session, word) if is_profile_word(word) else targets.profiles(session, [word])[0],
        Scope.FULL,
        skip=session.private_folders,
        now=session.now(),
        should_stop=job.should_stop,
    )
    there = {str(one.path): one.name for one in found.databases}
    return Path(_choose(there, request.name, word))


def _choose(there: dict[str, str], name: str | None, where: str) -> str:
    """Return the path of the one database that is meant, of `there` (names by path)."""
    fitting = [path for path, short in there.items() if name in (None, short, path, os.path.basename(path))]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise SourceMissingError(
            "no such database in it", subject=name or where, hint=_names(there) if there else "it has no database"
        )
    raise UsageError("several databases could be meant", subject=where, hint=f"give --database: {_names(there)}")


def _names(there: dict[str, str]) -> str:
    return "there are: " + ", ".join(sorted(there.values()))


def _from_backup(session: Session, request: ExportRequest, job: Job) -> ExportReport:
    backup: StoredBackup = targets.backup(session, request.backup or "")
    records: dict[str, DatabaseRecord] = {one.path: one for one in backup.manifest.databases}
    ident = backup.manifest.id
    path = _choose({one.path: one.name for one in records.values()}, request.name, ident)
    with _folder(session, request, job) as folder:
        job.step("extract", f"Taking {records[path].name} out of {ident}")
        taken = extract(backup, folder / "taken", job, only_databases={path, *(path + word for word in SIDECARS)})
        if taken.failed:
            raise DatabaseDamagedError(taken.failed[0].reason, subject=path, hint=f"lifeboat verify {ident}")
        place = taken.place_of(path)
        if records[path].form == "copy" and _is_sound(check.check(place, level="quick", should_stop=job.should_stop)):
            return _write(session, request, job, place, path, ident)
        return _write_damaged(session, request, job, place, path, backup=ident)


@contextmanager
def _folder(session: Session, request: ExportRequest, job: Job) -> Iterator[Path]:
    """Give a private folder for the copy: in the vault, or beside the output that was named."""
    if request.output is None:
        with private_folder(session.vault, f"export-{job.id}") as folder:
            yield folder
        return
    parent = absolute(request.output).parent
    if not parent.is_dir():
        raise SourceMissingError("the folder for the output does not exist", subject=parent)
    with tempfile.TemporaryDirectory(prefix=".lifeboat-", dir=parent) as name:
        yield Path(name)


def _write_damaged(
    session: Session, request: ExportRequest, job: Job, source: Path, path: str, *, backup: str | None
) -> ExportReport:
    """Export what is left of the private, damaged `source`, and say in the report what is not."""
    noticed = Report()
    copy, account = salvaging.sound_copy(session, source, path, job, noticed)
    report = _write(session, request, job, copy, path, backup)
    report.warnings += noticed.warnings
    report.salvage = salvaging.described(account)
    salvaging.warn_of(account, path, report)
    return report


def _write(
    session: Session, request: ExportRequest, job: Job, copy: Path, path: str, backup: str | None
) -> ExportReport:
    from toolkit.sqlite import export

    job.step("export", f"Writing {request.form}")
    output = absolute(request.output) if request.output is not None else _default(session, path, request.form)
    written = export.export(copy, output, request.form, should_stop=job.should_stop)
    return ExportReport(
        changed=True,
        database=path,
        backup=backup,
        form=request.form,
        output=str(output),
        files=[str(file) for file in written.files],
        tables=written.tables,
        size=sum(file.stat().st_size for file in written.files),
        chosen=request.output is None,
    )


def _is_sound(found: Checkup) -> bool:
    """Answer whether every check passed, but for foreign keys, which some applications never enforce."""
    return all(one.ok for one in found.checks if one.name != FOREIGN_KEYS)


def _default(session: Session, path: str, form: str) -> Path:
    folder = session.vault.make_folder(session.vault.recovery)
    name = slug(os.path.basename(path))
    stem = f"data_export_{name}_{session.now():%Y%m%dT%H%M%SZ}"
    number = 1
    while os.path.lexists(target := folder / (f"{stem}.{form}" if number == 1 else f"{stem}-{number}.{form}")):
        number += 1
    return target
