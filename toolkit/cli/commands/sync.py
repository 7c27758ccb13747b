"""`lifeboat sync`."""

from __future__ import annotations

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.run import work
from toolkit.cli.settings import Command, settings


@click.command(
    "sync",
    cls=Command,
    examples=("lifeboat sync", "lifeboat sync shop --now", "lifeboat sync --retry --to drive"),
    exits=(ExitCode.FAILED, ExitCode.USAGE, ExitCode.INCOMPLETE, ExitCode.NOTHING, ExitCode.INTERRUPTED),
)
@click.argument("profiles", nargs=-1, metavar="[PROFILE]...")
@click.option("--to", "destinations", multiple=True, metavar="DEST", help="Only copies to this destination.")
@click.option("--now", is_flag=True, help="Do not wait for the time of the next try.")
@click.option("--retry", is_flag=True, help="Begin again with copies that were given up.")
@click.option("--forget", is_flag=True, help="Drop copies that were given up.")
def sync_command(
    profiles: tuple[str, ...], destinations: tuple[str, ...], *, now: bool, retry: bool, forget: bool
) -> None:
    """Make the copies at destinations that are queued.

    A copy that fails stays queued: it is tried again after 10 minutes, then after longer and longer pauses (at
    most 12 hours), and given up after 20 tries, which is said. It goes on where it was cut. Run this from cron every
    15 minutes; while a copy is missing it ends with 3, with -q silently where there was nothing to try yet.
    """
    from toolkit.cli.render.sync import sync_text
    from toolkit.errors import UsageError
    from toolkit.operations.offsite import uploads
    from toolkit.operations.offsite.uploads import SyncReport
    from toolkit.operations.session import utc_now

    if retry and forget:
        raise UsageError("--retry and --forget contradict each other")
    request = uploads.SyncRequest(
        profiles=profiles, destinations=destinations, now=now or retry, retry=retry, forget=forget
    )

    def text(report: SyncReport) -> list[str]:
        waits = settings().quiet and not report.changed
        return [] if waits else sync_text(report, utc_now())

    work("sync", profiles, lambda session, job: uploads.sync(session, request, job), text)
