"""Runs one swap, or one recovery, in a process that kills itself before the durable step with a given number."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from toolkit import durable
from toolkit.sqlite import swap


def die_before(step: int) -> None:
    count = 0

    def on_step(_name: str, _path: str) -> None:
        nonlocal count
        count += 1
        if count == step:
            os.kill(os.getpid(), signal.SIGKILL)

    durable.on_step = on_step


def main(task: str, step: str, journal: str, keep: str, *files: str) -> None:
    die_before(int(step))
    if task == "recover":
        print(swap.recover(Path(journal)))
    else:
        target, *staged = files
        swap.put(tuple(map(Path, staged)), Path(target), Path(journal), keep_aside=keep == "keep", accept_unseen=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
