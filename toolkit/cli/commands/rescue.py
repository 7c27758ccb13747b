"""`lifeboat rescue`."""

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
from toolkit.cli.run import session_of, work
from toolkit.cli.settings import Command, identity_options, settings

if TYPE_CHECKING:
    from toolkit.jobs.context import Job
    from toolkit.operations.rescuing.plan import RescueRequest
    from toolkit.operations.rescuing.report import RescueReport
    from toolkit.operations.session import Session


@click.command(
    "rescue",
    cls=Command,
    examples=(
        "lifeboat rescue shop",
        "lifeboat rescue /srv/shop/shop.db --dry-run",
        "lifeboat rescue shop --way restore --from latest~2",
        "lifeboat rescue /srv/shop/shop.db --stop-holders --confirm shop.db",
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
@click.argument("target", metavar="PROFILE|DB")
@click.option(
    "--way",
    type=click.Choice(("mend", "salvage", "restore")),
    help="Take this way: mend what is there, fill it up from a backup, or restore one.",
)
@click.option(
    "--from", "source", metavar="BACKUP", help="The backup to fill from or to restore, not the newest good one."
)
@click.option(
    "--plan", "plan_file", type=click.Path(path_type=Path), help="Keep the plan here (--dry-run), or do just this one."
)
@click.option("--no-services", is_flag=True, help="Leave the profile's services alone.")
@click.option("--stop-holders", is_flag=True, help="Send SIGTERM to processes that hold the database.")
@refill_unproven_option
@assume_unused_option
@dry_run_option
@yes_option
@confirm_option
@identity_options
def rescue_command(target: str, **options: Any) -> None:
    """Bring a damaged application back, from diagnosis to the smoke test.

    Diagnoses the databases, makes every way out on copies (mend what is there; the same, with the gaps filled from
    the newest good backup; restore that backup), compares what each loses, and shows the plan. When you have typed
    the name it stops the services, keeps the damaged files bit for bit, puts the result in their place, checks it,
    starts the services and runs the profile's smoke test. If that fails, everything is put back (exit 1). Only
    what is damaged is touched. `lifeboat undo` takes it back later.
    """
    from toolkit.cli.render.rescue import rescue_text
    from toolkit.operations.rescuing.plan import RescueRequest
    from toolkit.operations.targets import backup as find_backup

    session = session_of(settings())
    request = RescueRequest(
        word=target,
        way=options["way"],
        backup=find_backup(session, options["source"]) if options["source"] else None,
        unproven=options["unproven"],
        services=not options["no_services"],
        stop_holders=options["stop_holders"],
        assume_unused=options["assume_unused"],
        look=options["dry_run"],
    )
    work("rescue", [target], lambda session, job: _rescue(session, request, job, options), rescue_text, session=session)


def _rescue(session: Session, request: RescueRequest, job: Job, options: dict[str, Any]) -> RescueReport:
    from toolkit.cli import prompts
    from toolkit.cli.render.rescue import show_plan
    from toolkit.operations import recovery, rescue
    from toolkit.operations.rescuing import plan as rescue_plan

    if not request.look:
        recovery.settle_interrupted(session, job)
    plan_file: Path | None = options["plan_file"]
    with rescue_plan.prepared(session, request, job) as made:
        if request.look or made.nothing_to_do:
            if plan_file is not None and request.look and not made.nothing_to_do:
                rescue_plan.keep(plan_file, made)
            return rescue.looked(made, recovery.announce(session, job, made.plan))
        if plan_file is not None:
            rescue_plan.require_kept(plan_file, made)
        if prompts.shows_plan(yes=options["yes"]):
            show_plan(made)
        prompts.confirm(made.plan, yes=options["yes"], word=options["confirm"])
        return rescue.apply(session, made, job)
