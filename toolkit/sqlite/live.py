"""The parent's side of `toolkit.sqlite.worker`: start it, follow its events, end it in time."""

from __future__ import annotations

import contextlib
import json
import os
import select
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import toolkit
from toolkit import durable
from toolkit.errors import CancelledError, LifeboatError, SourceError, SourceTimeoutError
from toolkit.events import ShouldStop
from toolkit.sqlite import locks

if TYPE_CHECKING:
    import subprocess

_POLL_MS = 100


def _classes(base: type[LifeboatError]) -> dict[str, type[LifeboatError]]:
    found = {base.code: base}
    for child in base.__subclasses__():
        found |= _classes(child)
    return found


def _start() -> subprocess.Popen[bytes]:
    import subprocess

    import msgspec

    folders = dict.fromkeys(str(Path(package.__path__[0]).parent) for package in (toolkit, msgspec))
    paths = [*folders, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return subprocess.Popen(
        [sys.executable, "-S", "-P", "-m", "toolkit.sqlite.worker"],  # what it needs is on its path: no site
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )


class _Lines:
    """The worker's events, read without ever blocking longer than a moment."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)
        self._rest = b""
        self.ended = False

    def read(self) -> list[dict[str, Any]]:
        if not self._poll.poll(_POLL_MS):
            return []
        data = os.read(self._descriptor, 65536)
        self.ended = not data
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines]


def _fail(event: dict[str, Any], subject: str) -> LifeboatError:
    if event["event"] == "failed":
        error = OSError(event["errno"], event["strerror"])
        return durable.translate(error, subject=event["target"] or subject)
    kind = _classes(LifeboatError)[event["code"]]
    return kind(event["message"], subject=event["subject"], hint=event["hint"])


def remove_scratch(scratch: str) -> None:
    """Remove the flat folder `scratch` that a worker may have made."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(scratch):
            os.unlink(os.path.join(scratch, name))
        os.rmdir(scratch)


def _too_slow(path: str, timeout: float) -> SourceTimeoutError:
    if any(one.everybody for one in locks.keepers(path)):
        return locks.stayed_locked(path)
    return SourceTimeoutError(
        f"reading the database took longer than {timeout:g} seconds", subject=path, hint="raise the profile's timeout"
    )


def run(
    request: dict[str, Any],
    *,
    timeout: float,
    should_stop: ShouldStop,
    on_event: Callable[[dict[str, Any]], None] = lambda _event: None,
) -> dict[str, Any]:
    """Have a worker do `request` and return its result; its other events go to `on_event`.

    After `timeout` seconds the worker is killed and `SourceTimeoutError` raised; when `should_stop` says so,
    `CancelledError`. What it may have left half done is the caller's to remove. Raises what the worker raised.
    """
    subject = str(request["path"])
    deadline = time.monotonic() + timeout
    process = _start()
    stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
    if stdin is None or stdout is None or stderr is None:
        raise SourceError("the process that reads databases has no pipes", subject=subject)
    try:
        stdin.write(json.dumps(request).encode() + b"\n")
        stdin.flush()
        lines = _Lines(stdout.fileno())
        while not lines.ended:
            for event in lines.read():
                if event["event"] == "done":
                    if should_stop():  # what is done may have come in one piece with what made it stop
                        break
                    return event
                if event["event"] in ("error", "failed"):
                    raise _fail(event, subject)
                on_event(event)
            if should_stop():
                raise CancelledError("cancelled while reading a database", subject=subject)
            if time.monotonic() > deadline:
                raise _too_slow(subject, timeout)
        last = stderr.read().decode(errors="replace").strip().splitlines()
        raise SourceError("the process that read the database died", subject=subject, hint=last[-1] if last else None)
    except BrokenPipeError as error:
        raise SourceError("the process that reads databases did not start", subject=subject) from error
    finally:
        process.kill()
        process.wait()
        for stream in (stdin, stdout, stderr):
            try:
                stream.close()
            except BrokenPipeError:
                continue
