"""`lifeboat find`."""

from __future__ import annotations

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.run import answer, session_of
from toolkit.cli.settings import Command, identity_options, settings


@click.command(
    "find",
    cls=Command,
    examples=(
        "lifeboat find invoice-2026.pdf",
        "lifeboat find '*.jpg' --profile shop --limit 10",
        "lifeboat find /srv/shop/uploads/logo",
    ),
    exits=(ExitCode.INCOMPLETE, ExitCode.NOTHING),
)
@click.argument("name")
@click.option("--profile", help="Look only in the backups of this profile.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="Show at most N paths."
)
@identity_options
def find_command(name: str, profile: str | None, limit: int) -> None:
    """Find a file over all backups: which versions there are, and which backups hold them.

    NAME is a glob or a part of a file's name; with a slash it is a part of the path. A version is listed
    once, with the newest and the oldest backup that hold it in a row.
    """
    from toolkit.cli.render.find import find_text
    from toolkit.operations import find

    session = session_of(settings())
    report = find.run(session, find.FindRequest(name=name, profile=profile, limit=limit))
    answer(report, lambda report: find_text(report, session.now()))
