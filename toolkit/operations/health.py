"""The health file: refreshed after everything that changes what the backups are worth, and by each diagnosis."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime

import msgspec

from toolkit.errors import LifeboatError, NotFoundError, SourceMissingError
from toolkit.operations.next_runs import with_next_runs
from toolkit.operations.remembered import everything
from toolkit.operations.report import Report
from toolkit.operations.session import Session
from toolkit.profile.model import Profile
from toolkit.vault import health, remove
from toolkit.vault.health import KEPT, LastCheck, Observation, Target
from toolkit.wording import duration_text

__all__ = (
    "Overview",
    "Target",
    "assess",
    "overview",
    "refresh_health",
    "remember_checks",
    "remember_placed",
    "remember_schedule",
    "wanted",
)

FILE_NAME = "health.json"


def wanted(profile: Profile) -> list[tuple[str, str]]:
    """Return the targets that a profile names, as the health file names them: databases by their real path."""
    targets = [("database", os.path.realpath(source.path)) for source in profile.databases]
    targets += [("files", f"files:{source.path}") for source in profile.files]
    targets += [("files", f"config:{source.path}") for source in profile.config_files]
    targets += [("files", f"logs:{source.path}") for source in profile.logs]
    targets += [("files", f"git:{source.url}") for source in profile.git]
    return targets


def observed(session: Session, profile: str) -> dict[str, Observation]:
    """Return what the health file remembers of the last look at each target of `profile`; nothing where it is lost."""
    try:
        targets = health.read(session.state / FILE_NAME).targets
    except LifeboatError:
        return {}
    return {
        one.path: Observation(last_check=one.last_check, open_by=one.open_by, free_bytes=one.free_bytes)
        for one in targets
        if one.profile == profile
    }


def assess(session: Session, profile: Profile, looks: Mapping[str, Observation] | None = None) -> tuple[Target, ...]:
    """Return the state of each target of `profile` from the manifests and what was seen last, `looks` the newest."""
    try:
        manifests = remove.present(session.existing_vault, profile.name)
    except NotFoundError:
        manifests = ()
    alarms = health.Alarms(profile.alarms.max_age, profile.alarms.shrink)
    seen = observed(session, profile.name)
    for path, look in (looks or {}).items():
        free = seen[path].free_bytes if path in seen else None
        seen[path] = msgspec.structs.replace(look, free_bytes=look.free_bytes if look.free_bytes is not None else free)
    found = health.assess(profile.name, wanted(profile), manifests, alarms, now=session.now(), observations=seen)
    return with_next_runs(session, found)


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """The health of all targets, worst first, as it was at `at` (None: nobody looked yet); `problem` if it is lost."""

    at: datetime | None = None
    targets: tuple[Target, ...] = ()
    problem: str = ""


def overview(session: Session) -> Overview:
    """Return the health of everything from the health file and the configuration alone; nothing is checked.

    What the configuration names and the file does not know is `unknown`. What got older than its profile
    promises since the file was written is told as `stale`. Never raises: a file that cannot be read is the `problem`.
    """
    at, problem, found = None, "", list[Target]()
    try:
        read = health.read(session.state / FILE_NAME)
        at, found = read.at, [_aged(session, one) for one in read.targets]
    except SourceMissingError:
        pass
    except LifeboatError as error:
        problem = error.message
    known = {(one.profile, one.path) for one in found}
    found += [
        Target(profile=profile.name, kind=kind, path=path, state="unknown")
        for profile in session.config.profiles
        for kind, path in wanted(profile)
        if (profile.name, path) not in known
    ]
    found.sort(key=lambda one: (health.WORST_FIRST.index(one.state), one.profile, one.kind, one.path))
    return Overview(at=at, targets=tuple(found), problem=problem)


def _aged(session: Session, target: Target) -> Target:
    """Return `target` with the reason `stale`, where its last good copy got too old since the file was written."""
    profile = session.known_profile(target.profile)
    limit = profile.alarms.max_age if profile is not None else None
    good = target.last_good
    if limit is None or good is None or session.now() - good.at <= limit:
        return target
    if any(one.code == "stale" for one in target.reasons):
        return target
    text = f"no good backup for longer than {duration_text(limit.total_seconds())}"
    stale = health.Reason("stale", good.at + limit, text)
    state = "warn" if target.state in ("ok", "unknown") else target.state
    return msgspec.structs.replace(target, state=state, reasons=(*target.reasons, stale))


def remember_checks(session: Session, profile: Profile, looks: Mapping[str, Observation], report: Report) -> None:
    """Write what a diagnosis saw of the targets of `profile`, by path, into the health file, which `status` reads.

    A failure becomes a warning of `report`: a diagnosis works where nothing may be written.
    """
    try:
        health.replace(session.state / FILE_NAME, profile.name, assess(session, profile, looks), now=session.now())
    except (LifeboatError, OSError) as error:
        report.warn("health-not-written", f"the health file could not be written: {error}")


def remember_placed(session: Session, profile: str, placed: Mapping[str, bool], report: Report) -> None:
    """Note which databases got a new content: real path -> whether that is the damaged one, put back by an undo.

    Whatever came whole has passed `quick_check` under its name. Nothing is noted for a profile that nobody knows any
    more; a failure becomes a warning of `report`.
    """
    known = session.known_profile(profile) or next((one for one in everything(session) if one.name == profile), None)
    if known is None or not placed:
        return
    now = session.now()
    sound, broken = LastCheck(now, "quick", "ok"), LastCheck(now, KEPT, "damaged")
    looks = {path: Observation(last_check=broken if damaged else sound) for path, damaged in placed.items()}
    remember_checks(session, known, looks, report)


def remember_schedule(session: Session, report: Report) -> None:
    """Write when each target is backed up next into the health file, after the schedule became another one.

    Where nothing is known yet nothing is written; a failure becomes a warning of `report`.
    """
    path = session.state / FILE_NAME
    try:
        known = health.read(path)
        health.write(path, msgspec.structs.replace(known, targets=with_next_runs(session, known.targets)))
    except SourceMissingError:
        return
    except (LifeboatError, OSError) as error:
        report.warn("health-not-written", f"the health file could not be written: {error}")


def refresh_health(session: Session, profile: Profile, report: Report) -> None:
    """Write the state of `profile` into the health file; a failure becomes a warning of `report`.

    A backup that shrank by more than the profile's `alarms.shrink`, or a table in it, warns here, loudly.
    """
    try:
        targets = assess(session, profile)
        health.replace(session.state / FILE_NAME, profile.name, targets, now=session.now())
    except (LifeboatError, OSError) as error:
        report.warn("health-not-written", f"the health file could not be written: {error}")
        return
    for target in targets:
        for reason in target.reasons:
            if reason.code == "shrunk":
                report.warn(reason.code, reason.text, subject=target.path)
            if reason.code == "rows-shrank":
                hint = f"look whether that was meant: lifeboat timeline {profile.name}"
                report.warn(reason.code, reason.text, subject=target.path, hint=hint)
