"""`lifeboat destination`."""

from __future__ import annotations

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.run import answer, query, session_of, work
from toolkit.cli.settings import Group, settings


@click.group("destination", cls=Group)
def destination_command() -> None:
    """Off-site places: which there are, and whether they keep what they promise."""


@destination_command.command(
    "list",
    examples=("lifeboat destination list", "lifeboat destination list --ask --json"),
    exits=(ExitCode.USAGE, ExitCode.INCOMPLETE),
)
@click.option("--ask", is_flag=True, help="Ask each for its space, which proves that it can be reached.")
def list_command(*, ask: bool) -> None:
    """List the destinations of the configuration, who uses them, and how many copies wait."""
    from toolkit.cli.render.remote import places_text
    from toolkit.operations.offsite import places

    query(lambda session: places.listing(session, ask=ask), places_text)


@destination_command.command(
    "check",
    examples=("lifeboat destination check drive",),
    exits=(ExitCode.USAGE, ExitCode.DESTINATION, ExitCode.INTERRUPTED),
)
@click.argument("name", metavar="DEST")
def check_command(name: str) -> None:
    """Try every promise that a destination makes, with small files that are removed again.

    Files of up to 8 MB are sent, cut, resumed, listed, read in part, doubled and removed: what a backup needs is known
    to work before the first one relies on it. Nothing else there is touched.
    """
    from toolkit.cli.render.remote import check_text
    from toolkit.operations.offsite import places

    work("check", [name], lambda session, job: places.check(session, name, job), check_text)


@destination_command.command(
    "limit",
    examples=("lifeboat destination limit drive 2MB/s", "lifeboat destination limit drive none"),
    exits=(ExitCode.USAGE, ExitCode.REFUSED),
)
@click.argument("name", metavar="DEST")
@click.argument("rate", metavar="RATE|none")
def limit_command(name: str, rate: str) -> None:
    """Set how fast transfers to a destination may be, from the next one on.

    It is written to a drop-in of the configuration, which is checked first. `none` takes the limit away.
    """
    from toolkit.cli.render.remote import places_text
    from toolkit.operations.offsite import limit as destination_set
    from toolkit.operations.offsite import places

    given = settings()
    changed = destination_set.limit(session_of(given), name, None if rate == "none" else rate, given.config)
    report = places.listing(session_of(given))
    report.changed = changed
    answer(report, places_text)
