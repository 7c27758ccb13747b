"""Restore: stage and check everything first, keep what is there, then give all of it its names.

Until the journal says `commit` nothing at the target has changed and every failure discards what was
staged. From then on the restore only goes forward, in this run or in the next (`recovery`).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.archive.manifest import DatabaseRecord
from toolkit.errors import DatabaseDamagedError, LifeboatError, UndecidedError
from toolkit.filelist import FileEntry, FileType, Section
from toolkit.jobs.context import Job
from toolkit.operations import recovery
from toolkit.operations.application.services import Command, active, stopped
from toolkit.operations.health import remember_placed
from toolkit.operations.report import Ending
from toolkit.operations.restoring import folder_times, safety
from toolkit.operations.restoring import journal as restore_journal
from toolkit.operations.restoring.extract import Filled, Place, fill
from toolkit.operations.restoring.journal import RestoreJournal, SwapRecord
from toolkit.operations.restoring.placing import place
from toolkit.operations.restoring.plan import (
    SIDECARS,
    Action,
    Chooser,
    RestorePlan,
    database_records,
    make_plan,
    needs_safety,
    services_of,
)
from toolkit.operations.restoring.report import RenamedItem, RestoredDatabase, RestoreReport
from toolkit.operations.restoring.request import OnConflict, RestoreRequest
from toolkit.operations.session import Session
from toolkit.operations.verify import compare_database
from toolkit.sqlite import swap
from toolkit.sqlite.check import Level, quick_check
from toolkit.sqlite.header import mark_wal
from toolkit.tree.place import Stage, staging_folder


@dataclass
class _Run:
    """One restore on its way. `held` are times of folders before it, `moved` paths that came under another name."""

    session: Session
    made: RestorePlan
    job: Job
    report: RestoreReport
    journal: RestoreJournal
    stages: dict[str, Stage] = field(default_factory=dict)
    databases: dict[str, Stage] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    moved: list[str] = field(default_factory=list)

    @property
    def request(self) -> RestoreRequest:
        return self.made.request

    @property
    def journal_path(self) -> Path:
        return restore_journal.path_of(self.session.state, self.job.id)

    def keep(self, **changes: object) -> None:
        """Change the journal, durably."""
        changed = msgspec.structs.replace(self.journal, **changes)
        restore_journal.write(self.journal_path, changed)
        self.journal = changed

    def side_journal(self, word: str) -> Path:
        """Return the path of a further journal of this restore, which belongs to a stage or a swap."""
        return self.journal_path.with_suffix(f".{word}")


def apply(
    session: Session,
    made: RestorePlan,
    job: Job,
    *,
    operation: str = "restore",
    remove: Path | None = None,
) -> RestoreReport:
    """Do what the plan says. `remove` is the list of paths that an undo takes away again.

    Raises, with nothing changed: `UndecidedError`, `OutdatedPlanError`, `TargetInUseError`, `SpaceError`,
    `DatabaseDamagedError`, `ArchiveDamagedError`, `UnsafeArchiveError`, `ServiceError`, `CancelledError`. After the
    point of no return a failure leaves the journal, and the next run or `lifeboat jobs recover` finishes it.
    """
    if made.undecided:
        raise UndecidedError(
            f"{len(made.undecided)} clashes are undecided",
            subject=made.undecided[0].path,
            hint="decide with --on-conflict replace|skip|rename|newer, or keep choices in a --plan file",
        )
    manifest = made.request.backup.manifest
    report = RestoreReport(backup=manifest.id, target=str(made.request.to or "in place"))
    keys = tuple(os.path.realpath(row.path) for row in made.databases) + tuple(made.roots)
    with session.hold(manifest.profile, operation, job), session.hold_keys(keys, f"{operation} of {manifest.id}", job):
        recovery.settle(session, manifest.profile, job, vault=_vault_can_be_settled(session, made, remove))
        if not _still_absent(made):
            request = msgspec.structs.replace(made.request, decisions=_decisions(made))
            made.plan.require(make_plan(session, request, job, empty_ok=remove is not None).plan)
        run = _Run(session, made, job, report, _begin(session, made, job), held=folder_times.held(made))
        try:
            _prepare(run)
            _act(run, operation, remove)
        except BaseException as error:
            if run.journal.phase == "staging":
                _take_back(run)
            elif isinstance(error, LifeboatError):
                error.changed = True
                error.hint = "the restore is begun and not finished: when this is mended, run `lifeboat jobs recover`"
            raise
        finally:
            for stage in (*run.stages.values(), *run.databases.values()):
                stage.close()
    _finish(run)
    if made.request.to is None:
        damaged = {record.name: record.damaged for record in manifest.databases}
        placed = {os.path.realpath(row.path): damaged.get(row.name, False) for row in made.databases}
        remember_placed(session, manifest.profile, placed, report)
    return report


def _vault_can_be_settled(session: Session, made: RestorePlan, remove: Path | None) -> bool:
    """Say no for a vault that cannot be written where nothing is to be kept in it: reading is enough then."""
    return needs_safety(made) or remove is not None or os.access(session.vault_path, os.W_OK)


def _still_absent(made: RestorePlan) -> bool:
    """Say whether the plan found no folder to restore to and there is none now: then it need not be made again."""
    to = made.request.to
    found = made.existing or made.clashes or made.same or any(row.replaces for row in made.databases)
    return to is not None and not found and not os.path.lexists(to)


def _decisions(made: RestorePlan) -> dict[str, OnConflict]:
    return {row.path: row.choice for row in made.clashes if row.choice is not None}


def _begin(session: Session, made: RestorePlan, job: Job) -> RestoreJournal:
    manifest = made.request.backup.manifest
    return RestoreJournal(job=job.id, profile=manifest.profile, vault=str(session.vault_path), backup=manifest.id)


def _prepare(run: _Run) -> None:
    """Stage everything beside its target and check it; nothing at the target changes."""
    job, request = run.job, run.request
    run.keep()
    began = time.monotonic()
    job.step(
        "stage", "Restoring beside the target, comparing every digest", size=run.made.bytes, items=run.made.written
    )
    filled = fill(request.backup, _Placer(run), job, total=run.made.bytes)
    run.report.restored = filled.files + filled.others
    run.report.failed.extend(filled.failed)
    _refuse_missing_databases(run, filled)
    staged = time.monotonic()
    if run.made.databases:
        job.step("check", "Checking the restored databases", size=run.made.checked_bytes)
        for record in database_records(request):
            job.raise_if_stopped()
            run.report.databases.append(_check(run, record))
    checked = time.monotonic()
    for stage in (*run.stages.values(), *run.databases.values()):
        stage.finish()
    run.report.timings.check = round(checked - staged, 3)
    run.report.timings.stage = round(staged - began + time.monotonic() - checked, 3)


def _refuse_missing_databases(run: _Run, filled: Filled) -> None:
    wanted = {row.path for row in run.made.databases}
    for item in filled.failed:
        if item.path in wanted:
            raise DatabaseDamagedError(
                f"the database cannot be restored: {item.reason}",
                subject=item.path,
                hint="choose another backup; nothing was changed",
            )


class _Placer:
    """Says for each entry in which stage it goes, making stages as new roots come; one pass at a time."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._chooser = Chooser(run.request)
        self._choices = _decisions(run.made)
        self._actions = iter(run.made.actions)
        self._beside = ("", "")

    def __call__(self, entry: FileEntry) -> Place | None:
        target = self._chooser.target(entry)
        if target is None:
            return None
        if entry.section is Section.DATABASES:
            return self._database(target), target
        root = self._chooser.root_of(entry, target)
        action = next(self._actions)
        choice = self._choices.get(target) if action == Action.CLASH else None
        if choice is OnConflict.SKIP:
            self._run.report.skipped += 1
            return None
        if action == Action.SAME:
            self._run.report.same += 1
            return None
        old, new = self._beside
        if old and target.startswith(old):  # a folder that got another name takes along what is in it
            target = new + target[len(old) :]
            self._run.moved.append(target)
        elif choice is OnConflict.RENAME:
            renamed = beside(target, self._run.request.backup.manifest.id)
            self._run.report.renamed.append(RenamedItem(target, renamed))
            self._run.moved.append(renamed)
            if entry.type is FileType.DIRECTORY:
                self._beside = (f"{target}/", f"{renamed}/")
            target = renamed
        return self._stage(self._run.stages, root, "files"), target

    def _database(self, target: str) -> Stage:
        return self._stage(self._run.databases, os.path.dirname(target), "database")

    def _stage(self, stages: dict[str, Stage], root: str, word: str) -> Stage:
        if root not in stages:
            run = self._run
            number = len(run.stages) + len(run.databases)
            ident = f"{run.job.id}-{number}"
            journal = run.side_journal(f"stage-{number}")
            field_name = "stages" if word == "files" else "databases"
            known = {
                field_name: (*getattr(run.journal, field_name), str(journal)),
                "folders": (*run.journal.folders, str(staging_folder(root, ident))),
            }
            run.keep(**known)
            stages[root] = Stage(root, ident, owners=os.geteuid() == 0)
            stages[root].save(journal)
        return stages[root]


