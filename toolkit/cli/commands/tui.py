"""`lifeboat tui`, and `lifeboat` without a command on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.run import session_of
from toolkit.cli.settings import Command, Settings, settings

if TYPE_CHECKING:
    from toolkit.operations.session import Session


@click.command(
    "tui",
    cls=Command,
    examples=("lifeboat tui", "lifeboat tui --read-only", "lifeboat tui --ascii --no-color"),
    exits=(ExitCode.USAGE,),
)
@click.option("--read-only", is_flag=True, help="Only show; change nothing, start nothing.")
@click.option("--mouse", is_flag=True, help="Take the mouse. Without it, the terminal selects text as usual.")
@click.option("--ascii", "only_ascii", is_flag=True, help="Draw with plain characters only.")
def tui_command(*, read_only: bool = False, mouse: bool = False, only_ascii: bool = False) -> None:
    """Open the screens: health, backups, restore, diagnosis, schedules, jobs.

    Everything in them is a command line too, shown before it is started. What they start runs on when you leave
    them, log out or lose the line. Needs a terminal of 60 x 15 or more.
    """
    import os

    from tui import launch

    given = settings()
    if given.color is False:
        os.environ["NO_COLOR"] = "1"
    options: list[str] = []
    if given.config is not None:
        options += ["--config", os.path.abspath(given.config)]
    if given.vault is not None:
        options += ["--vault", os.path.abspath(given.vault)]
    session = _session(given)
    code = launch.run(session, options=options, read_only=read_only, mouse=mouse, only_ascii=only_ascii)
    raise click.exceptions.Exit(code)


def _session(given: Settings) -> Session:
    """Return the session, with the defaults where the configuration is wrong: Setup says then what and where."""
    from toolkit.errors import ConfigError
    from toolkit.operations.session import default_session

    try:
        return session_of(given)
    except ConfigError:
        return default_session(vault=given.vault, lock_wait=given.lock_wait)


def open_or_status(context: click.Context) -> None:
    """Open the screens where there is a terminal for them and nothing else was asked for; else print the status."""
    from tui import launch

    given = settings()
    if launch.possible() and not (given.json or given.events or given.quiet or given.detach):
        context.invoke(tui_command)
        return
    from toolkit.cli.commands.status import status_command

    context.invoke(status_command)
