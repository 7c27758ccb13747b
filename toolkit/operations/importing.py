"""`import`: an archive that was made elsewhere becomes an ordinary backup of the kind `imported`.

Its files get paths below `/imported/NAME/`, which exist nowhere: they can be listed, verified, compared and
restored with `--to`. What its own tables said of each file is kept in the member `import.json`.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.archive import foreign
from toolkit.archive.foreign import Foreign, ForeignItem
from toolkit.archive.foreignmeta import FileNote, ForeignKind, SourceNote
from toolkit.archive.manifest import Manifest, Source
from toolkit.errors import FormatError, LifeboatError, UsageError
from toolkit.filelist import FileEntry, FileType, Item, Section
from toolkit.jobs.context import Job
from toolkit.operations import keeping
from toolkit.operations.archiving import archive_spec
from toolkit.operations.report import Ending, Report
from toolkit.operations.scratch import private_folder
from toolkit.operations.session import Session
from toolkit.operations.taking import writing
from toolkit.operations.taking.contents import staged_item
from toolkit.operations.taking.survey import SIDECARS, FoundDatabase, Survey, entry_of
from toolkit.operations.verify import read_back
from toolkit.profile.adhoc import slug
from toolkit.profile.model import DatabaseSource, Profile
from toolkit.retention import Kind, Scope
from toolkit.vault import store
from toolkit.vault.layout import check_profile
from toolkit.wording import stamp_text

ROOT = "/imported"
"""What the paths of imported files begin with; nothing is ever restored there."""

SIDECAR = "import.json"
_ENDINGS = (
    ".tar.zst.age", ".tar.zst", ".tar.gz", ".tar.bz2", ".tar.xz", ".sql.gz", ".db.gz", ".zip", ".tar", ".tgz", ".tbz2",
    ".txz", ".7z", ".db", ".sqlite", ".sqlite3", ".sql", ".gz",
)  # fmt: skip


class ImportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to import. `profile` is the profile that it becomes a backup of (default: from the file's name)."""

    file: Path
    profile: str | None = None
    note: str = ""
    tags: tuple[str, ...] = ()


class ImportRow(msgspec.Struct, frozen=True, kw_only=True):
    """The new backup. `source` says what was recognised: `listed-files`, `repository`, `application` and so on."""

    id: str
    profile: str
    kind: Kind
    source: str
    archive: str
    size: int
    files: int
    bytes: int
    databases: tuple[str, ...]
    tags: tuple[str, ...]
    note: str
    rating: int | None
    root: str
    evidence: str


class ImportReport(Report, kw_only=True):
    """The report of `import`."""

    backups: list[ImportRow] = msgspec.field(default_factory=list)

    @property
    def made(self) -> tuple[str, ...]:
        """The archives."""
        return tuple(row.archive for row in self.backups)


class ImportRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the member `import.json` says: the file, what it was, what its tables said of it and of each file."""

    file: str
    size: int
    source: str
    imported: datetime
    repository: str = ""
    branch: str = ""
    about: SourceNote = SourceNote()
    files: tuple[FileNote, ...] = ()


@dataclass
class _Unpacked:
    """What was unpacked to the folder `scratch`: the items in order, databases apart; `root` begins their paths."""

    scratch: Path
    root: str
    databases: list[FoundDatabase] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    notes: list[FileNote] = field(default_factory=list)
    bytes: int = 0


def _recognise(path: Path) -> foreign.Foreign:
    try:
        return foreign.recognise(path)
    except LifeboatError as error:
        if error.subject is None:
            error.subject = str(path)
        raise


def run(session: Session, request: ImportRequest, job: Job) -> ImportReport:
    """Recognise the file, unpack it to a private folder, and make an ordinary backup of what was in it.

    Nothing is written before the whole file was gone over (promise 7). Raises `UnsafeArchiveError`,
    `ArchiveDamagedError`, `FormatError` for what cannot be imported, `SourceMissingError`, `SpaceError`,
    `LockedError`. A failure leaves no archive; what was unpacked is removed.
    """
    path = request.file
    job.step("recognise", "Looking at what the file is")
    found = _recognise(path)
    if found.kind is ForeignKind.LIFEBOAT:
        raise FormatError(
            "this is a backup of Lifeboat already",
            subject=path,
            hint="lifeboat restore takes its path; or copy it into its vault and run `lifeboat catalog rebuild`",
        )
    name = check_profile(request.profile) if request.profile is not None else slug(_stem(path.name))
    profile = session.known_profile(name) or Profile(name=name)
    report = ImportReport()
    with session.hold(name, "import", job):
        vault = session.vault
        session.recover(name, job)
        durable.require_space(session.vault_path, found.bytes + found.bytes // 2)
        with private_folder(vault, f"import-{job.id}") as scratch:
            job.step("unpack", f"Unpacking {path.name}")
            root = f"{ROOT}/{slug(_stem(path.name))}"
            unpacked = _unpack(found, scratch, root, job)
            made = _make(session, profile, request, found, unpacked, job)
        report.changed = True
        verdict = read_back(session, made.manifest, job, key=made.key).manifest
        verdict = _rate(session, found, verdict.id) or verdict
    report.backups.append(
        ImportRow(
            id=verdict.id,
            profile=name,
            kind=verdict.kind,
            source=found.kind.value,
            archive=str(session.vault.home(verdict) / verdict.archives[0].file),
            size=verdict.size,
            files=verdict.files.files,
            bytes=verdict.files.bytes,
            databases=tuple(database.path for database in verdict.databases),
            tags=verdict.tags,
            note=verdict.note,
            rating=verdict.rating,
            root=root,
            evidence=verdict.evidence.level,
        )
    )
    _judge(report, verdict.damaged, bool(verdict.evidence.damage), made.errors)
    for left in verdict.left_out:
        report.warn("left-out", left.reason, subject=left.path)
    if not found.count:
        report.notes.append("there was no file in it")
    report.notes.append(f"its files are below {root}; `lifeboat restore {verdict.id} --to FOLDER` unpacks them")
    return report


def _judge(report: ImportReport, damaged: bool, unreadable: bool, errors: int) -> None:  # noqa: FBT001
    if damaged:
        report.warn("database-damaged", "a database in it is damaged; it was taken as it is")
    if damaged or unreadable:
        report.ending = Ending.DAMAGE
    elif errors:
        report.ending = Ending.INCOMPLETE


def _stem(name: str) -> str:
    """Return the name of a file without the endings of archives."""
    lower = name.lower()
    ending = next((ending for ending in _ENDINGS if lower.endswith(ending) and len(name) > len(ending)), "")
    return name[: len(name) - len(ending)] if ending else Path(name).stem or name


def _unpack(found: Foreign, scratch: Path, root: str, job: Job) -> _Unpacked:
    """Write every item to `scratch` under a number, and say where each belongs; foreign names touch no disk."""
    unpacked = _Unpacked(scratch, root)
    paths: dict[str, Path] = {}
    progress = job.progress(total=found.bytes)
    template = entry_of(Section.FILES, scratch)
    for number, item in enumerate(foreign.items(found)):
        job.raise_if_stopped()
        path = f"{root}/{item.name}"
        entry = _entry(template, item, path)
        if item.note is not None:
            unpacked.notes.append(item.note)
        if item.type is not FileType.FILE:
            unpacked.items.append(Item(msgspec.structs.replace(entry, size=0)))
            continue
        staged = scratch / str(number)
        if item.link_to:
            paths[item.name] = first = paths[item.link_to]
            unpacked.items.append(staged_item(first, entry))
            continue
        with durable.translated(staged), durable.create_file(staged) as file:
            _write(file.fileno(), item)
        os.utime(staged, ns=(item.mtime_ns, item.mtime_ns))
        paths[item.name] = staged
        unpacked.bytes += item.size
        progress(unpacked.bytes)
        _place(unpacked, staged, entry, item)
    _join_sidecars(unpacked, paths, root)
    return unpacked


def _join_sidecars(unpacked: _Unpacked, paths: dict[str, Path], root: str) -> None:
    """Lay a -wal or -journal beside the database that it belongs to, so that the copy holds what is in it."""
    taken = set()
    for database in unpacked.databases:
        for suffix in SIDECARS:
            name = f"{database.name}{suffix}"
            if name in paths:
                taken.add(f"{root}/{name}")
                if suffix != "-shm":
                    os.link(paths[name], f"{database.path}{suffix}")
    unpacked.items = [item for item in unpacked.items if item.entry.path not in taken]


def _entry(template: FileEntry, item: ForeignItem, path: str) -> FileEntry:
    """Return the entry of `item`: its own type, mode and time; whoever imports it owns it. No set-id bits."""
    return msgspec.structs.replace(
        template,
        section=item.section,
        path=path,
        type=item.type,
        mode=item.mode & 0o777 or (0o755 if item.type is FileType.DIRECTORY else 0o644),
        mtime_ns=_moment(item),
        size=item.size,
        target=item.target,
        xattrs={},
        link_group=0,
    )


def _moment(item: ForeignItem) -> int:
    """Return the time of the last change: what its table says of the file, else what its archive says."""
    updated = (item.note.updated or item.note.created) if item.note is not None else None
    return int(updated.timestamp() * 1_000_000) * 1000 if updated is not None else item.mtime_ns


def _write(fd: int, item: ForeignItem) -> None:
    """Write the data of `item` around its holes."""
    position = 0
    holes = iter((*item.holes, (item.size, 0)))
    hole = next(holes)
    for piece in item.pieces:
        view = memoryview(piece)
        while view:
            while position >= hole[0] and hole[1]:
                position = hole[0] + hole[1]
                hole = next(holes)
            take = min(len(view), hole[0] - position) if hole[0] > position else len(view)
            os.pwrite(fd, view[:take], position)
            position += take
            view = view[take:]
    os.truncate(fd, item.size)


def _place(unpacked: _Unpacked, staged: Path, entry: FileEntry, item: ForeignItem) -> None:
    if item.section is not Section.DATABASES:
        unpacked.items.append(staged_item(staged, entry))
        return
    unpacked.databases.append(
        FoundDatabase(
            path=staged,
            name=item.name,
            bytes=item.size,
            source=DatabaseSource(path=staged),
            entry=entry,
        )
    )


def _make(
    session: Session,
    profile: Profile,
    request: ImportRequest,
    found: Foreign,
    unpacked: _Unpacked,
    job: Job,
) -> writing.Made:
    record = ImportRecord(
        file=request.file.name.encode(errors="backslashreplace").decode(),
        size=request.file.stat().st_size,
        source=found.kind.value,
        imported=session.now(),
        repository=found.repository,
        branch=found.branch,
        about=found.source,
        files=tuple(unpacked.notes),
    )
    item = _record_item(record, unpacked.scratch, unpacked.root)
    survey = Survey(
        databases=unpacked.databases,
        sources=[Source(Section.FILES, unpacked.root)],
        entries=len(unpacked.items) + 1,
        bytes=unpacked.bytes,
        asked=1,
    )
    materials = writing.Materials(
        survey=survey,
        spec=archive_spec(session, profile, form=None, level=None, split=None),
        kind=Kind.IMPORTED,
        scope=Scope.FULL,
        note=request.note or _note(found),
        tags=_tags(request, found),
        extra=lambda: iter([*unpacked.items, item]),
    )
    # The application that is here now did not write what is imported: its version says nothing of it.
    return writing.make(session, msgspec.structs.replace(profile, version_command=()), materials, job)


def _record_item(record: ImportRecord, scratch: Path, root: str) -> Item:
    staged = scratch / SIDECAR
    data = msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"
    durable.write_file(staged, data)
    return staged_item(staged, msgspec.structs.replace(entry_of(Section.FILES, staged), path=f"{root}.{SIDECAR}"))


def _note(found: Foreign) -> str:
    made = f"made {stamp_text(found.source.created)}" if found.source.created else ""
    return ", ".join(part for part in (found.source.note[: keeping.LONGEST_NOTE - 100], made) if part)


def _tags(request: ImportRequest, found: Foreign) -> tuple[str, ...]:
    """Return the tags that were given, and those of the archive that can be tags here."""
    tags = [keeping.check_tag(tag) for tag in request.tags]
    for tag in found.tags:
        with contextlib.suppress(UsageError):
            tags.append(keeping.check_tag(tag))
    return tuple(dict.fromkeys(tags))[: keeping.MOST_TAGS - 1]


def _rate(session: Session, found: Foreign, ident: str) -> Manifest | None:
    """Give the backup the rating that its archive had; return the manifest then."""
    if not found.source.rating:
        return None
    try:
        number, tag = keeping.rating_of(found.source.rating)
    except UsageError:
        return None
    return store.update(
        session.vault,
        ident,
        lambda old: msgspec.structs.replace(
            old, rating=number, tags=tuple(dict.fromkeys([*old.tags, tag])) if tag else old.tags
        ),
    )
