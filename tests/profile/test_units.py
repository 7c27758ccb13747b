"""Sizes, times, shares and speeds: what people write, and back."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.profile import units


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("50GB", 50 * 10**9),
        ("500MiB", 500 * 2**20),
        ("2G", 2 * 2**30),
        ("1.5GB", 1_500_000_000),
        ("2 kb", 2000),
        ("7b", 7),
        ("1tib", 2**40),
    ],
)
def test_sizes_mean_what_people_mean(text: str, size: int) -> None:
    assert units.parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "GB", "50 XB", "-5", "5i", "1e9", "٥GB", "5GB/s", "9" * 60, "99999999TB", "1..5GB"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no size|too large"):
        units.parse_size(text)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("300", timedelta(seconds=300)),
        ("24h", timedelta(days=1)),
        ("26h", timedelta(hours=26)),
        ("7d", timedelta(days=7)),
        ("1h30m", timedelta(minutes=90)),
        ("1d 2h", timedelta(hours=26)),
        ("1y", timedelta(days=365)),
    ],
)
def test_times_mean_what_people_mean(text: str, span: timedelta) -> None:
    assert units.parse_duration(text) == span


@pytest.mark.parametrize("text", ["", "h", "5x", "-1h", "1h1h", "30m5", "1.5h", "9" * 70, "9999y", "03:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no time span|twice|too long|thousand years"):
        units.parse_duration(text)


@pytest.mark.parametrize("text", ["50", "0.5", "%", "101%", "-1%", "1000%"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no share|more than"):
        units.parse_share(text)


def test_what_is_shown_is_what_was_written() -> None:
    assert units.format_size(50 * 10**9) == "50GB"
    assert units.format_size(500 * 2**20) == "500MiB"
    assert units.format_size(1001) == "1001"
    assert [units.format_duration(timedelta(hours=hours)) for hours in (24, 26, 100, 168)] == [
        "24h",
        "26h",
        "4d4h",
        "1w",
    ]
    assert units.format_share(0.5) == "50%"
    assert units.format_rate(2_000_000) == "2MB/s"
    assert units.parse_rate("2MB/s") == units.parse_rate("2MB") == 2_000_000


@given(st.integers(0, 2**63 - 1))
def test_sizes_come_back(size: int) -> None:
    text = units.format_size(size)
    assert units.parse_size(text) == size
    assert re.fullmatch(units.SIZE.pattern, text)


@given(st.integers(0, 1000 * 365 * 86400))
def test_times_come_back(seconds: int) -> None:
    text = units.format_duration(timedelta(seconds=seconds))
    assert units.parse_duration(text) == timedelta(seconds=seconds)
    assert re.fullmatch(units.DURATION.pattern, text)


@given(st.integers(0, 100_000_000))
def test_shares_come_back(millionths: int) -> None:
    share = units.parse_share(f"{millionths / 1e6:.6f}%")
    assert units.parse_share(units.format_share(share)) == pytest.approx(share, abs=1e-9)


@given(st.text(max_size=12), st.sampled_from([units.SIZE, units.RATE, units.DURATION, units.SHARE]))
def test_any_text_is_read_or_refused_with_a_sentence(text: str, unit: units.Unit) -> None:
    try:
        value = unit.read(text)
    except ValueError as error:
        sentence = str(error)
        value = None
    if value is None:
        assert sentence[0].islower()
    else:
        assert unit.read(unit.write(value)) == (pytest.approx(value) if unit is units.SHARE else value)
