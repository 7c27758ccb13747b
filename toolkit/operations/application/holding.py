"""Who holds a database open, and having them leave: the profile's services first, other processes when told to."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Sequence

import msgspec

from toolkit.errors import TargetInUseError
from toolkit.jobs.context import Job
from toolkit.operations.application.services import Command, active
from toolkit.sqlite.connect import SIDECARS
from toolkit.sqlite.holders import Holder, holders, is_lone, process_text, rescue_first

PATIENCE = 20.0
"""Seconds that a process may take to leave after it was told to."""

_LOOK = 0.1


class Using(msgspec.Struct, frozen=True):
    """A process that has a database open; `unit` is the systemd unit that it belongs to, where that can be seen.

    `deleted`: what it has open was at `path`, and has no name any more; its content goes when the process ends.
    """

    pid: int
    command: str
    user: str
    path: str
    unit: str = ""
    deleted: bool = False

    @property
    def text(self) -> str:
        """The process in words."""
        more = (self.unit, "has the deleted file open" if self.deleted else "")
        return process_text(self.pid, self.command, self.user, *filter(None, more))


class Users(msgspec.Struct, frozen=True):
    """Who uses some databases; `complete` is False where other users' processes could not be looked into."""

    found: tuple[Using, ...] = ()
    complete: bool = True


def of_files(paths: Sequence[str]) -> Users:
    """Return who has one of the databases `paths`, or a sidecar of one, open; also one that was deleted."""
    seen = holders([path + suffix for path in paths for suffix in ("", *SIDECARS)])
    last = sorted(seen.found, key=lambda one: one.deleted)
    found = {one.pid: _using(one) for one in last if one.pid != os.getpid()}
    return Users(tuple(found.values()), seen.complete)


def _using(holder: Holder) -> Using:
    return Using(holder.pid, holder.command, holder.user, holder.path, _unit(holder.pid), holder.deleted)


def _unit(pid: int) -> str:
    """Return the systemd service whose control group the process is in, or nothing."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cgroup", "rb") as file:
        for line in file:
            last = os.fsdecode(line.rstrip(b"\n").rpartition(b"/")[2])
            if last.endswith(".service"):
                return last
    return ""


def running(services: Sequence[Command]) -> tuple[Command, ...]:
    """Return those of `services` that run now."""
    return active(services)


def failed(services: Sequence[Command]) -> tuple[Command, ...]:
    """Return those of `services` that systemd says have failed: they are down because of the damage, most likely."""
    import subprocess

    found = []
    for service in services:
        if service.active:
            asked = ["systemctl", "is-failed", "--quiet", service.name]
            with contextlib.suppress(FileNotFoundError, PermissionError):
                if subprocess.run(asked, stdin=subprocess.DEVNULL, check=False).returncode == 0:
                    found.append(service)
    return tuple(found)


def wait_until_free(paths: Sequence[str], job: Job, *, stop: bool, accept_unseen: bool) -> tuple[str, ...]:
    """Return when nobody has the databases `paths` open; with `stop` whoever has is told to end (SIGTERM), by its id.

    Returns the processes that were told, in words. Raises `TargetInUseError` naming who stays, `CancelledError`.
    """
    seen = of_files(paths)
    told: dict[int, str] = {}
    deadline = time.monotonic() + PATIENCE
    while stop and seen.found:
        for one in seen.found:
            if one.pid not in told and _tell_to_end(one, paths):
                told[one.pid] = one.text
                job.log("warning", "holder-told", f"told {one.text} to end (SIGTERM)")
        if time.monotonic() > deadline:
            break
        job.raise_if_stopped()
        time.sleep(_LOOK)
        seen = of_files(paths)
    if seen.found:
        names = ", ".join(sorted(one.text for one in seen.found))
        raise TargetInUseError(
            f"still in use by {names}" if stop else f"in use by {names}",
            subject=seen.found[0].path,
            hint=_hint(seen.found[0], stop=stop),
        )
    if not seen.complete and not accept_unseen:
        raise TargetInUseError(
            "it cannot be seen whether another process uses it",
            subject=paths[0] if paths else None,
            hint="run it as root, or vouch for it with --assume-unused",
        )
    return tuple(told.values())


def _hint(one: Using, *, stop: bool) -> str:
    if stop:
        return "it does not end on SIGTERM: stop it by hand, then run this again"
    if is_lone(one.path, deleted=one.deleted):
        return rescue_first(one.path)
    return "stop it, or name its service in the profile; --stop-holders sends it SIGTERM"


def _tell_to_end(one: Using, paths: Sequence[str]) -> bool:
    """Send SIGTERM to the process that holds the files now; a number that was given to another is left alone."""
    for descriptor in _descriptors(one.pid):
        if any(still.pid == one.pid for still in of_files(paths).found):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(descriptor, signal.SIGTERM)
                return True
    return False


def _descriptors(pid: int) -> Iterator[int]:
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
