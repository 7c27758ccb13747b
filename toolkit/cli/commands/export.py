"""`lifeboat export`."""

from __future__ import annotations

from typing import Any

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.options import PATH
from toolkit.cli.run import work
from toolkit.cli.settings import Command, identity_options


@click.command(
    "export",
    cls=Command,
    examples=(
        "lifeboat export /srv/shop/shop.db --format sql",
        "lifeboat export shop --format json --output /tmp/shop.json",
        "lifeboat export --from latest --database shop.db --format csv",
    ),
    exits=(ExitCode.INCOMPLETE, ExitCode.DAMAGE, ExitCode.REFUSED, ExitCode.NOTHING, ExitCode.SPACE),
)
@click.argument("database", metavar="[PROFILE|DB]", required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(("sql", "json", "csv")),
    default="sql",
    show_default=True,
    help="A script for sqlite3, one JSON document, or a folder with a CSV file for each table.",
)
@click.option(
    "--output",
    "-o",
    type=PATH,
    help="The new file (CSV: folder). Without it: VAULT/recovery/data_export_...",
)
@click.option("--from", "backup", metavar="BACKUP", help="Export from this backup instead of the live database.")
@click.option("--database", "name", metavar="NAME", help="Which database, when there are several.")
@identity_options
def export_command(database: str | None, **options: Any) -> None:
    """Write a database as SQL, JSON or CSV.

    A live database is copied consistently first, so the application can go on. Of a damaged one what is left is
    exported, from copies of it and its sidecars; what was lost is said by table, and ends with exit code 3.
    Without a terminal only the path of the result is printed, where --output did not say it.
    """
    from toolkit.cli.render.export import export_text
    from toolkit.operations import export

    request = export.ExportRequest(
        form=options["form"],
        database=database,
        backup=options["backup"],
        name=options["name"],
        output=options["output"],
    )
    work(
        "export",
        [database or options["backup"] or ""],
        lambda session, job: export.run(session, request, job),
        export_text,
    )
