"""Undo: put back what the last restore, repair or delete replaced, keeping what it replaces in turn."""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path

import msgspec

from toolkit.archive.manifest import Manifest, Status
from toolkit.errors import BackupNotFoundError, NotFoundError
from toolkit.jobs.context import Job
from toolkit.operations import restore
from toolkit.operations.archiving import stored
from toolkit.operations.pace import removing, takes, timed
from toolkit.operations.plan import Loss, Plan, Step
from toolkit.operations.report import Notice
from toolkit.operations.restoring import aside, safety, undo_aside
from toolkit.operations.restoring.aside import AsideRecord
from toolkit.operations.restoring.plan import RestorePlan, make_plan
from toolkit.operations.restoring.report import RestoreReport
from toolkit.operations.restoring.request import OnConflict, RestoreRequest
from toolkit.operations.session import Session
from toolkit.vault import remove, sidecar, store

PER_NAME = 0.0005
"""Seconds that the removal of a file takes."""


class UndoPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What undo would take back: a restore or repair (with its plan), files moved aside, or deletions (by id)."""

    plan: Plan
    aside: AsideRecord | None = None
    manifest: Manifest | None = None
    deleted: tuple[str, ...] = ()
    warnings: tuple[Notice, ...] = ()


class _Candidate(msgspec.Struct, frozen=True):
    when: datetime
    manifest: Manifest | None
    deletion: bool
    aside: AsideRecord | None = None


def _candidates(session: Session, word: str | None) -> list[_Candidate]:
    found = [
        _Candidate(record.finished, None, deletion=False, aside=record)
        for record in aside.records(session)
        if word is None or word == record.profile
    ]
    with contextlib.suppress(NotFoundError):
        found += _of_vault(session, word)
    return sorted(found, key=lambda one: one.when, reverse=True)


def _of_vault(session: Session, word: str | None) -> list[_Candidate]:
    found = []
    for one in sidecar.load_all(session.existing_vault):
        manifest = one.manifest
        if word is not None and word != manifest.profile and not manifest.id.startswith(word):
            continue
        if manifest.tombstone is not None:
            if manifest.tombstone.trash:
                found.append(_Candidate(manifest.tombstone.when, manifest, deletion=True))
        elif (finished := _finished(manifest)) is not None:
            found.append(_Candidate(finished, manifest, deletion=False))
    return found


def _finished(manifest: Manifest) -> datetime | None:
    """Return when the operation was done that a safety backup can undo; None for one that was taken back or undone."""
    undo = manifest.undo
    if undo is None or undo.undone is not None or manifest.status is not Status.COMPLETED:
        return None
    return undo.finished


def make_plan_for(
    session: Session, word: str | None, job: Job, *, assume_unused: bool = False
) -> tuple[UndoPlan, RestorePlan | None]:
    """Find what the last restore or delete (of a profile, or of the backup `word`) replaced; nothing is changed.

    Deletions that were made by the same command are undone together. Raises `BackupNotFoundError` when there
    is nothing to undo. Restores that were interrupted should be settled before (`recovery.settle_interrupted`).
    """
    found = _candidates(session, word)
    if not found:
        raise BackupNotFoundError("there is nothing to undo", subject=word, hint="`lifeboat list --kind safety --all`")
    last = found[0]
    if last.aside is not None:
        return _aside_plan(session, last.aside), None
    if last.manifest is None or last.deletion:
        return _undelete_plan(found, last), None
    backup = stored(session, session.existing_vault, last.manifest)
    made = make_plan(
        session,
        RestoreRequest(backup=backup, on_conflict=OnConflict.REPLACE, assume_unused=assume_unused, exact=True),
        job,
        empty_ok=True,
    )
    listed = safety.undo_list_path(session, last.manifest)
    created = sum(1 for _ in safety.read_undo_list(listed))
    since = safety.written_since(made, last.manifest)
    remove_step = Step(
        n=len(made.plan.steps) + 1, name="remove", title=f"remove {created} names that came", deletes=created
    )
    remove_step = timed(remove_step, removing(created, each=PER_NAME))
    steps = (*made.plan.steps, remove_step) if created else made.plan.steps
    plan = msgspec.structs.replace(
        made.plan,
        op="undo",
        targets=made.plan.targets or (last.manifest.id,),
        loses=_loss(last.manifest, since),
        confirm="word" if made.databases else "key",
        confirm_word=last.manifest.profile if made.databases else "",
        cli=f"lifeboat undo {last.manifest.id}",
        steps=steps,
        takes=takes(steps, look=made.plan.takes.look_s, again=True),
    ).sealed()
    return UndoPlan(plan=plan, manifest=last.manifest, warnings=_warnings(since)), made


def _loss(manifest: Manifest, since: list[str]) -> Loss:
    when = manifest.undo.finished if manifest.undo is not None else None
    text = f"{len(since)} targets were written to since; a safety backup keeps that state" if since else ""
    return Loss(text=text, since=when.isoformat(timespec="seconds") if when is not None else None)


def _aside_plan(session: Session, record: AsideRecord) -> UndoPlan:
    since = undo_aside.written_since(record)
    plan = undo_aside.plan_of(session, record)
    loss = Loss(
        text=f"{len(since)} files were written to since; they are kept" if since else "", since=plan.loses.since
    )
    return UndoPlan(plan=msgspec.structs.replace(plan, loses=loss), aside=record, warnings=_warnings(since))


def _warnings(since: list[str]) -> tuple[Notice, ...]:
    return tuple(
        Notice(code="written-since", message="it was written to after the operation that is undone", subject=path)
        for path in since
    )


def _undelete_plan(found: list[_Candidate], last: _Candidate) -> UndoPlan:
    same = [one.manifest for one in found if one.deletion and one.when == last.when]
    together = tuple(one.id for one in same if one is not None)
    step = Step(n=1, name="untrash", title=f"bring {', '.join(together)} back from the trash")
    steps = (timed(step, removing(len(together))),)
    plan = Plan(
        op="undo", targets=together, steps=steps, takes=takes(steps), cli="lifeboat undo", confirm="none"
    ).sealed()
    return UndoPlan(plan=plan, deleted=together)


def apply(
    session: Session, undo: UndoPlan, made: RestorePlan | None, job: Job, *, assume_unused: bool = False
) -> RestoreReport:
    """Do what the plan says; raises what `restore.apply` raises."""
    if undo.aside is not None:
        report = RestoreReport(target="in place", warnings=list(undo.warnings))
        report.restored = undo_aside.apply(session, undo.aside, undo.plan, job, report, assume_unused=assume_unused)
        report.notes.append("what was there is moved aside; `lifeboat undo` puts it back")
        return report
    if made is None or undo.manifest is None:
        return _undelete(session, undo, job)
    listed: Path | None = safety.undo_list_path(session, undo.manifest)
    if listed is not None and not listed.exists():
        listed = None
    report = restore.apply(session, made, job, operation="undo", remove=listed)
    now = session.now()

    def mark(manifest: Manifest) -> Manifest:
        if manifest.undo is None:
            return manifest
        return msgspec.structs.replace(manifest, undo=msgspec.structs.replace(manifest.undo, undone=now))

    store.update(session.existing_vault, undo.manifest.id, mark)
    report.warnings = [*undo.warnings, *report.warnings]
    return report


def _undelete(session: Session, undo: UndoPlan, job: Job) -> RestoreReport:
    report = RestoreReport(target="vault")
    for ident in undo.deleted:
        manifest = sidecar.load(session.existing_vault, ident)
        with session.hold(manifest.profile, "undo", job):
            remove.untrash(session.existing_vault, ident)
        report.restored += 1
        report.changed = True
    return report
