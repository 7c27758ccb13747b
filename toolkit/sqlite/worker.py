"""The process in which users' live databases are opened: one request in, events out, all JSON lines.

Its parent may kill it at any moment; closing files here drops nobody's locks but its own. Start it with
`toolkit.sqlite.live.run`. It imports only what it needs, and ends when its parent is gone.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import sqlite3
import sys
import time
from typing import TYPE_CHECKING, Any

from toolkit.errors import LifeboatError, SourceTimeoutError
from toolkit.sqlite import blocks, session
from toolkit.sqlite import header as headers
from toolkit.sqlite.translate import primary_code, translate

if TYPE_CHECKING:
    from toolkit.sqlite.check import Level

STEP = 8 * 1024 * 1024
_EVERY = 0.1


def say(event: str, **fields: object) -> None:
    """Send one event to the parent."""
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


class _Meter:
    """Sends progress (bytes), not too often, and stops a copy that blocks writers for longer than its limit."""

    def __init__(self, path: str, limit: float | None) -> None:
        self._path, self._limit = path, limit
        self._began = time.monotonic()
        self._last = 0.0

    def __call__(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if self._limit is not None and now - self._began > self._limit:
            raise SourceTimeoutError(
                f"copying it would block the application's writes for more than {self._limit:g} seconds",
                subject=self._path,
                hint="switch the application to WAL mode, raise the limit, or stop the application first",
            )
        if now - self._last >= _EVERY or done == total:
            self._last = now
            say("progress", done=done, total=total)


def _back_up(view: session.View, target: str, meter: _Meter) -> None:
    page_size = view.connection.execute("PRAGMA page_size").fetchone()[0]
    copy = sqlite3.connect(os.fsencode(target), isolation_level=None)
    try:
        copy.execute("PRAGMA synchronous=OFF")
        copy.execute("PRAGMA journal_mode=OFF")
        copy.execute("PRAGMA locking_mode=EXCLUSIVE")
        view.connection.backup(
            copy,
            pages=max(1, STEP // page_size),
            progress=lambda _status, left, total: meter((total - left) * page_size, total * page_size),
        )
    finally:
        copy.close()


def _settle(target: str) -> tuple[int, int]:
    """Make the copy `target` a database of its own (rollback mode, 0600); return its pages and size in bytes."""
    descriptor = os.open(target, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, 0o600)
        header = headers.parse(os.pread(descriptor, headers.SIZE, 0))
        os.pwrite(descriptor, b"\x01\x01", 18)  # SQLite file format, section 1.3.3
        size = os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
    return size // header.page_size, size


def copy(path: str, target: str, scratch: str, wait: float, limit: float) -> dict[str, Any]:
    """Copy the live database `path` to the new file `target`; see `toolkit.sqlite.hotcopy.copy`."""
    told = False

    def use(view: session.View) -> dict[str, Any]:
        nonlocal told
        began = time.monotonic()
        locked = view.method is session.Method.LOCKED
        meter = _Meter(path, limit if locked else None)
        if not told:
            say("snapshot")
            told = True
        if view.method is session.Method.PRIVATE:
            os.rename(view.path, target)
        else:
            descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                if view.method is not session.Method.TRANSACTION:
                    blocks.copy_descriptor(view.descriptor, descriptor, on_progress=meter)
            finally:
                os.close(descriptor)
        if view.method is session.Method.TRANSACTION:
            _back_up(view, target, meter)
        blocked = time.monotonic() - began if locked else 0.0
        return {"method": view.method.value, "journal_mode": view.journal_mode, "blocked": blocked}

    result = session.read(path, scratch, wait, use)
    pages, size = _settle(target)
    return {**result, "pages": pages, "bytes": size}


def check(path: str, scratch: str, wait: float, level: Level, limit: float, *, values: bool) -> dict[str, Any]:
    """Check the live database `path`; see `toolkit.sqlite.check.check_live`."""
    from toolkit.sqlite import check as checks

    def use(view: session.View) -> checks.Checkup:
        if view.method is session.Method.PRIVATE:
            return checks.check(view.path, level=level, values=values)
        deadline = time.monotonic() + limit if view.method is session.Method.LOCKED else math.inf
        view.connection.set_progress_handler(lambda: _alone() or time.monotonic() > deadline, 200_000)
        header = None
        if view.method is not session.Method.TRANSACTION:
            header = headers.parse(os.pread(view.descriptor, headers.SIZE, 0))
        size = os.fstat(view.descriptor).st_size
        if values:
            os.makedirs(scratch, mode=0o700, exist_ok=True)
        try:
            with session.beside(view) if size >= checks.LARGE else contextlib.nullcontext() as other:
                if other is not None:
                    other.set_progress_handler(lambda: _alone() or time.monotonic() > deadline, 200_000)
                return checks.examine(
                    view.connection,
                    level=level,
                    header=header,
                    size=size,
                    private=None,
                    beside=other,
                    values=values,
                    scratch=scratch if values else None,
                )
        except sqlite3.OperationalError as error:
            if primary_code(error) != sqlite3.SQLITE_INTERRUPT:
                raise
            raise SourceTimeoutError(
                f"checking it would block the application's writes for more than {limit:g} seconds",
                subject=path,
                hint="check a copy of it, or stop the application first",
            ) from error

    return checks.to_fields(session.read(path, scratch, wait, use))


_PARENT = os.getppid()


def _alone() -> bool:
    return os.getppid() != _PARENT


def main() -> None:
    """Serve the one request on standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    request = json.loads(sys.stdin.readline())
    task = request.pop("task")
    try:
        say("done", **(copy(**request) if task == "copy" else check(**request)))
    except LifeboatError as error:
        say("error", code=error.code, message=error.message, subject=error.subject, hint=error.hint)
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the message may quote a name that is no text
        failure = translate(error, subject=request["path"])
        say("error", code=failure.code, message=failure.message, subject=failure.subject, hint=failure.hint)
    except BrokenPipeError:  # the parent is gone
        os._exit(1)
    except OSError as error:
        say("failed", errno=error.errno, strerror=error.strerror, target=os.fspath(error.filename or ""))


if __name__ == "__main__":
    main()
