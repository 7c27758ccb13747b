"""How much memory this process took at most: VmHWM of proc(5).

ru_maxrss of getrusage(2) will not do: a child inherits the peak of the process that it was forked from, and in a
process that was once larger than the test makes it, it never moves.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def _bytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    [found] = [int(line.split()[1]) << 10 for line in lines if line.startswith(f"{field}:")]
    return found


def peak() -> int:
    """Return the most bytes that were resident since the program began."""
    return _bytes("VmHWM")


def growth(work: Callable[[], object]) -> int:
    """Do `work` and return by how many bytes this process grew at most meanwhile."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _bytes("VmRSS")
    work()
    return peak() - before
