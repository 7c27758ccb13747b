"""`lifeboat fleet`: the same operations over an Ansible inventory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from toolkit.cli.exit_codes import ExitCode
from toolkit.cli.options import DURATION, PATH, confirm_option, dry_run_option, yes_option
from toolkit.cli.run import query, session_of, work
from toolkit.cli.settings import Group, settings

if TYPE_CHECKING:
    from toolkit.jobs.context import Job
    from toolkit.operations.fleet import FleetReport, FleetRequest
    from toolkit.operations.session import Session

_WAYS = (ExitCode.FAILED, ExitCode.USAGE, ExitCode.INCOMPLETE, ExitCode.NOTHING, ExitCode.DESTINATION)
_FINDS = (*_WAYS[:3], ExitCode.DAMAGE, *_WAYS[3:])
_REPLACES = (*_WAYS[:3], ExitCode.DAMAGE, ExitCode.REFUSED, *_WAYS[3:])
Decorated = Callable[..., Any]


def _servers(command: Decorated) -> Decorated:
    """Add the options that say which servers are meant."""
    for option in reversed(
        (
            click.option("-i", "--inventory", "sources", multiple=True, type=PATH, help="Ansible's inventory."),
            click.option("-l", "--limit", default="", metavar="PATTERN", help="Only these servers (as in Ansible)."),
            click.option("--forks", type=click.IntRange(1, 500), help="How many servers at once."),
        )
    ):
        command = option(command)
    return command


def _confirmed(command: Decorated) -> Decorated:
    for option in (confirm_option, yes_option, dry_run_option):
        command = option(command)
    return command


@click.group("fleet", cls=Group)
def fleet_command() -> None:
    """Do the same on many servers, with Ansible.

    The servers are those of an Ansible inventory: -i, LIFEBOAT_INVENTORY, or `fleet: {inventory: …}` of the
    configuration. Host keys are always checked. A server that fails or does not answer does not stop the others: it
    is named, and the exit code is 3 (13 when none answered). This machine needs Ansible: `pipx install '.[fleet]'` in
    a checkout.
    """


def _asked(session: Session, operation: str, options: dict[str, Any], **more: Any) -> FleetRequest:
    from toolkit.operations import fleet

    return fleet.request(session, operation, options["sources"], forks=options["forks"], limit=options["limit"], **more)


def _run(operation: str, options: dict[str, Any], targets: tuple[str, ...] = (), words: tuple[str, ...] = ()) -> None:
    """Run an operation that needs no confirmation."""
    from toolkit.cli.render.fleet import fleet_text
    from toolkit.operations import fleet

    session = session_of(settings())
    asked = _asked(session, operation, options, targets=targets, words=words)
    work(
        f"fleet {operation}",
        [asked.limit or "all"],
        lambda session, job: fleet.run(session, asked, job),
        fleet_text,
        session=session,
    )


def _plan_and_run(
    operation: str, options: dict[str, Any], targets: tuple[str, ...] = (), words: tuple[str, ...] = ()
) -> None:
    """Make the plan on every server, have all of them confirmed at once, and do exactly those."""
    from toolkit.cli.render.fleet import fleet_text

    session = session_of(settings())
    asked = _asked(session, operation, options, targets=targets, words=words)
    work(
        f"fleet {operation}",
        [asked.limit or "all"],
        lambda session, job: _after_plan(session, asked, job, options),
        fleet_text,
        session=session,
    )


def _after_plan(session: Session, asked: FleetRequest, job: Job, options: dict[str, Any]) -> FleetReport:
    from toolkit.cli.prompts import confirm, shows_plan
    from toolkit.cli.render.fleet import show_plan
    from toolkit.operations import fleet

    planned = fleet.run(session, asked, job)
    confirmed = fleet.plan_of(planned, asked)
    if options["dry_run"] or confirmed is None or planned.plan is None:
        return planned
    if shows_plan(yes=options["yes"]):
        show_plan(planned)
    confirm(planned.plan, yes=options["yes"], word=options["confirm"])
    return fleet.merged(planned, fleet.run(session, confirmed, job))


@fleet_command.command("hosts", examples=("lifeboat fleet hosts -i servers.ini",), exits=_WAYS[1:4])
@_servers
def hosts_command(**options: Any) -> None:
    """List the servers that are meant, without asking any of them."""
    from toolkit.cli.render.fleet import hosts_text
    from toolkit.operations import fleet

    query(lambda session: fleet.hosts(session, _asked(session, "hosts", options)), hosts_text)


@fleet_command.command("ping", examples=("lifeboat fleet ping -i servers.ini",), exits=_WAYS)
@_servers
def ping_command(**options: Any) -> None:
    """See which servers answer and have the Python that Ansible needs."""
    _run("ping", options)


@fleet_command.command("install", examples=("lifeboat fleet install -i servers.ini -l web",), exits=_WAYS)
@_servers
def install_command(**options: Any) -> None:
    """Install Lifeboat, its configuration and what runs by itself (the playbook lifeboat.toolkit.site).

    What is installed and configured is said by the variables of the inventory: docs/how-to/ansible.md.
    """
    _run("install", options)


@fleet_command.command("upgrade", examples=("lifeboat fleet upgrade -i servers.ini",), exits=_WAYS)
@_servers
def upgrade_command(**options: Any) -> None:
    """Upgrade Lifeboat: one server first, then a tenth, then the rest; the first that fails ends it."""
    _run("upgrade", options)


@fleet_command.command(
    "status",
    examples=(
        "lifeboat fleet status -i servers.ini",
        "lifeboat fleet status --problems",
        "lifeboat fleet status --unrehearsed 7d",
    ),
    exits=_FINDS,
)
@_servers
@click.option("--problems", is_flag=True, help="Only what somebody should look at.")
@click.option(
    "--unrehearsed", type=DURATION, metavar="AGE", help="Only what has no rehearsed backup younger than this."
)
def status_command(problems: bool, unrehearsed: timedelta | None, **options: Any) -> None:  # noqa: FBT001
    """See how every profile on every server is, worst first.

    Last good backup with its evidence and age, copies that wait, damage, space, version, clock, and what runs
    by itself. The screens paint from what was seen last.
    """
    from toolkit.cli.render.fleet import status_text
    from toolkit.operations import fleet, fleet_status

    session = session_of(settings())
    asked = _asked(session, "status", options)

    def body(session: Session, job: Job) -> fleet_status.FleetStatusReport:
        report = fleet_status.assess(fleet.run(session, asked, job), session.now())
        fleet_status.keep(session, report, asked.inventory)
        if problems:
            report.rows = fleet_status.problems(report.rows)
        if unrehearsed is not None:
            report.rows = fleet_status.unrehearsed(report.rows, session.now(), unrehearsed)
        return report

    work("fleet status", [asked.limit or "all"], body, status_text, session=session)


@fleet_command.command("backup", examples=("lifeboat fleet backup shop --kind manual",), exits=_FINDS)
@_servers
@click.option("--kind", metavar="KIND", help="Why it is taken, as for `lifeboat backup`.")
@click.option("--note", metavar="TEXT", help="A note for every backup.")
@click.argument("profiles", nargs=-1, metavar="[PROFILE]...")
def backup_command(profiles: tuple[str, ...], kind: str | None, note: str | None, **options: Any) -> None:
    """Back up the profiles of every server, or those named."""
    _run("backup", options, profiles, _words(kind=kind, note=note))


@fleet_command.command("diagnose", examples=("lifeboat fleet diagnose --quick",), exits=_FINDS)
@_servers
@click.option("--quick", is_flag=True, help="Leave out what takes long.")
@click.argument("targets", nargs=-1, metavar="[PROFILE|DB]...")
def diagnose_command(targets: tuple[str, ...], quick: bool, **options: Any) -> None:  # noqa: FBT001
    """Look for damage on every server, without touching anything."""
    _run("diagnose", options, targets, _words(quick=quick))


@fleet_command.command("verify", examples=("lifeboat fleet verify", "lifeboat fleet verify shop@latest"), exits=_FINDS)
@_servers
@click.argument("backups", nargs=-1, metavar="[BACKUP]...")
def verify_command(backups: tuple[str, ...], **options: Any) -> None:
    """Prove that the newest backup of every profile can be read, or those named."""
    _run("verify", options, backups)


@fleet_command.command("rehearse", examples=("lifeboat fleet rehearse -l 'web:&berlin'",), exits=_FINDS)
@_servers
@click.argument("backups", nargs=-1, metavar="[BACKUP]...")
def rehearse_command(backups: tuple[str, ...], **options: Any) -> None:
    """Restore the newest backup of every profile to scratch there, compare it, and run the smoke tests."""
    _run("rehearse", options, backups)


@fleet_command.command("sync", examples=("lifeboat fleet sync",), exits=_WAYS)
@_servers
def sync_command(**options: Any) -> None:
    """Make the copies at destinations that are queued, on every server."""
    _run("sync", options)


@fleet_command.command(
    "repair",
    examples=("lifeboat fleet repair /srv/shop/shop.db --dry-run", "lifeboat fleet repair /srv/shop/shop.db -l web-03"),
    exits=_REPLACES,
)
@_servers
@click.option("--refill", metavar="BACKUP", help="Where lost rows come from, as for `lifeboat repair`.")
@click.option("--refill-unproven", type=click.Choice(("in", "apart")), help="As for `lifeboat repair`.")
@_confirmed
@click.argument("database", metavar="DB")
def repair_command(database: str, **options: Any) -> None:
    """Repair a database in place on every server, after all plans were shown and confirmed together."""
    words = _words(**{name: options.pop(name) for name in ("refill", "refill_unproven")})
    _plan_and_run("repair", options, (database,), ("--in-place", *words))


@fleet_command.command(
    "rescue",
    examples=("lifeboat fleet rescue shop --dry-run", "lifeboat fleet rescue shop -l web-03 --confirm '1 host'"),
    exits=_REPLACES,
)
@_servers
@_confirmed
@click.argument("target", metavar="PROFILE|DB")
def rescue_command(target: str, **options: Any) -> None:
    """Bring a damaged application back on every server where it is damaged, after all plans were confirmed together."""
    _plan_and_run("rescue", options, (target,))


@fleet_command.command(
    "restore",
    examples=(
        "lifeboat fleet restore shop@latest -l web-03 --dry-run",
        "lifeboat fleet restore shop@latest -l web-07 --from drive --map /srv/shop=/data/shop",
        "lifeboat fleet restore shop@latest -l web-07 --from-host web-03 --to /tmp/rehearsal",
    ),
    exits=_REPLACES,
)
@_servers
@click.option("--from", "source", metavar="DEST[:FOLDER]", help="Fetch it from this destination there first.")
@click.option("--from-host", metavar="HOST", help="Fetch it from this server, by way of this machine.")
@click.option("--to", metavar="DIR", help="Restore below this folder instead of in place.")
@click.option("--only", multiple=True, metavar="GLOB", help="Only what matches.")
@click.option("--database", multiple=True, metavar="NAME", help="Only this database.")
@click.option("--on-conflict", type=click.Choice(("replace", "skip", "rename", "newer")), help="For files that differ.")
@click.option("--map", multiple=True, metavar="OLD=NEW", help="What was below OLD goes below NEW.")
@click.option("--map-user", multiple=True, metavar="OLD=NEW", help="What OLD owned is NEW's there.")
@click.option("--map-group", multiple=True, metavar="OLD=NEW", help="The same for a group.")
@_confirmed
@click.argument("backup", metavar="BACKUP")
def restore_command(backup: str, from_host: str | None, source: str | None, **options: Any) -> None:
    """Put a backup back on every server, after all plans were shown and confirmed together.

    With --from or --from-host it may be the backup of another server: for moving an application, or for a rehearsal
    elsewhere (--to). --map says what of there is where here.
    """
    names = ("to", "only", "database", "on_conflict", "map", "map_user", "map_group")
    words = _words(**{"from": source}, **{name: options[name] for name in names})
    if from_host is None:
        _plan_and_run("restore", options, (backup,), words)
    else:
        _carry(backup, from_host, options, words)


def _carry(backup: str, from_host: str, options: dict[str, Any], words: tuple[str, ...]) -> None:
    from toolkit.cli.render.fleet import fleet_text
    from toolkit.operations import fleet_carry

    session = session_of(settings())
    asked = _asked(session, "restore", options, words=words)

    def body(session: Session, job: Job) -> FleetReport:
        with fleet_carry.carried(session, asked, from_host, backup, job) as there:
            return _after_plan(session, there, job, options)

    work("fleet restore", [asked.limit or "all"], body, fleet_text, session=session)


def _words(**options: Any) -> tuple[str, ...]:
    """Return the words of the command there that say `options`."""
    words: list[str] = []
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(flag)
        elif isinstance(value, tuple):
            words += [word for one in value for word in (flag, one)]
        elif value:
            words += [flag, str(value)]
    return tuple(words)
