"""`lifeboat --help` costs at most 100 ms of CPU beyond `python -c pass`."""

from __future__ import annotations

import os
import statistics
import sys

from tests.architecture.sources import ROOT

ALLOWED = 0.100


def cpu_seconds(*arguments: str) -> float:
    """Return the CPU seconds, user and system, of one run of this Python with `arguments`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    del environment["PYTHONDONTWRITEBYTECODE"]  # the first run leaves the byte code that an installation has
    silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    pid = os.posix_spawn(sys.executable, [sys.executable, *arguments], environment, file_actions=silent)
    _, status, usage = os.wait4(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return usage.ru_utime + usage.ru_stime


def help_beyond_pass() -> float:
    """Return the median of what `--help` costs beyond an interpreter that does nothing."""
    return statistics.median(cpu_seconds("-m", "toolkit", "--help") - cpu_seconds("-c", "pass") for _ in range(7))


def test_help_costs_little() -> None:
    cpu_seconds("-m", "toolkit", "--help")
    medians = []
    while len(medians) < 3 and min(medians, default=1) > ALLOWED:  # a neighbour on the same core costs CPU time too
        medians.append(help_beyond_pass())
    assert min(medians) <= ALLOWED, f"{1000 * min(medians):.0f} ms"
