"""Sizes, durations, ages and bars are said in one way, and never better than the truth."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.wording import (
    about_text,
    age_text,
    bar,
    brief_time_text,
    clock_text,
    count_text,
    duration_text,
    minute_text,
    percent_text,
    rate_text,
    size_text,
    stamp_text,
    time_text,
)

NOW = datetime(2026, 11, 20, 3, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_234_567, "1.2 MB"),
        (9_960_000, "10 MB"),
        (412_000_000, "412 MB"),
        (999_499_999, "999 MB"),
        (999_500_000, "1.0 GB"),
        (999_999, "1.0 MB"),
        (2_600_000_000, "2.6 GB"),
        (10**21, "1000 EB"),
        (-1_234_567, "-1.2 MB"),
    ],
)
def test_sizes(size: int, text: str) -> None:
    assert size_text(size) == text


@given(st.integers(min_value=0, max_value=10**18))
def test_a_size_is_never_four_digits_long(size: int) -> None:
    assert len(size_text(size)) <= len("999 MB")


def test_rates() -> None:
    assert rate_text(2_100_000.7) == "2.1 MB/s"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.04, "0.0 s"),
        (1.84, "1.8 s"),
        (9.97, "10 s"),
        (50, "50 s"),
        (59.7, "1 min"),
        (100, "1 min 40 s"),
        (240, "4 min"),
        (3599, "1 h 00 min"),
        (4020, "1 h 07 min"),
        (86_400, "1 d"),
        (93_600, "1 d 2 h"),
        (-5, "-5 s"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=-20), "just now"),
        (timedelta(minutes=4, seconds=59), "4 min ago"),
        (timedelta(hours=26, minutes=59), "26 h ago"),
        (timedelta(days=3, hours=23), "3 d ago"),
        (timedelta(hours=-2), "in 2 h"),
    ],
)
def test_ages(ago: timedelta, text: str) -> None:
    assert age_text(NOW - ago, NOW) == text


def test_times_are_as_short_as_today_allows() -> None:
    assert time_text(NOW.replace(minute=1), NOW, zone=UTC) == "03:01"
    assert time_text(datetime(2026, 11, 2, 3, 1, tzinfo=UTC), NOW, zone=UTC) == "2 Nov 03:01"
    assert time_text(datetime(2025, 11, 20, 3, 1, tzinfo=UTC), NOW, zone=UTC) == "2025-11-20 03:01"
    assert time_text(NOW, NOW, zone=timezone(timedelta(hours=9))) == "12:07"


def test_counts() -> None:
    assert count_text(1, "file") == "1 file"
    assert count_text(1190, "row") == "1,190 rows"
    assert count_text(0, "copy", "copies") == "0 copies"


def test_bars_and_percents_are_full_only_at_the_end() -> None:
    assert bar(412, 790) == "[######......]"
    assert bar(999, 1000, width=4) == "[###.]"
    assert bar(1000, 1000, width=4) == bar(0, 0, width=4) == "[####]"
    assert bar(7, None, width=4) == "[....]"
    assert (percent_text(999, 1000), percent_text(0, 0), percent_text(3, None)) == ("99%", "100%", "")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "under 5 s"),
        (2.5, "under 5 s"),
        (2.6, "about 5 s"),
        (12, "about 10 s"),
        (13, "about 15 s"),
        (57, "about 55 s"),
        (58, "about 1 min"),
        (91, "about 2 min"),
        (570, "about 10 min"),
        (1700, "about 30 min"),
        (3600, "about 1 h"),
        (5000, "about 1 h 30 min"),
        (36_000, "about 10 h"),
        (180_000, "about 2 d"),
    ],
)
def test_estimates_are_round(seconds: float, text: str) -> None:
    assert about_text(seconds) == text


@given(st.floats(min_value=0, max_value=10**7))
def test_an_estimate_is_never_nothing_and_never_far_off(seconds: float) -> None:
    amount, unit, *more = about_text(seconds).removeprefix("under ").removeprefix("about ").split()
    said = int(amount) * {"s": 1, "min": 60, "h": 3600, "d": 86400}[unit] + (int(more[0]) * 60 if more else 0)
    assert said > 0
    assert about_text(seconds).startswith("under") or said / 2 <= seconds <= said * 2


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """What puts this machine into a time zone."""

    def be_in(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield be_in
    monkeypatch.undo()
    time.tzset()


def test_a_time_that_a_person_reads_is_local_and_names_its_zone(zone: Callable[[str], None]) -> None:
    zone("Europe/Berlin")
    assert stamp_text(NOW) == "2026-11-20 04:07 CET"
    assert stamp_text(NOW - timedelta(days=150), seconds=True) == "2026-06-23 05:07:00 CEST"
    assert (clock_text(NOW), minute_text(NOW)) == ("04:07:00 CET", "2026-11-20 04:07")


@pytest.mark.parametrize("name", ["Pacific/Chatham", "UTC", "America/New_York"])
def test_the_ends_of_the_years_can_be_said_everywhere(name: str, zone: Callable[[str], None]) -> None:
    zone(name)
    for end in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        for said in (time_text(end, NOW), brief_time_text(end, NOW), stamp_text(end)):
            assert said.startswith(f"{end:%Y-%m-%d}")


def test_a_narrow_column_has_other_years_by_their_day_here(zone: Callable[[str], None]) -> None:
    now = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
    moments = (now - timedelta(minutes=90), now - timedelta(minutes=20), now - timedelta(days=300))
    for name, said in (
        ("Europe/Berlin", ["2026-12-31", "00:10", "2026-03-07"]),  # 2027 has begun
        ("UTC", ["22:00", "23:10", "6 Mar 23:30"]),
    ):
        zone(name)
        assert [brief_time_text(when, now) for when in moments] == said
