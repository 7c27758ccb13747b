"""What a restore would do, found out without changing anything: targets, clashes, databases, space.

The walk over the file list decides for every entry where it goes; the same decisions are made again, from
the same plan, when the archive is read.
"""

from __future__ import annotations

import contextlib
import enum
import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.archive.manifest import DatabaseRecord
from toolkit.errors import BackupNotFoundError, SpaceError, UsageError
from toolkit.filelist import FileEntry, FileType, Section
from toolkit.jobs.context import Job
from toolkit.operations.application.services import Command, commands_of
from toolkit.operations.pace import takes
from toolkit.operations.pace_records import History
from toolkit.operations.plan import Clashes, Loss, Needs, Plan
from toolkit.operations.restoring.extract import elsewhere, target_elsewhere
from toolkit.operations.restoring.request import OnConflict, RestoreRequest
from toolkit.operations.restoring.steps import Amounts, steps
from toolkit.operations.session import Session
from toolkit.retention import Kind
from toolkit.sqlite.deleted import refuse_only_copy
from toolkit.sqlite.holders import holders
from toolkit.tree.compare import Clash, ClashKind, Target, open_for_writing
from toolkit.tree.filters import Only
from toolkit.wording import stamp_text

SIDECARS = ("-wal", "-shm", "-journal")
IN_PLACE = frozenset({Section.FILES, Section.CONFIG, Section.LOGS})


class Action(enum.IntEnum):
    """What becomes of an entry, kept in one byte for each in the order of the list."""

    SAME = 0
    CREATE = 1
    REPLACE = 2
    CLASH = 3


class ClashRow(msgspec.Struct, frozen=True, kw_only=True):
    """A name at the target that is not what the backup has; `choice` is None while nobody decided.

    `size` and `mtime_ns` are those at the target, `backup_size` and `backup_mtime_ns` those in the backup, where it is
    a `backup_type`; `link` is where a link at the target leads.
    """

    path: str
    kind: str
    size: int = 0
    choice: OnConflict | None = None
    mtime_ns: int = 0
    backup_size: int = 0
    backup_mtime_ns: int = 0
    backup_type: str = "file"
    link: str = ""


class DatabaseRow(msgspec.Struct, frozen=True, kw_only=True):
    """A database that would be put at `path`; `replaces` says whether one is there now, `used_by` who has it open."""

    name: str
    path: str
    size: int
    replaces: bool
    used_by: tuple[str, ...] = ()


@dataclass
class RestorePlan:
    """The plan with all that `apply` needs. `existing` are paths whose old state a safety backup must keep."""

    request: RestoreRequest
    plan: Plan
    roots: list[str] = field(default_factory=list)
    databases: list[DatabaseRow] = field(default_factory=list)
    clashes: list[ClashRow] = field(default_factory=list)
    same: int = 0
    missing: int = 0
    bytes: int = 0
    replaced_bytes: int = 0
    existing: list[str] = field(default_factory=list)
    actions: bytearray = field(default_factory=bytearray)

    @property
    def written(self) -> int:
        """How many files, folders and links are written."""
        return len(self.actions) - self.actions.count(Action.SAME)

    @property
    def checked_bytes(self) -> int:
        """Bytes of the databases that are checked before they get their names: not of damaged ones."""
        return sum(one.size for one in database_records(self.request) if one.form == "copy" and not one.damaged)

    @property
    def undecided(self) -> list[ClashRow]:
        """The clashes that nobody decided."""
        return [row for row in self.clashes if row.choice is None]

    def decide(self, decisions: dict[str, OnConflict]) -> None:
        """Take `decisions` by path for clashes that are undecided."""
        self.clashes = [
            msgspec.structs.replace(row, choice=decisions[row.path]) if row.path in decisions else row
            for row in self.clashes
        ]


