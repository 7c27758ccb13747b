"""A machine with an application, and one server that runs commands for a whole module."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.faults.machine")

from tests.faults.machine import Machine, make_application  # noqa: E402
from tests.makers.runs import Runs  # noqa: E402

MEMORY = Path("/dev/shm")
ROOM = 512 << 20
"""Bytes that must be free in memory: a container may have 64 MiB of it."""


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """The test's own folder, in memory where there is room.

    A process that is killed before a step leaves the same behind there, and hundreds of runs with a hundred fsyncs
    each wait for no disk.
    """
    if not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < ROOM:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="lifeboat-faults-", dir=MEMORY, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    with Runs() as server:
        yield server


@pytest.fixture
def bare(tmp_path: Path, runs: Runs) -> Machine:
    """A machine with the application in its first state, and nothing backed up."""
    machine = Machine(tmp_path, runs)
    beside = tmp_path / "here" / "beside"
    beside.mkdir(parents=True)
    (beside / "file").write_bytes(b"not yours")
    make_application(machine.app)
    return machine
