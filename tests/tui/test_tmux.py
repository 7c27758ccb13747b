"""End to end in a real tmux: a really damaged database is rescued from the first screen, with ten keys."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.makers import damaged, databases
from tests.makers.commands import lifeboat

PATIENCE = 1200
"""Looks, a tenth of a second apart, until something must be on the screen."""


class Tmux:
    """A tmux server of our own with one window."""

    def __init__(self, root: Path) -> None:
        self._command = ["tmux", "-S", str(root / "tmux.sock"), "-f", "/dev/null"]

    def __call__(self, *words: str) -> str:
        ran = subprocess.run([*self._command, *words], capture_output=True, text=True, check=True)
        return ran.stdout

    def shown(self) -> str:
        return self("capture-pane", "-p")

    def expect(self, wanted: str) -> str:
        for _ in range(PATIENCE):
            text = self.shown()
            if wanted in text:
                return text
            threading.Event().wait(0.1)
        pytest.fail(f"{wanted!r} never came:\n{self.shown()}")

    def keys(self, *keys: str) -> None:
        self("send-keys", *keys)


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    server = Tmux(tmp_path)
    yield server
    server("kill-server")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can see that nobody uses the database")
def test_a_damaged_database_is_rescued_with_ten_keys(tmp_path: Path, tmux: Tmux) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    database = databases.shop(folder / "shop.db", orders=2000)
    config = tmp_path / "config.yaml"
    config.write_text(f"vault: {tmp_path / 'vault'}\nprofiles:\n  shop:\n    databases: [{database}]\n")
    whole = damaged.rows(database)
    assert lifeboat("backup", "shop", "--config", config).code == 0
    damaged.lose_leaf(database, number=10)
    assert lifeboat("diagnose", "shop", "--config", config).code == 4
    broken = database.read_bytes()

    command = f"{sys.executable} -m toolkit tui --config {config}"
    tmux("new-session", "-d", "-x", "80", "-y", "24", f"{command}; echo ended $?; cat")
    tmux.expect("shop.db is damaged")
    tmux.keys("Enter")
    tmux.expect("Same as")
    assert database.read_bytes() == broken
    tmux.keys("Enter")
    tmux.expect("Type  shop.db")
    tmux("resize-window", "-x", "60", "-y", "18")
    tmux("resize-window", "-x", "120", "-y", "40")
    tmux("resize-window", "-x", "80", "-y", "24")
    tmux.keys(*"shop.db", "Enter")
    tmux.expect("[7 Jobs")
    tmux.keys("C-q")  # the job goes on without the screens
    tmux.expect("ended 0")
    watched = lifeboat("jobs", "attach", "latest", "--json", "--config", config)
    assert watched.code == 0, watched.stdout
    assert damaged.rows(database) == whole
    tmux("respawn-pane", "-k", f"{command}; echo ended $?; cat")
    assert "OK     shop.db" in tmux.expect("Last good backup")
    tmux.keys("7")
    assert "rescue shop.db" in tmux.expect("plan rescue shop.db")
