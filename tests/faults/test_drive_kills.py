"""kill -9 during uploads and downloads, at random points that a seed names; then a new process finishes."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.makers import driveserver_faults as faults
from tests.makers.commands import application, backed_up
from tests.makers.driveserver import UNIT, DriveServer
from tests.makers.driveserver_ready import robot
from tests.makers.faults import Ended
from tests.makers.runs import Runs

SIZE = 9 * UNIT
SEEDS = range(int(os.environ.get("LIFEBOAT_DRIVE_KILLS", "4")))


class Killer:
    """Runs commands, and kills each where the server is told to, so that it is no matter of time."""

    def __init__(self, server: DriveServer, runs: Runs, config: Path) -> None:
        self.server = server
        self.config = config
        self.kills = 0
        self._runs = runs

    def run(self, *words: object, kill_at: int = 0, operation: str = "", after: float = 0.5) -> Ended:
        """Run a command, killed when this share of its request number `kill_at` (of `operation`) has come."""
        self.server.faults.clear()
        started, pids = threading.Event(), []

        def kill() -> None:
            started.wait()
            os.kill(pids[0], signal.SIGKILL)
            done = threading.Event()
            while Path(f"/proc/{pids[0]}/cmdline").read_bytes():  # empty as soon as nothing of it runs any more
                done.wait(0.001)

        if kill_at:
            self.server.faults.add(faults.call(kill, after), operation, nth=kill_at)
        run = self._runs.start(*map(str, words), "--config", str(self.config), "--json")
        pids.append(run.pid)
        started.set()
        ended = run.wait()
        self.kills += ended.killed
        return ended


@pytest.fixture
def killer(tmp_path: Path) -> Iterator[Killer]:
    with DriveServer() as server, Runs() as runs:
        settings = robot(server, tmp_path / "etc")
        drive = {
            "type": "google-drive",
            "credentials_file": str(tmp_path / "etc" / "service.json"),
            "drive_id": settings.drive_id,
            "endpoint": server.address,
        }
        config = tmp_path / "config.yaml"
        config.write_text(f"vault: {tmp_path / 'vault'}\ndestinations: {{drive: {json.dumps(drive)}}}\n")
        config.chmod(0o600)
        yield Killer(server, runs, config)


@pytest.fixture
def ident(tmp_path: Path) -> str:
    """A backup of some megabytes that nothing can pack."""
    app = application(tmp_path / "shop")
    (app / "uploads" / "film").write_bytes(random.Random(7).randbytes(SIZE))
    return backed_up(app, tmp_path / "vault")


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each archive and file list in `folder`; a manifest says where its copies are."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.is_file() and not path.name.endswith(".manifest.json")
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_uploads(seed: int, killer: Killer, ident: str, tmp_path: Path) -> None:
    chance = random.Random(seed)
    killed = 0
    for _ in range(4):
        ended = killer.run(
            "drive", "upload", ident, kill_at=chance.randint(1, 14), after=chance.choice([0, 0.3, 0.7, 1])
        )
        assert ended.killed or ended.code == 0, ended.stdout + ended.stderr
        killed += ended.killed
    assert killed
    last = killer.run("drive", "upload", ident)
    assert last.code == 0, last.stdout + last.stderr
    here = digests(tmp_path / "vault" / "shop" / "manual")
    there = {file.name: file.sha256 for file in killer.server.files()}
    assert here.items() <= there.items()
    assert len(killer.server.files()) == len(here) + 1, "something is doubled, or missing"


def test_an_upload_goes_on_where_it_was_killed(killer: Killer, ident: str) -> None:
    assert killer.run("drive", "upload", ident, kill_at=1, operation="chunk", after=0.8).killed
    largest = max(killer.server.world.sessions.values(), key=lambda session: session.total or 0)
    assert UNIT <= largest.received < (largest.total or 0)
    assert largest.received % UNIT == 0
    assert killer.run("drive", "upload", ident).code == 0
    assert killer.server.faults.requests["query"] == 1
    assert len(killer.server.files()) == 3


@pytest.mark.parametrize("seed", SEEDS)
def test_downloads(seed: int, killer: Killer, ident: str, tmp_path: Path) -> None:
    assert killer.run("drive", "upload", ident).code == 0
    chance = random.Random(seed)
    folder = tmp_path / "down"
    for _ in range(3):
        killer.run("drive", "download", ident, "--output", folder, kill_at=chance.randint(2, 9), after=0)
    assert killer.kills
    last = killer.run("drive", "download", ident, "--output", folder)
    assert last.code == 0, last.stdout + last.stderr
    assert digests(folder) == digests(tmp_path / "vault" / "shop" / "manual")
    assert len(list(folder.iterdir())) == 3, "something unfinished is left"
