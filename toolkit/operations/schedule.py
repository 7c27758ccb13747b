"""`schedule`: what runs when, put into cron or systemd and taken out again, and started where it was missed."""

from __future__ import annotations

import contextlib
import itertools
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Literal

import msgspec

from toolkit import durable
from toolkit.errors import LifeboatError, UsageError
from toolkit.jobs.journal import read_spec
from toolkit.jobs.state import JobStatus, job_directories, job_status
from toolkit.operations.report import Report
from toolkit.operations.session import Session
from toolkit.profile import locations
from toolkit.profile.model import DirectoryDestination
from toolkit.schedule import commands, cron, systemd
from toolkit.schedule.entries import Entry, entries
from toolkit.schedule.times import last_run, local_zone, runs_after

Kind = Literal["cron", "systemd", "none"]

NEXT = 5
"""How many of the next runs are shown."""

MEMORY = "crontab-installed"

PATIENCE = timedelta(minutes=5)
"""How long cron or systemd has to start a run before it counts as missed."""


class EntryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One entry: `when` in words, its command line, the next runs, when it was started last and how that ended.

    `kind` or `job`, and `scope`, are what `schedule set` calls it; all empty for what follows from other entries.
    """

    name: str
    profile: str
    when: str
    command: str
    default: bool
    next: tuple[datetime, ...]
    last: datetime | None = None
    last_state: str = ""
    missed: bool = False
    kind: str = ""
    job: str = ""
    scope: str = ""


class ScheduleReport(Report, kw_only=True):
    """What `schedule` answers. `installed` is cron, systemd or none; `current` whether it is as configured.

    `gone` are entries that will not run, though others are installed: their line or their timer is not there.
    """

    installed: Kind = "none"
    current: bool = True
    gone: list[str] = msgspec.field(default_factory=list)
    place: str = ""
    zone: str = ""
    entries: list[EntryRow] = msgspec.field(default_factory=list)
    started: list[str] = msgspec.field(default_factory=list)
    failed: list[str] = msgspec.field(default_factory=list)


@dataclass(frozen=True)
class Scheduler:
    """Where entries are installed for this user: root has /etc/cron.d and the system's units, others their own.

    `program` are the words that start Lifeboat as it was started now. `memory` is a file whose time says when a
    crontab got our block, for nothing in a crontab does.
    """

    program: tuple[str, ...]
    cron_file: Path | None
    manager: systemd.Manager
    run: cron.Run = commands.run
    memory: Path | None = None

    @property
    def caller(self) -> cron.Caller:
        """How cron starts the entries."""
        return cron.Caller(self.program, "root" if self.cron_file is not None else "")

    def in_cron(self) -> str | None:
        """Return what cron has of us, None when nothing."""
        if self.cron_file is not None:
            return self.cron_file.read_text() if self.cron_file.exists() else None
        try:
            table = self.run(("crontab", "-l"), "")
        except LifeboatError:  # no cron here, so nothing of ours in it
            return None
        return table if cron.BEGIN in table.splitlines() else None

    def installed_since(self) -> datetime | None:
        """Return when cron got its file or block, None where that is not known."""
        known = self.cron_file or self.memory
        if known is None or not known.exists():
            return None
        return datetime.fromtimestamp(known.stat().st_mtime, UTC)

    def wanted_in_cron(self, found: Sequence[Entry]) -> str:
        """Return what cron should have."""
        if self.cron_file is not None:
            return cron.file_text(found, self.caller)
        return cron.with_block(self.run(("crontab", "-l"), ""), cron.lines(found, self.caller))


def scheduler(
    session: Session,
    program: Sequence[str],
    *,
    config: Path | None = None,
    cron_file: Path | None = None,
    units: Path | None = None,
) -> Scheduler:
    """Return the scheduler of the user who runs this; `program` gets `--config` where that was not the default.

    `cron_file` and `units` are other places than the system's, for an image that is being built.
    """
    words = (*program, *(("--config", os.path.abspath(config)) if config is not None else ()))
    writable = tuple(str(folder) for folder in folders(session))
    if session.uid == 0:
        manager = systemd.Manager(units or systemd.SYSTEM, commands.run, writable=writable)
        return Scheduler(words, cron_file or cron.FILE, manager)
    home = locations.config_directory(session.environ, session.uid).parent
    manager = systemd.Manager(units or systemd.user_folder(home), commands.run, user=True)
    return Scheduler(words, cron_file, manager, memory=session.state / MEMORY)


def show(session: Session, where: Scheduler) -> ScheduleReport:
    """Return every entry with its next runs, when it ran last, and whether what is installed is as configured."""
    found = entries(session.config)
    zone = local_zone(session.environ)
    report = ScheduleReport(zone=_zone_name(session, zone))
    _installed(report, found, where)
    started = started_last(session, found)
    now = session.now()
    report.entries = [_row(entry, started.get(entry.name), now, zone) for entry in found]
    if not found:
        report.notes.append("nothing is scheduled: there is no profile; `lifeboat config init FOLDER` writes one")
    elif report.installed == "none":
        report.notes.append("nothing runs by itself yet: `lifeboat schedule install` puts it into cron or systemd")
    else:
        _warn_of_difference(report)
        if report.installed == "systemd" and where.manager.user:
            _warn_of_logging_out(session, report)
    return report


def _warn_of_logging_out(session: Session, report: ScheduleReport) -> None:
    import pwd

    try:
        user = pwd.getpwuid(session.uid).pw_name
    except KeyError:
        user = str(session.uid)
    if not (systemd.LINGER / user).exists():
        report.warn(
            "schedule-sleeps",
            "timers of this user run only while the user is logged in",
            subject=user,
            hint=f"loginctl enable-linger {user}",
        )


def _warn_of_difference(report: ScheduleReport) -> None:
    if report.gone:
        report.warn(GONE, gone_text(report.gone), subject=report.place, hint="lifeboat schedule install")
    elif not report.current:
        report.warn(
            "schedule-outdated",
            "what is installed is not what is configured",
            subject=report.place,
            hint="lifeboat schedule install",
        )


GONE = "schedule-gone"
"""The code of the warning that something which is configured will not run."""


def gone_text(names: Sequence[str]) -> str:
    """Return what is wrong where the lines or timers of these entries are not there."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"this does not run by itself: {', '.join(names[:3])}{more}"