class Chooser:
    """Decides for each entry of the list whether it is restored and to which path; one instance for one pass."""

    def __init__(self, request: RestoreRequest) -> None:
        self._request = request
        self._only = Only(request.only)
        self._to = None if request.to is None else str(request.to)
        self._all = self._to is not None and not request.databases and not request.only
        self._wanted = _wanted_databases(request)
        self._root = ""
        sources = (one.path for one in request.backup.manifest.sources if one.section in IN_PLACE)
        self._sources = sorted(sources, key=len, reverse=True)

    def target(self, entry: FileEntry) -> str | None:
        """Return the path where `entry` goes, or None when it is not wanted."""
        if entry.section is Section.DATABASES:
            wanted = any(entry.path in (path, *(path + suffix for suffix in SIDECARS)) for path in self._wanted)
            if not wanted:
                return None
        elif not self._all and not self._picks(entry):
            return None
        return entry.path if self._to is None else target_elsewhere(self._to, entry)

    def root_of(self, entry: FileEntry, target: str) -> str:
        """Return the folder that the target of `entry` lies in and is trusted: a source's own, or `to`.

        A walk names a root before what is in it, so a path outside of the last root begins a new one. Where only some
        of a source is restored, the root is still that source: below it no link is followed.
        """
        if self._to is not None:
            return self._to
        if not self._root or not f"{target}/".startswith(self._root.rstrip("/") + "/"):
            above = os.path.dirname(target)
            source = next((one for one in self._sources if f"{above}/".startswith(one.rstrip("/") + "/")), None)
            self._root = source or (target if entry.type is FileType.DIRECTORY else above)
        return self._root

    def _picks(self, entry: FileEntry) -> bool:
        request = self._request
        if request.databases and not request.only:
            return False
        if request.to is None and entry.section not in IN_PLACE:
            return False
        return self._only.picks(entry.path, directory=entry.type is FileType.DIRECTORY)


def _wanted_databases(request: RestoreRequest) -> tuple[str, ...]:
    records = request.backup.manifest.databases
    if request.databases:
        chosen = []
        for word in request.databases:
            found = [record for record in records if word in (record.name, record.path, Path(record.path).name)]
            if not found:
                names = ", ".join(record.name for record in records) or "none"
                raise BackupNotFoundError("the backup has no such database", subject=word, hint=f"it has: {names}")
            if len(found) > 1:
                raise UsageError(
                    "several databases have this name", subject=word, hint=", ".join(record.path for record in found)
                )
            chosen.append(found[0].path)
        return tuple(chosen)
    if request.only:
        only = Only(request.only)
        return tuple(record.path for record in records if only.picks(record.path))
    return tuple(record.path for record in records)


def database_records(request: RestoreRequest) -> list[DatabaseRecord]:
    """Return the records of the databases that `request` restores."""
    wanted = set(_wanted_databases(request))
    return [record for record in request.backup.manifest.databases if record.path in wanted]


def make_plan(session: Session, request: RestoreRequest, job: Job, *, empty_ok: bool = False) -> RestorePlan:
    """Find out what the restore would do; nothing is changed.

    Raises `BackupNotFoundError` for names that are not in the backup, and for a choice that picks nothing
    unless `empty_ok`; `UsageError` for an import in place and a `to` that is no folder; `SpaceError` with the bytes
    needed, `TargetInUseError` where only a process still has a deleted database, and what reading the file list raises.
    """
    _refuse_imported(request)
    if request.to is not None and os.path.lexists(request.to) and not request.to.is_dir():
        raise UsageError("is no folder", subject=request.to, hint="name a folder with --to; it need not be there yet")
    began = time.monotonic()
    job.step("plan", "Comparing the backup with the target")
    made = RestorePlan(request, Plan(op="restore", targets=(), steps=()))
    seen = hashlib.sha256()
    targets, links = _Targets(), _Links()
    for entry, target, root in wanted_entries(request):
        job.raise_if_stopped()
        if root not in made.roots:
            made.roots.append(root)
        made.actions.append(_consider(made, entry, target, targets.of(root).clash(entry, target), seen))
        if entry.link_group:
            links.note(made, entry, target)
    links.settle(made)
    state = [f"files|{seen.hexdigest()}"]
    for record in database_records(request):
        state.extend(_consider_database(session, made, record))
    if not made.databases and not made.roots and not empty_ok:
        raise BackupNotFoundError(
            "nothing in the backup is picked", subject=request.backup.manifest.id, hint="look with: lifeboat show"
        )
    made.plan = _compose(session, made, tuple(state), time.monotonic() - began)
    return made


def _refuse_imported(request: RestoreRequest) -> None:
    if request.in_place and request.backup.manifest.kind is Kind.IMPORTED:
        raise UsageError(
            "an imported backup has no place of its own on this machine",
            subject=request.backup.manifest.id,
            hint="restore it elsewhere with --to FOLDER, then put what you need where it belongs",
        )


