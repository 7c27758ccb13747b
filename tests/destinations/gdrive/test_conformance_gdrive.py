"""Google Drive keeps every promise: a person's drive, a folder in a shared drive, and as a content manager there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.destinations.suite import broken, every_check
from tests.makers.driveserver import DriveServer
from tests.makers.driveserver_ready import opened, person, robot, sign_in
from toolkit.destinations.conformance import Check


@every_check
@pytest.mark.parametrize("way", ["person", "shared drive", "content manager"])
def test_it_keeps_every_promise(check: Check, way: str, server: DriveServer, tmp_path: Path, state: Path) -> None:
    if way == "person":
        settings = person(server, tmp_path / "etc")
        sign_in(server, settings, state)
    elif way == "content manager":  # may bin, and not remove for good
        settings = robot(server, tmp_path / "etc", role="fileOrganizer")
    else:
        settings = robot(server, tmp_path / "etc", folder_name="Backups")
    assert broken(check, lambda: opened(settings, state), tmp_path) == ""
