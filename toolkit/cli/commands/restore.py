"""`lifeboat restore`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.options import PATH, assume_unused_option, confirm_option, dry_run_option, yes_option
from toolkit.cli.run import answer, session_of, work
from toolkit.cli.settings import Command, identity_options, settings

if TYPE_CHECKING:
    from toolkit.jobs.context import Job
    from toolkit.operations.archiving import StoredBackup
    from toolkit.operations.restoring.plan import RestorePlan
    from toolkit.operations.restoring.report import RestoreReport
    from toolkit.operations.restoring.request import RestoreRequest
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
        "lifeboat restore --from drive",
        "lifeboat restore --from drive shop@latest --to /srv/new",
        "lifeboat restore shop@latest --map /srv/shop=/data/shop --map-user shop=www-data",
    ),
    exits=(
        ExitCode.FAILED,
        ExitCode.INCOMPLETE,
        ExitCode.DAMAGE,
        ExitCode.REFUSED,
        ExitCode.NOTHING,
        ExitCode.LOCKED,
        ExitCode.PASSPHRASE,
        ExitCode.DESTINATION,
        ExitCode.SPACE,
    ),
)
@click.argument("backup", metavar="BACKUP", required=False)
@click.option("--to", type=PATH, help="Restore below this folder instead of in place.")
@click.option("--from", "source", metavar="DEST[:FOLDER]", help="Fetch the backup from this destination first.")
@click.option("--map", "paths", multiple=True, metavar="OLD=NEW", help="What was below OLD goes below NEW.")
@click.option("--map-user", "users", multiple=True, metavar="OLD=NEW", help="What OLD owned is NEW's here.")
@click.option("--map-group", "groups", multiple=True, metavar="OLD=NEW", help="The same for a group.")
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
@identity_options
def restore_command(backup: str | None, **options: Any) -> None:
    """Put a backup back: in place, or elsewhere with --to.

    Everything is restored beside its target first, compared with the manifest and checked; only then does
    it take the names. What is replaced is kept in a safety backup: `lifeboat undo` puts it back. BACKUP is an
    id, latest, latest~2, PROFILE@latest, or the path of an archive.

    With --from the backup comes from a destination (or a directory that holds one) into the vault first; without
    BACKUP it lists what is there, by host and profile. That is all that an empty machine needs.

    With --map the backup of an application that lived elsewhere goes to where it lives here, in place, with a plan and
    a safety backup; --only and --database may name it as it was or as it is.
    """
    from toolkit.cli.render.restore import restore_text
    from toolkit.errors import UsageError
    from toolkit.operations.targets import backup as find_backup

    session = session_of(settings())
    if options["source"]:
        _restore_from(session, backup, options)
    if backup is None:
        raise UsageError(
            "name the backup to restore", hint="an id, latest, or PROFILE@latest; `lifeboat list` shows them"
        )
    request = _request(find_backup(session, backup), options)
    work(
        "restore",
        [request.backup.manifest.profile],
        lambda session, job: _restore(session, request, job, options),
        restore_text,
        session=session,
    )


def _request(stored: StoredBackup, options: dict[str, Any]) -> RestoreRequest:
    from toolkit.operations.restoring.relocation import parse, relocated
    from toolkit.operations.restoring.request import OnConflict, RestoreRequest

    request = RestoreRequest(
        backup=stored,
        to=options["to"].absolute() if options["to"] else None,
        only=options["only"],
        databases=options["databases"],
        on_conflict=OnConflict(options["on_conflict"]),
        services=not options["no_services"],
        assume_unused=options["assume_unused"],
    )
    return relocated(request, parse(options["paths"], options["users"], options["groups"]))


def _restore_from(session: Session, backup: str | None, options: dict[str, Any]) -> NoReturn:
    """Fetch the backup into the vault, then restore it from there; without a BACKUP say what there is."""
    from toolkit.cli.render.remote import remote_text
    from toolkit.cli.render.restore import restore_text
    from toolkit.operations.offsite import remote
    from toolkit.operations.targets import backup as find_backup

    source: str = options["source"]
    if backup is None:
        answer(remote.listing(session, (source,)), lambda report: remote_text(report, session.now(), source))

    def body(opened: Session, job: Job) -> RestoreReport:
        fetched = remote.bring(opened, source, backup, job)
        return _restore(opened, _request(find_backup(opened, fetched.id), options), job, options)

    work("restore", [backup], body, restore_text, session=session)


def _restore(session: Session, request: RestoreRequest, job: Job, options: dict[str, Any]) -> RestoreReport:
    from toolkit.cli.prompts import confirm, shows_plan
    from toolkit.cli.render.restore import show_plan
    from toolkit.operations import recovery, restore
    from toolkit.operations.restoring import decisions
    from toolkit.operations.restoring.plan import make_plan
    from toolkit.operations.restoring.report import dry_run

    if not options["dry_run"]:
        recovery.settle_interrupted(session, job)
    made = make_plan(session, request, job)
    plan_file: Path | None = options["plan_file"]
    if plan_file is not None and not options["dry_run"]:
        decisions.replay(plan_file, made)
    if options["dry_run"]:
        if plan_file is not None:
            decisions.keep(plan_file, made)
        return dry_run(made, recovery.announce(session, job, made.plan))
    given = settings()
    if made.undecided and not given.json and not options["yes"]:
        _ask(made)
    if shows_plan(yes=options["yes"]) and made.plan.confirm != "none":
        show_plan(made, session.said)
    if not made.undecided:
        confirm(made.plan, yes=options["yes"], word=options["confirm"])
    return restore.apply(session, made, job)


def _ask(made: RestorePlan) -> None:
    """Ask for each undecided clash at the terminal; an answer in capitals counts for all of its kind."""
    from toolkit.cli.prompts import ask_clash, has_terminal
    from toolkit.operations.restoring.request import OnConflict

    if not has_terminal():
        return
    while made.undecided:
        row = made.undecided[0]
        same_kind = [other.path for other in made.undecided if other.kind == row.kind]
        choice, everywhere = ask_clash(row, len(same_kind))
        made.decide(dict.fromkeys(same_kind if everywhere else [row.path], OnConflict(choice)))