def wanted_entries(request: RestoreRequest) -> Iterator[tuple[FileEntry, str, str]]:
    """Yield (entry, target, root) of every file, folder and link that is wanted; databases come apart."""
    chooser = Chooser(request)
    for entry in request.backup.entries():
        target = chooser.target(entry)
        if target is not None and entry.section is not Section.DATABASES:
            yield entry, target, chooser.root_of(entry, target)


class _Links:
    """The hard links among the entries: when one name of a file is written, all of them are, to be one file again."""

    def __init__(self) -> None:
        self._same: dict[int, list[tuple[int, str, int]]] = {}
        self._written: set[int] = set()

    def note(self, made: RestorePlan, entry: FileEntry, target: str) -> None:
        """Take note of the entry whose action was entered last."""
        if made.actions[-1] == Action.SAME:
            row = (len(made.actions) - 1, target, entry.data_size)
            self._same.setdefault(entry.link_group, []).append(row)
        else:
            self._written.add(entry.link_group)

    def settle(self, made: RestorePlan) -> None:
        """Have the names that are the same written too, where another name of their file is."""
        for group in self._written & self._same.keys():
            for index, target, size in self._same[group]:
                made.actions[index] = Action.REPLACE
                made.same -= 1
                made.existing.append(target)
                made.bytes += size


class _Targets:
    """The last target folder, kept because entries come in order."""

    def __init__(self) -> None:
        self.root = ""
        self.target = Target("/")
        self.busy = open_for_writing()

    def of(self, root: str) -> Target:
        if root != self.root:
            self.root, self.target = root, Target(root, busy=self.busy)
        return self.target


def _consider(made: RestorePlan, entry: FileEntry, target: str, clash: Clash, seen: hashlib._Hash) -> Action:
    """Enter one entry into the plan and return what becomes of it."""
    if clash.kind is not ClashKind.SAME:
        seen.update(f"{target}|{clash.kind}|{clash.size}|{clash.mtime_ns}\n".encode(errors="surrogateescape"))
    if clash.kind is ClashKind.MISSING:
        made.missing += 1
        made.bytes += entry.data_size
        return Action.CREATE
    if clash.kind is ClashKind.SAME:
        made.same += 1
        if clash.attributes or (_same_attributes(entry, target) and not made.request.exact):
            return Action.SAME
        made.existing.append(target)
        made.bytes += entry.data_size
        return Action.REPLACE
    choice = made.request.decisions.get(target) or _by_policy(made.request.on_conflict, clash)
    made.clashes.append(_clash_row(entry, target, clash, choice))
    made.bytes += entry.data_size
    made.replaced_bytes += clash.size
    made.existing.append(target)
    return Action.CLASH


def _clash_row(entry: FileEntry, target: str, clash: Clash, choice: OnConflict | None) -> ClashRow:
    link = ""
    if clash.kind is ClashKind.LINK:
        with contextlib.suppress(OSError):
            link = os.readlink(target)
    return ClashRow(
        path=target,
        kind=clash.kind.value,
        size=clash.size,
        choice=choice,
        mtime_ns=clash.mtime_ns,
        backup_size=entry.size,
        backup_mtime_ns=entry.mtime_ns,
        backup_type=entry.type.value,
        link=link,
    )


def _same_attributes(entry: FileEntry, target: str) -> bool:
    """Say whether mode and owner are as in the backup; a time alone is no reason to write."""
    status = os.lstat(target)
    mode = entry.type is FileType.SYMLINK or status.st_mode & 0o7777 == entry.mode
    return mode and (os.geteuid() != 0 or (status.st_uid, status.st_gid) == (entry.uid, entry.gid))


def _by_policy(policy: OnConflict, clash: Clash) -> OnConflict | None:
    if policy is OnConflict.ASK:
        return None
    if policy is OnConflict.NEWER:
        return OnConflict.SKIP if clash.kind is ClashKind.NEWER else OnConflict.REPLACE
    return policy


def _consider_database(session: Session, made: RestorePlan, record: DatabaseRecord) -> list[str]:
    request = made.request
    path = record.path if request.to is None else elsewhere(request.to, record.path)
    files = [path + suffix for suffix in ("", *SIDECARS)]
    there = [one for one in files if os.path.lexists(one)]
    used = holders(files).found
    refuse_only_copy(path, used)
    row = DatabaseRow(
        name=record.name,
        path=path,
        size=record.size,
        replaces=bool(there),
        used_by=tuple(sorted({f"{holder.command} ({holder.pid})" for holder in used})),
    )
    made.databases.append(row)
    made.bytes += record.size
    made.replaced_bytes += sum(os.lstat(one).st_size for one in there)
    # What runs until its services are stopped goes on writing: only the file itself must be the same then.
    live = bool(used) or bool(services_of(session, request))
    return [_state(one, live=live) for one in files]


