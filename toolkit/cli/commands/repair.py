"""`lifeboat repair`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.options import (
    assume_unused_option,
    confirm_option,
    dry_run_option,
    refill_unproven_option,
    yes_option,
)
from toolkit.cli.run import work
from toolkit.cli.settings import Command, identity_options

if TYPE_CHECKING:
    from toolkit.jobs.context import Job
    from toolkit.operations.repairing.report import RepairReport
    from toolkit.operations.session import Session


@click.command(
    "repair",
    cls=Command,
    examples=(
        "lifeboat repair /srv/shop/shop.db",
        "lifeboat repair /srv/shop/shop.db --output /tmp/shop.db --refill none",
        "lifeboat repair /srv/shop/shop.db --refill-unproven apart",
        "lifeboat repair /srv/shop/shop.db --in-place --dry-run",
        "lifeboat repair /srv/shop/shop.db --in-place --refill k3jq7a2m --confirm shop.db",
    ),
    exits=(
        ExitCode.FAILED,
        ExitCode.INCOMPLETE,
        ExitCode.DAMAGE,
        ExitCode.REFUSED,
        ExitCode.NOTHING,
        ExitCode.LOCKED,
        ExitCode.SPACE,
    ),
)
@click.argument("database", type=click.Path(path_type=Path), metavar="DB")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Write the result to this new file.")
@click.option("--in-place", is_flag=True, help="Put the result in the place of the database, which undo takes back.")
@click.option(
    "--refill",
    default="latest",
    show_default=True,
    metavar="latest|BACKUP|FILE|none",
    help="Where rows whose pages were lost come from; latest is the newest good backup, if there is one.",
)
@refill_unproven_option
@assume_unused_option
@dry_run_option
@yes_option
@confirm_option
@identity_options
def repair_command(database: Path, **options: Any) -> None:
    """Get back what is still there of a damaged database.

    The database is never opened: it is copied bit for bit with its -wal, -shm and -journal, and the work is done on
    copies. The result goes to the vault's folder recovery, to --output, or --in-place, which shows a plan with what
    would be lost and asks first. Ends with 0 only when nothing was lost, with 3 when rows or objects of the schema
    were, with 4 when nothing could be done. A report lies beside the result. Without a terminal a repair that lost
    nothing prints the path of its result where --output did not say it, and nothing else.
    """
    from toolkit.cli.render.repair import repair_text
    from toolkit.operations.repairing.plan import RepairRequest

    look, yes, confirm = options.pop("dry_run"), options.pop("yes"), options.pop("confirm")
    request = RepairRequest(database=database, look=look, **options)

    def body(session: Session, job: Job) -> RepairReport:
        from toolkit.cli import prompts
        from toolkit.cli.render.repair import show_plan
        from toolkit.operations import recovery, repair
        from toolkit.operations.repairing.plan import prepared

        if not look:
            recovery.settle_interrupted(session, job)
        with prepared(session, request, job) as made:
            if look:
                return repair.looked(made, recovery.announce(session, job, made.plan))
            if prompts.shows_plan(yes=yes) and made.plan.confirm != "none":
                show_plan(made)
            prompts.confirm(made.plan, yes=yes, word=confirm)
            return repair.apply(session, made, job)

    work("repair", [database], body, repair_text)
