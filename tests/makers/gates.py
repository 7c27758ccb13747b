"""A gate that a job comes to and waits at, for as long as a test wants it to go on."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

LOOKS = 1200
"""A tenth of a second apart, until somebody must have come."""


class Gate:
    """`command` comes to it and waits; it prints nothing and ends with 0 when it is let through."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.command = ["cat", str(path)]
        self._path = path

    def let_one_through(self) -> None:
        """Wait until somebody stands there, and let go."""
        for _ in range(LOOKS):
            try:
                os.close(os.open(self._path, os.O_WRONLY | os.O_NONBLOCK))
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                threading.Event().wait(0.1)
            else:
                return
        pytest.fail(f"nobody came to {self._path}")

    def take_away(self) -> None:
        """Let all through, for good."""
        with contextlib.closing(os.fdopen(os.open(self._path, os.O_RDWR | os.O_NONBLOCK), "wb")):
            self._path.unlink()
            self._path.touch()


@contextmanager
def gate(path: Path) -> Iterator[Gate]:
    """Make a gate at `path`; nobody waits there after the block."""
    made = Gate(path)
    try:
        yield made
    finally:
        made.take_away()
