"""What the screens cost: the time until they are there, bytes on the line, memory, a key, a journal of any length.

Lifeboat runs on a pseudo-terminal of 80x24 with 256 colours, as over ssh, with a machine of its own: home, state,
configuration and vault are in the folder of the measurement.
"""

from __future__ import annotations

import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import machine

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.makers.terminals import Line, terminal  # noqa: E402
from toolkit.archive.zstdlib import zstd  # noqa: E402
from toolkit.events import (  # noqa: E402
    Action,
    Advanced,
    Event,
    ItemReported,
    JobFinished,
    JobStarted,
    Outcome,
    StepStarted,
)
from toolkit.jobs.journal import Journal, new_spec  # noqa: E402

BACKUPS, FILES, EVENTS = 100_000, 1_000_000, 100_000
BUDGETS = {"text_cpu": 0.6, "first_bytes": 10_000, "memory": 80_000_000, "job_bytes": 1000, "journal": 1.0}
"""Seconds, bytes, bytes, bytes a second, seconds (TUI.md section 0 and 4.8, issue 5)."""
KEYS = 40
SECONDS = 10
"""How long is listened while a job runs, and while nothing does."""


@dataclass(frozen=True)
class Server:
    """A machine of its own in `root`."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        """What its commands are started with."""
        places = ("STATE", "LOGS", "CACHE", "RUNTIME", "CONFIGURATION")
        found = {f"{place}_DIRECTORY": str(self.root / place.lower()) for place in places}
        return found | {"HOME": str(self.root / "home"), "LANG": "C.UTF-8", "TERM": "xterm-256color"}

    @property
    def options(self) -> list[str]:
        """The words that keep a command on this machine."""
        return ["--config", str(self.root / "config.yaml")]

    def run(self, *words: str) -> tuple[float, float, int]:
        """Run a command; return its seconds of wall and CPU, and its peak of memory."""
        return _timed([*machine.lifeboat_command(), *words, *self.options], {**os.environ, **self.environment})

    @property
    def jobs(self) -> Path:
        """Where its journals are."""
        return self.root / "state" / "jobs"

    @contextmanager
    def screens(self) -> Iterator[Line]:
        """Open the screens."""
        command = [*machine.lifeboat_command(), "tui", *self.options]
        with terminal(command, **{**self.environment, "NO_COLOR": None}) as line:
            yield line
