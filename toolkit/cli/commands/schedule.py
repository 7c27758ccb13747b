"""`lifeboat schedule`."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.options import DURATION, SCOPES
from toolkit.cli.run import answer, query, session_of
from toolkit.cli.settings import Group, settings
from toolkit.operations.launch import program

if TYPE_CHECKING:
    from toolkit.operations.schedule import Scheduler
    from toolkit.operations.session import Session

KINDS = ("hourly", "daily", "weekly", "monthly")
JOBS = ("verify", "rehearse", "diagnose", "prune", "sync")


def places(command: Any) -> Any:
    """Add the options that name other places than the system's."""
    units = click.option(
        "--units", type=click.Path(path_type=Path), metavar="DIR", help="Another folder for systemd units, of an image."
    )
    file = click.option(
        "--cron-file", type=click.Path(path_type=Path), metavar="FILE", help="Another file than /etc/cron.d/lifeboat."
    )
    return file(units(command))


def where_of(session: Session, cron_file: Path | None = None, units: Path | None = None) -> Scheduler:
    """Return the scheduler that the global options mean."""
    from toolkit.operations.schedule import scheduler

    return scheduler(session, _words(), config=settings().config, cron_file=cron_file, units=units)


def _words() -> list[str]:
    """Return the words that start this program from anywhere: the command alone where it can be run by itself."""
    words = [os.path.abspath(word) if os.path.exists(word) else word for word in program()]
    alone = len(words) == 2 and os.access(words[1], os.X_OK) and not words[1].endswith(".pyz")
    return words[1:] if alone else words


@click.group("schedule", cls=Group)
def schedule_command() -> None:
    """What runs by itself: show, set, install, remove, run, catch-up.

    The entries come from the configuration; a profile that says nothing has a daily, a weekly and a monthly backup and
    a weekly rehearsal, and every profile is looked at each hour: silence is an alarm.
    """


@schedule_command.command(
    "show",
    examples=("lifeboat schedule show", "lifeboat schedule show --json | jq '.entries[].next[0]'"),
    exits=(ExitCode.USAGE,),
)
@places
def show_command(**options: Any) -> None:
    """Show every entry with its next five runs, and whether it is installed."""
    from toolkit.cli.render.schedule import schedule_text
    from toolkit.operations import schedule

    query(lambda session: schedule.show(session, where_of(session, **options)), schedule_text)


@schedule_command.command(
    "set",
    examples=(
        "lifeboat schedule set shop --kind daily --at 03:00",
        "lifeboat schedule set shop --kind hourly --every 6h --scope database",
        'lifeboat schedule set shop --job rehearse --at "mon 04:00"',
        "lifeboat schedule set shop --kind monthly --off",
    ),
    exits=(ExitCode.USAGE, ExitCode.REFUSED, ExitCode.NOTHING),
)
@click.argument("profile")
@click.option("--kind", type=click.Choice(KINDS), help="A backup of this kind.")
@click.option("--job", type=click.Choice(JOBS), help="Another job instead of a backup.")
@click.option("--at", metavar="TIME", help='When: 03:00, "sun 02:00", "mon,thu 04:30", "1 05:00" (of the month).')
@click.option("--every", type=DURATION, help="An interval instead, such as 6h.")
@click.option("--scope", type=click.Choice(SCOPES), help="What the backup holds.")
@click.option("--off", is_flag=True, help="Take the entry out.")
def set_command(
    profile: str,
    kind: str | None,
    job: str | None,
    at: str | None,
    every: timedelta | None,
    scope: str | None,
    *,
    off: bool,
) -> None:
    """Change what runs for a PROFILE.

    The change is written to a drop-in of the configuration, which is checked first. `lifeboat schedule install`
    then takes it into cron or systemd.
    """
    from toolkit.cli.render.schedule import schedule_text
    from toolkit.errors import UsageError
    from toolkit.operations import schedule, schedule_set
    from toolkit.profile.model import ScheduledJob
    from toolkit.retention import Kind, Scope

    if off == (at is not None or every is not None):
        raise UsageError("say when it runs, or that it does not", hint="--at 03:00, --every 6h or --off")
    given = settings()
    session = session_of(given)
    wanted = schedule_set.ScheduleChange(
        profile=profile,
        kind=Kind(kind) if kind else None,
        job=ScheduledJob(job) if job else None,
        scope=Scope(scope) if scope else None,
        at=at,
        every=every,
    )
    changed = schedule_set.change(session, wanted, given.config)
    session = session_of(given)
    report = schedule.show(session, where_of(session))
    report.changed = changed
    answer(report, schedule_text)


@schedule_command.command(
    "install",
    examples=(
        "lifeboat schedule install",
        "lifeboat schedule install --with systemd",
        "lifeboat -c /etc/lifeboat/config.yaml schedule install --with cron",
    ),
    exits=(ExitCode.FAILED, ExitCode.USAGE, ExitCode.REFUSED),
)
@click.option(
    "--with",
    "kind",
    type=click.Choice(("auto", "cron", "systemd")),
    default="auto",
    show_default=True,
    help="Which scheduler: auto takes systemd where it runs.",
)
@places
def install_command(kind: str, **options: Any) -> None:
    """Put every entry into cron or systemd.

    As root into /etc/cron.d/lifeboat, or hardened services with persistent timers in /etc/systemd/system; else into
    the crontab of the user, or the user's own units. What was there of the other kind is taken out. The same again
    changes nothing.
    """
    from toolkit.cli.render.schedule import schedule_text
    from toolkit.operations import schedule

    session = session_of(settings())
    where = where_of(session, **options)
    answer(schedule.install(session, where, schedule.choose(where, kind)), schedule_text)


@schedule_command.command("remove", examples=("lifeboat schedule remove",), exits=(ExitCode.FAILED, ExitCode.REFUSED))
@places
def remove_command(**options: Any) -> None:
    """Take every entry out of cron and systemd; backups and configuration stay."""
    from toolkit.cli.render.schedule import schedule_text
    from toolkit.operations import schedule

    session = session_of(settings())
    answer(schedule.remove(session, where_of(session, **options)), schedule_text)


@schedule_command.command(
    "catch-up", examples=("lifeboat schedule catch-up",), exits=(ExitCode.INCOMPLETE, ExitCode.USAGE)
)
@places
def catch_up_command(**options: Any) -> None:
    """Start what was missed, as while the machine was off. Cron does this every 15 minutes and at boot."""
    from toolkit.cli.render.schedule import started_text
    from toolkit.operations.schedule_run import Process, catch_up

    session = session_of(settings())
    where = where_of(session, **options)
    answer(catch_up(session, where, Process(where.program)), started_text)


@schedule_command.command(
    "run",
    examples=("lifeboat schedule run", "docker run … lifeboat -c /config.yaml schedule run"),
    exits=(ExitCode.INCOMPLETE, ExitCode.USAGE),
)
def run_command() -> None:
    """Run the schedule in the foreground, for containers that have neither cron nor systemd.

    What was missed comes first. SIGTERM cancels the entry that runs, and ends it.
    """
    from toolkit.cli.render.schedule import started_text
    from toolkit.operations.schedule_run import Foreground, Process, stop_on_signals

    given = settings()
    session = session_of(given)
    where = where_of(session)
    process = Process(where.program)

    def say(line: str) -> None:
        if not (given.quiet or given.events):
            click.echo(line, err=True)

    foreground = Foreground(session, where, process, say=say)
    stop_on_signals(foreground, process)
    answer(foreground.run(), started_text)
