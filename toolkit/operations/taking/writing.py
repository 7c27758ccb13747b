"""Making one archive of surveyed things, for `backup` and for the safety copies of `restore`.

Order of what becomes durable: a manifest that says `creating`; the archive and its file list; the manifest
that says `completed`; the catalog. Whatever moment the machine stops at, the next run knows what to do.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from toolkit import __version__, durable
from toolkit.archive.formats import ArchiveSpec, Compression
from toolkit.archive.key import Key
from toolkit.archive.manifest import Check, Copy, DatabaseRecord, FileCounts, Manifest, Status, Tool, UndoRecord
from toolkit.archive.writer import ArchiveWriter, Written
from toolkit.beside import Beside
from toolkit.errors import LifeboatError, SourceMissingError, SpaceError
from toolkit.filelist import FileEntry, Item
from toolkit.jobs.context import Job
from toolkit.operations.plan import Takes
from toolkit.operations.scratch import private_folder
from toolkit.operations.session import Session
from toolkit.operations.taking.contents import Contents
from toolkit.operations.taking.copies import Copies, DamagedCopyError, uncounted
from toolkit.operations.taking.repositories import add_repositories
from toolkit.operations.taking.survey import Survey
from toolkit.profile.model import Profile
from toolkit.retention import Kind, Scope
from toolkit.vault import catalog, layout, sidecar, store

VERSION_TIMEOUT = 10.0
"""Seconds that the application's version command may take."""


@dataclass(frozen=True, kw_only=True)
class Materials:
    """What goes into one archive and what its manifest says of it.

    `raw` takes databases bit for bit with their sidecars, of which `damage` says by path what is wrong with them;
    `extra` yields items besides what was surveyed. As soon as it is complete the backup waits to be copied to
    `destinations`: no stop in between can make that forgotten.
    """

    survey: Survey
    spec: ArchiveSpec
    kind: Kind
    scope: Scope
    note: str = ""
    tags: tuple[str, ...] = ()
    raw: bool = False
    damage: Mapping[str, tuple[Check, ...]] = field(default_factory=dict)
    extra: Callable[[], Iterator[Item]] | None = None
    undo: UndoRecord | None = None
    destinations: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Made:
    """The completed manifest, how many things should be in it and are not, and seconds of the parts.

    `key` opens the archive in this run.
    """

    manifest: Manifest
    key: Key | None
    errors: int
    copy_seconds: float
    check_seconds: float
    write_seconds: float


class Outlook(msgspec.Struct, frozen=True):
    """What a backup would take: databases by path, entries and bytes of all, and how long, with its reading back."""

    databases: tuple[str, ...]
    entries: int
    bytes: int
    takes: Takes = Takes()


def outlook(found: Survey) -> Outlook:
    """Return what a backup of `found` would take."""
    return Outlook(tuple(str(database.path) for database in found.databases), found.entries, found.bytes)


def make(session: Session, profile: Profile, materials: Materials, job: Job, *, clearing: Beside | None = None) -> Made:
    """Make one archive under the profile's lock, which the caller holds; `clearing` is as in `private_folder`.

    Raises `SpaceError` before anything is written, and whatever stopped the writing: then there is no
    archive, and a `failed` record says why.
    """
    begun = _begin(session, profile, materials, job)
    require_space(session, begun, materials)
    store.save(session.vault, begun)
    try:
        return _write(session, begun, materials, job, clearing)
    except BaseException as error:
        _fail(session, begun, error)
        raise


def require_space(session: Session, begun: Manifest, materials: Materials) -> None:
    """Raise `SpaceError` when the copies and the archive would not fit, or be larger than the vault allows.

    The archive's size is estimated from the last backup of the same sort, else from the format.
    """
    found = materials.survey
    estimate = _estimate(session, begun, found.bytes, materials.spec)
    limit = session.config.vault.max_backup_size
    if limit is not None and estimate > limit:
        raise SpaceError(
            f"the backup would be larger than the vault allows: about {estimate:,} bytes, {limit:,} allowed",
            subject=session.vault_path,
            hint="raise vault.max_backup_size, or exclude something",
            needed=estimate,
            free=limit,
        )
    durable.require_space(session.vault_path, found.database_bytes + estimate)


