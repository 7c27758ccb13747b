"""What was missed is started, once; the foreground scheduler starts what is due, in order, and stops when told."""

from __future__ import annotations

import dataclasses
import os
import pwd
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from toolkit.jobs.context import Job
from toolkit.operations import status
from toolkit.operations.report import Ending
from toolkit.operations.schedule import Scheduler, install, scheduler, show
from toolkit.operations.schedule_run import Foreground, Process, catch_up, missed
from toolkit.operations.session import Session, open_session
from toolkit.schedule import commands, systemd
from toolkit.schedule.entries import Entry, entries

CONFIG = """
profiles:
  shop:
    files: [/srv/shop]
    schedule:
      - {kind: daily, at: "03:00"}
      - {kind: hourly, every: 7h, scope: files}
      - {job: rehearse, at: "mon 04:00"}
"""


class Clock:
    """A clock that moves when somebody waits."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime.now(UTC))


@pytest.fixture
def session(tmp_path: Path, clock: Clock) -> Session:
    config = tmp_path / "config.yaml"
    config.write_text(f"vault: {tmp_path}/vault\n{CONFIG}")
    return open_session(config=config, now=clock)


@pytest.fixture
def where(session: Session, tmp_path: Path) -> Scheduler:
    return scheduler(session, ["lifeboat"], cron_file=tmp_path / "cron", units=tmp_path / "units")


@pytest.fixture
def ran() -> list[str]:
    return []


def starting(session: Session, ran: list[str], code: int = 0) -> Callable[[Entry], int]:
    """Return what runs an entry by leaving a journal, as the real command does."""

    def start(entry: Entry) -> int:
        ran.append(entry.name)
        with Job.open(session.state / "jobs", entry.arguments[0], cli=entry.command) as job:
            os.utime(session.state / "jobs" / job.id / "spec.json")
        return code

    return start


def installed(where: Scheduler, session: Session, days: int) -> None:
    install(session, where, "cron")
    assert where.cron_file is not None
    then = (session.now() - timedelta(days=days)).timestamp()
    os.utime(where.cron_file, (then, then))


def test_nothing_from_before_the_installation_is_missed(session: Session, where: Scheduler) -> None:
    install(session, where, "cron")
    assert [entry.name for entry in missed(session, where) if entry.when.cron is not None] == []


def test_what_was_missed_is_started_once_and_the_longest_overdue_first(
    session: Session, where: Scheduler, clock: Clock, ran: list[str]
) -> None:
    installed(where, session, 30)
    report = catch_up(session, where, starting(session, ran))
    assert ran[0] == "shop-rehearse"
    assert sorted(ran) == ["shop-daily", "shop-hourly-files", "shop-rehearse"]
    assert report.started == ran
    assert report.ending is Ending.DONE
    again = catch_up(session, where, starting(session, ran))
    assert again.started == []


def test_a_run_that_is_just_due_is_left_to_cron(tmp_path: Path, clock: Clock) -> None:
    soon = clock.now + timedelta(minutes=4)  # the job below is of the real time, in which a minute can begin
    config = tmp_path / "just.yaml"
    rows = f'[{{kind: daily, at: "{soon:%H:%M}"}}]'
    config.write_text(f"vault: {tmp_path}/vault\nprofiles: {{shop: {{files: [/srv], schedule: {rows}}}}}\n")
    session = open_session(config=config, now=clock)
    where = scheduler(session, ["lifeboat"], cron_file=tmp_path / "cron", units=tmp_path / "units")
    installed(where, session, 30)
    assert [entry.name for entry in missed(session, where)] == ["shop-daily"]  # yesterday's
    with Job.open(session.state / "jobs", "backup", cli=entries(session.config)[0].command):
        pass
    assert missed(session, where) == []
    clock.now += timedelta(minutes=7)  # due three minutes ago: cron may be about to start it
    assert missed(session, where) == []
    clock.now += timedelta(minutes=10)
    assert [entry.name for entry in missed(session, where)] == ["shop-daily"]


def test_a_failure_is_told_and_the_rest_goes_on(session: Session, where: Scheduler, ran: list[str]) -> None:
    installed(where, session, 30)
    report = catch_up(session, where, starting(session, ran, code=4))
    assert len(ran) == 3
    assert report.failed == ran
    assert report.ending is Ending.INCOMPLETE
    assert {warning.code for warning in report.warnings} == {"entry-failed"}


def test_show_names_what_was_missed_and_how_the_last_run_ended(
    session: Session, where: Scheduler, clock: Clock, ran: list[str]
) -> None:
    installed(where, session, 30)
    catch_up(session, where, starting(session, ran))
    row = show(session, where).entries[0]
    assert (row.name, row.missed, len(row.next)) == ("shop-daily", False, 5)
    assert row.last is not None
    clock.now += timedelta(days=2)
    assert show(session, where).entries[0].missed


def test_the_foreground_starts_each_entry_when_it_is_due(
    session: Session, where: Scheduler, clock: Clock, ran: list[str]
) -> None:
    times: list[datetime] = []
    first = catch_up(session, where, starting(session, []))
    assert first.started
    clock.now = datetime.now(UTC) + timedelta(seconds=1)

    def start(entry: Entry) -> int:
        if not entry.is_check:
            ran.append(entry.name)
            times.append(clock.now)
        if clock.now > times[0] + timedelta(days=2) if times else False:
            foreground.stop()
        return 0

    foreground = Foreground(session, where, start, wait=clock.wait, say=lambda _line: None)
    foreground.run()
    daily = [moment for name, moment in zip(ran, times, strict=True) if name == "shop-daily"]
    assert [(moment.hour, moment.minute) for moment in daily] == [(3, 0)] * len(daily)
    assert len(daily) >= 2
    assert times == sorted(times)


@pytest.mark.parametrize("minutes", [1, 30])
def test_the_foreground_keeps_to_its_times_in_the_hour_that_is_there_twice(
    minutes: int, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    rows = '[{kind: daily, at: "02:30"}, {kind: hourly, every: 20m}, {job: diagnose, every: 7m}]'
    config = tmp_path / "doubled.yaml"
    config.write_text(f"vault: {tmp_path}/vault\nprofiles: {{shop: {{files: [/srv], schedule: {rows}}}}}\n")
    session = open_session(config=config, now=clock)
    where = scheduler(session, ["lifeboat"], cron_file=tmp_path / "cron", units=tmp_path / "units")
    begun: dict[str, list[datetime]] = {}

    def start(entry: Entry) -> int:
        begun.setdefault(entry.name, []).append(clock.now)
        clock.now += timedelta(minutes=minutes if entry.name == "shop-daily" else 1)
        if clock.now >= datetime(2026, 10, 25, 3, tzinfo=UTC):
            foreground.stop()
        return 0

    clock.now = datetime(2026, 10, 25, 0, 35, tzinfo=UTC)  # 02:35 of summer, 25 minutes before it is 02:00 again
    foreground = Foreground(session, where, start, wait=clock.wait, say=lambda _line: None)
    foreground.run()
    assert len(begun["shop-daily"]) == 1, "the one that was missed"
    for name, span in (("shop-hourly", 1200), ("shop-diagnose", 420)):
        times = [at.timestamp() for at in begun[name] if at > begun["shop-daily"][0] + timedelta(minutes=minutes + 3)]
        assert all(time % span <= 180 for time in times), "never behind what is due later"
        assert len({time // span for time in times}) == len(times) >= 5


def test_the_foreground_stops_waiting_when_it_is_told(session: Session, where: Scheduler) -> None:
    foreground = Foreground(session, where, lambda _entry: 0, say=lambda _line: None)
    foreground.stop()
    assert foreground.run().started == []


def test_an_entry_is_a_process_of_its_own_that_can_be_cancelled(session: Session) -> None:
    entry = entries(session.config)[0]
    assert Process(["/bin/sh", "-c", 'test "$1 $2" = "backup shop"', "backup"])(entry) == 0
    assert Process(["/bin/sh", "-c", "exit 4"])(entry) == 4
    Process(["/bin/sh"]).terminate()


class Crontab:
    """A user's crontab that `crontab` would keep."""

    def __init__(self) -> None:
        self.text = ""

    def run(self, command: Sequence[str], text: str) -> str:
        if command[-1] == "-":
            self.text = text
        return self.text if command[-1] == "-l" else ""


