"""`diagnose`: is anything wrong with the databases? Read-only; nothing is created beside them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from toolkit.archive.manifest import DatabaseRecord
from toolkit.errors import LifeboatError, ProfileNotFoundError, SourceMissingError
from toolkit.jobs.context import Job
from toolkit.operations.diagnosing.checks import accepted, healthy, of_losses
from toolkit.operations.diagnosing.codes import Finding, Severity
from toolkit.operations.diagnosing.database import Examination
from toolkit.operations.diagnosing.livecheck import working_folder
from toolkit.operations.diagnosing.looks import DiagnosedTarget, keep
from toolkit.operations.health import remember_checks
from toolkit.operations.health import wanted as wanted_targets
from toolkit.operations.remembered import everything
from toolkit.operations.remembered import named as remembered_profile
from toolkit.operations.report import Ending, Report
from toolkit.operations.session import Session
from toolkit.operations.taking.survey import survey
from toolkit.operations.targets import profiles
from toolkit.profile.adhoc import absolute, is_profile_word, slug
from toolkit.profile.model import DatabaseSource, Profile
from toolkit.retention import Scope
from toolkit.sqlite import deleted
from toolkit.sqlite.check import Level
from toolkit.vault import remove
from toolkit.vault.health import LastCheck, Observation

__all__ = ["DiagnosedTarget", "Finding", "Severity"]

MOST_SAID = 4
"""Findings of a database that the health file keeps."""

_ORDER = (Severity.ERROR, Severity.WARNING, Severity.NOTICE)


class DiagnoseRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to look at; `quick` leaves out what takes long: the indexes' content, full-text indexes."""

    profiles: tuple[Profile, ...]
    quick: bool = False


