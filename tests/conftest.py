"""What every test can rely on: a machine of its own.

Each test gets an empty home, its own state, configuration and run directories (as root too, where the
FHS ones would be used otherwise), a scrubbed environment, no network but the loopback, umask 022, and
seeded randomness. Children inherit the same environment.

Everything that a test writes lies in memory where there is room: thousands of backups with a hundred fsyncs each wait
for no disk. `TMPDIR=/var/tmp make test` has them on one.
"""

from __future__ import annotations

import errno
import gc
import ipaddress
import os
import random
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

_UNTOUCHED = dict(os.environ)
_MEMORY = Path("/dev/shm")
_ROOM = 4 << 30
"""Bytes that must be free there and in the machine: a container may have 64 MiB of it."""

_KEPT = ("PATH", "HYPOTHESIS_PROFILE", "PYTEST_XDIST_WORKER", "PYTEST_CURRENT_TEST", "TMPDIR")
_FIXED = {"LANG": "C.UTF-8", "TZ": "UTC", "TERM": "dumb", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
_PLACES = {
    "HOME": "home",
    "XDG_CONFIG_HOME": "home/.config",
    "XDG_DATA_HOME": "home/.local/share",
    "XDG_STATE_HOME": "home/.local/state",
    "XDG_CACHE_HOME": "home/.cache",
    "XDG_RUNTIME_DIR": "run",
    "CONFIGURATION_DIRECTORY": "etc/lifeboat",
    "STATE_DIRECTORY": "var/lib/lifeboat",
    "CACHE_DIRECTORY": "var/cache/lifeboat",
    "LOGS_DIRECTORY": "var/log/lifeboat",
    "RUNTIME_DIRECTORY": "run/lifeboat",
    "LIFEBOAT_LOCK_DIR": "run/lock/lifeboat",
}

_hypothesis = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
}
settings.register_profile("quick", max_examples=40, **_hypothesis)
settings.register_profile("thorough", max_examples=2000, **_hypothesis)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def _in_memory() -> bool:
    """Answer whether what tests write can lie in memory (proc(5))."""
    if not os.access(_MEMORY, os.W_OK) or shutil.disk_usage(_MEMORY).free < _ROOM:
        return False
    lines = Path("/proc/meminfo").read_text().splitlines()
    return any(line.startswith("MemAvailable:") and int(line.split()[1]) << 10 > 2 * _ROOM for line in lines)


if "TMPDIR" not in os.environ and _in_memory():
    os.environ["TMPDIR"] = str(_MEMORY)
    tempfile.tempdir = None


def _is_here(address: object) -> bool:
    """Answer whether a socket address stays on this machine."""
    if not isinstance(address, tuple):  # a Unix socket, netlink, …
        return True
    host = str(address[0]).partition("%")[0]
    if host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _only_here(connect: Callable[[socket.socket, Any], Any]) -> Callable[[socket.socket, Any], Any]:
    """Return `connect` as it is on a machine whose only network is the loopback."""

    def guarded(self: socket.socket, address: Any) -> Any:
        if not _is_here(address):
            raise OSError(errno.ENETUNREACH, "tests have no network but the loopback", str(address))
        return connect(self, address)

    return guarded


def pytest_collection_finish() -> None:
    """Take what was collected out of all garbage collections, and have fewer of them: a fifth of the time otherwise."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)


@pytest.fixture(scope="session")
def untouched_environment() -> dict[str, str]:
    """The environment that the test run was started with, for tools that need the user's own settings (pip)."""
    return dict(_UNTOUCHED)


@pytest.fixture(scope="session", autouse=True)
def _scrubbed_session() -> Iterator[None]:
    """Take everything out of the environment that could change what the code under test does."""
    with pytest.MonkeyPatch.context() as patch:
        for name in set(os.environ) - set(_KEPT):
            patch.delenv(name)
        for name, value in _FIXED.items():
            patch.setenv(name, value)
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, _only_here(getattr(socket.socket, name)))
        time.tzset()
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in what a shell runs in the background
            signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
    time.tzset()


@pytest.fixture(autouse=True)
def machine(tmp_path_factory: pytest.TempPathFactory, _scrubbed_session: None) -> Iterator[Path]:
    """The root of this test's private machine; `home`, `etc`, `var` and `run` in it are the only places used."""
    root = Path(tempfile.mkdtemp(prefix="machine-", dir=tmp_path_factory.getbasetemp()))
    random.seed(0)
    umask = os.umask(0o022)
    with pytest.MonkeyPatch.context() as patch:
        for name, place in _PLACES.items():
            patch.setenv(name, str(root / place))
        (root / "home").mkdir()
        (root / "run").mkdir(mode=0o700)
        yield root
    os.umask(umask)
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    """Where the vault of this test is to be."""
    return tmp_path / "vault"
