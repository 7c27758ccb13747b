"""`lifeboat copy`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.options import PATH, backup_argument
from toolkit.cli.run import work
from toolkit.cli.settings import Command

if TYPE_CHECKING:
    from toolkit.jobs.context import Job
    from toolkit.operations.copy import CopyReport
    from toolkit.operations.session import Session


@click.command(
    "copy",
    cls=Command,
    examples=("lifeboat copy latest /media/usb", "lifeboat copy shop@latest /tmp/for-support --json"),
    exits=(
        ExitCode.FAILED,
        ExitCode.USAGE,
        ExitCode.DAMAGE,
        ExitCode.REFUSED,
        ExitCode.NOTHING,
        ExitCode.LOCKED,
        ExitCode.SPACE,
    ),
)
@backup_argument
@click.argument("folder", type=PATH)
def copy_command(backup: str, folder: Path) -> None:
    """Copy a backup with its manifest to a folder.

    The archive (all volumes), its file list and its manifest are copied and read back. A file that is
    there with the same content is left alone; another one with the same name is never overwritten. `lifeboat
    restore FOLDER/ARCHIVE` works from there, on any machine.
    """
    from toolkit.cli.render.copy import copy_text

    def body(session: Session, job: Job) -> CopyReport:
        from toolkit.operations import copy
        from toolkit.operations.targets import backup as find_backup

        return copy.run(session, find_backup(session, backup), folder, job)

    work("copy", [backup, folder], body, copy_text)