def beside(path: str, ident: str) -> str:
    """Return an unused name beside `path` for a restored file: `a.png` becomes `a.restored-ID.png`."""
    folder, name = os.path.split(path)
    stem, dot, ending = name.rpartition(".")
    if not stem:
        stem, dot, ending = name, "", ""
    for number in range(1, 10_000):
        mark = ident if number == 1 else f"{ident}-{number}"
        made = os.path.join(folder, f"{stem}.restored-{mark}{dot}{ending}")
        if not os.path.lexists(made):
            return made
    raise UndecidedError("there are too many restored copies beside it", subject=path)


def _check(run: _Run, record: DatabaseRecord) -> RestoredDatabase:
    """Check the staged database before it takes the name (promise 3); raises `DatabaseDamagedError`."""
    target = _target(run, record)
    staged = run.databases[os.path.dirname(target)].staged(target)
    checked = "digest"
    if record.form == "copy" and not record.damaged:
        level = _level(run, target)
        errors = compare_database(staged, record, level=level)
        if errors:
            raise DatabaseDamagedError(
                f"the restored database does not pass: {errors[0]}",
                subject=target,
                hint="choose another backup; nothing was changed",
            )
        checked = _CHECKED[level]
        if record.journal_mode == "wal":
            mark_wal(staged)
    return RestoredDatabase(name=record.name, path=target, tables=record.tables, digest=record.digest, checked=checked)


