"""A Drive server for each test, and the two ways to be signed in there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.makers.driveserver import DriveServer
from tests.makers.driveserver_ready import opened, person, robot, sign_in
from toolkit.destinations.gdrive.destination import GoogleDriveDestination

Reopen = Callable[[], GoogleDriveDestination]


@pytest.fixture
def server() -> Iterator[DriveServer]:
    with DriveServer() as made:
        yield made


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def ann(server: DriveServer, tmp_path: Path, state: Path) -> Reopen:
    """Ann's own drive, by her own OAuth client."""
    settings = person(server, tmp_path / "etc")
    sign_in(server, settings, state)
    return lambda: opened(settings, state)


@pytest.fixture
def shared(server: DriveServer, tmp_path: Path, state: Path) -> Reopen:
    """A shared drive, by a service account."""
    settings = robot(server, tmp_path / "etc")
    return lambda: opened(settings, state)