@pytest.fixture
def of_a_user(where: Scheduler, tmp_path: Path) -> Scheduler:
    manager = dataclasses.replace(where.manager, user=True)
    return Scheduler(("lifeboat",), None, manager, Crontab().run, memory=tmp_path / "state" / "installed")


def test_in_a_crontab_too_nothing_from_before_the_installation_is_missed(
    session: Session, of_a_user: Scheduler, clock: Clock
) -> None:
    install(session, of_a_user, "cron")
    assert [entry.name for entry in missed(session, of_a_user) if entry.when.cron is not None] == []
    clock.now += timedelta(days=8)
    install(session, of_a_user, "cron")  # the same again is no new beginning
    assert "shop-rehearse" in [entry.name for entry in missed(session, of_a_user)]


def test_timers_of_a_user_who_does_not_linger_are_said_to_sleep(
    session: Session, of_a_user: Scheduler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd, "LINGER", tmp_path / "linger")
    there = dataclasses.replace(of_a_user, manager=dataclasses.replace(of_a_user.manager, run=lambda *_: ""))
    user = pwd.getpwuid(os.getuid()).pw_name
    [said] = [one for one in install(session, there, "systemd").warnings if one.code == "schedule-sleeps"]
    assert (said.subject, said.hint) == (user, f"loginctl enable-linger {user}")
    (tmp_path / "linger").mkdir()
    (tmp_path / "linger" / user).touch()
    assert "schedule-sleeps" not in [one.code for one in show(session, there).warnings]
    assert "schedule-sleeps" not in [one.code for one in install(session, there, "cron").warnings]


