"""`lifeboat undo`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.options import assume_unused_option, confirm_option, dry_run_option, yes_option
from toolkit.cli.run import work
from toolkit.cli.settings import Command, identity_options

if TYPE_CHECKING:
    from toolkit.jobs.context import Job
    from toolkit.operations.restoring.report import RestoreReport
    from toolkit.operations.session import Session


@click.command(
    "undo",
    cls=Command,
    examples=("lifeboat undo", "lifeboat undo shop --dry-run", "lifeboat undo shop --yes"),
    exits=(ExitCode.FAILED, ExitCode.INCOMPLETE, ExitCode.REFUSED, ExitCode.NOTHING, ExitCode.LOCKED, ExitCode.SPACE),
)
@click.argument("what", required=False, metavar="[PROFILE|BACKUP]")
@assume_unused_option
@dry_run_option
@yes_option
@confirm_option
@identity_options
def undo_command(what: str | None, *, dry_run: bool, yes: bool, confirm: str | None, assume_unused: bool) -> None:
    """Put back what the last restore, repair, rescue or delete replaced.

    What is replaced now is kept again, so that undo can be undone. Writes made since are named first.
    """
    from toolkit.cli.render.restore import restore_text

    def body(session: Session, job: Job) -> RestoreReport:
        from toolkit.cli import prompts
        from toolkit.cli.render.restore import show_undo
        from toolkit.operations import recovery, undo
        from toolkit.operations.restoring.report import RestoreReport

        if not dry_run:
            recovery.settle_interrupted(session, job)
        found, made = undo.make_plan_for(session, what, job, assume_unused=assume_unused)
        if dry_run:
            plan = recovery.announce(session, job, found.plan)
            return RestoreReport(plan=plan, warnings=list(found.warnings), target="undo")
        if prompts.shows_plan(yes=yes):
            show_undo(found)
        prompts.confirm(found.plan, yes=yes, word=confirm)
        return undo.apply(session, found, made, job, assume_unused=assume_unused)

    work("undo", [what] if what else [], body, restore_text)