class DiagnoseReport(Report, kw_only=True):
    """The report of `diagnose`: healthy when every database is."""

    healthy: bool = True
    targets: list[DiagnosedTarget] = msgspec.field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A database to look at, named by the configuration or found in a folder."""

    path: str
    profile: str
    source: DatabaseSource
    shrink: float | None = None


def named(session: Session, words: Sequence[str]) -> tuple[Profile, ...]:
    """Return the profiles that `words` mean; a file named by its path is a database whatever is in it.

    Raises `ProfileNotFoundError`, and `SourceMissingError` when nothing of what was named is there.
    """
    if not words:
        every = everything(session)
        if not every:
            raise ProfileNotFoundError(
                "there is no configuration, and no database was named", hint="lifeboat diagnose /srv/shop/shop.db"
            )
        return every
    paths = [absolute(Path(word)) for word in words if not is_profile_word(word)]
    if len(paths) == len(words) and not any(os.path.lexists(path) or deleted.find(path) for path in paths):
        raise SourceMissingError("no such file or directory", subject=paths[0], hint="check the path")
    found: list[Profile] = []
    for word in words:
        if is_profile_word(word):
            found.append(remembered_profile(session, word))
        elif Path(word).is_dir():
            found += profiles(session, [word])
        else:
            path = absolute(Path(word))
            found.append(Profile(name=slug(path.name), databases=(DatabaseSource(path=path),)))
    return tuple(found)


def run(session: Session, request: DiagnoseRequest, job: Job) -> DiagnoseReport:
    """Look at every database of `request`, also those inside its folders; one that is bad never stops the others.

    It ends with damage when a database has findings that are no notices. Raises `SourceMissingError` when there is no
    database in a folder that was named by its path, `CancelledError`.
    """
    report = DiagnoseReport()
    found = [one for profile in request.profiles for one in _databases(session, profile, job)]
    wanted = list({one.path: one for one in reversed(found)}.values())[::-1]
    if not wanted and not {one.name for one in request.profiles} & {one.name for one in everything(session)}:
        raise SourceMissingError(
            "there is no SQLite database in it",
            subject=request.profiles[0].files[0].path,
            hint="check the path; is the file system mounted?",
        )
    level: Level = "quick" if request.quick else "full"
    for number, one in enumerate(wanted, 1):
        job.step("diagnose", f"Checking {os.path.basename(one.path)}", n=number, of=len(wanted))
        with working_folder(session, f"diagnose-{job.id}-{number}") as folder:
            report.targets.append(_target(session, one, level, folder, job))
    _remember(session, request, report)
    if not request.quick:
        report.targets += [target for profile in request.profiles for target in _files(session, profile, job)]
    report.healthy = all(target.healthy for target in report.targets)
    if not report.healthy:
        report.ending = Ending.DAMAGE
    if not wanted:
        report.notes.append("there is no database here")
    return report


def _files(session: Session, profile: Profile, job: Job) -> list[DiagnosedTarget]:
    """Return a target for the files of a profile when something is to be said of them."""
    from toolkit.operations.diagnosing.files import of_files

    return [
        DiagnosedTarget(path=one.subject, profile=profile.name, healthy=healthy([one]), findings=(one,))
        for one in of_files(session, profile, job.should_stop)
    ]


def _remember(session: Session, request: DiagnoseRequest, report: DiagnoseReport) -> None:
    """Keep the verdicts in the health file and the findings beside it, for what the configuration or a backup knows."""
    kind = "quick" if request.quick else "full"
    looks = {
        target.path: Observation(
            last_check=LastCheck(session.now(), kind, _result(target), _said(target)), open_by=target.open_by
        )
        for target in report.targets
    }
    known = {one.name: one for one in (*everything(session), *session.config.profiles)}
    owned = [(profile, own) for profile in known.values() if (own := _own(profile, looks, report))]
    kept = {path for _, own in owned for path in own}
    try:  # before the verdicts, for these are what screens look at to see that there is something new
        keep(session, [target for target in report.targets if target.path in kept], kind)
    except LifeboatError as error:
        report.warn(
            error.code, f"the findings could not be kept for the screens: {error.message}", subject=error.subject
        )
    for profile, own in owned:
        remember_checks(session, profile, own, report)


def _own(profile: Profile, looks: dict[str, Observation], report: DiagnoseReport) -> dict[str, Observation]:
    """Return those of `looks` that are of databases of `profile`."""
    named = {path for kind, path in wanted_targets(profile) if kind == "database"}
    named |= {target.path for target in report.targets if target.profile == profile.name}
    return {path: look for path, look in looks.items() if path in named}


def _said(target: DiagnosedTarget) -> tuple[str, ...]:
    """Return the worst findings in words, as many as a screen has room for."""
    told = [one.message for one in target.findings if one.severity is not Severity.NOTICE]
    return tuple(told[:MOST_SAID])


def _result(target: DiagnosedTarget) -> str:
    if not target.healthy:
        return "damaged"
    return "unsure" if any(one.code == "in-use" for one in target.findings) else "ok"


def _databases(session: Session, profile: Profile, job: Job) -> list[_Wanted]:
    """Return what the profile names, missing ones too, then what lies in its folders."""
    found = survey(
        profile,
        Scope.FULL,
        skip=session.private_folders,
        now=session.now(),
        should_stop=job.should_stop,
    )
    wanted = {
        path: _Wanted(path, profile.name, source, profile.alarms.shrink)
        for source in profile.databases
        for path in [os.path.realpath(source.path)]
    }
    for database in found.databases:
        path = str(database.path)
        wanted.setdefault(path, _Wanted(path, profile.name, database.source, profile.alarms.shrink))
    return list(wanted.values())


def _target(session: Session, wanted: _Wanted, level: Level, folder: Path, job: Job) -> DiagnosedTarget:
    """Return one database and what was found."""
    diagnosis = Examination(Path(wanted.path), wanted.source, level, folder, job).diagnosis()
    found = [*_losses(session, wanted, diagnosis.tables), *diagnosis.found]
    findings = accepted(sorted(found, key=lambda one: _ORDER.index(one.severity)), wanted.source.accept)
    seen, checkup = diagnosis.seen, diagnosis.checkup
    holders = seen.holders.found if seen is not None else ()
    return DiagnosedTarget(
        path=wanted.path,
        profile=wanted.profile,
        healthy=healthy(findings),
        findings=findings,
        size=seen.size if seen is not None else 0,
        journal_mode=seen.journal_mode if seen is not None else "",
        tables=diagnosis.tables,
        checks=tuple(one.name for one in checkup.checks) if checkup is not None else (),
        open_by=tuple(sorted({f"{one.command} ({one.pid})" for one in holders})),
    )


def _losses(session: Session, wanted: _Wanted, tables: dict[str, int | None]) -> list[Finding]:
    """Compare with the last good backup of the profile, where there is one: "ok" alone is no evidence."""
    if not tables:
        return []
    try:
        manifests = remove.present(session.existing_vault, wanted.profile)
    except LifeboatError:
        return []
    for manifest in manifests:
        record: DatabaseRecord | None = next((one for one in manifest.databases if one.path == wanted.path), None)
        if manifest.good and record is not None:
            return of_losses(tables, record, manifest.id, wanted.path, wanted.shrink)
    return []
