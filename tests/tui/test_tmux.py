"""End to end in a real tmux: windows of every size, lost clients, and a damaged database rescued with ten keys."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.makers import damaged, databases
from tests.makers.commands import lifeboat
from tests.makers.gates import gate
from tests.makers.terminals import at_rest
from tests.tui.conftest import session_at, write_health

PATIENCE = 1200
"""Looks, a tenth of a second apart, until something must be on the screen."""
SETTINGS = """
set -g default-terminal tmux-256color
set -g status off
set -g remain-on-exit on
set -s escape-time 0
"""


class Pane:
    """A window of a tmux server, with one program in it."""

    def __init__(self, tmux: Tmux, name: str) -> None:
        self._tmux = tmux
        self._name = name

    def __call__(self, command: str, *words: str) -> str:
        return self._tmux(command, "-t", self._name, *words)

    def shown(self) -> str:
        return self("capture-pane", "-p")

    def expect(self, wanted: str) -> str:
        return self._until(lambda text: wanted in text, repr(wanted))

    def like(self, picture: str) -> None:
        """Wait until the screen shows `picture`, at whatever time."""
        self._until(lambda text: timeless(text) == timeless(picture), picture)

    def _until(self, reached: Callable[[str], bool], what: str) -> str:
        for _ in range(PATIENCE):
            text = self.shown()
            if reached(text) and self._tmux.at_rest(self._name) and self.shown() == text:  # not half of a screen
                return text
            threading.Event().wait(0.1)
        pytest.fail(f"{what} never came:\n{self.shown()}")

    def modes(self) -> str:
        """Return what the terminal does: the other screen 0 or 1, a cursor 1 or 0, and mouse reports of any sort."""
        return self("display-message", "-p", "#{alternate_on} #{cursor_flag} #{mouse_any_flag}").strip()

    def keys(self, *keys: str) -> None:
        self("send-keys", *keys)

    def resize(self, width: int, height: int) -> None:
        self("resize-window", "-x", str(width), "-y", str(height))


class Tmux:
    """A tmux server of our own."""

    def __init__(self, root: Path) -> None:
        self._root = root
        settings = root / "tmux.conf"
        settings.write_text(SETTINGS)
        self.command = ["tmux", "-S", str(root / "tmux.sock"), "-f", str(settings)]

    def __call__(self, *words: str) -> str:
        ran = subprocess.run([*self.command, *words], capture_output=True, text=True, check=True)
        return ran.stdout

    def opened(self, name: str, command: str, width: int, height: int) -> Pane:
        """Run the shell command in a window; what comes after it keeps what was printed on the screen."""
        own = shlex.join(["sh", "-c", f"echo $$ > {self._root / name}.pid; exec {command}"])
        self("new-session", "-d", "-s", name, "-x", str(width), "-y", str(height), f"{own}; echo ended $?; cat")
        return Pane(self, name)

    def pid(self, name: str) -> int:
        """Return the process of the command in the window `name`."""
        return int((self._root / f"{name}.pid").read_text())

    def at_rest(self, name: str) -> bool:
        """Say whether the command in the window `name` waits for something, or is gone."""
        return at_rest(self.pid(name)) if (self._root / f"{name}.pid").exists() else True

    def kill_clients(self) -> None:
        """Kill those who look at the windows, as a lost line does."""
        looks = count()
        while (clients := self("list-clients", "-F", "#{client_pid}").split()) and next(looks) < PATIENCE:
            for pid in clients:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            threading.Event().wait(0.1)
        assert not clients


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    server = Tmux(tmp_path)
    yield server
    server("kill-server")


def timeless(text: str) -> str:
    """Return `text` without what another minute changes."""
    return re.sub(r"\d+ \w+ \d\d:\d\d (?=UTC)|\d+(?= d ago)", "-", text)


def screens(config: Path) -> str:
    """Return the command line of the screens."""
    return shlex.join([sys.executable, "-m", "toolkit", "tui", "--config", str(config)])


def test_every_size_of_the_window_is_drawn_as_if_it_had_always_been_so(tmp_path: Path, tmux: Tmux) -> None:
    write_health(session_at(tmp_path))
    command = f"env SHELL=/bin/sh COLUMNS=80 LINES=24 {screens(tmp_path / 'config.yaml')}"  # true once, not now
    large = tmux.opened("large", command, 120, 40)
    small = tmux.opened("small", command, 60, 18)
    largest, smallest = large.expect("8 Setup"), small.expect("8 Set")
    large.resize(80, 24)
    small.resize(80, 24)
    middle = large.expect("quick check fai…")
    assert middle.count("\n") == 24
    small.like(middle)
    small.resize(120, 40)
    small.like(largest)
    large.resize(60, 18)
    large.like(smallest)
    large.resize(59, 14)
    assert "Health" not in large.expect("needs 60x15, now 59x14; q leaves")
    large.resize(80, 24)
    large.like(middle)

    large.keys("8")
    large.expect("[8 Setup]")
    tmux("send-keys", "-t", "large", "2", ";", "resize-window", "-t", "large", "-x", "60", "-y", "18")
    large.expect("[2 Backups]")
    large.keys("1")
    large.like(smallest)

    large.keys("!")
    large.expect("`exit` comes back")
    large.keys("exit", "Enter")
    large.like(smallest)
    large.keys("!")
    large.expect("`exit` comes back")
    large.resize(80, 24)
    large.keys("stty size; echo ${COLUMNS-without}", "Enter")
    large.expect("24 80\nwithout\n")
    large.keys("exit", "Enter")
    large.like(middle)


def test_a_client_that_is_killed_finds_the_screens_again_and_a_signal_or_a_bug_ends_them_clean(
    tmp_path: Path, tmux: Tmux
) -> None:
    database = databases.shop(tmp_path / "shop.db")
    config = tmp_path / "config.yaml"
    with gate(tmp_path / "gate") as rehearsal:
        profile = f"databases: [{database}]\n    smoke: [{rehearsal.command}]"
        config.write_text(f"vault: {tmp_path / 'vault'}\nprofiles:\n  shop:\n    {profile}\n")
        assert lifeboat("backup", "shop", "--config", config).code == 0
        inner = tmux.opened("inner", f"{screens(config)} --mouse", 80, 24)
        inner.expect("backup shop: ok")
        look = f"env -u TMUX {shlex.join(tmux.command)} attach-session -t inner"
        client = tmux.opened("client", look, 80, 24)
        client.expect("backup shop: ok")
        client.keys("2")
        client.expect("t rehearses it")
        client.keys("t")
        client.expect(" 7 Jobs 1 ")
        tmux.kill_clients()
        rehearsal.let_one_through()
        again = tmux.opened("again", look, 80, 24)
        assert "[2 Backups]" in again.expect(" 7 Jobs 8 Setup")

    broken = "import tui.screens.health as h; h.HealthScreen.do_check = lambda self: 1 // 0"
    main = f"from toolkit.cli.main import main; main(['tui', '--mouse', '--config', '{config}'])"
    buggy = tmux.opened("buggy", shlex.join([sys.executable, "-c", f"{broken}; {main}"]), 80, 24)
    buggy.expect("verify shop: ok")
    assert buggy.modes() == inner.modes() == "1 0 1"
    assert "need a terminal" in tmux.opened("none", f"{screens(config)} </dev/null", 80, 24).expect("ended 2")
    buggy.keys("d")
    assert "ZeroDivisionError" in buggy.expect("ended 1\n")
    os.kill(tmux.pid("inner"), signal.SIGTERM)
    inner.expect("ended 143")
    assert buggy.modes() == inner.modes() == "0 1 0"


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

    pane = tmux.opened("rescue", screens(config), 80, 24)
    pane.expect("shop.db is damaged")
    pane.keys("Enter")
    pane.expect("Same as")
    assert database.read_bytes() == broken
    pane.keys("Enter")
    pane.expect("Type  shop.db")
    pane.resize(60, 18)
    pane.resize(120, 40)
    pane.resize(80, 24)
    pane.keys(*"shop.db", "Enter")
    pane.expect("[7 Jobs")
    pane.keys("C-q")  # the job goes on without the screens
    pane.expect("ended 0")
    watched = lifeboat("jobs", "attach", "latest", "--json", "--config", config)
    assert watched.code == 0, watched.stdout
    assert damaged.rows(database) == whole
    pane("respawn-pane", "-k", screens(config))
    assert "OK     shop.db" in pane.expect("Last good backup")
    pane.keys("7")
    assert "rescue shop.db" in pane.expect("plan rescue shop.db")
