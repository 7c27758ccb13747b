"""Entries in cron: a file in /etc/cron.d for root, a marked block in the crontab of anybody else (crontab(5)).

Each entry is a line with its plain command. One more line starts what was missed while the machine was off, and
what no five fields can say: `lifeboat schedule catch-up`.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolkit import durable
from toolkit.errors import ServiceError
from toolkit.schedule.entries import Entry

FILE = Path("/etc/cron.d/lifeboat")
CATCH_UP = ("schedule", "catch-up", "--quiet")
CATCH_UP_EVERY = "*/15 * * * *"
BEGIN, END = "# BEGIN lifeboat (lifeboat schedule install)", "# END lifeboat"

_HEADER = """\
# Written by `lifeboat schedule install`, and written anew by it: change the configuration instead.
# Quiet when all is well; what cron mails is a failure.
"""

Run = Callable[[Sequence[str], str], str]
"""Runs a command with a text as its input and returns what it printed; raises `ServiceError`."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who runs the entries and how: the words that start this program, with `--config` where it needs one."""

    program: tuple[str, ...]
    user: str = ""

    def line(self, times: str, arguments: Sequence[str]) -> str:
        """Return one line; a percent sign would end the command there."""
        command = shlex.join([*self.program, *arguments]).replace("%", "\\%")
        return f"{times}  {self.user + '  ' if self.user else ''}{command}"


def lines(entries: Sequence[Entry], caller: Caller) -> list[str]:
    """Return the lines of `entries`, and the one that catches up."""
    found = [caller.line(entry.when.cron, entry.arguments) for entry in entries if entry.when.cron is not None]
    return [*found, caller.line(CATCH_UP_EVERY, CATCH_UP), caller.line("@reboot", CATCH_UP)] if entries else []


def starts(table: str, entry: Entry, caller: Caller) -> bool:
    """Say whether `table` starts `entry`, at whatever time; what five fields cannot say is started by catching up."""
    words = CATCH_UP if entry.when.cron is None else entry.arguments
    command = caller.line("", words)
    return any(line.endswith(command) and not line.lstrip().startswith("#") for line in table.splitlines())


def file_text(entries: Sequence[Entry], caller: Caller) -> str:
    """Return the content of /etc/cron.d/lifeboat."""
    head = f"{_HEADER}SHELL=/bin/sh\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n\n"
    return head + "\n".join(lines(entries, caller)) + "\n"


def install_file(entries: Sequence[Entry], caller: Caller, path: Path = FILE) -> bool:
    """Make `path` what `file_text` says, durably; answer whether it was anything else. Raises `StorageError`.

    Cron takes a file that is owned by root and that nobody else may write.
    """
    text = file_text(entries, caller).encode()
    with durable.translated(path):
        if path.exists() and path.read_bytes() == text:
            return False
        durable.make_directory(path.parent, mode=0o755)
        durable.write_file(path, text, mode=0o644)
    return True


def remove_file(path: Path = FILE) -> bool:
    """Remove our file; answer whether it was there. Raises `StorageError`."""
    with durable.translated(path):
        if not path.exists():
            return False
        durable.remove(path)
    return True


def with_block(crontab: str, block: Sequence[str]) -> str:
    """Return a user's `crontab` with our marked block made of `block`, or without it when that is empty.

    Whatever else is in the crontab stays as it is.
    """
    kept: list[str] = []
    ours = False
    for line in crontab.splitlines():
        if line == BEGIN:
            ours = True
        elif line == END and ours:
            ours = False
        elif not ours:
            kept.append(line)
    if ours:
        raise ServiceError(
            "the block of Lifeboat in the crontab has no end", subject="crontab", hint=f"end it with: {END}"
        )
    while kept and not kept[-1].strip():
        kept.pop()
    if block:
        kept += ([""] if kept else []) + [BEGIN, *block, END]
    return "\n".join(kept) + "\n" if kept else ""


def install_block(entries: Sequence[Entry], caller: Caller, run: Run) -> bool:
    """Put `entries` (none: nothing of ours) into the crontab of the user; answer whether it changed."""
    old = run(("crontab", "-l"), "")
    new = with_block(old, lines(entries, caller))
    if new == old:
        return False
    run(("crontab", "-"), new)
    return True
