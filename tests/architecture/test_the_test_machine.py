"""The promises of tests/conftest.py itself."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.makers.terminals import at_rest


def test_every_place_is_inside_the_private_machine(machine: Path) -> None:
    places = [value for name, value in os.environ.items() if name == "HOME" or name.endswith("_DIRECTORY")]
    assert len(places) >= 6
    assert all(Path(place).is_relative_to(machine) for place in places)
    assert Path.home() == machine / "home"


def test_nothing_of_the_developer_leaks_in() -> None:
    assert not {"NO_COLOR", "LIFEBOAT_VAULT", "LIFEBOAT_CONFIG", "SUDO_USER"} & set(os.environ)
    assert os.umask(0o022) == 0o022


def test_children_inherit_the_same_environment(machine: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-c", "import os; print(os.path.expanduser('~'), os.environ['TZ'])"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == [str(machine / "home"), "UTC"]


def test_only_the_loopback_can_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()
    with pytest.raises(OSError, match="but the loopback"):
        socket.create_connection(("192.0.2.1", 80), timeout=0.01)


@given(st.integers())
def test_property_tests_may_use_the_machine(number: int) -> None:
    assert Path.home().name == "home"
    assert number == int(str(number))


@pytest.mark.parametrize(("code", "rests"), [("input()", True), ("while True: pass", False)])
def test_a_program_rests_while_it_and_its_children_wait(code: str, rests: bool) -> None:
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE) as process:
        (child,) = next(found for found in iter(lambda: children(process.pid), None) if found)
        while {at_rest(child), at_rest(process.pid)} != {rests}:  # both begin
            pass
        os.kill(child, signal.SIGKILL)
    assert at_rest(process.pid)


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
