"""Times of a schedule: what is read, when it runs, also when the clocks change."""

from __future__ import annotations

import itertools
import subprocess
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from toolkit.errors import UsageError
from toolkit.schedule.times import At, Every, When, last_run, local_zone, parse_at, period, runs_after

BERLIN = ZoneInfo("Europe/Berlin")
SOME = (
    parse_at("03:00"),
    parse_at("sun 02:00"),
    parse_at("mon,thu 04:30"),
    parse_at("1 05:00"),
    *(Every(timedelta(minutes=n)) for n in (1, 5, 15, 30, 60, 120, 360, 720, 1440)),
)


@pytest.mark.parametrize(
    ("text", "cron"),
    [
        ("03:00", "0 3 * * *"),
        ("sun 02:00", "0 2 * * 0"),
        ("mon,thu 04:30", "30 4 * * 1,4"),
        ("mon-wed,sat 04:30", "30 4 * * 1,2,3,6"),
        ("fri-mon 23:59", "59 23 * * 0,1,5,6"),
        ("1 05:00", "0 5 1 * *"),
        ("31 00:00", "0 0 31 * *"),
    ],
)
def test_a_time_is_read(text: str, cron: str) -> None:
    assert parse_at(text).cron == cron
    assert parse_at(str(parse_at(text))) == parse_at(text)


@pytest.mark.parametrize("text", ["", "3:00", "24:00", "03:60", "0 03:00", "32 03:00", "xyz 03:00", "mon- 03:00"])
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_at(text)
    assert "sun 02:00" in (caught.value.hint or "")


def test_an_interval_that_five_fields_cannot_say_has_no_cron_form() -> None:
    assert [Every(timedelta(hours=h)).cron for h in (5, 7, 36)] == [None] * 3
    assert Every(timedelta(minutes=45)).cron is None
    assert Every(timedelta(seconds=90)).cron is None


@pytest.mark.parametrize("when", [*SOME, Every(timedelta(hours=7)), Every(timedelta(days=3))], ids=str)
def test_the_last_run_is_the_one_before_the_next(when: When) -> None:
    moment = datetime(2026, 3, 3, 12, 34, 56, tzinfo=UTC)
    last, following = last_run(when, moment, BERLIN), next(runs_after(when, moment, BERLIN))
    assert last <= moment < following
    assert next(runs_after(when, last - timedelta(seconds=1), BERLIN)) == last
    assert next(runs_after(when, last, BERLIN)) == following
    assert last_run(when, last, BERLIN) == last


def test_a_skipped_hour_runs_late_and_a_doubled_one_once() -> None:
    nightly = parse_at("02:30")
    spring = list(itertools.islice(runs_after(nightly, datetime(2026, 3, 28, 12, tzinfo=UTC), BERLIN), 2))
    assert [run.isoformat() for run in spring] == ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]
    autumn = list(itertools.islice(runs_after(nightly, datetime(2026, 10, 24, 12, tzinfo=UTC), BERLIN), 2))
    assert [run.day for run in autumn] == [25, 26]


@pytest.mark.parametrize(
    ("name", "change"), [("Europe/Berlin", "2026-10-25T01:00Z"), ("Pacific/Chatham", "2026-04-04T14:00Z")]
)
@pytest.mark.parametrize("when", [parse_at("02:30"), parse_at("03:30"), Every(timedelta(minutes=20))], ids=str)
def test_from_within_the_doubled_hour_the_last_run_is_past_and_the_next_to_come(
    when: When, name: str, change: str
) -> None:
    zone, back = ZoneInfo(name), datetime.fromisoformat(change)
    runs = [run.astimezone(UTC) for run in itertools.islice(runs_after(when, back - timedelta(days=2), zone), 300)]
    assert all(earlier < later for earlier, later in itertools.pairwise(runs))
    for minutes in range(-70, 130, 10):
        moment = back + timedelta(minutes=minutes)
        following = next(runs_after(when, moment, zone)).astimezone(UTC)
        assert following == next(run for run in runs if run > moment)
        assert last_run(when, moment, zone) == max(run for run in runs if run <= moment)


def test_the_period_is_the_longest_gap() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert period(parse_at("mon,thu 04:30"), now, UTC) == timedelta(days=4)
    assert period(parse_at("1 05:00"), now, UTC) == timedelta(days=31)
    assert period(Every(timedelta(hours=6)), now, UTC) == timedelta(hours=6)


def test_the_zone_is_that_of_the_environment() -> None:
    assert local_zone({"TZ": "Europe/Berlin"}) == BERLIN
    assert local_zone({"TZ": "Nowhere/Nothing"}) is UTC


@pytest.mark.parametrize("when", SOME, ids=str)
def test_systemd_reads_the_calendar_as_cron_does(when: At | Every) -> None:
    assert when.calendar is not None
    base = datetime(2026, 3, 3, 12, 34, 30, tzinfo=UTC)
    ran = subprocess.run(
        ["systemd-analyze", "calendar", "--iterations=3", f"--base-time={base:%Y-%m-%d %H:%M:%S UTC}", when.calendar],
        capture_output=True, text=True, check=True, env={"TZ": "UTC", "PATH": "/usr/bin:/bin", "LC_ALL": "C"},
    )  # fmt: skip
    shown = [line.split(": ", 1)[1] for line in ran.stdout.splitlines() if "elapse" in line or "Iter" in line]
    expected = [f"{run:%a %Y-%m-%d %H:%M:%S} UTC" for run in itertools.islice(runs_after(when, base, UTC), 3)]
    assert shown == expected