def test_a_users_systemd_is_found_without_a_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ("sh", "-c", 'echo "$XDG_RUNTIME_DIR"')
    monkeypatch.setattr(commands, "RUNTIME", tmp_path)
    given = os.environ["XDG_RUNTIME_DIR"]
    (tmp_path / str(os.getuid())).mkdir()
    assert commands.run(asked, "").strip() == given
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert commands.run(asked, "").strip() == str(tmp_path / str(os.getuid()))


def test_a_line_that_is_gone_is_found(session: Session, where: Scheduler) -> None:
    assert "schedule install" in " ".join(status.run(session, where=where).notes)
    install(session, where, "cron")
    whole = status.run(session, where=where, max_age=timedelta(days=99))
    assert whole.schedule == status.ByItself(installed="cron", current=True)
    assert where.cron_file is not None
    lines = where.cron_file.read_text().splitlines()
    where.cron_file.write_text("\n".join(f"# {line}" if "--kind daily" in line else line for line in lines))
    report = status.run(session, where=where)
    assert report.schedule is not None
    assert report.schedule.gone == ("shop-daily",)
    assert [one.code for one in report.warnings] == ["schedule-gone"]
    assert report.ending is Ending.DONE
    assert status.run(session, where=where, max_age=timedelta(days=99)).ending is Ending.DAMAGE
    assert [one.code for one in show(session, where).warnings] == ["schedule-gone"]
    install(session, where, "cron")
    assert show(session, where).gone == []


def test_a_timer_that_is_gone_is_found(session: Session, where: Scheduler) -> None:
    stopped: set[str] = set()
    enabled: list[str] = []

    def control(command: Sequence[str], _text: str) -> str:
        if "enable" in command:
            enabled[:] = command[command.index("enable") + 1 :]
        running = [name for name in enabled if name not in stopped]
        return "".join(f"{name} loaded active waiting\n" for name in running) if "list-units" in command else ""

    where = dataclasses.replace(where, manager=dataclasses.replace(where.manager, run=control))
    install(session, where, "systemd")
    assert show(session, where).gone == []
    stopped.add("lifeboat-shop-daily.timer")
    assert show(session, where).gone == ["shop-daily"]
    report = status.run(session, where=where, max_age=timedelta(days=99))
    assert (report.ending, [one.code for one in report.warnings]) == (Ending.DAMAGE, ["schedule-gone"])
