"""A transfer keeps to its speed: measured with a clock of the test's own."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from toolkit.destinations.base import MemoryBookmark, Properties, Role
from toolkit.destinations.limits import Limited, Pace
from toolkit.destinations.memory import MemoryDestination, Store
from toolkit.errors import CancelledError

RATE = 1_000_000


class Clock:
    """Stands still but for the pauses that are asked of it."""

    def __init__(self) -> None:
        self.now = 100.0

    def read(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def limited(store: Store, clock: Clock) -> Limited:
    return Limited(MemoryDestination("memory", store), Pace(RATE, clock=clock.read, pause=clock.pause))


def put(destination: Limited, source: Path, bookmark: MemoryBookmark, **options: object) -> str:
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    properties = Properties(
        role=Role.ARCHIVE, profile="p", kind="daily", host="h", backup_id="a" * 8, sha256=digest, file_name="n"
    )
    return destination.put(source, properties, bookmark=bookmark, **options).id  # type: ignore[arg-type]


def test_both_ways_take_as_long_as_the_limit_says(tmp_path: Path, clock: Clock) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(5 * RATE))
    destination = limited(Store(), clock)
    object_id = put(destination, source, MemoryBookmark())
    assert 4.9 <= clock.now - 100 <= 5.1
    before = clock.now
    assert len(b"".join(destination.read(object_id))) == 5 * RATE
    assert 4.9 <= clock.now - before <= 5.1


def test_what_had_arrived_before_costs_no_time(tmp_path: Path, clock: Clock) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(4 * RATE))
    store, bookmark = Store(), MemoryBookmark()
    with pytest.raises(CancelledError):
        put(limited(store, clock), source, bookmark, should_stop=lambda: clock.now > 103)
    before = clock.now
    put(limited(store, clock), source, bookmark)
    assert clock.now - before <= 1.6


def test_a_wait_can_be_cancelled(tmp_path: Path, clock: Clock) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(100 * RATE))
    with pytest.raises(CancelledError):
        put(limited(Store(chunk=50 * RATE), clock), source, MemoryBookmark(), should_stop=lambda: clock.now > 101)
    assert clock.now < 103
