"""A machine with an application, and one server that runs commands for a whole module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.faults.machine")

from tests.faults.machine import Machine, make_application  # noqa: E402
from tests.makers.runs import Runs  # noqa: E402


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
