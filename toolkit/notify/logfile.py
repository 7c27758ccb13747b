"""The log: what jobs say, a JSON line an event, without progress; opened anew for each, so logrotate can move it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from toolkit import durable
from toolkit.errors import LifeboatError
from toolkit.events import Advanced, Beat, Event, encode

FILE_NAME = "lifeboat.log"


def log_lines(path: Path) -> tuple[Callable[[Event], None], LifeboatError | None]:
    """Return what appends events to the file `path` (0600 when it is made), and why it does not, where it cannot.

    A log that fails never fails the job: from its first error on nothing more is written.
    """
    try:
        if not path.parent.is_dir():
            durable.make_directory(path.parent)
        _append(path, b"")
    except OSError as error:
        return _nothing, durable.translate(error, subject=path)
    working = True

    def write(event: Event) -> None:
        nonlocal working
        if working and not isinstance(event, Advanced | Beat):
            try:
                _append(path, encode(event))
            except OSError:
                working = False

    return write, None


def _append(path: Path, line: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, line)
    finally:
        os.close(fd)


def _nothing(_event: Event) -> None:
    """Write nothing."""
