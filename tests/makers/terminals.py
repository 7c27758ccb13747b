"""A real pseudo-terminal with a program on it, and what a person would see there: characters, modes, bytes."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

QUIET = 0.4
"""Seconds without a byte after which what a program at rest has drawn counts as drawn."""
PATIENCE = 60.0
"""Seconds of silence after which a test gives up."""

_PIECE = re.compile(
    r"\x1b\[(?P<private>[?<>=]?)(?P<numbers>[0-9;]*)(?:\$)?(?P<final>[@-~])"
    r"|\x1b\](?P<osc>[^\x07\x1b]*)(?:\x07|\x1b\\)"
    r"|\x1b(?P<other>[^\[\]])"
    r"|(?P<control>[\x00-\x1a\x1c-\x1f\x7f])"
    r"|(?P<text>[^\x00-\x1f\x7f]+)"
)


class Look(NamedTuple):
    """How a character is drawn: its colours (None: the terminal's own) and the codes of bold, reverse and so on."""

    color: tuple[int, ...] | None
    ground: tuple[int, ...] | None
    attributes: frozenset[int]


PLAIN = Look(None, None, frozenset())
Cell = tuple[str, Look]


class Display:
    """The characters of a terminal after all that was sent to it; knows what Lifeboat sends, refuses the rest."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.modes: set[int] = set()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self.clear()

    def clear(self) -> None:
        """Empty the screen."""
        self._cells: list[list[Cell]] = [[(" ", PLAIN)] * self.width for _ in range(self.height)]
        self._x = self._y = 0
        self._look = PLAIN

    def resize(self, width: int, height: int) -> None:
        """Take another size; what was there is cut or filled up, as terminals without reflow do."""
        old, self.width, self.height = self._cells, width, height
        self.clear()
        for y, line in enumerate(old[:height]):
            self._cells[y] = [*line, *self._cells[y][len(line) :]][:width]

    @property
    def text(self) -> str:
        """The lines, without blanks at their ends."""
        return "\n".join("".join(one for one, _ in line).rstrip() for line in self._cells)

    @property
    def cells(self) -> list[list[Cell]]:
        """All cells with their looks, as far as they can be seen: a blank has no colour of its own."""
        return [[(one, _seen(look) if one == " " else look) for one, look in line] for line in self._cells]

    def feed(self, data: bytes) -> None:
        """Take what the program sent."""
        text = self._rest + self._decoder.decode(data)
        at = 0
        for found in _PIECE.finditer(text):
            if found.start() != at:
                break
            at = found.end()
            self._take(found)
        self._rest = text[at:]
        assert len(self._rest) < 4000, f"this is no sequence: {self._rest[:80]!r}"

    def _take(self, found: re.Match[str]) -> None:
        if found["text"]:
            self._write(found["text"])
        elif found["control"]:
            self._control(found["control"])
        elif found["final"]:
            self._sequence(found["private"], found["numbers"], found["final"])

    def _control(self, one: str) -> None:
        if one == "\n":
            self._y = min(self._y + 1, self.height - 1)
        elif one == "\r":
            self._x = 0
        elif one == "\b":
            self._x = max(self._x - 1, 0)

    def _sequence(self, private: str, numbers: str, final: str) -> None:
        values = [int(one or 0) for one in numbers.split(";")]
        if private == "?" and final in "hl":
            (self.modes.update if final == "h" else self.modes.difference_update)(values)
            if 1049 in values:
                self.clear()
        elif not private and final == "H":
            self._y = min(max(values[0], 1), self.height) - 1
            self._x = min(max((*values, 1)[1], 1), self.width) - 1
        elif not private and final == "G":
            self._x = min(max(values[0], 1), self.width) - 1
        elif not private and final == "J" and values[0] == 2:
            self.clear()
        elif not private and final == "m":
            self._look = _after(self._look, values)
        else:
            assert private or final in "nutpq", f"unknown: {private}{numbers}{final}"

    def _write(self, text: str) -> None:
        for one in text:
            line = self._cells[self._y]
            room = _cells(one)
            if room == 0:
                before, look = line[max(self._x - 1, 0)]
                line[max(self._x - 1, 0)] = before + one, look
            elif self._x + room <= self.width:
                self._halve(line, self._x)
                self._halve(line, self._x + room)
                line[self._x : self._x + room] = [(one, self._look), *[("", self._look)] * (room - 1)]
                self._x += room

    @staticmethod
    def _halve(line: list[Cell], at: int) -> None:
        """Leave nothing of a wide character that is cut in two at `at`."""
        if 0 < at < len(line) and line[at][0] == "":
            line[at - 1], line[at] = (" ", line[at - 1][1]), (" ", line[at][1])


def _cells(one: str) -> int:
    if unicodedata.combining(one) or unicodedata.category(one) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(one) in ("W", "F") else 1


def _seen(look: Look) -> Look:
    return look if look.attributes & {4, 7, 9} else Look(None, look.ground, frozenset())


def _after(look: Look, values: list[int]) -> Look:
    """Return `look` after the codes of one SGR sequence (ECMA-48 8.3.117, and xterm's 256 and direct colours)."""
    rest = iter(values)
    for value in rest:
        if value == 0:
            look = PLAIN
        elif value in (38, 48):
            kind = next(rest)
            color = (kind, *(next(rest) for _ in range(1 if kind == 5 else 3)))
            look = look._replace(**{"color" if value == 38 else "ground": color})
        elif value in (39, 49):
            look = look._replace(**{"color" if value == 39 else "ground": None})
        elif 30 <= value <= 37 or 90 <= value <= 97:
            look = look._replace(color=(value,))
        elif 40 <= value <= 47 or 100 <= value <= 107:
            look = look._replace(ground=(value - 10,))
        else:
            assert value < 10, f"unknown SGR {value}"
            look = look._replace(attributes=look.attributes | {value})
    return look


class Line:
    """The other end of a terminal: what was sent, what it shows, and the keys."""

    def __init__(self, master: int, process: subprocess.Popen[bytes], display: Display) -> None:
        self.master = master
        self.process = process
        self.display = display
        self.seen = b""

    def press(self, *keys: str) -> None:
        """Send the keys, as the terminal would."""
        os.write(self.master, "".join(keys).encode())

    def resize(self, width: int, height: int) -> None:
        """Give the window another size."""
        self.display.resize(width, height)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def wait(self, reached: Callable[[], object], what: str, seconds: float = PATIENCE) -> int:
        """Read until `reached`, and what comes until the program is at rest; return how many bytes came."""
        begun = len(self.seen)
        while not reached():
            assert self.more(seconds), f"{what} never came:\n{self.display.text}\n{self.seen[-200:]!r}"
        while self.more(QUIET) or not at_rest(self.process.pid):
            pass
        return len(self.seen) - begun

    def until(self, *wanted: str) -> int:
        """Read until the screen shows all that is `wanted`; return how many bytes came."""
        return self.wait(lambda: all(one in self.display.text for one in wanted), repr(wanted))

    def without(self, unwanted: str) -> int:
        """Read until the screen does not show `unwanted` any more; return how many bytes came."""
        return self.wait(lambda: unwanted not in self.display.text, f"the end of {unwanted!r}")

    def silence(self, seconds: float) -> int:
        """Return how many bytes come within `seconds`; it takes less time where some come."""
        begun = len(self.seen)
        self.more(seconds)
        return len(self.seen) - begun

    def more(self, seconds: float) -> bool:
        """Read what comes within `seconds`; False where nothing came, or the other end is gone."""
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.master, 1 << 16)
        except OSError:
            return False
        self.seen += data
        self.display.feed(data)
        return bool(data)

    def ended(self) -> int:
        """Read to the end, and return the exit code."""
        while self.more(PATIENCE):
            pass
        return self.process.wait()


def at_rest(pid: int) -> bool:
    """Say whether a process and its children wait for something, or are gone: silence may come from a busy machine.

    Children in sessions of their own are left out: jobs, which tell the screens what they do.
    """
    with contextlib.suppress(OSError):  # it ended
        return _waits(pid, os.getsid(pid))
    return True


def _waits(pid: int, session: int) -> bool:
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(OSError):
            state, _, _, own, *_ = (thread / "stat").read_text().rpartition(")")[2].split()
            if int(own) != session:
                return True
            children = (thread / "children").read_text().split()
            if state in "RD" or not all(_waits(int(child), session) for child in children):
                return False
    return True


@contextmanager
def terminal(command: Sequence[str], *, width: int = 80, height: int = 24, **environ: str | None) -> Iterator[Line]:
    """Run `command` on a pseudo-terminal; variables that are None are taken out. It is killed at the end."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    own = ["setsid", "--ctty", *command]  # a session of its own, so that it feels when the line is cut
    process = subprocess.Popen(own, stdin=slave, stdout=slave, stderr=slave, env=_variables(environ))
    os.close(slave)
    try:
        yield Line(master, process, Display(width, height))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
        os.close(master)


def _variables(changes: Mapping[str, str | None]) -> dict[str, str]:
    names = ("NO_COLOR", "TMUX", "COLORTERM", "COLORFGBG", "SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")
    kept = {name: value for name, value in os.environ.items() if name not in names} | {"TERM": "xterm-256color"}
    return {name: value for name, value in (kept | changes).items() if value is not None}
