"""The safety backup: what a restore, repair or rescue is about to replace, kept first, and what undo needs to know.

It is an ordinary backup of kind `safety`. Databases are taken bit for bit with their sidecars. Beside it lies
`STEM.undo.jsonl`: the paths that were not there before, one JSON line each, which undo removes again, and the times of
the folders in which names changed. The way to a root is resolved in these paths, as it may lead through links; below a
root none is followed.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.archive.manifest import Check, Manifest, Source, UndoRecord
from toolkit.display import display
from toolkit.errors import ArchiveDamagedError, StorageError
from toolkit.filelist import Item, Section, decode_name, encode_name
from toolkit.jobs.context import Job
from toolkit.operations.archiving import safety_spec
from toolkit.operations.restoring import folder_times
from toolkit.operations.restoring.plan import SIDECARS, Action, DatabaseRow, RestorePlan, wanted_entries
from toolkit.operations.restoring.request import OnConflict
from toolkit.operations.session import Session
from toolkit.operations.taking import writing
from toolkit.operations.taking.survey import FoundDatabase, Survey, entry_of
from toolkit.operations.verify import read_back
from toolkit.profile.model import DatabaseSource, Profile
from toolkit.retention import Kind, Scope
from toolkit.tree import read
from toolkit.tree.compare import ClashKind
from toolkit.tree.scan import Scanner
from toolkit.tree.times import FolderTime
from toolkit.vault import layout, sidecar, store

UNDO_LIST = ".undo.jsonl"


def make(
    session: Session,
    made: RestorePlan,
    job: Job,
    *,
    operation: str,
    removed: Path | None = None,
    created: Iterable[str] = (),
    folders: Iterable[FolderTime] = (),
) -> str:
    """Make the safety backup of what `made` replaces (and of what the list `removed` names); return its id.

    `created` are paths that come besides those which the plan found missing, `folders` the times that folders show
    now. It is read back before anything is replaced. Raises what making a backup raises, and `StorageError` when it
    does not read back.
    """
    manifest = made.request.backup.manifest
    found = _survey(made.databases, made.roots, made.replaced_bytes)
    if removed is not None:  # what an undo removes lies in the roots of what it undoes
        known = {one.path for one in found.sources}
        found.sources += [one for one in manifest.sources if one.path not in known]
    return _keep(
        session,
        manifest.profile,
        found,
        UndoRecord(operation=operation, job=job.id, backup=manifest.id, target=str(made.request.to or "in place")),
        job,
        note=f"before {operation} of {manifest.id}",
        extra=lambda: _items(made, removed),
        created=_came(made, created),
        folders=folders,
    )


def make_of_databases(
    session: Session,
    profile: str,
    databases: Sequence[DatabaseRow],
    job: Job,
    *,
    operation: str,
    backup: str = "",
    damage: Mapping[str, tuple[Check, ...]],
) -> str:
    """Make the safety backup of `databases`, bit for bit with their sidecars, before they are replaced; return its id.

    `damage` says by path what is wrong with them: such a backup is the only copy of a damaged original, which retention
    never removes. Raises as `make` does.
    """
    size = sum(row.size for row in databases)
    return _keep(
        session,
        profile,
        _survey(databases, (), size),
        UndoRecord(operation=operation, job=job.id, backup=backup, target="in place"),
        job,
        note=f"before {operation} of {', '.join(display(row.name) for row in databases)}",
        extra=lambda: _lone_sidecars(databases),
        created=[row.path for row in databases if not os.path.lexists(row.path)],
        damage=damage,
    )


def _keep(
    session: Session,
    name: str,
    found: Survey,
    undo: UndoRecord,
    job: Job,
    *,
    note: str,
    extra: Callable[[], Iterator[Item]],
    created: Iterable[str],
    folders: Iterable[FolderTime] = (),
    damage: Mapping[str, tuple[Check, ...]] | None = None,
) -> str:
    profile = session.known_profile(name) or Profile(name=name)
    databases_only = all(source.section is Section.DATABASES for source in found.sources)
    result = writing.make(
        session,
        profile,
        writing.Materials(
            survey=found,
            spec=safety_spec(session, profile),
            kind=Kind.SAFETY,
            scope=Scope.DATABASE if databases_only else Scope.FULL,
            note=note,
            raw=True,
            damage=damage or {},
            extra=extra,
            undo=undo,
        ),
        job,
    )
    _write_undo_list(session, result.manifest, created, folders)
    verdict = read_back(session, result.manifest, job, key=result.key)
    if verdict.manifest.evidence.damage:
        raise StorageError(
            f"the safety backup does not read back: {verdict.manifest.evidence.damage[0]}",
            subject=session.vault_path,
            hint="nothing was changed; check the disk of the vault",
        )
    return result.manifest.id


def _survey(databases: Sequence[DatabaseRow], roots: Sequence[str], replaced: int) -> Survey:
    found = Survey(asked=1)
    for row in databases:
        found.sources.append(Source(Section.DATABASES, row.path))
        if row.replaces and os.path.lexists(row.path):
            path = Path(row.path)
            size = sum(
                os.path.getsize(row.path + suffix) for suffix in ("", *SIDECARS) if os.path.exists(row.path + suffix)
            )
            found.databases.append(
                FoundDatabase(
                    path=path,
                    name=row.name,
                    bytes=size,
                    source=DatabaseSource(path=path),
                    entry=entry_of(Section.DATABASES, path),
                )
            )
            found.bytes += size
    found.sources += [Source(Section.FILES, root) for root in roots]
    found.bytes += replaced
    return found


def _items(made: RestorePlan, removed: Path | None) -> Iterator[Item]:
    scanner = Scanner(lambda _left: None)
    whole = {row.path for row in made.clashes if row.kind == ClashKind.DIRECTORY}
    spared = {row.path for row in made.clashes if row.choice in (OnConflict.SKIP, OnConflict.RENAME)}
    known = {path for path in made.existing if path.endswith(SIDECARS)}
    listed = read_undo_list(removed) if removed is not None else ()
    gone = (name for path in listed for name in (path, *_sidecars_that_go(path)) if name not in known)
    for path in itertools.chain(made.existing, gone):
        if path in spared or not os.path.lexists(path):
            continue
        for entry in scanner.walk(Section.FILES, path):
            yield read.item(entry)
            if path not in whole:
                break
    yield from _lone_sidecars(made.databases)


def _sidecars_that_go(path: str) -> Iterator[str]:
    if os.path.isfile(path):
        yield from (
            name for suffix in SIDECARS if os.path.lexists(name := path + suffix) and _is_database_sidecar(name)
        )


def _lone_sidecars(databases: Sequence[DatabaseRow]) -> Iterator[Item]:
    """Yield the sidecars of databases that are gone themselves."""
    for row in databases:
        if row.replaces and not os.path.lexists(row.path):
            for suffix in SIDECARS:
                if os.path.lexists(row.path + suffix):
                    yield read.item(entry_of(Section.FILES, Path(row.path + suffix)))


def undo_list_path(session: Session, manifest: Manifest) -> Path:
    """Return where the list of created paths of a safety backup lies."""
    home = sidecar.locate(session.existing_vault, manifest.id).parent
    return home / f"{layout.stem_of(manifest)}{UNDO_LIST}"


def _came(made: RestorePlan, created: Iterable[str]) -> Iterator[str]:
    """Yield the paths that a restore brings and that were not there, with the links to their roots followed."""
    real = functools.cache(os.path.realpath)
    for row in made.databases:
        if not os.path.lexists(row.path):  # else undo would leave old sidecars beside it
            folder, name = os.path.split(row.path)
            yield f"{real(folder).rstrip('/')}/{name}"
    for (_, target, root), action in zip(wanted_entries(made.request), made.actions, strict=True):
        if action == Action.CREATE:
            yield real(root) + target[len(root) :]
    for target in created:
        root = next((root for root in made.roots if target.startswith(f"{root.rstrip('/')}/")), "")
        yield (real(root) if root else "") + target[len(root) :]


def _write_undo_list(
    session: Session, manifest: Manifest, created: Iterable[str], folders: Iterable[FolderTime]
) -> None:
    path = undo_list_path(session, manifest)
    with durable.translated(path), durable.atomic_file(path) as file:
        for target in created:
            file.write(_undo_line(target))
        for one in folders:
            file.write(folder_times.line(one))


def _undo_line(path: str) -> bytes:
    return msgspec.json.encode(encode_name(path)) + b"\n"


def read_undo_list(path: Path) -> Iterator[str]:
    """Yield the paths of an undo list in their order; none when there is no list."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        for line in file:
            try:
                value = msgspec.json.decode(line)
                if folder_times.of_line(value) is None:
                    yield decode_name(value)
            except msgspec.DecodeError as error:
                raise ArchiveDamagedError("the list for undo cannot be read", subject=path) from error


