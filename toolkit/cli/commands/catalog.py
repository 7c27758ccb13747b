"""`lifeboat catalog`."""

from __future__ import annotations

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.run import work
from toolkit.cli.settings import Group


@click.group("catalog", cls=Group)
def catalog_command() -> None:
    """Rebuild the index of backups.

    The index is a cache of the manifests beside the archives: losing it loses nothing.
    """


@catalog_command.command(
    "rebuild",
    examples=("lifeboat catalog rebuild", "lifeboat catalog rebuild --json"),
    exits=(ExitCode.FAILED, ExitCode.USAGE, ExitCode.INCOMPLETE, ExitCode.NOTHING, ExitCode.LOCKED, ExitCode.SPACE),
)
@click.option("--from", "source", metavar="DEST", help="Fetch the manifests from this destination.")
def rebuild_command(source: str | None) -> None:
    """Make the index again from the manifests, and lost manifests from their archives.

    A manifest that is there is never changed, so no note, tag or pin is lost. What has lost its other half (an
    archive that cannot be read, a manifest without archive) is named and left alone.
    """
    from toolkit.cli.render.catalog import rebuild_text
    from toolkit.errors import UsageError
    from toolkit.operations import catalog

    if source is not None:
        raise UsageError(
            "there are no destinations yet", subject=source, hint="leave --from out: the vault on this machine is read"
        )
    work("rebuild", ["catalog"], catalog.run, rebuild_text)
