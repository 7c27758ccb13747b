"""What is known of one server during and after a run: values only."""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec


class Contact(enum.StrEnum):
    """How far a run got with a server; `WAITING` at the end means that its turn never came."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    UNREACHABLE = "unreachable"


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What the role `lifeboat_run` says of one command on a server (`lifeboat_run_result`).

    `report` is the JSON document of the command, empty where it printed none; `error` a sentence, or empty.
    """

    operation: str = ""
    command: str = ""
    exit: int = 0
    changed: bool = False
    failed: bool = False
    planned: bool = False
    left_out: bool = False
    error: str = ""
    report: dict[str, Any] = {}


class HostRun(msgspec.Struct, kw_only=True):
    """One server in a run: how far it got, what it is at, why it failed, and what each command on it answered.

    `heard` is when it answered last, `changed` whether a task changed something there (known at the end).
    """

    name: str
    contact: Contact = Contact.WAITING
    task: str = ""
    error: str = ""
    heard: datetime | None = None
    changed: bool = False
    results: list[Result] = msgspec.field(default_factory=list)


class News(enum.StrEnum):
    """What is new of a server."""

    TASK = "task"
    RESULT = "result"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    DONE = "done"


Listener = Callable[[News, HostRun], object]
"""Called in the run's own thread with each piece of news and all that is known of that server."""