def look(session: Session, where: Scheduler) -> ScheduleReport:
    """Return only what is installed and whether it is as configured, without asking the journals."""
    report = ScheduleReport()
    _installed(report, entries(session.config), where)
    return report


def _zone_name(session: Session, zone: tzinfo) -> str:
    return session.now().astimezone(zone).tzname() or "UTC"


def _installed(report: ScheduleReport, found: Sequence[Entry], where: Scheduler) -> None:
    table = where.in_cron()
    if table is not None:
        report.installed, report.current = "cron", table == where.wanted_in_cron(found)
        report.place = str(where.cron_file or "crontab")
        report.gone = [entry.name for entry in found if not cron.starts(table, entry, where.caller)]
        return
    there = systemd.installed(where.manager)
    if there:
        wanted = systemd.units(found, where.program, where.manager)
        report.installed, report.place = "systemd", str(where.manager.folder)
        timers = {name for name in wanted if name.endswith(".timer")}
        try:
            running = systemd.running(where.manager)
            report.current = there == wanted and timers <= running
            report.gone = [entry.name for entry in found if systemd.timer_of(entry) not in running]
        except LifeboatError as error:
            report.current = False
            report.warn(error.code, error.message, subject=error.subject, hint=error.hint)


def _row(entry: Entry, last: JobStatus | None, now: datetime, zone: tzinfo) -> EntryRow:
    row = entry.row
    return EntryRow(
        kind=row.kind.value if row is not None and row.kind is not None else "",
        job=row.job.value if row is not None and row.job is not None else "",
        scope=row.scope.value if row is not None and row.scope is not None else "",
        name=entry.name,
        profile=entry.profile,
        when=str(entry.when),
        command=entry.command,
        default=entry.default,
        next=tuple(itertools.islice(runs_after(entry.when, now, zone), NEXT)),
        last=last.spec.created if last is not None else None,
        last_state=last.state.value if last is not None else "",
        missed=not entry.is_check and last is not None and _is_missed(entry, last.spec.created, now, zone),
    )


def _is_missed(entry: Entry, last: datetime, now: datetime, zone: tzinfo) -> bool:
    """Say whether a run was due since `last`, long enough ago for cron to have started it."""
    return last < last_run(entry.when, now - PATIENCE, zone) - timedelta(minutes=1)


