"""Stops the machine before any durable step of a run: kill -9 of a real process, at a step that is counted.

    run(["lifeboat", "backup", "shop"]).steps                the whole run: each durable step, in its order
    run(["lifeboat", "backup", "shop"], kill_before=7)       the same, killed just before its seventh step
    for number, ended in walk(command, prepare=fresh): ...   killed before each step in turn, then whole

A program that is not `lifeboat` is a Python script's path. Only the main process is stopped: processes
that it started see what they would see if it had been killed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
KILLED = -signal.SIGKILL


@dataclass(frozen=True)
class Step:
    """One announcement of `toolkit.durable.on_step`."""

    name: str
    path: str


@dataclass(frozen=True)
class Ended:
    """How a run ended: its exit code (-9 when it was killed), what it said, and the steps that it came to."""

    code: int
    stdout: str
    stderr: str
    steps: tuple[Step, ...]

    @property
    def killed(self) -> bool:
        """Whether it was stopped before its end."""
        return self.code == KILLED


def run(
    command: Sequence[str | os.PathLike[str]],
    *,
    kill_before: int = 0,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
) -> Ended:
    """Run `command`, killed just before its step number `kill_before` (from 1; 0 lets it end)."""
    python = [sys.executable, "-m", "tests.makers.faults"]
    environment = {**os.environ, **(env or {}), "PYTHONPATH": str(ROOT)}
    with tempfile.NamedTemporaryFile() as record:
        arguments = [*python, record.name, str(kill_before), *map(os.fspath, command)]
        ran = subprocess.run(arguments, capture_output=True, text=True, env=environment, cwd=cwd, check=False)
        steps = tuple(Step(*json.loads(line)) for line in record)
    return Ended(ran.returncode, ran.stdout, ran.stderr, steps)


def walk(
    command: Sequence[str | os.PathLike[str]],
    *,
    prepare: Callable[[], object],
    env: Mapping[str, str] | None = None,
    every: int = 1,
) -> Iterator[tuple[int, Ended]]:
    """Yield (number, how it ended) for a run killed before each step, or each `every`-th, and last for a whole one.

    `prepare` puts everything back before each run. The walk ends with the first run that was not killed,
    whose number is 0, so a run that takes more steps than the one before is walked to its end too.
    """
    number = 1
    while True:
        prepare()
        ended = run(command, kill_before=number, env=env)
        if not ended.killed:
            break
        yield number, ended
        number += every
    yield 0, ended


def _record_and_kill(record: str, kill_before: int) -> None:
    from toolkit import durable

    file = os.open(record, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    count = 0

    def on_step(name: str, path: str) -> None:
        nonlocal count
        count += 1
        os.write(file, json.dumps([name, path]).encode() + b"\n")
        if count == kill_before:
            os.kill(os.getpid(), signal.SIGKILL)

    durable.on_step = on_step


def _main() -> None:
    record, kill_before, program, *arguments = sys.argv[1:]
    _record_and_kill(record, int(kill_before))
    sys.argv = [program, *arguments]
    if program == "lifeboat":
        from toolkit.cli.main import main

        main(arguments)
    else:
        import runpy

        runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    _main()