def undone(made: RestorePlan, listed: Path | None) -> dict[str, object]:
    """Return what the journal of an undo says of its list: where it is, and which sidecars come back by themselves."""
    if listed is None:
        return {}
    spare = tuple(target for _, target, _ in wanted_entries(made.request) if target.endswith(SIDECARS))
    return {"remove": str(listed), "spare": spare}


def remove_paths(listed: Path | None, spare: Collection[str] = ()) -> int:
    """Remove the files and links that an undo list names, then its folders where they are empty; return how many.

    The sidecars of a database go with it, but for those of `spare`, which were put back.

    Doing it again after a stop goes on. No link among the folders is followed out of the way: a name whose
    folder is a link now is left alone.
    """
    if listed is None:
        return 0
    removed, folders = 0, []
    for path in read_undo_list(listed):
        if os.path.realpath(os.path.dirname(path)) != os.path.dirname(path):
            continue
        if os.path.isdir(path) and not os.path.islink(path):
            folders.append(path)
            continue
        for name in (path, *(path + suffix for suffix in SIDECARS)):
            if os.path.lexists(name) and (name == path or (name not in spare and _is_database_sidecar(name))):
                with durable.translated(name):
                    durable.on_step("unlink", name)
                    os.unlink(name)
                removed += 1
    for path in reversed(folders):
        with contextlib.suppress(OSError):
            durable.on_step("rmdir", path)
            os.rmdir(path)
            removed += 1
    return removed


