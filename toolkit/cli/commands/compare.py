"""`lifeboat compare`."""

from __future__ import annotations

from typing import Any

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.options import backup_argument
from toolkit.cli.run import answer, session_of
from toolkit.cli.settings import Command, identity_options, settings


@click.command(
    "compare",
    cls=Command,
    examples=(
        "lifeboat compare latest",
        "lifeboat compare latest --content",
        "lifeboat compare shop@latest~1 shop@latest",
        "lifeboat compare latest --exit-code --json | jq .same",
    ),
    exits=(ExitCode.INCOMPLETE, ExitCode.DAMAGE, ExitCode.NOTHING),
)
@backup_argument
@click.argument("other", metavar="[BACKUP]", required=False)
@click.option("--content", is_flag=True, help="Read the files and compare digests, not only size and time.")
@click.option("--exit-code", is_flag=True, help="Exit with 4 when there is a difference (else with 0 in both cases).")
@click.option(
    "--limit", type=click.IntRange(min=0), default=1000, show_default=True, metavar="N", help="Name at most N files."
)
@identity_options
def compare_command(backup: str, other: str | None, **options: Any) -> None:
    """Compare a backup with what is there now, or with another backup.

    From the first to the second: `+` is only in the second (or there now), `-` only in the first, `~`
    differs. Databases are compared by their schema and the rows of each table. Nothing is changed.
    """
    from toolkit.cli.render.compare import compare_text
    from toolkit.operations import compare

    session = session_of(settings())
    request = compare.CompareRequest(
        backup=backup,
        other=other,
        content=options["content"],
        exit_code=options["exit_code"],
        limit=options["limit"],
    )
    answer(compare.run(session, request), lambda report: compare_text(report, session.now()), session=session)
