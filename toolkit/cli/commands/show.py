"""`lifeboat show`."""

from __future__ import annotations

from typing import Any

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.options import backup_argument
from toolkit.cli.run import answer, session_of
from toolkit.cli.settings import Command, identity_options, settings


@click.command(
    "show",
    cls=Command,
    examples=(
        "lifeboat show latest",
        "lifeboat show shop@latest~2",
        "lifeboat show k3fa --files --only '*.jpg' --limit 20",
        "lifeboat show ./shop_daily_20261120T030000Z_k3faq2xx.tar.zst",
    ),
    exits=(ExitCode.USAGE, ExitCode.DAMAGE, ExitCode.NOTHING, ExitCode.PASSPHRASE),
)
@backup_argument
@click.option("--files", is_flag=True, help="List its files.")
@click.option("--only", metavar="GLOB", help="List only the files whose name or path this fits; implies --files.")
@click.option(
    "--limit", type=click.IntRange(min=0), default=100, show_default=True, metavar="N", help="At most N; 0 for all."
)
@click.option("--offset", type=click.IntRange(min=0), default=0, metavar="N", help="Leave out the first N.")
@identity_options
def show_command(backup: str, **options: Any) -> None:
    """Show one backup: tables and rows, checks, what was left out, evidence, where its files are.

    BACKUP is an id or its beginning, `latest`, `latest~2`, `PROFILE@latest`, or the path of an archive.
    `latest` is the newest backup that was made here, is finished and not damaged; an imported one only where there
    is none of these.
    `opens with` is the stock command that unpacks the archive without Lifeboat.
    """
    from toolkit.cli.render.show import show_text
    from toolkit.operations import show

    session = session_of(settings())
    request = show.ShowRequest(
        backup=backup,
        files=options["files"] or options["only"] is not None,
        only=options["only"],
        limit=options["limit"] or None,
        offset=options["offset"],
    )
    answer(show.run(session, request), lambda report: show_text(report, session.now()), session=session)
