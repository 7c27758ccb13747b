"""What a run of a fault test does besides commands: called by name in a process of its own (`Runs.call`)."""

from __future__ import annotations

import json
import sys
from datetime import datetime

from toolkit.cli.exit_codes import of_ending, of_error
from toolkit.errors import LifeboatError
from toolkit.jobs.context import Job
from toolkit.operations import backup, recovery, targets
from toolkit.operations.session import open_session


def recover() -> int:
    """Recover everything, as the next boot does; prints what was done."""
    session = open_session()
    try:
        with Job.open(session.state / "jobs", "recover") as job:
            report = recovery.run(session, job)
    except LifeboatError as error:
        sys.stderr.write(f"{error}\n")
        return of_error(error)
    sys.stdout.write(json.dumps({"actions": report.actions, "warnings": [one.message for one in report.warnings]}))
    return of_ending(report.ending)


def backup_at(now: str, path: str) -> int:
    """Back up `path` with the clock standing at `now`."""
    session = open_session(now=lambda: datetime.fromisoformat(now))
    with Job.open(session.state / "jobs", "backup") as job:
        request = backup.BackupRequest(profiles=targets.profiles(session, [path]))
        return of_ending(backup.run(session, request, job).ending)
