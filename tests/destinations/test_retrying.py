"""The wrapper that tries again: it goes on after every failure that can be helped, and gives up clearly."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from toolkit.destinations.base import MemoryBookmark, Properties, Query, Role
from toolkit.destinations.fetch import fetch
from toolkit.destinations.memory import MemoryDestination, Store
from toolkit.destinations.readonly import ReadOnly
from toolkit.destinations.retrying import ATTEMPTS, LONGEST, Retrying
from toolkit.errors import (
    CancelledError,
    DestinationDeniedError,
    DestinationFullError,
    DestinationTransientError,
    SignInNeededError,
    TransferDamagedError,
)


class Pauses:
    """Takes pauses and does not wait."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self, seconds: float) -> None:
        self.seconds += seconds


def properties(source: Path, backup_id: str = "aaaaaaaa") -> Properties:
    return Properties(
        role=Role.ARCHIVE,
        profile="shop",
        kind="daily",
        host="web-03",
        backup_id=backup_id,
        sha256=hashlib.sha256(source.read_bytes()).hexdigest(),
        file_name="shop.tar.zst",
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(random.Random(1).randbytes(100_000))
    return path


def test_two_hundred_uploads_under_random_failures_arrive_once_and_whole(tmp_path: Path, source: Path) -> None:
    dice = random.Random(7)

    def stumble(_step: str) -> None:
        if dice.random() < 0.2:
            raise DestinationTransientError("the network stumbled")

    store = Store(chunk=20_000, on_step=stumble)
    destination = Retrying(MemoryDestination("memory", store), pause=Pauses())
    again = 0
    for number in range(200):
        bookmark = MemoryBookmark()
        for _ in range(3):  # as `sync` does
            try:
                destination.put(source, properties(source, f"backup{number:02}"), bookmark=bookmark)
                break
            except DestinationTransientError:
                again += 1
    assert again <= 5
    store.page = 1000
    listed = list(destination.objects())
    assert len({one.properties.backup_id for one in listed if one.properties}) == len(listed) == 200
    for number, found in enumerate(listed[:20]):
        target = tmp_path / f"back-{number}"
        fetch(destination, found, target)
        assert target.read_bytes() == source.read_bytes()


def test_it_gives_up_when_nothing_moves(source: Path) -> None:
    calls = []

    def fail(step: str) -> None:
        calls.append(step)
        raise DestinationTransientError("down")

    pauses = Pauses()
    destination = Retrying(MemoryDestination("memory", Store(on_step=fail)), pause=pauses)
    with pytest.raises(DestinationTransientError):
        destination.put(source, properties(source), bookmark=MemoryBookmark())
    assert len(calls) == ATTEMPTS
    assert 0 < pauses.seconds <= LONGEST * ATTEMPTS


def test_a_server_that_asks_for_a_pause_gets_it() -> None:
    answers = [DestinationTransientError("slow down", retry_after=30.0)]

    def slow(_step: str) -> None:
        if answers:
            raise answers.pop()

    pauses = Pauses()
    Retrying(MemoryDestination("memory", Store(on_step=slow)), pause=pauses).usage()
    assert pauses.seconds == 30.0


@pytest.mark.parametrize(
    "error", [DestinationFullError("full"), DestinationDeniedError("no"), SignInNeededError("who?")]
)
def test_what_cannot_be_helped_is_not_tried_again(source: Path, error: Exception) -> None:
    calls = []

    def fail(step: str) -> None:
        calls.append(step)
        raise error

    destination = Retrying(MemoryDestination("memory", Store(on_step=fail)), pause=Pauses())
    with pytest.raises(type(error)):
        destination.put(source, properties(source), bookmark=MemoryBookmark())
    assert len(calls) == 1


def test_a_file_that_arrives_damaged_is_sent_twice_and_no_more(source: Path) -> None:
    store, puts = Store(), []
    store.on_step = puts.append
    destination = Retrying(MemoryDestination("memory", store), pause=Pauses())
    wrong = Properties(
        **{**{name: getattr(properties(source), name) for name in Properties.__struct_fields__}, "sha256": "0" * 64}
    )
    with pytest.raises(TransferDamagedError):
        destination.put(source, wrong, bookmark=MemoryBookmark())
    assert puts.count("put") == 2
    assert store.things == {}


def test_a_cancelled_wait_ends_at_once() -> None:
    def fail(_step: str) -> None:
        raise DestinationTransientError("down")

    pauses = Pauses()
    destination = Retrying(MemoryDestination("memory", Store(on_step=fail)), pause=pauses, should_stop=lambda: True)
    with pytest.raises(CancelledError):
        destination.usage()
    assert pauses.seconds == 0


def test_a_removal_whose_answer_was_lost_is_no_failure(source: Path) -> None:
    store = Store()
    destination = Retrying(MemoryDestination("memory", store), pause=Pauses())
    found = destination.put(source, properties(source), bookmark=MemoryBookmark())
    lost = ["remove"]

    class Losing(MemoryDestination):
        def remove(self, object_id: str):  # type: ignore[no-untyped-def]
            removal = super().remove(object_id)
            if lost:
                lost.pop()
                raise DestinationTransientError("the answer was lost")
            return removal

    Retrying(Losing("memory", store), pause=Pauses()).remove(found.id)
    assert list(destination.objects(Query())) == []


def test_read_only_takes_nothing_and_removes_nothing(source: Path, tmp_path: Path) -> None:
    store = Store()
    found = MemoryDestination("memory", store).put(source, properties(source), bookmark=MemoryBookmark())
    destination = ReadOnly(MemoryDestination("memory", store))
    with pytest.raises(DestinationDeniedError):
        destination.put(source, properties(source), bookmark=MemoryBookmark())
    with pytest.raises(DestinationDeniedError):
        destination.remove(found.id)
    fetch(destination, found, tmp_path / "back")
    assert [one.id for one in destination.objects()] == [found.id]
