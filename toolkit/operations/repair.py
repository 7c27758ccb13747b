"""Repair: what can be got back of a damaged database, into a new file or in its place. The original is never opened.

`repair_plan.prepared` does all of the work on copies; `apply` only gives the result its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from toolkit import durable
from toolkit.errors import DatabaseDamagedError, LifeboatError
from toolkit.jobs.context import Job
from toolkit.operations.health import remember_placed
from toolkit.operations.plan import Plan
from toolkit.operations.repairing import outputs
from toolkit.operations.repairing.plan import RepairPlan, require_same
from toolkit.operations.repairing.report import RepairReport, conclude, report_fields
from toolkit.operations.restoring import replacing
from toolkit.operations.session import Session
from toolkit.profile.adhoc import absolute


def looked(made: RepairPlan, plan: Plan) -> RepairReport:
    """Return the report of a plan that is only shown: it ends as the repair would."""
    made.report.plan = plan
    conclude(made.report, made.mended)
    return made.report


def apply(session: Session, made: RepairPlan, job: Job) -> RepairReport:
    """Do what the plan says: write the result to its file, or put it in the place of the damaged database.

    Raises, with nothing changed: `OutdatedPlanError` when the database changed since, `TargetInUseError`,
    `RefusedError`, `SpaceError`, `StorageError`, `DatabaseDamagedError` when the result does not pass its checks.
    """
    if made.nothing_to_do:
        made.report.notes.append(
            "the database is sound; nothing was changed" if made.report.sound else "nothing in it can be mended"
        )
        conclude(made.report, made.mended)
        return made.report
    if made.request.in_place:
        _replace(session, made, job)
    else:
        _write(session, made, job)
    conclude(made.report, made.mended)
    return made.report


def _write(session: Session, made: RepairPlan, job: Job) -> None:
    job.step("write", "Writing the result", cancel="never")
    output = _output(session, made)
    report = made.report
    report.output = str(output)
    report.chosen = made.request.output is None
    report.report = str(outputs.report_path(output))
    _write_lost_and_found(session, made, output)
    outputs.write_report(outputs.report_path(output), report_fields(session, report, made.mended), made.folder)
    try:
        outputs.give_name(made.mended.output, output)
    except BaseException:
        durable.remove(outputs.report_path(output))
        raise
    report.changed = True


def _output(session: Session, made: RepairPlan) -> Path:
    if made.request.output is not None:
        output = absolute(made.request.output)
        outputs.refuse_existing(output)
        return output
    return outputs.free_name(outputs.recovery_folder(session), "recovered", made.path, ".db", session.now())


def _write_lost_and_found(session: Session, made: RepairPlan, output: Path | None) -> None:
    """Write what no table could be found for into a file of `recovery/`; beside the output where there is no vault."""
    if not made.mended.account.unplaced:
        return
    from toolkit.sqlite import apart
    from toolkit.sqlite.export import export_rows

    try:
        folder = outputs.recovery_folder(session)
    except LifeboatError:
        if output is None:
            raise
        folder = output.parent
    target = outputs.free_name(folder, apart.TABLE, made.path, ".jsonl", session.now())
    export_rows(made.mended.output, made.mended.account.unplaced_in, target)
    made.report.lost_and_found = str(target)


def _replace(session: Session, made: RepairPlan, job: Job) -> None:
    if not made.mended.passes:
        raise DatabaseDamagedError(
            f"the result does not pass its checks, so it does not take the name: {made.mended.problems[0]}",
            subject=made.path,
            hint="write it to a file with --output and look at it, or restore a backup: lifeboat rescue",
        )
    report = made.report

    def unchanged() -> None:
        require_same(made.mended)

    def settled() -> Sequence[replacing.Replacement]:
        unchanged()
        mended = made.mended
        return [replacing.Replacement(target=made.path, prepared=mended.output, damage=mended.damage)]

    done = replacing.run(
        session,
        replacing.Orders(
            operation="repair",
            profile=made.profile.name,
            assume_unused=made.request.assume_unused,
            unchanged=unchanged,
            settled=settled,
            aside=made.aside,
        ),
        (made.path,),
        job,
        report,
    )
    if done.failures:
        raise DatabaseDamagedError(
            f"under its name the repaired database does not pass quick_check: {done.failures[0]}",
            subject=made.path,
            hint="the damaged files are back in their place; check the disk",
        )
    remember_placed(session, made.profile.name, {made.path: False}, report)
    report.output = made.path
    report.safety = done.safety or None
    report.kept = done.kept
    keep_report(session, made)


def keep_report(session: Session, made: RepairPlan) -> None:
    """Leave the report of a repair in place in `recovery/`; that it cannot be kept is a warning."""
    report = made.report
    try:
        _write_lost_and_found(session, made, None)
        folder = outputs.recovery_folder(session)
        path = outputs.free_name(folder, "repaired", made.path, outputs.REPORT, session.now())
        report.report = str(path)
        outputs.write_report(path, report_fields(session, report, made.mended), made.folder)
    except LifeboatError as error:
        report.report = ""
        report.warn("report-not-kept", f"the report could not be kept: {error.message}", subject=error.subject)
