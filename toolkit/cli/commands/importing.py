"""`lifeboat import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.options import PATH
from toolkit.cli.run import work
from toolkit.cli.settings import Command

if TYPE_CHECKING:
    from toolkit.jobs.context import Job
    from toolkit.operations.importing import ImportReport
    from toolkit.operations.session import Session


@click.command(
    "import",
    cls=Command,
    examples=(
        "lifeboat import ~/Downloads/backup_2025-01-15.zip",
        "lifeboat import old/shop.sql.gz --profile shop --note 'from the old script'",
        "lifeboat import project-main.zip --tag archive",
    ),
    exits=(
        ExitCode.FAILED,
        ExitCode.USAGE,
        ExitCode.INCOMPLETE,
        ExitCode.DAMAGE,
        ExitCode.REFUSED,
        ExitCode.NOTHING,
        ExitCode.LOCKED,
        ExitCode.SPACE,
    ),
)
@click.argument("file", type=PATH)
@click.option("--profile", metavar="NAME", help="Keep it as a backup of this profile (default: named after the file).")
@click.option("--note", default="", help="A note to keep with it.")
@click.option("--tag", "tags", multiple=True, help="A tag to keep with it; several are possible.")
def import_command(file: Path, profile: str | None, note: str, tags: tuple[str, ...]) -> None:
    """Take in an archive that was made elsewhere.

    It becomes an ordinary backup that lists, verifies and restores (with --to). Known by what is in them: ZIPs
    with a metadata.json, downloads of a source forge, an application's own ZIP with its database; any other ZIP,
    tar or 7z; an SQLite database; a compressed dump such as .sql.gz.
    """
    from toolkit.cli.render.importing import import_text

    def body(session: Session, job: Job) -> ImportReport:
        from toolkit.operations import importing

        request = importing.ImportRequest(file=file.absolute(), profile=profile, note=note, tags=tags)
        return importing.run(session, request, job)

    work("import", [file], body, import_text)
