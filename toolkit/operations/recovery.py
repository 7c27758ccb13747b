"""Finishing or taking back what a run that is gone left half done, before anything else happens.

Every backup and restore of a profile does it first; `lifeboat jobs recover` and a boot unit ordered before the
services do it for all.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.errors import BackupNotFoundError, LifeboatError, LockedError
from toolkit.jobs.context import Job
from toolkit.operations import restore_journal, safety
from toolkit.operations.placing import place
from toolkit.operations.report import Ending, Report
from toolkit.operations.restore_journal import RestoreJournal
from toolkit.operations.services import start_all
from toolkit.operations.session import Session
from toolkit.sqlite import swap
from toolkit.tree.staging import Staging
from toolkit.vault import catalog


class RecoveryReport(Report, kw_only=True):
    """What was found and done, in words."""

    actions: list[str] = msgspec.field(default_factory=list)


def recover_restores(session: Session, job: Job, *, profile: str | None = None) -> list[str]:
    """Finish or take back the restores that did not end; the locks of their profiles are held by the caller."""
    actions = []
    for path in restore_journal.pending(session.state):
        journal = restore_journal.read(path)
        if journal.job != job.id and (profile is None or journal.profile == profile):
            actions.append(_recover_one(session, path, journal, job))
    return actions


def settle(session: Session, profile: str, job: Job) -> list[str]:
    """Settle everything of `profile` that a run which is gone left half done; hold its lock for this."""
    return [*recover_restores(session, job, profile=profile), *session.recover(profile, job)]


def _recover_one(session: Session, path: Path, journal: RestoreJournal, job: Job) -> str:
    if journal.phase == "commit":
        failed, _ = place(journal, job)
        if journal.safety:
            with contextlib.suppress(BackupNotFoundError):
                safety.note_result(session, journal.safety)
        words = f"finished the restore of {journal.backup} that was interrupted"
        if failed:
            words += f"; {len(failed)} names could not be placed"
    else:
        for staged in (*journal.stages, *journal.databases):
            _discard(Path(staged))
        words = f"took back the restore of {journal.backup} that was interrupted; nothing had been changed"
    failures = start_all(list(reversed(journal.stopped)))
    durable.remove(path)
    _remove_strays(path)
    if failures:
        names = ", ".join(failure.subject or "" for failure in failures)
        words += f"; these services did not start: {names}"
    job.log("warning", "recovered", words)
    return words


def _discard(journal: Path) -> None:
    if not journal.exists():
        return
    with Staging.resume(journal) as staging:
        staging.discard()
    durable.remove(journal)


def _remove_strays(path: Path) -> None:
    """Remove the unfinished writes and further journals of a restore that is settled."""
    for stray in path.parent.glob(f"*{path.stem}*"):
        with contextlib.suppress(OSError):
            if swap.read_plan(stray) is None:
                continue
        with contextlib.suppress(LifeboatError, OSError):
            os.unlink(stray)


def run(session: Session, job: Job) -> RecoveryReport:
    """Recover everything of this user: every restore, every profile of the vault. Busy profiles are passed over."""
    report = RecoveryReport()
    names = {restore_journal.read(path).profile for path in restore_journal.pending(session.state)}
    with contextlib.suppress(LifeboatError):
        names.update(catalog.profiles(session.existing_vault))
    for name in sorted(names):
        try:
            with session.hold(name, "recover", job):
                report.actions += settle(session, name, job)
        except LockedError as error:
            report.warn(error.code, "a run of this profile is going on; it was left alone", subject=name)
        except LifeboatError as error:
            report.warn(error.code, error.message, subject=error.subject, hint=error.hint)
            report.ending = Ending.INCOMPLETE
    report.changed = bool(report.actions)
    return report
