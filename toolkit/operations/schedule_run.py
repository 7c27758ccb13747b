"""Starting what is due: once, for what cron missed (`catch-up`), or for as long as this process lives (`run`)."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from toolkit.operations.report import Ending
from toolkit.operations.schedule import PATIENCE, Scheduler, ScheduleReport, started_last
from toolkit.operations.session import Session
from toolkit.schedule import systemd
from toolkit.schedule.entries import Entry, entries
from toolkit.schedule.times import last_run, local_zone, runs_after

Start = Callable[[Entry], int]
"""Runs an entry to its end and returns the exit code."""

LONGEST_NAP = timedelta(minutes=1)
"""The clock is looked at this often: it can be set, and a machine can sleep."""


class Process:
    """Runs entries as processes of their own, one at a time; what they say goes where ours goes."""

    def __init__(self, program: Sequence[str]) -> None:
        self._program = tuple(program)
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self, entry: Entry) -> int:
        """Run `entry` to its end and return its exit code."""
        with subprocess.Popen([*self._program, *entry.arguments], stdin=subprocess.DEVNULL) as self._process:
            return self._process.wait()

    def terminate(self) -> None:
        """Cancel the entry that runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()


def missed(session: Session, where: Scheduler, *, patience: timedelta = PATIENCE) -> list[Entry]:
    """Return the entries of which a run was due and nobody started one, the longest overdue first.

    Runs from before the schedule was installed are not missed; checks that only look are not caught up.
    """
    zone, now = local_zone(session.environ), session.now()
    found = [entry for entry in entries(session.config) if not entry.is_check]
    started = started_last(session, found)
    since = where.installed_since()
    overdue: list[tuple[datetime, Entry]] = []
    for entry in found:
        wait = timedelta() if entry.when.cron is None else patience
        due = last_run(entry.when, now - wait, zone)
        last = started.get(entry.name)
        if (since is None or since <= due) and (last is None or last.spec.created < due - timedelta(minutes=1)):
            overdue.append((due, entry))
    return [entry for _, entry in sorted(overdue, key=lambda pair: pair[0])]


def catch_up(session: Session, where: Scheduler, start: Start) -> ScheduleReport:
    """Start what was missed, one after another; what fails never keeps the rest from running.

    Under systemd there is nothing to do: its timers are persistent.
    """
    report = ScheduleReport()
    if where.in_cron() is None and systemd.installed(where.manager):
        report.notes.append("systemd catches up by itself")
        return report
    for entry in missed(session, where):
        _start(report, entry, start)
    return report


def _start(report: ScheduleReport, entry: Entry, start: Start) -> None:
    code = start(entry)
    report.started.append(entry.name)
    report.changed = True
    if code:
        report.failed.append(entry.name)
        report.warn("entry-failed", f"it ended with exit code {code}", subject=entry.name, hint="lifeboat jobs list")
        report.ending = Ending.INCOMPLETE


class Foreground:
    """The scheduler of a container: starts each entry when it is due, until it is told to stop.

    Entries run one after another; what became due meanwhile follows, each once.
    """

    def __init__(
        self,
        session: Session,
        where: Scheduler,
        start: Start,
        *,
        wait: Callable[[float], object] | None = None,
        say: Callable[[str], object] = print,
    ) -> None:
        self._session = session
        self._where = where
        self._start = start
        self._stopping = threading.Event()
        self._wait = wait or self._stopping.wait
        self._say = say

    def stop(self) -> None:
        """Begin nothing more, and stop waiting."""
        self._stopping.set()

    def run(self) -> ScheduleReport:
        """Run until `stop`; what was missed before comes first. Without any entry it ends at once."""
        report = ScheduleReport()
        zone = local_zone(self._session.environ)
        found = entries(self._session.config)
        due = {entry.name: self._session.now() for entry in missed(self._session, self._where, patience=timedelta())}
        for entry in found:
            due.setdefault(entry.name, self._next(entry, zone))
        while found and not self._stopping.is_set():
            entry = min(found, key=lambda one: due[one.name])
            now = self._session.now()
            if due[entry.name] > now:
                self._wait(min(LONGEST_NAP, due[entry.name] - now).total_seconds())
                continue
            self._say(f"{now.astimezone(zone):%Y-%m-%d %H:%M} {entry.name}: {entry.command}")
            _start(report, entry, self._start)
            due[entry.name] = self._next(entry, zone)
        return report

    def _next(self, entry: Entry, zone: tzinfo) -> datetime:
        """Return when `entry` is due next, in UTC: local times are no order in an hour that is there twice."""
        return next(runs_after(entry.when, self._session.now(), zone)).astimezone(UTC)


def stop_on_signals(foreground: Foreground, process: Process) -> None:
    """Have SIGTERM and SIGINT end `foreground`, and cancel the entry that runs."""

    def handle(*_: object) -> None:
        foreground.stop()
        process.terminate()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