def _estimate(session: Session, begun: Manifest, size: int, spec: ArchiveSpec) -> int:
    wanted = catalog.Filter(profile=begun.profile, scopes=(begun.scope,), good=True)
    for row in catalog.rows(session.vault, wanted, limit=1):
        if row.format == begun.format:
            return min(size, row.size + row.size // 5 + 1_000_000)
    packed = spec.row.compression is not Compression.NONE or spec.effective_level > 0
    return size // 2 if packed else size


def _begin(session: Session, profile: Profile, materials: Materials, job: Job) -> Manifest:
    return Manifest(
        id=layout.new_id(),
        profile=profile.name,
        kind=materials.kind,
        scope=materials.scope,
        format=materials.spec.format,
        host=session.host,
        user=session.user,
        tool=Tool("lifeboat", __version__),
        application_version=application_version(profile.version_command),
        started=session.now(),
        job=job.id,
        note=materials.note,
        tags=materials.tags,
        encrypted=materials.spec.encrypted,
        sources=tuple(materials.survey.sources),
        undo=materials.undo,
    )


def application_version(command: Sequence[str]) -> str:
    """Return the first line that the application's version command prints, or nothing."""
    if not command:
        return ""
    try:
        done = subprocess.run(
            list(command), stdin=subprocess.DEVNULL, capture_output=True, timeout=VERSION_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = (done.stdout or done.stderr).decode(errors="replace").strip().splitlines()
    return lines[0][:200] if lines and done.returncode == 0 else ""


def _write(session: Session, begun: Manifest, materials: Materials, job: Job, clearing: Beside | None) -> Made:
    """Write the archive; once more from the start when a database that was in it already turned out damaged."""
    try:
        known = {path: uncounted(path, *checks) for path, checks in materials.damage.items()}
        return _attempt(session, begun, materials, job, known or None, clearing)
    except DamagedCopyError as damage:
        job.log("info", "begun-again", "a database in it turned out damaged: the archive is begun again")
        return _attempt(session, begun, materials, job, damage.known, clearing)


def _attempt(
    session: Session,
    begun: Manifest,
    materials: Materials,
    job: Job,
    known: Mapping[str, DatabaseRecord] | None,
    clearing: Beside | None,
) -> Made:
    found = materials.survey
    with private_folder(session.vault, begun.id, clearing=clearing) as private:
        copies = Copies(found, private, job, raw=materials.raw, known=known)
        contents = Contents(found, copies, materials.extra)
        try:
            add_repositories(contents, found.git, private, job)
            written = _stream(session, begun, contents, materials, job)
        finally:
            copies.close()
    final = _complete(session, begun, found, contents, written.files, written.changed)
    final = msgspec.structs.replace(
        final,
        archives=(written.archive,),
        status=Status.UPLOADING if materials.destinations else Status.COMPLETED,
        destinations=tuple(Copy(name) for name in materials.destinations),
    )
    store.save(session.vault, final)
    return Made(
        manifest=final,
        key=materials.spec.key,
        errors=contents.errors + len(found.problems),
        copy_seconds=contents.copy_seconds,
        check_seconds=contents.check_seconds,
        write_seconds=written.seconds,
    )


def _stream(session: Session, begun: Manifest, contents: Contents, materials: Materials, job: Job) -> Written:
    def leave_out(entry: FileEntry, error: LifeboatError) -> None:
        contents.skip(entry, error.message, error=not isinstance(error, SourceMissingError))

    job.step("write", "Copying databases and files into the archive")
    folder = session.vault.make_folder(session.vault.home(begun))
    with ArchiveWriter(
        folder,
        str(layout.stem_of(begun)),
        begun.id,
        materials.spec,
        on_progress=job.progress(total=materials.survey.bytes),
        should_stop=job.should_stop,
        on_left_out=leave_out,
    ) as writer:
        for group in contents.groups():
            writer.add(group, on_added=contents.note_added)
        _require_anything(begun, contents)
        return writer.finish(
            lambda counts: _complete(session, begun, materials.survey, contents, counts, contents.changed)
        )


def _require_anything(begun: Manifest, contents: Contents) -> None:
    """Raise `SourceMissingError` when all that was asked for turned out unreadable: an empty archive would please."""
    if contents.errors and not contents.added:
        first = contents.left_out[0]
        raise SourceMissingError(
            f"nothing of {begun.profile} can be read: {first.reason}",
            subject=first.path,
            hint="check the paths, and whether everything is mounted",
        )


def _complete(
    session: Session,
    begun: Manifest,
    found: Survey,
    contents: Contents,
    counts: FileCounts,
    changed: Sequence[str],
) -> Manifest:
    return msgspec.structs.replace(
        begun,
        status=Status.COMPLETED,
        finished=session.now(),
        damaged=any(database.damaged for database in contents.databases),
        databases=tuple(contents.databases),
        files=counts,
        left_out=(*found.problems, *contents.left_out),
        changed=tuple(changed),
    )


def _fail(session: Session, begun: Manifest, error: BaseException) -> None:
    """Leave no archive, and the record of a run that failed; that it cannot be kept must not hide the reason.

    The archive goes first, which makes room for the record. Where the manifest is complete already, only the
    catalog is behind, and the next run brings it in line.
    """
    message = str(error) if isinstance(error, LifeboatError) else f"{type(error).__name__}: {error}"
    with contextlib.suppress(OSError, LifeboatError):
        path = sidecar.locate(session.vault, begun.id)
        if sidecar.read(path).status in (Status.COMPLETED, Status.UPLOADING):
            return
        for file in layout.data_files(path):
            durable.remove(file)
        store.fail(session.vault, begun.id, message, now=session.now())
