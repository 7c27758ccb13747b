"""The `lifeboat` command: the group, and the one place where errors become words and exit codes.

stdout is data, stderr is talk. A failure that Lifeboat foresees is three lines (what, to what, what next)
or, with `--json`, the `error` of the one document; a bug says that it is one and where its report lies.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from typing import Any

import click

from toolkit import __version__
from toolkit.cli.exit_codes import ExitCode, of_error
from toolkit.cli.output import failed, open_streams
from toolkit.cli.settings import LazyGroup, Settings
from toolkit.errors import LifeboatError

RARELY = (50_000, 20, 20)
"""When the collector of cycles runs: the values here form none, and looking for them takes time for each small file."""

COMMANDS: dict[str, tuple[str, str]] = {
    "status": ("status", "Health at a glance: databases, backups, evidence, space."),
    "backup": ("backup", "Back up a profile, or the paths that you name."),
    "list": ("listing", "List backups."),
    "show": ("show", "Show one backup: its files, tables and evidence."),
    "find": ("find", "Find a file over all backups."),
    "timeline": ("timeline", "How a database went over the backups: rows, size, schema; --find a row."),
    "compare": ("compare", "Compare a backup with what is there now, or with another backup."),
    "verify": ("verify", "Prove that backups can be read, or restored (--rehearse)."),
    "restore": ("restore", "Put a backup back: in place, or elsewhere with --to."),
    "undo": ("undo", "Put back what the last restore, repair, rescue or delete replaced."),
    "diagnose": ("diagnose", "Look for damage, without touching anything."),
    "repair": ("repair", "Get back what is still there of a damaged database."),
    "rescue": ("rescue", "Bring a damaged application back: diagnose, stop, cure, check, start."),
    "export": ("export", "Write a database as SQL, JSON or CSV."),
    "rate": ("keeping", "Rate a backup from 1 to 5, or with a word."),
    "note": ("keeping", "Write a note on a backup."),
    "tag": ("keeping", "Add or remove tags of a backup."),
    "pin": ("keeping", "Keep a backup whatever retention says."),
    "unpin": ("keeping", "Let retention decide over a backup again."),
    "delete": ("delete", "Delete backups; undo works for 24 hours."),
    "prune": ("prune", "Remove what retention no longer keeps."),
    "stats": ("stats", "Totals, sizes, success rate and growth."),
    "import": ("importing", "Take in an archive that was made elsewhere."),
    "copy": ("copy", "Copy a backup with its manifest to a folder."),
    "destination": ("destination", "Off-site places: list and check them."),
    "sync": ("sync", "Make the copies at destinations that are queued."),
    "drive": ("drive", "Google Drive: login, doctor, list, upload, download, delete, prune, pause, resume."),
    "schedule": ("schedule", "What runs by itself: show, set, install, remove, run."),
    "fleet": ("fleet", "The same on many servers, with Ansible: status, backup, rescue, …"),
    "jobs": ("jobs", "What runs and what ran: list, show, attach, answer, retry, cancel, recover."),
    "catalog": ("catalog", "Rebuild the index of backups."),
    "tui": ("tui", "Open the screens (as `lifeboat` alone does on a terminal)."),
    "config": ("config", "Write, show, check and describe the configuration."),
    "completion": ("completion", "Print the completion script of a shell."),
}


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", prog_name="lifeboat")
@click.pass_context
def cli(context: click.Context) -> None:
    """Diagnose, back up and restore the applications that this server runs on SQLite and files.

    A PROFILE is one application of the configuration. A path works everywhere without one:
    `lifeboat backup /srv/shop`. Without a COMMAND the screens open on a terminal, else the status is printed.
    """
    context.ensure_object(Settings)
    if context.invoked_subcommand is None:
        from toolkit.cli.commands.tui import open_or_status

        open_or_status(context)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code. Never shows a traceback unless LIFEBOAT_DEBUG is set."""
    gc.set_threshold(*RARELY)
    open_streams()
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Errors can come before options are read; --json then still promises one document, --events JSON lines.
    settings = Settings()
    settings.json = "--json" in given
    settings.events = "--events" in given
    try:
        result: Any = cli.main(given, prog_name="lifeboat", standalone_mode=False, obj=settings)
    except LifeboatError as error:
        return report_error(error, settings, of_error(error))
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        return report_usage(error, settings)
    except (click.Abort, KeyboardInterrupt):
        return report_interrupt(settings)
    except SystemExit:  # how Click ends when nobody reads its output any more
        return ExitCode.DONE
    except Exception as error:  # noqa: BLE001 -- the boundary: a bug is reported, never shown as a traceback
        return _report_other(error, settings)
    return int(result) if isinstance(result, int) else ExitCode.DONE


def _report_other(error: Exception, settings: Settings) -> int:
    """Say that the output cannot be written where that is it; everything else is a bug."""
    if isinstance(error, OSError) and (problem := failed(error)) is not None:
        return report_error(problem, settings, of_error(problem))
    from toolkit.cli.bug import report_bug

    return report_bug(error, settings)


def report_error(error: LifeboatError, settings: Settings, code: ExitCode) -> int:
    """Say a foreseen failure in the form that was asked for, and return its exit code."""
    from toolkit.cli.render.failure import show_error

    show_error(error, settings, code)
    return code


def report_interrupt(settings: Settings) -> int:
    """Say that the user broke it off before there was a job, in the form that was asked for."""
    if settings.json:
        from toolkit.cli.render.document import print_document
        from toolkit.events import Outcome

        print_document({"changed": False, "warnings": []}, outcome=Outcome.INTERRUPTED, code=ExitCode.INTERRUPTED)
    elif not settings.events:
        click.echo("interrupted; nothing more was done", err=True)
    return ExitCode.INTERRUPTED


def report_usage(error: click.ClickException, settings: Settings) -> int:
    """Say what is wrong with the arguments, with the way to the help."""
    from toolkit.cli.render.failure import show_error
    from toolkit.errors import UsageError

    context = getattr(error, "ctx", None)
    hint = f"{context.command_path} --help" if context is not None else "lifeboat --help"
    show_error(UsageError(error.format_message(), hint=f"see `{hint}`"), settings, ExitCode.USAGE)
    return ExitCode.USAGE
