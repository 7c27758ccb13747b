"""`lifeboat backup`."""

from __future__ import annotations

from typing import Any

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.options import FORMATS, KINDS, SCOPES, SIZE, dry_run_option, keep_options, keep_rules
from toolkit.cli.run import session_of, work
from toolkit.cli.settings import Command, settings


@click.command(
    "backup",
    cls=Command,
    examples=(
        "lifeboat backup",
        "lifeboat backup shop --kind daily",
        "lifeboat backup shop --to drive",
        "lifeboat backup /srv/shop --format zip --level 9 --note 'before the upgrade'",
    ),
    exits=(
        ExitCode.FAILED,
        ExitCode.INCOMPLETE,
        ExitCode.DAMAGE,
        ExitCode.NOTHING,
        ExitCode.LOCKED,
        ExitCode.SPACE,
    ),
)
@click.argument("targets", nargs=-1, metavar="[PROFILE|PATH]...")
@click.option("--kind", type=click.Choice(KINDS), default="manual", show_default=True, help="Why it is taken.")
@click.option("--scope", type=click.Choice(SCOPES), help="What it holds (default: what the profile says, or full).")
@click.option("--format", "form", type=click.Choice(FORMATS), help="The archive's format.")
@click.option("--level", type=int, metavar="N", help="How hard to compress (zip: 0 stores).")
@click.option("--split", type=SIZE, help="Write volumes of this size, such as 2GB.")
@click.option("--note", default="", help="A note to keep with it.")
@click.option("--tag", "tags", multiple=True, help="A tag to keep with it; several are possible.")
@click.option("--to", "destinations", multiple=True, metavar="DEST", help="Copy it to this destination instead.")
@click.option("--no-upload", is_flag=True, help="Make no copy at a destination.")
@click.option("--no-prune", is_flag=True, help="Leave retention for later.")
@keep_options
@dry_run_option
def backup_command(targets: tuple[str, ...], **options: Any) -> None:
    """Back up a profile, or the paths that you name.

    Without a name every profile is backed up. Databases are copied consistently while they are written
    to; each archive is read back and compared before the command ends. Then it is copied to the profile's
    destinations; a copy that fails is queued for `lifeboat sync`, and the command ends with 3.
    """
    from toolkit.cli.render.backup import backup_text
    from toolkit.operations import backup
    from toolkit.operations.targets import profiles
    from toolkit.retention import Kind, Scope

    session = session_of(settings())
    request = backup.BackupRequest(
        profiles=profiles(session, targets),
        kind=Kind(options["kind"]),
        scope=Scope(options["scope"]) if options["scope"] else None,
        format=options["form"],
        level=options["level"],
        split=options["split"],
        note=options["note"],
        tags=options["tags"],
        prune=not options["no_prune"],
        rules=keep_rules(options),
        destinations=_destinations(options),
    )
    run = backup.outlook if options["dry_run"] else backup.run
    work(
        "backup",
        [profile.name for profile in request.profiles],
        lambda session, job: run(session, request, job),
        lambda report: backup_text(report, session),
        session=session,
    )


def _destinations(options: dict[str, Any]) -> tuple[str, ...] | None:
    """Return the destinations that were named; None for those of the profile."""
    from toolkit.errors import UsageError

    named: tuple[str, ...] = options["destinations"]
    if named and options["no_upload"]:
        raise UsageError("--to and --no-upload contradict each other")
    return () if options["no_upload"] else named or None
