"""What a run says of the servers, line by line: the other end of `plugins/callback/events.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from toolkit.fleet.host import Contact, HostRun, Listener, News, Result

CALLBACK = "lifeboat.toolkit.events"
"""The callback plugin, which takes the place of Ansible's own output."""

MARK = "LIFEBOAT_FLEET_MARK"
"""The variable with the word at the beginning of each line."""

_LONGEST = 2000


class _Line(msgspec.Struct):
    """One line. `hosts` are those of a play, or those on which tasks went well, at the end."""

    kind: str
    host: str = ""
    task: str = ""
    why: list[str] = []
    hosts: list[str] = []
    changed: list[str] = []
    result: dict[str, Any] = {}


class Account:
    """Keeps account of what becomes of each server, and tells a listener and `meant` (once more hosts are known).

    `known` are servers that have an account from the beginning. `mark` is what each line begins with; other lines are
    what Ansible itself has to say.
    """

    def __init__(
        self, known: Sequence[str], mark: str, *, listener: Listener, meant: Callable[[Sequence[str]], object]
    ) -> None:
        self.hosts = {name: HostRun(name=name) for name in known}
        self._mark = f"{mark} "
        self._listener = listener
        self._meant = meant
        self._said: list[str] = []

    def take(self, line: str) -> None:
        """Take one line of Ansible's output; raises what the listeners raise."""
        if not line.startswith(self._mark):
            self._said.append(line.strip())
            return
        said = msgspec.json.decode(line.removeprefix(self._mark), type=_Line)
        if said.kind == "play":
            self._meet(said.hosts)
        elif said.kind == "end":
            self._settle(said)
        elif said.host in self.hosts:
            self._happened(said, self.hosts[said.host])

    def complaint(self) -> str:
        """Return the sentence in which Ansible says why it could not begin, or nothing."""
        lines = [line for line in self._said if line and not line.startswith("[WARNING]")]
        begins = next((n for n, line in enumerate(lines) if line.startswith(("[ERROR]", "ERROR!"))), None)
        return lines[begins].removeprefix("[ERROR]:").removeprefix("ERROR!").strip() if begins is not None else ""

    def _meet(self, names: Sequence[str]) -> None:
        new = [name for name in names if name not in self.hosts]
        self.hosts |= {name: HostRun(name=name) for name in new}
        if new:
            self._meant(list(self.hosts))

    def _happened(self, said: _Line, host: HostRun) -> None:
        if said.kind == "task":
            host.contact, host.task = Contact.RUNNING, said.task
            self._listener(News.TASK, host)
        elif said.kind == "result":
            host.heard = datetime.now(UTC)
            host.results.append(msgspec.convert(said.result, Result, strict=False))
            self._listener(News.RESULT, host)
        elif said.kind == "failed":
            host.contact, host.error = Contact.FAILED, _sentence(said.why)
            self._listener(News.FAILED, host)
        elif said.kind == "unreachable":
            host.contact, host.error = Contact.UNREACHABLE, _sentence(said.why)
            self._listener(News.UNREACHABLE, host)

    def _settle(self, said: _Line) -> None:
        """Take Ansible's last word on each server."""
        for name in said.changed:
            if name in self.hosts:
                self.hosts[name].changed = True
        for name in said.hosts:
            host = self.hosts.get(name)
            if host is not None and host.contact is Contact.RUNNING:
                host.contact, host.task = Contact.DONE, ""
                self._listener(News.DONE, host)


def _sentence(words: Sequence[str]) -> str:
    text = next((text for text in words if text.strip()), "it failed without a word")
    return " ".join(text.split()).removeprefix("Task failed: ")[:_LONGEST]
