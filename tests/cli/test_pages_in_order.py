"""The how-to pages whose commands build on each other do, from top to bottom, what they say."""

from __future__ import annotations

import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.makers import databases
from tests.makers.commands import VOUCH, Ran, application, lifeboat

DOCS = Path(__file__).parents[2] / "docs" / "how-to"


@dataclass
class Server:
    """A machine of its own below one folder: its application, its vault, and the disk for backups that goes about."""

    root: Path
    disk: Path

    @property
    def application(self) -> Path:
        return self.root / "srv" / "shop"

    def run(self, line: str) -> Ran:
        """Run a line of a page here, with its folders in ours, and without questions."""
        places = {
            "/tmp/drill/srv/shop": f"{self.root}/drill{self.application}",
            "/tmp/drill": f"{self.root}/drill",
            "/mnt/backup": str(self.disk),
            "/data/shop": f"{self.root}/data/shop",
            "/srv/shop": str(self.application),
        }
        pattern = "|".join(re.escape(one) for one in places)
        words = [re.sub(pattern, lambda found: places[found[0]], word) for word in shlex.split(line)[1:]]
        asks = (
            words[0] == "restore" and "--dry-run" not in words and words[-1] != str(self.disk) and words[-1] != "disk"
        )
        common = ("--config", self.config, *(("--yes", *VOUCH) if asks else ()))
        return lifeboat(*words, *common)

    @property
    def config(self) -> Path:
        config = self.root / "config.yaml"
        config.write_text(
            f"vault: {self.root / 'vault'}\n"
            f"destinations:\n  disk: {{type: directory, path: {self.disk}}}\n"
            f"profiles:\n  shop:\n    databases: [{self.application / 'shop.db'}]\n"
            f"    files: [{self.application / 'uploads'}]\n"
            '    smoke: [["sqlite3", "{database}", "select 1 from users limit 1"]]\n'
            '    schedule: [{job: rehearse, at: "mon 04:00"}]\n'
        )
        return config


@pytest.fixture
def server(tmp_path: Path) -> Server:
    (tmp_path / "disk").mkdir()
    made = Server(tmp_path / "here", tmp_path / "disk")
    application(made.application)
    return made


@pytest.fixture
def empty(server: Server) -> Server:
    """Another machine, after the first one has made a backup on the disk and is gone."""
    assert lifeboat("backup", "shop", "--to", "disk", "--config", server.config).code == 0
    assert lifeboat("backup", "shop", "--to", "disk", "--config", server.config).code == 0
    shutil.rmtree(server.root)
    server.root.mkdir()
    return server


def lines(page: str) -> list[str]:
    """Return the `lifeboat` lines of the page in order, without comments and what they are piped into."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    found = [re.split(r" #| \|", line)[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in found if line.startswith("lifeboat ")]


def expect_shop(folder: Path) -> None:
    """Fail unless the application is there, whole."""
    with databases.opened(folder / "shop.db") as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (20,)
    assert (folder / "uploads" / "latest").read_bytes() == b"upload 2\n" * 50


def test_one_server_in_five_minutes(server: Server, tmp_path: Path) -> None:
    """All but `schedule install`, which changes the machine: the servers of tests/fleet have it."""
    config = tmp_path / "config.yaml"
    found = lines("one-server.md")
    assert len(found) == 6
    for line in found:
        words = shlex.split(
            line.replace("/etc/lifeboat/config.yaml", str(config)).replace("/srv/shop", str(server.application))
        )
        if words[1:] != ["schedule", "install"]:
            ran = lifeboat(*words[1:], *(("--config", config) if config.exists() else ()))
            assert ran.code == 0, (line, ran.stdout, ran.stderr)
    shown = lifeboat("show", "shop@latest", "--json", "--config", config).document["backup"]
    assert (shown["evidence"]["level"], len(shown["databases"])) == ("rehearsed", 1)


def test_restore_drill(server: Server) -> None:
    assert lifeboat("backup", "shop", "--config", server.config).code == 0
    found = lines("restore-drill.md")
    assert len(found) == 8
    for line in found:
        ran = server.run(line)
        assert ran.code == 0, (line, ran.stdout, ran.stderr)
    expect_shop(Path(f"{server.root}/drill{server.application}"))
    shown = lifeboat("show", "shop@latest", "--json", "--config", server.config).document["backup"]
    assert shown["evidence"]["level"] == "rehearsed"


def test_disaster_from_nothing(empty: Server) -> None:
    found = lines("disaster.md")
    assert len(found) == 3
    for line in found:
        ran = empty.run(line)
        assert ran.code == 0, (line, ran.stdout, ran.stderr)
        assert empty.application.exists() == (line == found[-1])
    expect_shop(empty.application)


def test_moving(empty: Server) -> None:
    old, *found = lines("moving.md")
    assert old.startswith("lifeboat backup shop ")
    assert len(found) == 5
    for line in found:
        (empty.root / "data").mkdir(exist_ok=True)
        ran = empty.run(line)
        allowed = {0, 4} if line.startswith("lifeboat compare") else {0}
        assert ran.code in allowed, (line, ran.stdout, ran.stderr)
    expect_shop(empty.root / "data" / "shop")
    assert not empty.application.exists()
