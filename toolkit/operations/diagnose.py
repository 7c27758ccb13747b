"""`diagnose`: is anything wrong with the databases? Read-only; nothing is created beside them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from toolkit.archive.manifest import DatabaseRecord
from toolkit.errors import CancelledError, LifeboatError, ProfileNotFoundError, SourceMissingError
from toolkit.jobs.context import Job
from toolkit.operations import findings as finding
from toolkit.operations.findings import Finding, Severity
from toolkit.operations.livecheck import look_at, look_at_copy, working_folder
from toolkit.operations.remembered import everything
from toolkit.operations.remembered import named as remembered_profile
from toolkit.operations.report import Ending, Report
from toolkit.operations.session import Session
from toolkit.operations.survey import survey
from toolkit.operations.targets import profiles
from toolkit.profile.adhoc import absolute, is_profile_word, slug
from toolkit.profile.model import DatabaseSource, Profile
from toolkit.retention import Scope
from toolkit.sqlite import probe
from toolkit.sqlite.check import Checkup, Level
from toolkit.vault import remove

__all__ = ["Finding", "Severity"]

SLOWEST = 20_000_000
"""Bytes a second that a full check reads at least; a database that is larger gets the time that it needs."""


class DiagnoseRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to look at; `quick` leaves out what takes long: the indexes' content, full-text indexes."""

    profiles: tuple[Profile, ...]
    quick: bool = False


class DiagnosedTarget(msgspec.Struct, frozen=True, kw_only=True):
    """One database and what was found; `tables` counts rows, `checks` names what was checked."""

    path: str
    profile: str
    healthy: bool
    findings: tuple[Finding, ...]
    size: int = 0
    journal_mode: str = ""
    tables: dict[str, int | None] = {}
    checks: tuple[str, ...] = ()
    open_by: tuple[str, ...] = ()


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
    if len(paths) == len(words) and not any(os.path.lexists(path) for path in paths):
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

    It ends with damage when a database has findings that are no notices. Raises `CancelledError`.
    """
    report = DiagnoseReport()
    found = [one for profile in request.profiles for one in _databases(session, profile, job)]
    wanted = list({one.path: one for one in reversed(found)}.values())[::-1]
    level: Level = "quick" if request.quick else "full"
    for number, one in enumerate(wanted, 1):
        job.step("diagnose", f"Checking {os.path.basename(one.path)}", n=number, of=len(wanted))
        with working_folder(session, f"diagnose-{job.id}-{number}") as folder:
            report.targets.append(_Diagnosis(session, one, level, folder, job).target())
    report.healthy = all(target.healthy for target in report.targets)
    if not report.healthy:
        report.ending = Ending.DAMAGE
    if not wanted:
        report.notes.append("there is no database here")
    return report


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
        path: _Wanted(path, profile.name, source)
        for source in profile.databases
        for path in [os.path.realpath(source.path)]
    }
    for database in found.databases:
        path = str(database.path)
        wanted.setdefault(path, _Wanted(path, profile.name, database.source))
    return list(wanted.values())


class _Diagnosis:
    """One database being looked at."""

    def __init__(self, session: Session, wanted: _Wanted, level: Level, folder: Path, job: Job) -> None:
        self._session = session
        self._wanted = wanted
        self._path = Path(wanted.path)
        self._level = level
        self._folder = folder
        self._job = job
        self._timeout = max(wanted.source.timeout.total_seconds(), _size(self._path) / SLOWEST)

    def target(self) -> DiagnosedTarget:
        seen: probe.Probe | None = None
        checkup: Checkup | None = None
        try:
            seen = probe.look(self._path)
            found = finding.of_surroundings(seen)
            checkup = look_at(
                self._path,
                level=self._level,
                folder=self._folder,
                timeout=self._timeout,
                should_stop=self._job.should_stop,
            )
            found = [*self._of_checks(checkup), *self._losses(checkup), *found]
        except (CancelledError, MemoryError):
            raise
        except LifeboatError as error:
            found = [finding.of_error(error, self._wanted.path), *(finding.of_surroundings(seen) if seen else ())]
        findings = finding.accepted(found, self._wanted.source.accept)
        holders = seen.holders.found if seen is not None else ()
        return DiagnosedTarget(
            path=self._wanted.path,
            profile=self._wanted.profile,
            healthy=finding.healthy(findings),
            findings=findings,
            size=seen.size if seen is not None else 0,
            journal_mode=seen.journal_mode if seen is not None else "",
            tables=checkup.tables if checkup is not None else {},
            checks=tuple(one.name for one in checkup.checks) if checkup is not None else (),
            open_by=tuple(sorted({f"{one.command} ({one.pid})" for one in holders})),
        )

    def _of_checks(self, checkup: Checkup) -> list[Finding]:
        """Return what the checks say; full-text indexes are checked in a private copy, unless it must be quick."""
        if self._level == "quick" or not any("full-text" in line for line in checkup.skipped):
            return finding.of_checks(checkup, self._wanted.path)
        try:
            copy = look_at_copy(
                self._path,
                level="quick",
                folder=self._folder,
                timeout=self._timeout,
                should_stop=self._job.should_stop,
            )
        except (CancelledError, MemoryError):
            raise
        except LifeboatError as error:
            unread = (*checkup.skipped, f"no private copy could be made: {error.message}")
            return finding.of_checks(replace(checkup, skipped=unread), self._wanted.path)
        more = tuple(one for one in copy.checks if one.name == "fts")
        both = replace(checkup, checks=(*checkup.checks, *more), skipped=copy.skipped)
        return finding.of_checks(both, self._wanted.path)

    def _losses(self, checkup: Checkup) -> list[Finding]:
        """Compare with the last good backup of the profile, where there is one: "ok" alone is no evidence."""
        try:
            manifests = remove.present(self._session.existing_vault, self._wanted.profile)
        except LifeboatError:
            return []
        for manifest in manifests:
            record: DatabaseRecord | None = next(
                (one for one in manifest.databases if one.path == self._wanted.path), None
            )
            if manifest.good and record is not None:
                return finding.of_losses(checkup, record, manifest.id, self._wanted.path)
        return []


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
