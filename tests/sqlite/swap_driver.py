"""Runs swaps and recoveries, each in a fork that kills itself before the durable step with a given number.

One request a line on standard input: a JSON list (task, step, journal, keep, target, staged...); one answer a line: the
wait status. Forking is cheap here, and safe since nothing else runs in this process.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
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


def run(task: str, step: int, journal: str, keep: bool, *files: str) -> None:
    die_before(step)
    if task == "recover":
        swap.recover(Path(journal))
    elif task == "put-back":
        swap.put_back(Path(journal))
    else:
        target, *staged = map(Path, files)
        swap.put(tuple(staged), target, Path(journal), keep_aside=keep, accept_unseen=True)


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if not child:
            try:
                run(*json.loads(line))
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
