"""Running a command and saying what it cost: wall and CPU seconds of the whole process tree, peak memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

TIME = "/usr/bin/time"
"""GNU time: the word `time` of a shell tells no memory."""


@dataclass(frozen=True)
class Cost:
    """`wall` and `cpu` in seconds, `largest` the peak resident bytes of the largest process of the tree.

    `together` is the peak of all processes of the tree at one moment, looked at ten times a second (0: not looked).
    """

    wall: float
    cpu: float
    largest: int
    together: int = 0
    output: str = ""


class CommandFailedError(Exception):
    """A command of the measurement ended with an error."""


def run(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    accept: Sequence[int] = (0,),
    watch: bool = False,
) -> Cost:
    """Run `command`, wait for it and return its cost; raises `CommandFailedError` with what it said.

    GNU time starts it and tells the memory: a process inherits the peak of the one that it was forked from
    (ru_maxrss, getrusage(2)), which would be the bench itself, and is a MiB with time.
    """
    began = time.monotonic()
    with (
        tempfile.NamedTemporaryFile("r") as told,
        subprocess.Popen(
            [TIME, "-q", "-f", "%M", "-o", told.name, *command],
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process,
    ):
        said: list[bytes] = []
        errors = threading.Thread(target=lambda: said.append(process.stderr.read() if process.stderr else b""))
        errors.start()
        watcher = _Watcher(process.pid) if watch else None
        output = process.stdout.read() if process.stdout else b""
        errors.join()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        together = watcher.stop() if watcher else 0
        process.returncode = os.waitstatus_to_exitcode(status)
        memory = told.read().split()
    if process.returncode not in accept:
        words = (b"".join(said) + output[:2000]).decode(errors="replace").strip()[-2000:]
        raise CommandFailedError(f"{' '.join(command)[:200]} ended with {process.returncode}:\n{words}")
    cpu = usage.ru_utime + usage.ru_stime
    return Cost(wall, cpu, int(memory[-1]) * 1024, together, output.decode(errors="replace"))


class _Watcher:
    """Adds up the resident memory of a process and all below it, ten times a second."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._stop = threading.Event()
        self._peak = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> int:
        """End watching and return the highest sum in bytes."""
        self._stop.set()
        self._thread.join()
        return self._peak

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            self._peak = max(self._peak, _resident(self._pid))


def _resident(pid: int) -> int:
    """Return the resident bytes of `pid` and its descendants (proc(5))."""
    total = 0
    try:
        total = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                total += _resident(int(child))
    except (OSError, IndexError):
        pass
    return total


def summary(costs: Sequence[Cost]) -> dict[str, float]:
    """Return the medians of wall and CPU, the extremes of wall, and the highest memory."""
    walls = [cost.wall for cost in costs]
    return {
        "wall": statistics.median(walls),
        "fastest": min(walls),
        "slowest": max(walls),
        "cpu": statistics.median(cost.cpu for cost in costs),
        "largest": max(cost.largest for cost in costs),
        "together": max(cost.together for cost in costs),
        "runs": len(costs),
    }


def plain(cost: Cost) -> dict[str, object]:
    """Return `cost` for JSON, without what the command printed."""
    fields = asdict(cost)
    fields.pop("output")
    return fields
