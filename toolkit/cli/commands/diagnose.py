"""`lifeboat diagnose`."""

from __future__ import annotations

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.run import session_of, work
from toolkit.cli.settings import Command, settings


@click.command(
    "diagnose",
    cls=Command,
    examples=(
        "lifeboat diagnose",
        "lifeboat diagnose shop --quick",
        "lifeboat diagnose /srv/shop/shop.db",
        "lifeboat diagnose --json | jq '.targets[].findings[]'",
    ),
    exits=(ExitCode.DAMAGE, ExitCode.NOTHING),
)
@click.argument("targets", nargs=-1, metavar="[PROFILE|DB]...")
@click.option("--quick", is_flag=True, help="Leave out what takes long: each page, index entry, text and file.")
def diagnose_command(targets: tuple[str, ...], quick: bool) -> None:  # noqa: FBT001
    """Look for damage in the databases of a PROFILE, in a DB, or everywhere, without touching anything.

    Header, pages, contents, the -wal and the -journal beside it, what the last good backup held. The
    application can go on. Each finding is a notice, a warning or an error; notices never make a database
    unhealthy. What changes while it is looked at is called in use, never damaged.
    """
    from toolkit.cli.render.diagnose import diagnose_text
    from toolkit.operations import diagnose

    session = session_of(settings())
    request = diagnose.DiagnoseRequest(profiles=diagnose.named(session, targets), quick=quick)
    work(
        "diagnose",
        [profile.name for profile in request.profiles],
        lambda session, job: diagnose.run(session, request, job),
        diagnose_text,
        session=session,
    )
