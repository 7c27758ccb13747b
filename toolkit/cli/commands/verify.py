"""`lifeboat verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.run import work
from toolkit.cli.settings import Command, identity_options
from toolkit.errors import UsageError

if TYPE_CHECKING:
    from toolkit.jobs.context import Job
    from toolkit.operations.session import Session
    from toolkit.operations.verify import VerifyJobReport


@click.command(
    "verify",
    cls=Command,
    examples=(
        "lifeboat verify latest",
        "lifeboat verify --all --profile shop",
        "lifeboat verify shop@latest --rehearse",
        "lifeboat verify /media/usb/shop_manual_20261120T030000Z_k3jq7a2m.tar.zst",
    ),
    exits=(
        ExitCode.FAILED,
        ExitCode.USAGE,
        ExitCode.DAMAGE,
        ExitCode.NOTHING,
        ExitCode.LOCKED,
        ExitCode.PASSPHRASE,
        ExitCode.SPACE,
    ),
)
@click.argument("backups", nargs=-1, metavar="[BACKUP]...")
@click.option("--all", "everything", is_flag=True, help="All backups, those with the oldest evidence first.")
@click.option("--profile", metavar="NAME", help="With --all: only those of this profile.")
@click.option("--open", "open_", is_flag=True, help="Restore the databases to scratch too, check and compare them.")
@click.option("--rehearse", is_flag=True, help="Restore all of it to scratch, compare, and run the smoke tests.")
@identity_options
def verify_command(backups: tuple[str, ...], **options: Any) -> None:
    """Prove that backups can be read, or restored (--rehearse).

    Every byte of the archive is read and compared with the digests in its file list and manifest. What was
    proven is kept as the backup's evidence: verified, opened (--open), rehearsed (--rehearse). BACKUP is an
    id, latest, latest~2, PROFILE@latest, or the path of an archive.
    """
    from toolkit.cli.render.verify import verify_text

    everything, profile = options["everything"] or (options["profile"] and not backups), options["profile"]
    if bool(backups) == bool(everything):
        raise UsageError(
            "give backups, or --all", hint="lifeboat verify latest, or lifeboat verify --all --profile shop"
        )
    if backups and profile:
        raise UsageError("--profile goes with --all only", hint=f"lifeboat verify {profile}@latest")

    def body(session: Session, job: Job) -> VerifyJobReport:
        from toolkit.operations import verify

        found = () if everything else verify.named(session, backups)
        request = verify.VerifyRequest(backups=found, open=options["open_"], rehearse=options["rehearse"])
        if everything:
            return verify.run_all(session, profile, request, job)
        return verify.run(session, request, job)

    work("verify", backups or ([profile] if profile else ["all"]), body, verify_text)
