"""`lifeboat timeline`."""

from __future__ import annotations

from datetime import timedelta

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.options import DURATION
from toolkit.cli.run import answer, session_of, work
from toolkit.cli.settings import Command, identity_options, settings


@click.command(
    "timeline",
    cls=Command,
    examples=(
        "lifeboat timeline shop",
        "lifeboat timeline /srv/shop/shop.db",
        "lifeboat timeline shop --find \"email = 'ann@example.org'\" --table users",
    ),
    exits=(ExitCode.DAMAGE, ExitCode.NOTHING),
)
@click.argument("target", metavar="PROFILE|DB")
@click.option("--database", "name", metavar="NAME", help="Only this database, when there are several.")
@click.option("--find", "condition", metavar="SQL", help="Find the first backup that has or lacks a row like this.")
@click.option("--table", metavar="NAME", help="The table of --find, when its columns do not tell.")
@click.option("--every", is_flag=True, help="With --find: look at all backups instead of bisecting them.")
@click.option(
    "--timeout",
    type=DURATION,
    default="60s",
    show_default=True,
    metavar="TIME",
    help="How long --find may take on one backup.",
)
@identity_options
def timeline_command(
    target: str, name: str | None, condition: str | None, table: str | None, *, every: bool, timeout: timedelta
) -> None:
    """Show how databases went over the backups: the rows of each table, size, free pages, schema.

    What stands out between two backups is said in words. --find takes a condition as it stands behind WHERE and
    unpacks the database of a few backups to ask it; it can only read. Bisecting presumes that the row came or went
    once.
    """
    from toolkit.cli.render.timeline import timeline_text
    from toolkit.errors import UsageError
    from toolkit.operations import timeline

    request = timeline.TimelineRequest(target=target, name=name)
    if condition is None:
        if table is not None or every:
            raise UsageError("--table and --every belong to --find", hint="lifeboat timeline --help")
        session = session_of(settings())
        answer(timeline.run(session, request), lambda report: timeline_text(report, session.now()))
    from toolkit.operations import timeline_search

    find = timeline_search.FindRequest(
        timeline=request, condition=condition, table=table, every=every, limit=timeout.total_seconds()
    )
    work(
        "timeline",
        [target],
        lambda session, job: timeline_search.run(session, find, job),
        lambda report: timeline_text(report, session_of(settings()).now()),
    )