def _state(path: str, *, live: bool) -> str:
    try:
        status = os.lstat(path)
    except OSError:
        return f"{path}|absent" if not live else f"{path}|live"
    if live:
        return f"{path}|live"
    return f"{path}|{status.st_ino}|{status.st_size}|{status.st_mtime_ns}"


def services_of(session: Session, request: RestoreRequest) -> tuple[Command, ...]:
    """Return the services that an in-place restore stops where they run."""
    profile = session.known_profile(request.backup.manifest.profile)
    if profile is None or not request.in_place or not request.services:
        return ()
    return commands_of(profile)


def _compose(session: Session, made: RestorePlan, state: tuple[str, ...], look: float) -> Plan:
    request, manifest = made.request, made.request.backup.manifest
    replaced = [row for row in made.databases if row.replaces]
    history = History(session, manifest.profile)
    listed = tuple(steps(_amounts(session, made, len(replaced)), history))
    needs = _require_space(session, made)
    by_kind: dict[str, int] = {}
    for row in made.clashes:
        by_kind[row.kind] = by_kind.get(row.kind, 0) + 1
    since, then = manifest.started.isoformat(timespec="seconds"), stamp_text(manifest.started)
    plan = Plan(
        op="restore",
        targets=(*made.roots, *(row.path for row in made.databases)),
        steps=listed,
        loses=Loss(text=f"what was written since {then}", since=since) if replaced or made.clashes else Loss(),
        keeps="what is replaced goes into a safety backup first; `lifeboat undo` puts it back"
        if needs_safety(made)
        else "",
        needs=needs,
        clashes=Clashes(same=made.same, missing=made.missing, differ=len(made.clashes), by_kind=by_kind),
        takes=takes(listed, look=look, again=True),
        confirm="word" if replaced and request.in_place else "key" if request.in_place or made.clashes else "none",
        confirm_word=manifest.profile if replaced and request.in_place else "",
        cli=_command(request),
        state=state,
    )
    return plan.sealed()


def needs_safety(made: RestorePlan) -> bool:
    """Say whether a safety backup comes first: always in place, elsewhere when something is replaced."""
    return made.request.in_place or bool(made.existing) or any(row.replaces for row in made.databases)


def _amounts(session: Session, made: RestorePlan, replaced: int) -> Amounts:
    return Amounts(
        bytes=made.bytes,
        items=made.written,
        comes=len(made.databases),
        checked=made.checked_bytes,
        kept_bytes=made.replaced_bytes,
        kept_items=len(made.existing),
        deep=made.request.in_place or bool(replaced),
        replaces=replaced,
        safety=needs_safety(made),
        services=services_of(session, made.request),
    )


def _require_space(session: Session, made: RestorePlan) -> Needs:
    """Return the bytes needed at the target and there; raises `SpaceError` when they do not fit."""
    targets = [*made.roots, *(row.path for row in made.databases)]
    if targets:
        durable.require_space(Path(targets[0]), made.bytes, hint=durable.FREE_THERE)
    vault = session.vault_path
    if needs_safety(made) and made.replaced_bytes:
        free = durable.free_bytes(vault)
        if made.replaced_bytes // 2 > free:
            raise SpaceError(
                f"too little space for the safety backup: up to {made.replaced_bytes:,} bytes needed, {free:,} free",
                subject=vault,
                hint=durable.FREE_OR_ELSEWHERE,
                needed=made.replaced_bytes,
                free=free,
            )
    return Needs(free=made.bytes, have=durable.free_bytes(Path(targets[0]) if targets else vault))


def _command(request: RestoreRequest) -> str:
    import shlex

    words = ["lifeboat", "restore", request.backup.manifest.id]
    if request.to is not None:
        words += ["--to", str(request.to)]
    words += request.mapping
    for name in request.databases:
        words += ["--database", name]
    for glob in request.only:
        words += ["--only", glob]
    if request.on_conflict is not OnConflict.ASK:
        words += ["--on-conflict", request.on_conflict.value]
    return shlex.join(words)
