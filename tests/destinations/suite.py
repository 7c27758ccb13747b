"""The conformance suite for a test module, which has a fixture `reopen`: the destination as a new process opens it.

from tests.destinations.suite import every_check

@every_check
def test_every_promise(check: Check, reopen: Callable[[], Destination], tmp_path: Path) -> None:
    assert broken(check, reopen, tmp_path) == ""
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from toolkit.destinations.base import Destination
from toolkit.destinations.conformance import CHECKS, Bench, Check

every_check = pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)


def broken(check: Check, reopen: Callable[[], Destination], folder: Path) -> str:
    """Hold the destination that `reopen` returns to one promise: "" when it is kept, and nothing is left of the try."""
    scratch = folder / "scratch"
    scratch.mkdir()
    bench = Bench(reopen, scratch)
    check.run(bench)
    return "something is left" if bench.mine() else ""
