"""Over a real sshd on a line that freezes and is cut: jobs go on, and the screens are right when one comes back."""

from __future__ import annotations

import os
import shlex
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.makers import databases
from tests.makers.commands import lifeboat
from tests.makers.gates import Gate, gate
from tests.makers.relay import Relay, relay
from tests.makers.sshserver import SshServer, ssh_server
from tests.makers.terminals import terminal
from toolkit.operations.jobs import listed
from toolkit.operations.session import Session, open_session

PASSED_ON = ("STATE_DIRECTORY", "CACHE_DIRECTORY", "LOGS_DIRECTORY", "RUNTIME_DIRECTORY", "LIFEBOAT_LOCK_DIR", "HOME")
LOOKS = 3000
"""A tenth of a second apart."""


@pytest.fixture
def rehearsal(tmp_path: Path) -> Iterator[Gate]:
    """Where the rehearsals of the profile shop wait."""
    with gate(tmp_path / "gate") as made:
        yield made


@pytest.fixture
def server(tmp_path: Path, rehearsal: Gate) -> Session:
    """An application with one backup."""
    config = tmp_path / "config.yaml"
    profile = f"databases: [{databases.shop(tmp_path / 'shop.db')}]\n    smoke: [{rehearsal.command}]"
    config.write_text(f"vault: {tmp_path / 'vault'}\nprofiles:\n  shop:\n    {profile}\n")
    assert lifeboat("backup", "shop", "--config", config).code == 0
    return open_session(config=config)


def over(server: SshServer, line: Relay, config: Path) -> list[str]:
    """Return the ssh command that opens the screens at the other end of `line`."""
    variables = [f"{name}={os.environ[name]}" for name in PASSED_ON if name in os.environ]
    remote = ["env", *variables, "LANG=C.UTF-8", sys.executable, "-m", "toolkit", "tui", "--config", str(config)]
    there = f"cd {shlex.quote(str(Path(__file__).parents[2]))} && exec {shlex.join(remote)}"
    options = [f"HostKeyAlias=[127.0.0.1]:{server.port}", f"UserKnownHostsFile={server.known_hosts}", "BatchMode=yes"]
    command = ["ssh", "-tt", "-q", "-F", "none", "-p", str(line.port), "-i", str(server.key_file)]
    return [*command, *(word for option in options for word in ("-o", option)), f"{server.user}@127.0.0.1", there]


def waits(reached: Callable[[], object], what: str) -> None:
    for _ in range(LOOKS):
        if reached():
            return
        threading.Event().wait(0.1)
    pytest.fail(f"{what} never came")


def test_jobs_outlive_a_frozen_and_a_broken_line(server: Session, rehearsal: Gate, tmp_path: Path) -> None:
    with ssh_server(tmp_path / "sshd") as sshd, relay(sshd.port) as line:
        command = over(sshd, line, tmp_path / "config.yaml")
        with terminal(command) as first:
            first.until("backup shop: ok")
            first.press("2")
            first.until("t rehearses it")
            first.press("t")
            first.until(" 7 Jobs 1 ")
            line.freeze()
            rehearsal.let_one_through()
            waits(lambda: listed(server).jobs[0].state == "ok", "the end of the job while the line is frozen")
            first.wait(lambda: True, "what was on its way")
            assert " 7 Jobs 1 " in first.display.text
            line.thaw()
            first.until(" 7 Jobs 8 Setup")
            first.press("t")
            first.until(" 7 Jobs 1 ")
            job = listed(server).jobs[0].id
            first.press("7")
            first.until("[7 Jobs 1]", job, "goes on when you log out")
            line.cut()
            assert first.ended() == 255
        assert first.display.modes.isdisjoint({1000, 1003, 1006})  # no mouse that nobody could turn off again
        assert listed(server).jobs[0].state == "running"
        rehearsal.let_one_through()
        assert lifeboat("jobs", "attach", job, "--json", "--config", tmp_path / "config.yaml").code == 0
        with terminal(command) as again:
            again.until("verify shop: ok")
            again.press("7")
            again.until(job, " ok ")
            again.press("\x11")
            assert again.ended() == 0
        assert again.display.modes == {7, 25}
