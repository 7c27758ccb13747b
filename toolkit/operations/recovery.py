"""Finishing or taking back what a run that is gone left half done, before anything else happens.

Every backup and restore of a profile does it first; `lifeboat jobs recover` and a boot unit ordered before the
services do it for all.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.errors import BackupNotFoundError, LifeboatError, LockedError, NotFoundError, SourceMissingError
from toolkit.jobs.context import Job
from toolkit.jobs.journal import runner_alive
from toolkit.operations.application.services import start_all
from toolkit.operations.diagnosing import looks
from toolkit.operations.plan import Plan, Step
from toolkit.operations.report import Ending, Report
from toolkit.operations.restoring import aside, safety
from toolkit.operations.restoring import journal as restore_journal
from toolkit.operations.restoring.journal import RestoreJournal
from toolkit.operations.restoring.placing import let_go, place, put_back
from toolkit.operations.session import Session
from toolkit.sqlite import swap
from toolkit.tree.folders import OPEN_FOLDER, remove_tree
from toolkit.tree.staging import Staging
from toolkit.vault import layout

_PARTIAL = ".partial"
_DRAFT_AGE = 24 * 3600.0


class RecoveryReport(Report, kw_only=True):
    """What was found and done, in words."""

    actions: list[str] = msgspec.field(default_factory=list)


def settle(session: Session, profile: str, job: Job, *, vault: bool = True) -> list[str]:
    """Settle everything of `profile` that a run which is gone left half done; hold its lock for this.

    Without `vault` only what lies beside the profile's own data: for a vault that cannot be written.
    """
    actions = []
    for path, journal in _abandoned(session, job):
        if journal.profile == profile and _vault_key(journal.vault) == _vault_key(session.vault_path):
            actions.append(_recover_one(session, path, journal, job))
    _sweep(session, job)
    return [*actions, *session.recover(profile, job)] if vault else actions


def settle_interrupted(session: Session, job: Job) -> None:
    """Settle restores that were interrupted, if there are any: who plans next must see what came of them."""
    if _abandoned(session, job):
        run(session, job)


def announce(session: Session, job: Job, plan: Plan) -> Plan:
    """Return `plan` with a first step for each restore that would be settled before it; nothing is settled.

    Its digest stays: what is settled first is no part of what was confirmed.
    """
    pending = [journal for _, journal in _abandoned(session, job)]
    if not pending:
        return plan
    words = {"commit": "finish", "staging": "take back", "back": "go on putting back"}
    first = [Step(n=1, name="settle", title=f"{words[one.phase]} {one.what} that was interrupted") for one in pending]
    steps = [msgspec.structs.replace(step, n=number) for number, step in enumerate([*first, *plan.steps], 1)]
    unknown = msgspec.structs.replace(plan.takes, unknown=("settle", *plan.takes.unknown))
    return msgspec.structs.replace(plan, steps=tuple(steps), takes=unknown)


def run(session: Session, job: Job) -> RecoveryReport:
    """Recover everything of this user: every restore, every profile of the vault. Busy profiles are passed over."""
    report = RecoveryReport()
    for path, journal in _abandoned(session, job, report):
        key = f"{_vault_key(journal.vault)}/{journal.profile}"
        with _reported(report, journal.profile), session.hold_keys((key,), f"recover of {journal.profile}", job):
            if path.exists():
                report.actions.append(_recover_one(session, path, journal, job))
    for name in sorted(_profiles(session)):
        with _reported(report, name), session.hold(name, "recover", job):
            report.actions += settle(session, name, job)
    _sweep(session, job)
    report.changed = bool(report.actions)
    return report


def _profiles(session: Session) -> set[str]:
    """Return the profiles that have anything in the vault, said by its folders: the catalog may not know all yet."""
    with contextlib.suppress(NotFoundError):
        vault = session.existing_vault
        found = {path.parent.parent.name for path in layout.manifests(vault)}
        return found | {path.parent.parent.name for path, _ in layout.partials(vault)}
    return set()


@contextlib.contextmanager
def _reported(report: RecoveryReport, profile: str) -> Iterator[None]:
    """Turn a failure of one profile into a warning, so that it never keeps the others waiting."""
    try:
        yield
    except LockedError as error:
        report.warn(error.code, "a run of this profile is going on; it was left alone", subject=profile)
    except LifeboatError as error:
        report.warn(error.code, error.message, subject=error.subject, hint=error.hint)
        report.ending = Ending.INCOMPLETE


def _vault_key(path: str | Path) -> str:
    return os.path.realpath(path)


def _is_gone(session: Session, job: Job, ident: str) -> bool:
    return ident != job.id and not runner_alive(session.state / "jobs" / ident)


def _abandoned(session: Session, job: Job, report: RecoveryReport | None = None) -> list[tuple[Path, RestoreJournal]]:
    """Return the journals of restores and repairs whose run is gone; one that cannot be read is said, and stays."""
    found = []
    for path in restore_journal.pending(session.state):
        try:
            journal = restore_journal.read(path)
        except LifeboatError as error:
            job.log("warning", error.code, str(error))
            if report is not None:
                report.warn(error.code, error.message, subject=error.subject, hint=error.hint)
            continue
        if _is_gone(session, job, journal.job):
            found.append((path, journal))
    return found


def _recover_one(session: Session, path: Path, journal: RestoreJournal, job: Job) -> str:
    if journal.phase == "commit":
        failed, _ = place(journal, job)
        aside.record(session, journal)
        let_go(journal)
        if journal.safety:
            with contextlib.suppress(BackupNotFoundError):
                safety.note_result(session, journal.safety)
        words = f"finished {journal.what} that was interrupted"
        if failed:
            words += f"; {len(failed)} names could not be placed"
    elif journal.phase == "back":
        put_back(journal)
        if journal.safety:
            with contextlib.suppress(BackupNotFoundError):
                safety.note_taken_back(session, journal.safety)
        words = f"put back what {journal.what} had replaced, as it had begun to when it was interrupted"
    else:
        staged = (*journal.stages, *journal.databases)
        for path_of_stage in sorted(staged, key=lambda one: int(one.rpartition("-")[2]), reverse=True):
            _discard(Path(path_of_stage))  # the last first: each gives its folder the time that it found
        for folder in journal.folders:
            _remove_begun(Path(folder))
        words = f"took back {journal.what} that was interrupted; nothing had been changed"
    failures = start_all(list(reversed(journal.stopped)))
    durable.remove(path)
    _remove_strays(path.parent, journal.job)
    if failures:
        names = ", ".join(failure.subject or "" for failure in failures)
        words += f"; these services did not start: {names}"
    job.log("warning", "recovered", words)
    return words


def _discard(journal: Path) -> None:
    if not journal.exists():
        return
    with contextlib.suppress(SourceMissingError), Staging.resume(journal) as staging:
        staging.discard()
    durable.remove(journal)


def _remove_begun(folder: Path) -> None:
    """Remove a staging folder that was made and not written down yet; nothing at the target came out of it."""
    with contextlib.suppress(SourceMissingError), durable.translated(folder):
        parent = os.open(folder.parent, OPEN_FOLDER)
        try:
            if os.stat(folder.name, dir_fd=parent, follow_symlinks=False).st_uid == os.geteuid():
                durable.on_step("rmdir", str(folder))
                remove_tree(parent, folder.name)
        finally:
            os.close(parent)


def _sweep(session: Session, job: Job) -> None:
    """Remove unfinished writes of runs that are gone: of restores without a journal, and old ones of the state."""
    drafts = (*session.state.glob(f".*{_PARTIAL}"), *looks.folder_of(session).glob(f".*{_PARTIAL}"))
    for draft in drafts:
        with contextlib.suppress(FileNotFoundError):
            if session.now().timestamp() - draft.stat().st_mtime > _DRAFT_AGE:  # a younger one may be in the making
                durable.remove(draft)
    folder = restore_journal.folder(session.state)
    with contextlib.suppress(FileNotFoundError):
        idents = {name.lstrip(".").partition(".")[0] for name in os.listdir(folder)}
        for ident in sorted(idents):
            if not (folder / f"{ident}.json").exists() and _is_gone(session, job, ident):
                _remove_strays(folder, ident)


def _remove_strays(folder: Path, ident: str) -> None:
    """Remove the unfinished writes and further journals of a restore that is settled; swaps keep theirs."""
    for stray in sorted(folder.glob(f"*{ident}.*")):
        if stray.suffix.startswith(".swap") and _is_swap(stray):
            continue
        with contextlib.suppress(LifeboatError, OSError):
            durable.remove(stray)


def _is_swap(path: Path) -> bool:
    try:
        return swap.read_plan(path) is not None
    except LifeboatError:
        return False
