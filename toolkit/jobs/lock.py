"""Locks of targets, shared by all users of the machine: one run at a time changes a thing.

A lock is a flock on a file in a directory that everybody may write to (1777), so nothing in it is
trusted: no links are followed, and what a holder wrote about itself is only ever shown.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from toolkit import durable
from toolkit.display import display
from toolkit.errors import CancelledError, ForbiddenError, LockedError
from toolkit.events import ShouldStop, never_stop
from toolkit.jobs.flock import HeldFile
from toolkit.jobs.identity import boot_id, who
from toolkit.jobs.journal import utc_now
from toolkit.wording import time_text

_TICK = 0.1
"""Seconds between two tries: ten a second at most."""


class Holder(msgspec.Struct, frozen=True):
    """Who holds a lock, as written into it; only for messages, the lock itself is the flock."""

    pid: int
    host: str
    user: str
    since: datetime
    job: str = ""
    operation: str = ""
    boot_id: str = ""

    def text(self, now: datetime) -> str:
        """Return `alex (pid 4121) on web-03 runs restore of shop since 03:01`."""
        who_text = f"{display(self.user, width=40)} (pid {self.pid}) on {display(self.host, width=60)}"
        work = f" runs {display(self.operation, width=100)}" if self.operation else " holds it"
        return f"{who_text}{work} since {time_text(self.since, now)}"


_here = threading.Lock()
_owners: dict[tuple[int, int], int] = {}
"""Device and inode of each lock file that this process holds, and the thread that took it."""


def _forget_in_child() -> None:
    _owners.clear()


os.register_at_fork(after_in_child=_forget_in_child)


def file_name(key: str) -> str:
    """Return the name of the lock file for `key`: readable first, then what makes it unique."""
    slug = re.sub(r"[^a-z0-9]+", "-", key.rstrip("/").rpartition("/")[2].lower()).strip("-")[:40]
    digest = hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()[:20]
    return f"{slug}-{digest}.lock" if slug else f"{digest}.lock"


def _open_file(path: Path) -> int:
    """Open a lock file, and make it when it is absent.

    Not with O_CREAT at once: with fs.protected_regular (proc(5)) even root may not do that to a file of
    another user in a sticky directory.
    """
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    while True:
        try:
            return os.open(path, flags)
        except FileNotFoundError:
            pass
        except PermissionError:  # in the moment between its making and its opening to all
            return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        with contextlib.suppress(FileExistsError):
            fd = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
            os.fchmod(fd, 0o666)
            return fd


class Lock:
    """The lock of `key` (a real path, or any word that names a target) in the shared `directory`, which exists.

    Threads of one process exclude each other like processes do. Taking it twice in one thread is a mistake
    in the program and raises `RuntimeError`, because it would wait for itself. It ends with the process.
    """

    def __init__(
        self,
        key: str,
        directory: Path,
        *,
        pause: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.key = key
        self.directory = directory
        self.path = directory / file_name(key)
        self._pause = pause
        self._clock = clock
        self._held: HeldFile | None = None
        self._identity = (0, 0)

    def acquire(
        self,
        *,
        wait: float | None = 0.0,
        should_stop: ShouldStop = never_stop,
        on_wait: Callable[[str], None] | None = None,
        operation: str = "",
        job: str = "",
    ) -> None:
        """Take the lock; wait up to `wait` seconds for it (None: as long as it takes).

        `on_wait` hears who holds it, once for each holder. Raises `LockedError` with that text in `holder`,
        `CancelledError` when `should_stop` says so, `ForbiddenError` or `StorageError` when there can be no lock.
        """
        while True:
            with durable.translated(self.path):
                held = HeldFile(_open_file(self.path))
            try:
                self._check(held)
                self._wait(held, wait, should_stop, on_wait)
                if self._still_named():
                    break
            except BaseException:
                held.close()
                raise
            held.close()
        self._sign(held, operation, job)
        with _here:
            _owners[self._identity] = threading.get_ident()
        self._held = held

    def _still_named(self) -> bool:
        """Tell whether the file that was locked still has the name: somebody may have cleaned the directory."""
        with contextlib.suppress(OSError):
            status = os.stat(self.path, follow_symlinks=False)
            return (status.st_dev, status.st_ino) == self._identity
        return False

    def _check(self, held: HeldFile) -> None:
        status = os.fstat(held.fd)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise ForbiddenError("the lock file is no plain file of its own", subject=self.path, hint="remove it")
        self._identity = (status.st_dev, status.st_ino)
        with _here:
            if _owners.get(self._identity) == threading.get_ident():
                raise RuntimeError(f"this thread holds the lock of {self.key!r} already")

    def _wait(
        self, held: HeldFile, wait: float | None, should_stop: ShouldStop, on_wait: Callable[[str], None] | None
    ) -> None:
        began = self._clock()
        told = ""
        while not held.take():
            holder = self._holder_text(held)
            if should_stop():
                raise CancelledError("cancelled while it waited for another run")
            left = _TICK if wait is None else wait - (self._clock() - began)
            if left <= 0:
                raise LockedError(
                    "another run holds the lock",
                    subject=self.key,
                    hint=f"{holder}; wait for it with --lock-wait 10m",
                    holder=holder,
                )
            if on_wait is not None and holder != told:
                told = holder
                on_wait(holder)
            self._pause(min(_TICK, left))

    def _holder_text(self, held: HeldFile) -> str:
        try:
            return msgspec.json.decode(os.pread(held.fd, 4096, 0), type=Holder).text(utc_now())
        except (OSError, ValueError, msgspec.DecodeError, OverflowError):
            return "a run that did not say its name"

    def _sign(self, held: HeldFile, operation: str, job: str) -> None:
        by = who()
        user = f"{by.user} ({by.sudo_user})" if by.sudo_user else by.user
        holder = Holder(
            pid=os.getpid(),
            host=socket.gethostname(),
            user=user,
            since=utc_now(),
            job=job,
            operation=display(operation, width=100),
            boot_id=boot_id(),
        )
        with contextlib.suppress(OSError):  # a full /run must not stop a rescue: the flock counts
            os.ftruncate(held.fd, 0)
            os.pwrite(held.fd, msgspec.json.encode(holder), 0)

    def release(self) -> None:
        """Free the lock; doing it twice is no error. The file stays: removing it would let two runs hold it."""
        held, self._held = self._held, None
        if held is None:
            return
        with _here:
            _owners.pop(self._identity, None)
        with contextlib.suppress(OSError):
            os.ftruncate(held.fd, 0)
        held.close()

    @contextlib.contextmanager
    def holding(
        self,
        *,
        operation: str = "",
        job: str = "",
        wait: float | None = 0.0,
        should_stop: ShouldStop = never_stop,
        on_wait: Callable[[str], None] | None = None,
    ) -> Iterator[Self]:
        """Hold the lock while the block runs; see `acquire`."""
        self.acquire(wait=wait, should_stop=should_stop, on_wait=on_wait, operation=operation, job=job)
        try:
            yield self
        finally:
            self.release()


class Locks:
    """Several locks as one, taken in the same order by everybody, so that no two runs wait for each other."""

    def __init__(self, keys: Iterable[str], directory: Path) -> None:
        self._locks = [Lock(key, directory) for key in sorted(set(keys))]
        self._stack = contextlib.ExitStack()

    def acquire(
        self,
        *,
        operation: str = "",
        job: str = "",
        wait: float | None = 0.0,
        should_stop: ShouldStop = never_stop,
        on_wait: Callable[[str], None] | None = None,
    ) -> Self:
        """Take all of them, or none: see `Lock.acquire`; `wait` counts for all together."""
        deadline = None if wait is None else time.monotonic() + wait
        with contextlib.ExitStack() as stack:
            for lock in self._locks:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                lock.acquire(wait=left, should_stop=should_stop, on_wait=on_wait, operation=operation, job=job)
                stack.callback(lock.release)
            self._stack = stack.pop_all()
        return self

    def release(self) -> None:
        """Free all of them."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
