"""`lifeboat catalog`."""

from __future__ import annotations

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.run import work
from toolkit.cli.settings import Group, identity_options


@click.group("catalog", cls=Group)
def catalog_command() -> None:
    """Rebuild the index of backups.

    The index is a cache of the manifests beside the archives: losing it loses nothing.
    """


@catalog_command.command(
    "rebuild",
    examples=("lifeboat catalog rebuild", "lifeboat catalog rebuild --from drive --json"),
    exits=(
        ExitCode.FAILED,
        ExitCode.USAGE,
        ExitCode.INCOMPLETE,
        ExitCode.NOTHING,
        ExitCode.LOCKED,
        ExitCode.DESTINATION,
        ExitCode.SPACE,
    ),
)
@click.option("--from", "source", metavar="DEST", help="Ask this destination (DEST[:FOLDER]) first.")
@identity_options
def rebuild_command(source: str | None) -> None:
    """Make the index again from the manifests, and lost manifests from their archives.

    A manifest that is there is never changed, so no note, tag or pin is lost. What has lost its other half (an
    archive that cannot be read, a manifest without archive) is named and left alone.

    With --from, lost manifests of archives that are here come from the destination, and backups that are only there are
    named: `lifeboat restore --from DEST ID` brings one.
    """
    from toolkit.cli.render.catalog import rebuild_text
    from toolkit.operations import catalog

    work("rebuild", ["catalog"], lambda session, job: catalog.run(session, job, source=source), rebuild_text)
