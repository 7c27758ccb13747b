"""Every destination that needs no server keeps every promise of `toolkit.destinations.base`, wrapped or not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.destinations.suite import broken, every_check
from toolkit.destinations.base import Destination
from toolkit.destinations.conformance import Check
from toolkit.destinations.limits import Limited, Pace
from toolkit.destinations.local import MARKER, LocalDestination
from toolkit.destinations.memory import MemoryDestination, Store
from toolkit.destinations.retrying import Retrying


@pytest.fixture(params=["local", "memory", "wrapped"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Destination]:
    store = Store(chunk=1 << 20)
    folder = tmp_path / "disk"
    folder.mkdir()
    places: dict[str, Callable[[], Destination]] = {
        "local": lambda: LocalDestination("disk", folder, memory=tmp_path / "state" / "mark"),
        "memory": lambda: MemoryDestination("memory", store),
        "wrapped": lambda: Retrying(Limited(MemoryDestination("memory", store), Pace(1 << 40))),
    }
    return places[request.param]


@every_check
def test_it_keeps_every_promise(check: Check, reopen: Callable[[], Destination], tmp_path: Path) -> None:
    assert broken(check, reopen, tmp_path) == ""
    assert {path.name for path in (tmp_path / "disk").rglob("*") if path.is_file()} <= {MARKER}