def started_last(session: Session, found: Sequence[Entry]) -> dict[str, JobStatus]:
    """Return the newest job of each entry, by its command line: whoever started it."""
    wanted: dict[tuple[str, ...], str] = {entry.arguments: entry.name for entry in found if not entry.is_check}
    newest: dict[str, JobStatus] = {}
    for directory in job_directories(session.state / "jobs"):
        if len(newest) == len(wanted):
            break
        with contextlib.suppress(LifeboatError):
            name = _entry_of(read_spec(directory).cli, wanted)
            if name is not None and name not in newest:
                newest[name] = job_status(directory, brief=True)
    return newest


def _entry_of(command: str, wanted: Mapping[tuple[str, ...], str]) -> str | None:
    try:
        words = _without_places(shlex.split(command))
    except ValueError:
        return None
    return next((name for arguments, name in wanted.items() if words[-len(arguments) :] == arguments), None)


def _without_places(words: Sequence[str]) -> tuple[str, ...]:
    """Return `words` without the options that say which configuration and vault: they can stand anywhere."""
    names = ("--config", "-c", "--vault")
    return tuple(word for before, word in zip(("", *words), words, strict=False) if not {before, word} & {*names})


def choose(where: Scheduler, wanted: str) -> Kind:
    """Return the kind that `auto` means here: systemd where it runs, else cron."""
    if wanted in ("cron", "systemd"):
        return "cron" if wanted == "cron" else "systemd"
    return "systemd" if Path("/run/systemd/system").is_dir() and not where.manager.user else "cron"


def install(session: Session, where: Scheduler, kind: Kind) -> ScheduleReport:
    """Put every entry into cron or systemd, and take what was there of the other kind out.

    The same again changes nothing. Raises `UsageError` when there is nothing to schedule, `RefusedError` for a
    unit that is not ours, `ServiceError`, `StorageError`.
    """
    found = entries(session.config)
    if not found:
        raise UsageError("there is no profile, so nothing to schedule", hint="lifeboat config init FOLDER")
    if kind == "systemd":
        if where.manager.folder == systemd.SYSTEM:
            _prepare(session)
        changed = systemd.install(found, where.program, where.manager)
        changed |= _remove_cron(where)
    else:
        if where.cron_file is not None:
            changed = cron.install_file(found, where.caller, where.cron_file)
        else:
            changed = _install_block(found, where)
        changed |= systemd.remove(where.manager)
    return _changed(session, where, changed=changed)


def _changed(session: Session, where: Scheduler, *, changed: bool) -> ScheduleReport:
    from toolkit.operations.health import remember_schedule

    report = show(session, where)
    report.changed = changed
    remember_schedule(session, report)
    return report


def _install_block(found: Sequence[Entry], where: Scheduler) -> bool:
    """Put the block into the user's crontab, and note when the first one came."""
    new = where.in_cron() is None
    changed = cron.install_block(found, where.caller, where.run)
    if new and where.memory is not None:
        with durable.translated(where.memory):
            durable.make_directory(where.memory.parent)
            durable.write_file(where.memory, b"")
    return changed


def _prepare(session: Session) -> None:
    """Make our own folders: a unit that may write to them cannot make them, for what is above them is read-only."""
    made = session.vault.path
    for folder in (made, session.state, session.log, locations.cache_directory(session.environ, session.uid)):
        with durable.translated(folder):
            if not folder.exists():
                durable.make_directory(folder)


def remove(session: Session, where: Scheduler) -> ScheduleReport:
    """Take every entry out of cron and systemd. Raises `ServiceError`, `StorageError`."""
    changed = _remove_cron(where)
    changed |= systemd.remove(where.manager)
    return _changed(session, where, changed=changed)


def _remove_cron(where: Scheduler) -> bool:
    if where.in_cron() is None:
        return False
    if where.cron_file is not None:
        return cron.remove_file(where.cron_file)
    return cron.install_block((), where.caller, where.run)


def folders(session: Session) -> tuple[Path, ...]:
    """Return the folders that an entry may have to write to, for a unit that sees the rest read-only.

    Of the locks it is the folder above, for theirs is gone after each boot.
    """
    config = session.config
    found = [
        session.vault_path,
        session.state,
        session.log,
        locations.lock_directory(session.environ, session.uid).parent,
    ]
    found += [locations.cache_directory(session.environ, session.uid)]
    found += [one.path for one in config.destinations if isinstance(one, DirectoryDestination)]
    found += [database.path.parent for profile in config.profiles for database in profile.databases]
    found += [config.metrics.textfile.parent] if config.metrics is not None else []
    return tuple(dict.fromkeys(found))
