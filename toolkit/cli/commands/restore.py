"""`lifeboat restore`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.options import PATH, assume_unused_option, backup_argument, confirm_option, dry_run_option, yes_option
from toolkit.cli.run import session_of, work
from toolkit.cli.settings import Command, settings

if TYPE_CHECKING:
    from toolkit.jobs.context import Job
    from toolkit.operations.restore import RestoreReport
    from toolkit.operations.restore_plan import RestorePlan, RestoreRequest
    from toolkit.operations.session import Session

CHOICES = ("ask", "replace", "skip", "rename", "newer")


@click.command(
    "restore",
    cls=Command,
    examples=(
        "lifeboat restore latest --to /tmp/look",
        "lifeboat restore shop@latest --dry-run",
        "lifeboat restore shop@latest --only 'uploads/2024/' --on-conflict newer",
        "lifeboat restore k3jq7a2m --database shop.db --yes",
    ),
    exits=(
        ExitCode.FAILED,
        ExitCode.INCOMPLETE,
        ExitCode.DAMAGE,
        ExitCode.REFUSED,
        ExitCode.NOTHING,
        ExitCode.LOCKED,
        ExitCode.PASSPHRASE,
        ExitCode.SPACE,
    ),
)
@backup_argument
@click.option("--to", type=PATH, help="Restore below this folder instead of in place.")
@click.option("--from", "source", metavar="DEST", help="Fetch the backup from this destination first.")
@click.option("--only", multiple=True, metavar="GLOB", help="Only what matches, such as '*.png' or /srv/shop/uploads/.")
@click.option("--database", "databases", multiple=True, metavar="NAME", help="Only this database.")
@click.option(
    "--on-conflict",
    type=click.Choice(CHOICES),
    default="ask",
    show_default=True,
    help="What to do with files that differ from the backup.",
)
@click.option("--plan", "plan_file", type=PATH, help="Keep choices here (--dry-run), or replay them.")
@click.option("--no-services", is_flag=True, help="Leave the profile's services alone.")
@assume_unused_option
@dry_run_option
@yes_option
@confirm_option
def restore_command(backup: str, **options: Any) -> None:
    """Put a backup back: in place, or elsewhere with --to.

    Everything is restored beside its target first, compared with the manifest and checked; only then does
    it take the names. What is replaced is kept in a safety backup: `lifeboat undo` puts it back. BACKUP is an
    id, latest, latest~2, PROFILE@latest, or the path of an archive.
    """
    from toolkit.cli.render.restore import restore_text
    from toolkit.errors import UsageError
    from toolkit.operations.restore_plan import OnConflict, RestoreRequest
    from toolkit.operations.targets import backup as find_backup

    if options["source"]:
        raise UsageError("there are no destinations yet", subject=options["source"], hint="copy the archive here first")
    session = session_of(settings())
    request = RestoreRequest(
        backup=find_backup(session, backup),
        to=options["to"].absolute() if options["to"] else None,
        only=options["only"],
        databases=options["databases"],
        on_conflict=OnConflict(options["on_conflict"]),
        services=not options["no_services"],
        assume_unused=options["assume_unused"],
    )
    work(
        "restore",
        [request.backup.manifest.profile],
        lambda session, job: _restore(session, request, job, options),
        restore_text,
        session=session,
    )


def _restore(session: Session, request: RestoreRequest, job: Job, options: dict[str, Any]) -> RestoreReport:
    from toolkit.cli.prompts import confirm
    from toolkit.cli.render.restore import show_plan
    from toolkit.operations import decisions, recovery, restore
    from toolkit.operations.restore_plan import make_plan

    if not options["dry_run"]:
        recovery.settle_interrupted(session, job)
    made = make_plan(session, request, job)
    plan_file: Path | None = options["plan_file"]
    if plan_file is not None and not options["dry_run"]:
        decisions.replay(plan_file, made)
    if options["dry_run"]:
        if plan_file is not None:
            decisions.keep(plan_file, made)
        return restore.dry_run(made, recovery.announce(session, job, made.plan))
    given = settings()
    if made.undecided and not given.json and not options["yes"]:
        _ask(made)
    if not (options["yes"] or given.quiet or given.json or given.events) and made.plan.confirm != "none":
        show_plan(made, session.said)
    if not made.undecided:
        confirm(made.plan, yes=options["yes"], word=options["confirm"])
    return restore.apply(session, made, job)


def _ask(made: RestorePlan) -> None:
    """Ask for each undecided clash at the terminal; an answer in capitals counts for all of its kind."""
    from toolkit.cli.prompts import ask_clash, has_terminal
    from toolkit.operations.restore_plan import OnConflict

    if not has_terminal():
        return
    while made.undecided:
        row = made.undecided[0]
        same_kind = [other.path for other in made.undecided if other.kind == row.kind]
        choice, everywhere = ask_clash(row, len(same_kind))
        made.decide(dict.fromkeys(same_kind if everywhere else [row.path], OnConflict(choice)))
