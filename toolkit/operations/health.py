"""The health file: refreshed after everything that changes what the backups are worth."""

from __future__ import annotations

import os

from toolkit.errors import LifeboatError
from toolkit.operations.report import Report
from toolkit.operations.session import Session
from toolkit.profile.model import Profile
from toolkit.vault import health, remove

FILE_NAME = "health.json"


def wanted(profile: Profile) -> list[tuple[str, str]]:
    """Return the targets that a profile names, as the health file names them: databases by their real path."""
    targets = [("database", os.path.realpath(source.path)) for source in profile.databases]
    targets += [("files", f"files:{source.path}") for source in profile.files]
    targets += [("files", f"config:{source.path}") for source in profile.config_files]
    targets += [("files", f"logs:{source.path}") for source in profile.logs]
    targets += [("files", f"git:{source.url}") for source in profile.git]
    return targets


def assess(session: Session, profile: Profile) -> tuple[health.Target, ...]:
    """Return the state of each target of `profile` from the manifests; empty when there is no vault."""
    manifests = remove.present(session.existing_vault, profile.name)
    alarms = health.Alarms(profile.alarms.max_age, profile.alarms.shrink)
    return health.assess(profile.name, wanted(profile), manifests, alarms, now=session.now())


def refresh_health(session: Session, profile: Profile, report: Report) -> None:
    """Write the state of `profile` into the health file; a failure becomes a warning of `report`.

    A backup that shrank by more than the profile's `alarms.shrink` warns here, loudly.
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
