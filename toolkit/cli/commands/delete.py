"""`lifeboat delete`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.moments import MOMENT
from toolkit.cli.options import ALL_KINDS, confirm_option, dry_run_option, yes_option
from toolkit.cli.run import work
from toolkit.cli.settings import Command

if TYPE_CHECKING:
    from toolkit.jobs.context import Job
    from toolkit.operations.delete import DeleteReport, DeleteRequest
    from toolkit.operations.session import Session


@click.command(
    "delete",
    cls=Command,
    examples=(
        "lifeboat delete k3jq7a2m",
        "lifeboat delete k3jq7a2m p5wd2hx7 --dry-run",
        "lifeboat delete --profile shop --kind manual --before 90d --confirm 12",
        "lifeboat delete --failed --yes",
    ),
    exits=(ExitCode.FAILED, ExitCode.USAGE, ExitCode.REFUSED, ExitCode.NOTHING, ExitCode.LOCKED),
)
@click.argument("backups", nargs=-1, metavar="[BACKUP]...")
@click.option("--profile", metavar="NAME", help="All of this profile that fit the other filters.")
@click.option(
    "--kind",
    "kinds",
    type=click.Choice(ALL_KINDS),
    multiple=True,
    metavar="KIND",
    help="All of this kind, such as manual.",
)
@click.option("--before", type=MOMENT, help="All from before this day (2026-01-31), or older than this (30d).")
@click.option("--failed", is_flag=True, help="All records of runs that failed.")
@click.option("--purge", is_flag=True, help="Remove for good: not to the trash, and from the trash too.")
@click.option("--allow-last-good", is_flag=True, help="Let the last good copy of something go.")
@dry_run_option
@yes_option
@confirm_option
def delete_command(backups: tuple[str, ...], **options: Any) -> None:
    """Delete backups; undo works for 24 hours.

    BACKUP is an id or its beginning, latest, latest~2, or PROFILE@latest; or choose with the filters. What would
    go is listed first; type the id (of one) or the number (of many) to confirm. Pinned backups
    and the last good copy of a database or folder are refused. All that one command deletes comes back with
    one `lifeboat undo`.
    """
    from toolkit.cli.render.removal import delete_text
    from toolkit.operations.delete import DeleteRequest
    from toolkit.retention import Kind

    request = DeleteRequest(
        words=backups,
        profile=options["profile"],
        kinds=tuple(Kind(kind) for kind in options["kinds"]),
        before=options["before"],
        failed=options["failed"],
        purge=options["purge"],
        allow_last_good=options["allow_last_good"],
    )
    targets = backups or ([options["profile"]] if options["profile"] else [])
    work("delete", targets, lambda session, job: _delete(session, request, job, options), delete_text)


def _delete(session: Session, request: DeleteRequest, job: Job, options: dict[str, Any]) -> DeleteReport:
    from toolkit.cli.prompts import confirm, shows_plan
    from toolkit.cli.render.removal import show_delete
    from toolkit.operations import delete

    made = delete.make_plan(session, request, job)
    if options["dry_run"]:
        return delete.dry_run(made)
    made = delete.settle(session, made, request, job)
    delete.require_allowed(session, made)
    if shows_plan(yes=options["yes"]):
        show_delete(made)
    confirm(made.plan, yes=options["yes"], word=options["confirm"])
    return delete.apply(session, made, job)
