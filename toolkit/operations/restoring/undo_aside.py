"""Undo of a repair or rescue whose old files were moved aside: they change places with what came."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.jobs.context import Job
from toolkit.operations import recovery
from toolkit.operations.application import holding
from toolkit.operations.application.services import Command, commands_of, planned_title, step_title, stopped
from toolkit.operations.health import remember_placed
from toolkit.operations.pace import takes, timed
from toolkit.operations.pace_records import History
from toolkit.operations.plan import Loss, Plan, Step
from toolkit.operations.report import Report
from toolkit.operations.restoring import aside
from toolkit.operations.restoring import journal as restore_journal
from toolkit.operations.restoring.aside import AsideRecord, KeptDatabase
from toolkit.operations.restoring.journal import RestoreJournal, SwapRecord
from toolkit.operations.restoring.placing import let_go, place
from toolkit.operations.session import Session


def plan_of(session: Session, record: AsideRecord) -> Plan:
    """Return the plan of putting the files of `record` back."""
    profile = session.known_profile(record.profile)
    services = commands_of(profile) if profile is not None else ()
    back = _back(record)
    steps = tuple(_steps(services, back, History(session, record.profile)))
    return Plan(
        op="undo",
        targets=tuple(one.target for one in back),
        steps=steps,
        takes=takes(steps),
        loses=Loss(text="", since=record.finished.isoformat(timespec="seconds")),
        keeps="what came is moved aside in turn; `lifeboat undo` puts it back",
        confirm="word",
        confirm_word=record.profile,
        cli=f"lifeboat undo {record.profile}",
        state=tuple(f"{path}|{os.lstat(path).st_ino}" for one in back for path in record.files(one)),
    ).sealed()


def _steps(services: Sequence[Command], back: Sequence[KeptDatabase], history: History) -> Iterator[Step]:
    titles = [("stop", planned_title("stop", services))] if services else []
    titles.append(("place", "let the old files and those that came change places"))
    titles += [("start", planned_title("start", services))] if services else []
    for number, (name, title) in enumerate(titles, 1):
        step = Step(n=number, name=name, title=title, offline=bool(services) and name != "start")
        if name == "place":
            yield timed(step, history.estimate("names", items=len(back)))
        else:
            yield timed(step, history.same(name, step_title(name, services)))


def _back(record: AsideRecord) -> list[KeptDatabase]:
    return [one for one in record.databases if record.files(one)]


def written_since(record: AsideRecord) -> list[str]:
    """Return the databases that were written to after the operation."""
    done = record.finished.timestamp()
    found = []
    for one in _back(record):
        for suffix in ("", "-wal", "-journal"):
            with contextlib.suppress(OSError):
                if os.lstat(one.target + suffix).st_mtime > done + 1:
                    found.append(one.target + suffix)
    return found


def apply(session: Session, record: AsideRecord, plan: Plan, job: Job, report: Report, *, assume_unused: bool) -> int:
    """Let the files change places; return how many databases came back. What came can be put back again.

    Raises `OutdatedPlanError`, `TargetInUseError`, `ServiceError` with nothing changed, `StorageError`.
    """
    targets = tuple(one.target for one in _back(record))
    with session.hold(record.profile, "undo", job), session.hold_keys(targets, f"undo of {record.job}", job):
        recovery.settle(session, record.profile, job, vault=False)
        plan.require(plan_of(session, record))
        profile = session.known_profile(record.profile)
        services = holding.running(commands_of(profile)) if profile is not None else ()
        path = restore_journal.path_of(session.state, job.id)
        journal = RestoreJournal(
            job=job.id,
            profile=record.profile,
            vault=str(session.vault_path),
            operation="undo",
            stopped=services,
        )
        restore_journal.write(path, journal)
        try:
            with stopped(services, job, report):
                holding.wait_until_free(targets, job, stop=False, accept_unseen=assume_unused)
                journal = _exchange(session, record, journal, path, job)
                report.changed = True
        except BaseException:
            if restore_journal.read(path).phase == "staging":
                durable.remove(path)
            raise
        durable.remove(path)
    remember_placed(session, record.profile, dict.fromkeys(targets, record.operation != "undo"), report)
    return len(targets)


def _exchange(session: Session, record: AsideRecord, journal: RestoreJournal, path: Path, job: Job) -> RestoreJournal:
    job.step("place", "Giving the old files their names", cancel="never", undo="manual")
    swaps = tuple(
        SwapRecord(
            staged=tuple(map(str, record.files(one))),
            target=one.target,
            journal=str(path.with_suffix(f".swap-{number}")),
            keep=True,
            kept=str(aside.kept_folder(one.target, job.id, number)),
        )
        for number, one in enumerate(_back(record))
    )
    journal = msgspec.structs.replace(journal, phase="commit", swaps=swaps)
    restore_journal.write(path, journal)
    place(journal, job)
    aside.record(session, journal)
    let_go(journal)
    for one in record.databases:
        with contextlib.suppress(OSError):
            durable.on_step("rmdir", one.folder)
            Path(one.folder).rmdir()
    return journal