def _is_database_sidecar(name: str) -> bool:
    """Say whether a file is a WAL, shared memory or journal of SQLite: only those go with a database that goes."""
    if name.endswith("-shm"):
        return True
    with contextlib.suppress(OSError), open(name, "rb") as file:
        head = file.read(8)
        return head[:4] in (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83") or head == b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
    return False


def note_result(session: Session, ident: str) -> None:
    """Write into the safety backup when the operation was done: what is younger was written since."""

    def change(manifest: Manifest) -> Manifest:
        if manifest.undo is None:
            return manifest
        undo = msgspec.structs.replace(manifest.undo, finished=session.now())
        return msgspec.structs.replace(manifest, undo=undo)

    store.update(session.existing_vault, ident, change)


def note_taken_back(session: Session, ident: str) -> None:
    """Write into the safety backup that the operation was taken back at once: what it keeps is in its place again."""

    def change(manifest: Manifest) -> Manifest:
        if manifest.undo is None:
            return manifest
        now = session.now()
        return msgspec.structs.replace(manifest, undo=msgspec.structs.replace(manifest.undo, finished=now, undone=now))

    store.update(session.existing_vault, ident, change)


def written_since(made: RestorePlan, manifest: Manifest) -> list[str]:
    """Return the targets of an undo that were written to after the operation that it takes back."""
    if manifest.undo is None or manifest.undo.finished is None:
        return []
    done = manifest.undo.finished.timestamp()
    paths = [row.path + suffix for row in made.databases for suffix in ("", "-wal", "-journal")]
    paths += made.existing
    return [path for path in paths if os.path.lexists(path) and os.lstat(path).st_mtime > done + 1]
