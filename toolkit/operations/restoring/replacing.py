"""Putting prepared databases in the place of live ones, for repair and rescue, through the journal of restores.

Services down, copies staged beside their targets, a safety set, then `commit`: one swap for each database.
What is replaced stays beside the new database until the whole operation is done, so that a failing check or
smoke test puts it back by renames. Until `commit` every failure leaves the old state; a stop of the machine
is settled by `recovery`.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.archive.manifest import Check
from toolkit.errors import LifeboatError, NotFoundError, SpaceError, StorageError
from toolkit.filelist import FileEntry, FileType, Section
from toolkit.jobs.context import Job
from toolkit.operations import recovery
from toolkit.operations.application import holding
from toolkit.operations.application.services import Command, stopped
from toolkit.operations.report import Report
from toolkit.operations.restoring import aside, safety
from toolkit.operations.restoring import journal as restore_journal
from toolkit.operations.restoring.journal import RestoreJournal, SwapRecord
from toolkit.operations.restoring.placing import let_go, place, put_back
from toolkit.operations.restoring.plan import SIDECARS, DatabaseRow
from toolkit.operations.session import Session
from toolkit.operations.taking.survey import entry_of
from toolkit.sqlite.check import quick_check
from toolkit.tree.place import Stage, staging_folder
from toolkit.tree.read import load


@dataclass(frozen=True, kw_only=True)
class Replacement:
    """A sound private database `prepared` that will replace the one at `target`, a real path.

    `damage` says what is wrong with what is there; `like` is whose owner and mode it gets where nothing is there.
    """

    target: str
    prepared: Path
    damage: tuple[Check, ...] = ()
    like: FileEntry | None = None


@dataclass(frozen=True, kw_only=True)
class Orders:
    """How to replace: the operation and profile, what to stop and start, and what must hold afterwards.

    `start` are services that are started besides those which were stopped. `smoke` returns what fails of the
    application's tests. `aside` moves the old files aside instead of copying them into the vault. `unchanged` raises
    `OutdatedPlanError` when the plan no longer holds; `settled` is asked, with everything stopped, for what
    comes: the application may have written after the plan.
    """

    operation: str
    profile: str
    backup: str = ""
    stop: tuple[Command, ...] = ()
    start: tuple[Command, ...] = ()
    stop_holders: bool = False
    assume_unused: bool = False
    aside: bool = False
    unchanged: Callable[[], None] = lambda: None
    settled: Callable[[], Sequence[Replacement]]
    smoke: Callable[[], list[str]] = list


@dataclass
class Replaced:
    """How it ended: the safety backup (empty when the files were moved aside), and what failed, if it was put back."""

    safety: str = ""
    kept: list[str] = field(default_factory=list)
    told: tuple[str, ...] = ()
    failures: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)


@dataclass
class _Run:
    session: Session
    orders: Orders
    job: Job
    report: Report
    journal: RestoreJournal
    done: Replaced = field(default_factory=Replaced)
    stages: dict[str, Stage] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return restore_journal.path_of(self.session.state, self.job.id)

    def keep(self, **changes: object) -> None:
        changed = msgspec.structs.replace(self.journal, **changes)
        restore_journal.write(self.path, changed)
        self.journal = changed


def smoke_title(profile: str) -> str:
    """Return the title of the step that runs the smoke tests of `profile`."""
    return f"Running the smoke test of {profile}"


def vault_takes(session: Session, size: int, *, make: bool) -> bool:
    """Say whether the vault has room for a safety backup of `size` bytes; with `make` one that is absent is made."""
    try:
        vault = session.vault if make else session.existing_vault
        durable.require_space(vault.path, size + size // 2)
    except NotFoundError:
        return not make and os.access(_nearest_folder(session.vault_path), os.W_OK)
    except LifeboatError:
        return False
    return os.access(vault.path, os.W_OK)


def _nearest_folder(path: Path) -> Path:
    return next((parent for parent in (path, *path.parents) if parent.is_dir()), Path("/"))


def run(session: Session, orders: Orders, targets: Sequence[str], job: Job, report: Report) -> Replaced:
    """Replace the databases at `targets`; the report gets warnings, and `changed` once anything is.

    Where the result does not pass `quick_check` or the smoke test, everything is put back, and `failures` says why.
    Raises, with nothing changed: `OutdatedPlanError`, `TargetInUseError`, `ServiceError`, `SpaceError`,
    `StorageError`, `LockedError`, `CancelledError` and what `settled` raises. After the point of no return a failure
    leaves the journal, and the next run or `lifeboat jobs recover` settles it.
    """
    what = f"{orders.operation} of {orders.profile}"
    with session.hold(orders.profile, orders.operation, job), session.hold_keys(tuple(targets), what, job):
        recovery.settle(session, orders.profile, job, vault=not orders.aside)
        orders.unchanged()
        run = _Run(
            session,
            orders,
            job,
            report,
            RestoreJournal(
                job=job.id,
                profile=orders.profile,
                vault=str(session.vault_path),
                backup=orders.backup,
                operation=orders.operation,
            ),
        )
        try:
            _act(run, targets)
        except BaseException as error:
            if run.journal.phase == "staging":
                _take_back(run)
            elif isinstance(error, LifeboatError):
                error.hint = f"the {orders.operation} is begun and not finished: run `lifeboat jobs recover`"
            raise
        finally:
            for stage in run.stages.values():
                stage.close()
        return run.done


def _act(run: _Run, targets: Sequence[str]) -> None:
    orders, job = run.orders, run.job
    run.keep()
    with _services_down(run):
        run.done.told = holding.wait_until_free(
            targets, job, stop=orders.stop_holders, accept_unseen=orders.assume_unused
        )
        coming = orders.settled()
        incoming = sum(one.prepared.stat().st_size for one in coming)
        job.step("stage", "Copying what comes beside its target", size=incoming)
        _stage(run, coming)
        rows = [_row(one) for one in coming]
        _keep_safe(run, rows, {one.target: one.damage for one in coming})
        job.step("place", "Giving it its name", cancel="never", undo="manual", size=incoming)
        run.keep(phase="commit", swaps=tuple(_swaps(run, coming)))
        run.report.changed = True
        place(run.journal, job)
        job.step("check", "Checking it once more under its name", cancel="never", undo="manual", size=incoming)
        failures = [f"{one.target}: {line}" for one in coming for line in quick_check(Path(one.target))[:1]]
        if failures:
            _put_back(run, failures)
    if failures:
        _forget(run)
    else:
        _prove(run)


def _prove(run: _Run) -> None:
    """With the services up, run the smoke tests: done when they pass, everything put back when they do not."""
    orders, job = run.orders, run.job
    job.step("smoke", smoke_title(orders.profile), cancel="never")
    failures = [
        f"{one.subject or 'a service'} did not start again: {one.message}"
        for one in run.report.warnings
        if one.code == "service"
    ]
    failures = failures or orders.smoke()
    if failures:
        with _services_down(run):
            holding.wait_until_free(
                [one.target for one in run.journal.swaps],
                job,
                stop=orders.stop_holders,
                accept_unseen=orders.assume_unused,
            )
            _put_back(run, failures)
        _forget(run)
        return
    _finish(run)


def _finish(run: _Run) -> None:
    aside.record(run.session, run.journal)
    let_go(run.journal)
    if run.journal.safety:
        safety.note_result(run.session, run.journal.safety)
    run.done.kept = [one.kept for one in run.journal.swaps if one.kept and os.path.isdir(one.kept)]
    _forget(run)


def _put_back(run: _Run, failures: list[str]) -> None:
    """Give the old files their names again; what had replaced them is kept in `recovery/` where there is room."""
    run.job.step("back", "It does not work: putting everything back", cancel="never")
    run.done.failures = failures
    for one in run.journal.swaps:
        run.done.rejected += _keep_rejected(run, one.target)
    run.keep(phase="back")
    put_back(run.journal)
    if run.journal.safety:
        safety.note_taken_back(run.session, run.journal.safety)


def _keep_rejected(run: _Run, target: str) -> list[str]:
    from toolkit.operations.repairing.outputs import keep_files

    try:
        folder = keep_files(run.session, "rejected", target)
    except (LifeboatError, OSError) as error:
        run.report.warn("rejected-not-kept", f"what did not work could not be kept for a look: {error}", subject=target)
        return []
    return [str(folder)]


def _services_down(run: _Run) -> contextlib.AbstractContextManager[None]:
    orders = run.orders
    if not orders.stop and not orders.start:
        return contextlib.nullcontext()
    return _stopped(run)


@contextlib.contextmanager
def _stopped(run: _Run) -> Iterator[None]:
    orders = run.orders
    run.keep(stopped=(*orders.stop, *orders.start))
    with stopped(orders.stop, run.job, run.report, also=orders.start):
        yield


def _row(one: Replacement) -> DatabaseRow:
    there = [one.target + suffix for suffix in ("", *SIDECARS) if os.path.lexists(one.target + suffix)]
    size = sum(os.lstat(path).st_size for path in there)
    return DatabaseRow(name=os.path.basename(one.target), path=one.target, size=size, replaces=bool(there))


def _stage(run: _Run, coming: Sequence[Replacement]) -> None:
    """Copy each prepared database to a hidden folder beside its target, durably; raises `SpaceError` before that."""
    for one in coming:
        parent = os.path.dirname(one.target)
        size = one.prepared.stat().st_size
        durable.require_space(Path(parent), size, reserve=durable.LEAST_RESERVE, hint=durable.FREE_THERE)
        if parent not in run.stages:
            number = len(run.stages)
            ident = f"{run.job.id}-{number}"
            journal = run.path.with_suffix(f".stage-{number}")
            run.keep(
                databases=(*run.journal.databases, str(journal)),
                folders=(*run.journal.folders, str(staging_folder(parent, ident))),
            )
            run.stages[parent] = Stage(parent, ident, owners=os.geteuid() == 0)
            run.stages[parent].save(journal)
        content = load(entry_of(Section.DATABASES, one.prepared))
        entry = msgspec.structs.replace(
            _like(one), size=content.entry.size, holes=content.entry.holes, mtime_ns=time.time_ns()
        )
        pieces = content.pieces if content.data is None else [content.data]
        run.stages[parent].file(entry, one.target, pieces or [])
    for stage in run.stages.values():
        stage.finish()


def _like(one: Replacement) -> FileEntry:
    """Return the entry whose owner, mode and attributes the new file gets."""
    if os.path.lexists(one.target):
        found = entry_of(Section.DATABASES, Path(one.target))
    else:
        found = one.like or entry_of(Section.DATABASES, one.prepared)
    return msgspec.structs.replace(
        found, type=FileType.FILE, path=one.target, link_to="", link_group=0, digest="", layers=()
    )


def _swaps(run: _Run, coming: Sequence[Replacement]) -> Iterator[SwapRecord]:
    for number, one in enumerate(coming):
        staged = str(run.stages[os.path.dirname(one.target)].staged(one.target))
        kept = str(aside.kept_folder(one.target, run.job.id, number)) if not run.journal.safety else ""
        journal = str(run.path.with_suffix(f".swap-{number}"))
        yield SwapRecord(staged=(staged,), target=one.target, journal=journal, keep=True, kept=kept)


def _keep_safe(run: _Run, rows: Sequence[DatabaseRow], damage: dict[str, tuple[Check, ...]]) -> None:
    """Copy what is there into a safety backup; where the vault has no room it will be moved aside instead."""
    orders = run.orders
    if orders.aside:
        return
    size = sum(row.size for row in rows)
    run.job.step("safety", "Keeping what is there now in a safety backup, bit for bit", size=size)
    try:
        kept = safety.make_of_databases(
            run.session,
            orders.profile,
            rows,
            run.job,
            operation=orders.operation,
            backup=orders.backup,
            damage=damage,
        )
    except (SpaceError, StorageError) as error:
        run.report.warn(
            "kept-aside",
            f"the vault cannot take the old files ({error.message}); they are moved aside where they are",
            subject=run.session.vault_path.as_posix(),
        )
        return
    run.keep(safety=kept)
    run.done.safety = kept


def _take_back(run: _Run) -> None:
    for stage in run.stages.values():
        with contextlib.suppress(LifeboatError, OSError):
            stage.discard()
    _forget(run)


def _forget(run: _Run) -> None:
    for path in (*run.journal.stages, *run.journal.databases):
        with contextlib.suppress(FileNotFoundError):
            durable.remove(Path(path))
    durable.remove(run.path)
