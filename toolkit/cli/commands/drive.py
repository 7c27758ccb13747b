"""`lifeboat drive`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.options import DURATION, backup_argument, confirm_option, dry_run_option, yes_option
from toolkit.cli.run import query, work
from toolkit.cli.settings import Group, settings

if TYPE_CHECKING:
    from toolkit.jobs.context import Job
    from toolkit.operations.offsite.drivefiles import DriveRemoval, DriveReport
    from toolkit.operations.session import Session

destination_option = click.option(
    "--destination", metavar="NAME", help="Which Google Drive, where several are configured."
)
_WAYS = (ExitCode.USAGE, ExitCode.DESTINATION, ExitCode.INTERRUPTED)


@click.group("drive", cls=Group)
def drive_command() -> None:
    """Google Drive: sign in, look for trouble, and handle the backups there by hand.

    The destination is configured under `destinations:`; docs/how-to/drive.md goes through it step by step. Copies
    after each backup are made by themselves for profiles that name it.
    """


@drive_command.command(
    "login", examples=("lifeboat drive login", "lifeboat drive login --destination offsite"), exits=_WAYS
)
@destination_option
def login_command(destination: str | None) -> None:
    """Sign in with your own OAuth client, over SSH.

    An address and a code are shown: open the one on a phone or any other computer, type the other, and allow access to
    the files that Lifeboat makes there. The sign-in is kept in the state directory, for its owner only.
    Service accounts need none.
    """
    from toolkit.cli.render.drive import login_text
    from toolkit.operations.offsite import drive

    targets = [destination] if destination else []
    work("drive login", targets, lambda session, job: drive.login(session, destination, _sayer(job), job), login_text)


def _sayer(job: Job) -> Any:
    from toolkit.cli.render.progress import clear_line
    from toolkit.display import display

    def say(url: str, code: str, seconds: int) -> None:
        job.log("info", "sign-in", f"open {url} and type {code}", url=url, user_code=code, seconds=seconds)
        if not settings().events:
            clear_line()
            click.echo(f"On a phone or another computer, open: {display(url)}", err=True)
            click.echo(f"and type this code:                   {display(code)}", err=True)
            click.echo(f"Waiting (the code is good for {seconds // 60} minutes; ctrl+c ends this) …", err=True)

    return say


@drive_command.command("doctor", examples=("lifeboat drive doctor", "lifeboat drive doctor --json"), exits=_WAYS[:2])
@destination_option
def doctor_command(destination: str | None) -> None:
    """Say what will go wrong at the next upload, before it does.

    Looks at credentials, network, clock, sign-in (and the day on which it ends, where the consent screen is in
    Testing), storage of service accounts, the folder and the rights in it, space and bin against the size of
    the next archive, and files that this sign-in does not see. Nothing is changed. Any error ends with 13.
    """
    from toolkit.cli.render.drive import doctor_text
    from toolkit.operations.offsite import drive

    query(lambda session: drive.doctor(session, destination), doctor_text)


@drive_command.command(
    "list",
    examples=("lifeboat drive list", "lifeboat drive list --profile shop --mine --json"),
    exits=_WAYS[:2],
)
@destination_option
@click.option("--profile", metavar="NAME", help="Only of this profile.")
@click.option("--mine", is_flag=True, help="Only what this host put there.")
def list_command(destination: str | None, profile: str | None, *, mine: bool) -> None:
    """List the backups in Drive, the newest first, with their links."""
    from toolkit.cli.render.drive import list_text
    from toolkit.operations.offsite import drivefiles

    query(lambda session: drivefiles.listing(session, destination, profile=profile, mine=mine), list_text)


@drive_command.command(
    "upload",
    examples=("lifeboat drive upload", "lifeboat drive upload k3jq7a2m shop@latest"),
    exits=(
        ExitCode.USAGE,
        ExitCode.INCOMPLETE,
        ExitCode.NOTHING,
        ExitCode.LOCKED,
        ExitCode.DESTINATION,
        ExitCode.INTERRUPTED,
    ),
)
@click.argument("backups", nargs=-1, metavar="[BACKUP]...")
@destination_option
def upload_command(backups: tuple[str, ...], destination: str | None) -> None:
    """Copy backups of the vault to Drive.

    Without a name the latest one. An upload that was cut goes on where it stopped, after a reboot too; one that is
    there already is left alone. What cannot be sent now stays queued: `lifeboat sync` tries it again.
    """
    from toolkit.cli.render.drive import moved_text
    from toolkit.operations.offsite import drivefiles

    work(
        "drive upload",
        backups or ("latest",),
        lambda session, job: drivefiles.upload(session, destination, backups, job),
        moved_text,
    )


@drive_command.command(
    "download",
    examples=("lifeboat drive download k3jq7a2m", "lifeboat drive download shop@latest --output /srv/from-drive"),
    exits=(
        ExitCode.USAGE,
        ExitCode.REFUSED,
        ExitCode.NOTHING,
        ExitCode.DESTINATION,
        ExitCode.SPACE,
        ExitCode.INTERRUPTED,
    ),
)
@backup_argument
@click.option(
    "--output", type=click.Path(path_type=Path), default=Path(), metavar="DIR", help="The folder (default: this one)."
)
@destination_option
def download_command(backup: str, output: Path, destination: str | None) -> None:
    """Download the files of a backup, compared by their digests.

    A download that was cut goes on where it stopped. `lifeboat restore --from drive` brings a backup back in one go.
    """
    from toolkit.cli.render.drive import moved_text
    from toolkit.operations.offsite import drivefiles

    work(
        "drive download",
        [backup],
        lambda session, job: drivefiles.download(session, destination, backup, output, job),
        moved_text,
    )


@drive_command.command(
    "delete",
    examples=("lifeboat drive delete k3jq7a2m --dry-run", "lifeboat drive delete k3jq7a2m p5wd2hx7 --purge --yes"),
    exits=(ExitCode.USAGE, ExitCode.REFUSED, ExitCode.NOTHING, ExitCode.LOCKED, ExitCode.DESTINATION),
)
@click.argument("backups", nargs=-1, metavar="BACKUP...")
@destination_option
@click.option("--purge", is_flag=True, help="Remove for good, not to the bin of Drive.")
@click.option("--allow-last-good", is_flag=True, help="Let the last copy of a profile go.")
@dry_run_option
@yes_option
@confirm_option
def delete_command(backups: tuple[str, ...], destination: str | None, **options: Any) -> None:
    """Delete backups from Drive, to its bin; the vault keeps its own.

    The bin keeps them for 30 days and counts them against the quota; --purge does not use it. What other hosts put
    there is refused.
    """
    from toolkit.operations.offsite import drivefiles

    def plan(session: Session, job: Job) -> DriveRemoval:
        return drivefiles.plan_delete(
            session, destination, backups, job, purge=options["purge"], allow_last_good=options["allow_last_good"]
        )

    _remove("drive delete", backups, plan, options)


@drive_command.command(
    "prune",
    examples=("lifeboat drive prune --dry-run", "lifeboat drive prune --profile shop --yes"),
    exits=(ExitCode.USAGE, ExitCode.REFUSED, ExitCode.LOCKED, ExitCode.DESTINATION),
)
@destination_option
@click.option("--profile", metavar="NAME", help="Only of this profile.")
@dry_run_option
@yes_option
@confirm_option
def prune_command(destination: str | None, profile: str | None, **options: Any) -> None:
    """Remove from Drive what retention no longer keeps.

    By `keep` of the destination and the rules of each profile, of what this host put there; never the last good copy.
    It goes for good; where the account may only bin (content managers of a shared drive), that is said.
    """
    from toolkit.operations.offsite import drivefiles

    def plan(session: Session, job: Job) -> DriveRemoval:
        return drivefiles.plan_prune(session, destination, job, profile=profile)

    _remove("drive prune", [profile] if profile else [], plan, options)


def _remove(operation: str, targets: Any, plan: Any, options: dict[str, Any]) -> None:
    from toolkit.cli.render.drive import removal_text

    work(operation, targets, lambda session, job: _planned(session, job, plan, options), removal_text)


def _planned(session: Session, job: Job, plan: Any, options: dict[str, Any]) -> DriveReport:
    from toolkit.cli.prompts import confirm, shows_plan
    from toolkit.cli.render.drive import show_removal
    from toolkit.operations.offsite import drivefiles

    made = plan(session, job)
    if options["dry_run"]:
        return drivefiles.dry_run(made)
    if made.going and shows_plan(yes=options["yes"]):
        show_removal(made)
    confirm(made.plan, yes=options["yes"], word=options["confirm"])
    return drivefiles.apply(session, made, job)


@drive_command.command(
    "pause",
    examples=("lifeboat drive pause --for 3h", "lifeboat drive pause --destination offsite"),
    exits=(ExitCode.USAGE,),
)
@click.option("--for", "duration", type=DURATION, metavar="TIME", help="For 3h, say; without it until `resume`.")
@destination_option
def pause_command(duration: timedelta | None, destination: str | None) -> None:
    """Have uploads wait, one that is under way too.

    Backups go on and queue their copies; `backup` and `sync` end with 3 while any waits, and `status` says who paused
    and until when. What was sent of a file stays, and goes on from there.
    """
    from toolkit.cli.render.drive import pause_text
    from toolkit.operations.offsite import pausing
    from toolkit.operations.session import utc_now

    query(lambda session: pausing.pause(session, destination, duration), lambda report: pause_text(report, utc_now()))


@drive_command.command(
    "resume",
    examples=("lifeboat drive resume && lifeboat sync",),
    exits=(ExitCode.USAGE,),
)
@destination_option
def resume_command(destination: str | None) -> None:
    """Let paused uploads go on.

    The next `sync` makes them, from cron within 15 minutes.
    """
    from toolkit.cli.render.drive import pause_text
    from toolkit.operations.offsite import pausing
    from toolkit.operations.session import utc_now

    query(lambda session: pausing.resume(session, destination), lambda report: pause_text(report, utc_now()))
