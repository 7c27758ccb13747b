"""Where answers go: stdout, which can be closed, full, or read by nobody any more."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from toolkit.errors import OutputError


def open_streams() -> None:
    """Give stdin, stdout and stderr that were closed a place that takes everything and has nothing.

    Else the next file that is opened would be what a print goes into.
    """
    inheritable = True
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), inheritable)  # the lowest number that is free: this one
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 - for the whole run
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


@contextlib.contextmanager
def printing() -> Iterator[None]:
    """Print inside; whoever stops reading (`lifeboat list | head -1`) is no failure.

    Raises `OutputError` when stdout does not take it, as on a full disk; nothing more is printed then.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        _forget()
    except OSError as error:
        raise _failure(error) from error


def failed(error: OSError) -> OutputError | None:
    """Return what to say of `error` if it comes of printing a help or a journal, None if it is another."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None or last.tb_frame.f_globals.get("__name__") != "click.utils":
        return None
    return _failure(error)


def _failure(error: OSError) -> OutputError:
    _forget()
    return OutputError(
        f"the output cannot be written ({error.strerror})",
        subject="standard output",
        hint="make room where it goes; what was done before stays done, `lifeboat jobs list` shows it",
    )


def _forget() -> None:
    """Send stdout nowhere from now on: what it still holds would fail again when the process ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
