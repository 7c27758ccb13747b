"""When a target is backed up next stands in the health file, from the schedule and only where it is installed."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.makers.applications import Clock, Shop, configured, shop
from toolkit.operations import diagnose, health, schedule, status
from toolkit.operations.diagnose import DiagnoseRequest
from toolkit.operations.schedule import Scheduler, scheduler
from toolkit.operations.session import Session
from toolkit.vault.health import Target

ENTRIES = (
    "schedule: [{kind: daily, at: '03:00'}, {kind: hourly, every: 6h, scope: database}, {job: prune, at: '01:00'}]"
)
NOON = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop whose schedule can be put into a cron of its own."""
    monkeypatch.setenv("TZ", "UTC")
    made = shop(tmp_path, orders=5)
    made.clock = Clock(NOON)
    configured(made, f"databases: [{made.database}]\nfiles: [{made.uploads}]\n{ENTRIES}")

    def own(session: Session, program: object, **_: object) -> Scheduler:
        return scheduler(session, ("lifeboat",), cron_file=tmp_path / "cron", units=tmp_path / "units")

    monkeypatch.setattr(schedule, "scheduler", own)
    return made


def targets(made: Shop) -> dict[str, Target]:
    return {one.kind: one for one in health.overview(made.session()).targets}


def test_the_next_backup_of_each_target(made: Shop) -> None:
    made.back_up()
    assert {one.next_run for one in targets(made).values()} == {None}, "nothing runs that is not installed"
    session = made.session()
    report = schedule.install(session, schedule.scheduler(session, ()), "cron")
    assert report.warnings == []
    known = targets(made)
    assert known["database"].next_run == datetime(2026, 11, 20, 18, tzinfo=UTC)
    assert known["files"].next_run == datetime(2026, 11, 21, 3, tzinfo=UTC)
    made.clock.move(hours=7)
    made.back_up()
    assert targets(made)["database"].next_run == datetime(2026, 11, 21, tzinfo=UTC)
    assert {one.next_run for one in status.run(made.session()).targets} == {
        datetime(2026, 11, 21, tzinfo=UTC),
        datetime(2026, 11, 21, 3, tzinfo=UTC),
    }
    schedule.remove(made.session(), schedule.scheduler(session, ()))
    assert {one.next_run for one in targets(made).values()} == {None}


def test_who_has_it_open_is_not_lost_after_a_diagnosis(made: Shop) -> None:
    begin = "c.execute('begin'); c.execute('select * from sqlite_master').fetchall()"
    holding = (
        f"import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); {begin}; print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holding, str(made.database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        request = DiagnoseRequest(profiles=(made.session().config.profile("shop"),), quick=True)
        made.job("diagnose", lambda session, job: diagnose.run(session, request, job))
        assert holder.stdin is not None
        holder.stdin.close()
    assert [one.rpartition(" ")[2] for one in targets(made)["database"].open_by] == [f"({holder.pid})"]
    made.back_up()
    assert len(targets(made)["database"].open_by) == 1, "a backup keeps what the diagnosis saw"
