"""`lifeboat status`, and `lifeboat` without a command."""

from __future__ import annotations

from datetime import timedelta

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.options import DURATION, profile_argument
from toolkit.cli.run import answer, session_of
from toolkit.cli.settings import Command, settings


@click.command(
    "status",
    cls=Command,
    examples=(
        "lifeboat status",
        "lifeboat status shop --max-age 26h",
        "lifeboat status --json | jq '.targets[] | select(.state != \"ok\")'",
    ),
    exits=(ExitCode.DAMAGE, ExitCode.NOTHING),
)
@profile_argument
@click.option(
    "--max-age", type=DURATION, help="Fail when anything has no good backup of at most this age, such as 26h."
)
@click.option("--tell", is_flag=True, help="Tell whom `notify` names when it fails, and when that is over.")
def status_command(profile: str | None = None, max_age: timedelta | None = None, *, tell: bool = False) -> None:
    """Show the health of a PROFILE, or of all, at a glance: worst first.

    STATE is `bad` (no good backup, or the newest is damaged), `warn`, `unknown` (never backed up) or `ok`.
    Nothing is written. It fails when something is bad, or older than promised, and with --max-age also when what is
    configured to run by itself does not run any more; with -q it is silent otherwise.
    """
    from toolkit.cli.commands.schedule import where_of
    from toolkit.cli.render.status import status_text
    from toolkit.operations import status
    from toolkit.operations.report import Ending

    given = settings()
    session = session_of(given)
    report = status.run(session, profile, max_age=max_age, where=where_of(session))
    if tell:
        from toolkit.operations.announce import of_status

        report.warnings += of_status(session, report, profile)
    well = given.quiet and report.ending is Ending.DONE
    answer(report, lambda report: [] if well else status_text(report, session.now()))
