"""What goes over the line, on a real pseudo-terminal: a small first paint, nothing while idle, clean at the end."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.tui.conftest import session_at, write_health

FIRST_PAINT = 10_000
"""Bytes of the first screen at 80x24, in 256 colours."""


class Line:
    """The other end of the terminal."""

    def __init__(self, master: int, process: subprocess.Popen[bytes]) -> None:
        self.master = master
        self.process = process
        self.seen = b""

    def until(self, wanted: bytes, seconds: float = 60) -> bytes:
        """Read until `wanted` is there, and what comes right after it; return all since the last call."""
        begun = len(self.seen)
        while wanted not in self.seen[begun:]:
            assert self._more(seconds), f"{wanted!r} never came: {self.seen[-400:]!r}"
        while self._more(1.0):
            pass
        return self.seen[begun:]

    def silence(self, seconds: float) -> int:
        """Return how many bytes come within `seconds`."""
        begun = len(self.seen)
        self._more(seconds)
        return len(self.seen) - begun

    def _more(self, seconds: float) -> bool:
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.master, 1 << 16)
        except OSError:
            return False
        self.seen += data
        return bool(data)

    def ended(self) -> int:
        """Read to the end, and return the exit code."""
        while self._more(30):
            pass
        return self.process.wait(30)


@contextmanager
def terminal(root: Path, *options: str, **environ: str) -> Iterator[Line]:
    """Run `lifeboat tui` on a pseudo-terminal of 80x24."""
    session = session_at(root)
    write_health(session)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [sys.executable, "-m", "toolkit", "tui", "--config", str(root / "config.yaml"), *options]
    variables = {**os.environ, "TERM": "xterm-256color", **environ}
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=variables, start_new_session=True, close_fds=True
    )
    os.close(slave)
    try:
        yield Line(master, process)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(master)


def test_the_first_paint_is_small_and_then_nothing_is_sent(tmp_path: Path) -> None:
    with terminal(tmp_path) as line:
        first = line.until(b"Restore")
        assert len(first) <= FIRST_PAINT
        assert line.silence(5) == 0
        assert b"?1003h" not in first  # no mouse
        os.write(line.master, b"j")
        assert 0 < len(line.until(b"uploads")) <= 4000
        os.write(line.master, b"q")
        assert line.ended() == 0
    assert line.seen.rstrip().endswith(b"\x1b[?1049l\x1b[?25h") or b"\x1b[?1049l" in line.seen


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_terminal_clean(number: signal.Signals, tmp_path: Path) -> None:
    with terminal(tmp_path) as line:
        line.until(b"Restore")
        line.process.send_signal(number)
        assert line.ended() == 128 + number
    assert b"\x1b[?1049l" in line.seen
    assert b"\x1b[?25h" in line.seen


def test_without_colours_none_are_sent(tmp_path: Path) -> None:
    with terminal(tmp_path, NO_COLOR="1") as line:
        first = line.until(b"Restore")
    numbers = {number for found in re.findall(rb"\x1b\[([0-9;]*)m", first) for number in found.split(b";")}
    assert b"7" in numbers  # the cursor is seen
    assert not numbers & {str(code).encode() for code in (*range(30, 39), *range(40, 49), *range(90, 108))}
