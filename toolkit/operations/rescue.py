"""Rescue: stop what uses a damaged database, keep it, put the best that can be had in its place, check, start.

`rescue_plan.prepared` measures every way out on copies; `apply` goes the one that was confirmed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from toolkit.errors import LifeboatError, OutdatedPlanError, UnrepairableError
from toolkit.jobs.context import Job
from toolkit.operations import scratch
from toolkit.operations.application import smoke
from toolkit.operations.health import remember_placed
from toolkit.operations.plan import Plan
from toolkit.operations.repairing import mending, outputs, references
from toolkit.operations.repairing.mending import Mended
from toolkit.operations.report import Ending
from toolkit.operations.rescuing.plan import RescuePlan
from toolkit.operations.rescuing.report import RescueReport, report_fields, take_account
from toolkit.operations.rescuing.ways import Option, Patient, loses_more, made_again
from toolkit.operations.restoring import replacing
from toolkit.operations.restoring.replacing import Replaced, Replacement
from toolkit.operations.session import Session
from toolkit.sqlite.account import Unproven


def looked(made: RescuePlan, plan: Plan) -> RescueReport:
    """Return the report of a plan that is only shown; it ends as the rescue would if all goes well."""
    if not made.nothing_to_do:
        made.report.plan = plan
        take_account(made.report, made.patients)
    _end(made)
    return made.report


def apply(session: Session, made: RescuePlan, job: Job) -> RescueReport:
    """Do what the plan says. A failing smoke test puts everything back, and the report says so.

    Raises, with nothing changed: `OutdatedPlanError` when a database changed since, or loses more than the plan said,
    `TargetInUseError`, `ServiceError`, `SpaceError`, `StorageError`, `LockedError`, `CancelledError`.
    """
    report = made.report
    if made.nothing_to_do:
        _end(made)
        return report
    again: dict[str, Mended] = {}

    def unchanged() -> None:
        for patient in made.patients:
            _require_same(patient, live=made.live)

    def settled() -> Sequence[Replacement]:
        unproven = made.request.unproven
        coming = [_coming(session, patient, made.folder, job, again, unproven) for patient in made.patients]
        made.kept.close()
        return coming

    done = replacing.run(
        session,
        replacing.Orders(
            operation="rescue",
            profile=made.profile.name,
            stop=made.stop,
            start=made.start,
            stop_holders=made.request.stop_holders,
            assume_unused=made.request.assume_unused,
            aside=made.aside,
            unchanged=unchanged,
            settled=settled,
            smoke=lambda: smoke.until_passed(
                made.profile, [one.path for one in made.patients], job, patient=bool(made.stop or made.start)
            ),
        ),
        [patient.path for patient in made.patients],
        job,
        report,
    )
    _take(report, made, done)
    if not done.failures:
        _keep_reports(session, made)
        remember_placed(session, made.profile.name, {one.path: False for one in made.patients}, report)
    _end(made)
    return report


def _require_same(patient: Patient, *, live: bool) -> None:
    """Raise `OutdatedPlanError` when the files are not those that the plan saw; live ones may change until stopped."""
    if live or patient.original is None:
        return
    if mending.state_of(patient.files) != patient.original.state or not patient.original.stable:
        raise OutdatedPlanError(
            "the database changed since the plan was made; nothing was changed",
            subject=patient.path,
            hint="look at the plan again and confirm the new one",
        )


def _coming(
    session: Session, patient: Patient, folder: Path, job: Job, again: dict[str, Mended], unproven: Unproven
) -> Replacement:
    """Return what comes for `patient`, now that nobody writes any more."""
    option = patient.option
    if option is None:
        raise UnrepairableError("there is no way out", subject=patient.path)
    if option.mended is not None:
        original = option.mended.original
        if not original.stable or mending.state_of(patient.files) != original.state:
            option = _redone(patient, folder, job, again, unproven)
        if option.mended is not None:
            _keep_deleted(session, patient, option.mended)
            return Replacement(
                target=patient.path, prepared=option.mended.output, damage=patient.damage, like=patient.like
            )
    if option.reference is None:
        raise UnrepairableError("there is no way out", subject=patient.path)
    return Replacement(
        target=patient.path,
        prepared=references.as_it_was(option.reference),
        damage=patient.damage,
        like=patient.like,
    )


def _keep_deleted(session: Session, patient: Patient, mended: Mended) -> None:
    """Keep in `recovery/`, bit for bit, damaged files that nothing keeps any more when this process ends."""
    if patient.deleted is not None and not mended.sound:
        outputs.keep_files(session, "deleted", patient.path, source=patient.files)


def _redone(patient: Patient, folder: Path, job: Job, again: dict[str, Mended], unproven: Unproven) -> Option:
    """Make the way once more from the files as they are now; refuse when that loses more than was confirmed."""
    job.log("info", "written-since", "it was written to after the plan: doing the work again on the files as they are")
    planned = patient.options[patient.taken or "mend"]
    own = scratch.inner(folder / f"again-{len(again)}")
    reference = planned.mended.reference if planned.mended is not None else None
    option = made_again(patient, own, job, reference, unproven=unproven)
    if loses_more(planned.way, option.way):
        raise OutdatedPlanError(
            f"by now it loses more than the plan said: {option.way.loses or option.way.why_not}; nothing was changed",
            subject=patient.path,
            hint="look at the plan again and confirm the new one",
        )
    if option.mended is not None:
        again[patient.path] = option.mended
    patient.options[option.way.name] = option
    return option


def _take(report: RescueReport, made: RescuePlan, done: Replaced) -> None:
    report.stopped = [one.name for one in made.stop]
    report.told = list(done.told)
    report.failures = done.failures
    report.rejected = done.rejected
    report.put_back = bool(done.failures)
    if done.failures:
        return
    report.safety = done.safety or None
    report.kept = done.kept
    take_account(report, made.patients)
    for row in report.databases:
        row.output = row.path


def _keep_reports(session: Session, made: RescuePlan) -> None:
    """Leave the report of each database in `recovery/`; that one cannot be kept is a warning."""
    for row in made.report.databases:
        try:
            folder = outputs.recovery_folder(session)
            path = outputs.free_name(folder, "rescued", row.path, outputs.REPORT, session.now())
            outputs.write_report(path, report_fields(session, row), made.folder)
            row.report = str(path)
        except LifeboatError as error:
            made.report.warn("report-not-kept", f"the report could not be kept: {error.message}", subject=error.subject)


def _end(made: RescuePlan) -> None:
    report = made.report
    if report.put_back:
        report.ending = Ending.FAILED
        report.notes.append("everything is as it was before the rescue")
        return
    for path in report.left:
        report.warn(
            "not-rescued",
            "what was found there is nothing that a rescue cures",
            subject=path,
            hint=f"lifeboat diagnose {path}",
        )
    if made.nothing_to_do:
        report.ending = Ending.DAMAGE if report.left else Ending.DONE
        if not report.left:
            report.notes.append("nothing is damaged; nothing was changed")
        return
    ways = [one.option.way for one in made.patients if one.option is not None]
    whole = all(way.lost == 0 and not way.unsure and not way.lost_objects for way in ways)
    report.ending = Ending.DAMAGE if report.left else Ending.DONE if whole else Ending.INCOMPLETE