_CHECKED: dict[Level, str] = {
    "full": "digest, integrity_check, foreign_key_check, fts, row counts",
    "counts": "digest of the copy that was checked when it was made, row counts, schema",
}


def _level(run: _Run, target: str) -> Level:
    """Return how deep the database is checked: all of it where it replaces something (docs/decisions/0009)."""
    return "full" if run.request.in_place or _replaces(run, target) else "counts"


def _replaces(run: _Run, target: str) -> bool:
    return any(row.replaces for row in run.made.databases if row.path == target)


def _target(run: _Run, record: DatabaseRecord) -> str:
    return next(row.path for row in run.made.databases if row.name == record.name)


def _services(run: _Run) -> tuple[Command, ...]:
    return active(services_of(run.session, run.request))


def _act(run: _Run, operation: str, remove: Path | None) -> None:
    """Stop services, keep what is there, commit, and give everything its name."""
    services = _services(run)
    with _services_down(run, services):
        if run.made.databases:
            _refuse_held(run)
        times = _folder_times(run, remove)
        if needs_safety(run.made) or remove:
            run.job.step(
                "safety",
                "Keeping what is there now in a safety backup",
                size=run.made.replaced_bytes,
                items=len(run.made.existing),
            )
            kept = safety.make(
                run.session,
                run.made,
                run.job,
                operation=operation,
                removed=remove,
                created=run.moved,
                folders=times.before,
            )
            run.keep(safety=kept)
            run.report.safety = run.journal.safety
        run.job.step(
            "place",
            "Giving everything its name",
            cancel="never",
            undo="manual",
            size=run.made.checked_bytes,
            items=run.made.written,
        )
        began = time.monotonic()
        run.keep(phase="commit", swaps=tuple(_swaps(run)), **safety.undone(run.made, remove))
        run.report.changed = True
        failed, removed = place(run.journal, run.job)
        run.report.failed.extend(failed)
        run.report.removed = removed
        _check_placed(run)
        folder_times.give(run.journal.times)  # again: who looks into a database makes and removes names beside it
        run.report.timings.place = round(time.monotonic() - began, 3)


def _folder_times(run: _Run, remove: Path | None) -> folder_times.Times:
    """Find out and write down the times of the folders that stay, for the end of the restore and for its undo."""
    removed = safety.read_undo_list(remove) if remove is not None else ()
    undone = folder_times.read(remove) if remove is not None else ()
    times = folder_times.reckon(run.made, run.held, removed, undone)
    path = run.side_journal("times")
    folder_times.write(path, times.after)
    run.keep(times=str(path))
    return times


@contextlib.contextmanager
def _services_down(run: _Run, services: tuple[Command, ...]) -> Iterator[None]:
    if not services:
        yield
        return
    run.keep(stopped=services)
    with stopped(services, run.job, run.report):
        yield


def _refuse_held(run: _Run) -> None:
    swap.refuse_if_held(
        [row.path + suffix for row in run.made.databases for suffix in ("", *SIDECARS)],
        accept_unseen=run.request.assume_unused or not run.request.in_place,
    )


def _swaps(run: _Run) -> Iterator[SwapRecord]:
    for number, row in enumerate(run.made.databases):
        stage = run.databases[os.path.dirname(row.path)]
        main = str(stage.staged(row.path))
        there = tuple(main + suffix for suffix in ("", *SIDECARS) if os.path.lexists(main + suffix))
        yield SwapRecord(staged=there, target=row.path, journal=str(run.side_journal(f"swap-{number}")))


def _check_placed(run: _Run) -> None:
    """Look once more at the databases that replaced others; a problem is a warning that names the way back."""
    for record in database_records(run.request):
        target = _target(run, record)
        if record.form != "copy" or not (run.request.in_place or _replaces(run, target)):
            continue
        messages = quick_check(target)
        if messages:
            run.report.warn(
                "placed-damaged",
                f"the database does not pass quick_check under its name: {messages[0]}",
                subject=target,
                hint="lifeboat undo puts the old one back",
            )
            run.report.ending = Ending.DAMAGE


def _take_back(run: _Run) -> None:
    """Discard what was staged: the target was not touched."""
    stages = (*run.stages.values(), *run.databases.values())
    for stage in sorted(stages, key=lambda stage: _number(stage.ident), reverse=True):  # each puts back what it found
        with contextlib.suppress(LifeboatError, OSError):
            stage.discard()
    _forget(run)


def _number(ident: str) -> int:
    """Return which of the stages of a restore it is, in the order in which they were made."""
    return int(ident.rpartition("-")[2])


def _forget(run: _Run) -> None:
    for path in (*run.journal.stages, *run.journal.databases, *filter(None, (run.journal.times,))):
        durable.remove(Path(path))
    durable.remove(run.journal_path)


def _finish(run: _Run) -> None:
    """Write what undo needs to warn of later writes, and end the journal."""
    if run.journal.safety:
        safety.note_result(run.session, run.journal.safety)
    _forget(run)
    if run.report.failed and run.report.ending is Ending.DONE:
        run.report.ending = Ending.INCOMPLETE
    for item in run.report.failed[:1000]:
        run.report.warn("not-restored", item.reason, subject=item.path)
    if run.report.safety:
        run.report.notes.append(f"what was there is kept in backup {run.report.safety}; `lifeboat undo` puts it back")
