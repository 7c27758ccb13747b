"""The journal of a job: one directory that says all there is to know, and outlives terminal and process.

::

    STATE/jobs/ID/   (0700; while a spawner waits for the runner it holds a flock on the directory)
        spec.json    what was asked, written once; a directory without it is no job
        events.jsonl one event a line, appended by one writer, numbered from 1
        lock         held with flock by the runner, for as long as it lives
        answers/     what others want from the runner: QID.json, cancel.json
        log.txt      output of a detached runner
"""

from __future__ import annotations

import base64
import contextlib
import errno
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from toolkit import durable
from toolkit.display import display
from toolkit.errors import ArchiveDamagedError, JobNotFoundError, LifeboatError, LockedError, RefusedError
from toolkit.events import (
    VERSION,
    By,
    Event,
    JobCreated,
    JobFinished,
    JobStarted,
    Name,
    RawName,
    decode,
    encode,
)
from toolkit.jobs.flock import HeldFile, is_held

SPEC, EVENTS, LOCK, ANSWERS, LOG = "spec.json", "events.jsonl", "lock", "answers", "log.txt"

_CHUNK = 1 << 16
_TRIES, _MOMENT = 50, 0.01

AnyEvent = TypeVar("AnyEvent", bound=Event)


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """What a job was asked to do. `attended`: somebody follows it and may answer through `answers/`."""

    id: str
    op: str
    targets: tuple[Name, ...] = ()
    plan: str | None = None
    cli: str = ""
    by: By = By()
    host: str = ""
    created: datetime
    attended: bool = False


def utc_now() -> datetime:
    """Return the time, aware, in UTC."""
    return datetime.now(UTC)


def wire_name(name: str | bytes | Path) -> Name:
    """Return `name` for an event: itself, or its shown form and its bytes when it is not clean UTF-8."""
    plain = os.fsdecode(name)
    try:
        plain.encode()
    except UnicodeEncodeError:
        try:
            raw = os.fsencode(plain)
        except UnicodeEncodeError:
            raw = plain.encode(errors="surrogatepass")
        return RawName(display(plain), base64.b64encode(raw).decode())
    return plain


def new_spec(
    operation: str,
    *,
    targets: tuple[str | bytes | Path, ...] = (),
    plan: str | None = None,
    cli: str = "",
    by: By | None = None,
    attended: bool = False,
) -> Spec:
    """Return the spec of a job to be: a new id (8 hex digits), this host, now."""
    return Spec(
        id=secrets.token_hex(4),
        op=operation,
        targets=tuple(wire_name(target) for target in targets),
        plan=plan,
        cli=display(cli),
        by=by if by is not None else By(),
        host=socket.gethostname(),
        created=utc_now(),
        attended=attended,
    )


def read_spec(directory: Path) -> Spec:
    """Return what the job in `directory` was asked.

    Raises `JobNotFoundError` when there is none, `ArchiveDamagedError` when it cannot be read.
    """
    try:
        return msgspec.json.decode((directory / SPEC).read_bytes(), type=Spec)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise JobNotFoundError("no such job", subject=directory.name, hint="see `lifeboat jobs list`") from error
    except OSError as error:
        raise durable.translate(error, subject=directory / SPEC) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ArchiveDamagedError("the description of the job cannot be read", subject=directory / SPEC) from error


def runner_alive(directory: Path) -> bool:
    """Answer whether somebody works on the job or is about to: a held lock, no guess by process numbers."""
    return is_held(directory / LOCK) or is_held(directory) or is_held(directory / LOCK)


def _take(directory: Path) -> HeldFile:
    """Return the runner's lock of the job; readers that look may hold it for a moment."""
    held = HeldFile(os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    for _ in range(_TRIES):
        if held.take():
            return held
        time.sleep(_MOMENT)
    held.close()
    raise LockedError("the job runs already", subject=directory.name)


class Journal:
    """The one writer of a job's events.

    It stamps each event with job, number and time. From `create` or `adopt` on, a failure to write never
    raises, because it must not end a restore half-way: it is kept in `trouble`. Safe to use from several threads.
    """

    def __init__(self, spec: Spec, directory: Path | None, *, now: Callable[[], datetime] = utc_now) -> None:
        self.spec = spec
        self.directory = directory
        self.trouble: LifeboatError | None = None
        self.created = JobCreated(op=spec.op, targets=spec.targets, plan=spec.plan, cli=spec.cli, by=spec.by)
        self._now = now
        self._seq = 0
        self._mutex = threading.RLock()
        self._file: IO[bytes] | None = None
        self._lock: HeldFile | None = None
        self._torn = False

    @classmethod
    def create(cls, store: Path, spec: Spec, *, now: Callable[[], datetime] = utc_now) -> Journal:
        """Make the job's directory in `store`, take its lock, and write its first event, `job.created`.

        Raises `StorageError` or `ForbiddenError` when that cannot be written; nothing that counts as a job is
        left then. Should the id be taken, the job gets another.
        """
        with durable.translated(store):
            durable.make_directory(store)
            while True:
                directory = store / spec.id
                with contextlib.suppress(FileExistsError):
                    durable.on_step("mkdir", str(directory))
                    directory.mkdir(mode=0o700)
                    break
                spec = msgspec.structs.replace(spec, id=secrets.token_hex(4))
            journal = cls(spec, directory, now=now)
            try:
                (directory / ANSWERS).mkdir(mode=0o700)
                journal._begin(directory)
                journal.created = journal.append(journal.created, sync=True)
                journal.require_written()
                durable.write_file(directory / SPEC, msgspec.json.encode(spec))
                durable.sync_directory(store)
            except BaseException:
                journal.close()
                raise
        return journal

    @classmethod
    def adopt(cls, store: Path, job_id: str, *, now: Callable[[], datetime] = utc_now) -> Journal:
        """Take over a job that another process created for this one (`--detach`).

        Raises `JobNotFoundError`, `LockedError` when it has a runner, `RefusedError` when it ran before.
        """
        directory = store / job_id
        spec = read_spec(directory)
        journal = cls(spec, directory, now=now)
        with durable.translated(directory):
            journal._begin(directory)
        for event in read(directory):
            journal._seq = max(journal._seq, event.seq)
            if isinstance(event, JobCreated):
                journal.created = event
            if isinstance(event, JobStarted | JobFinished):
                journal.close()
                raise RefusedError("the job ran already", subject=job_id, hint="start the operation again")
        return journal

    @classmethod
    def unwritten(cls, spec: Spec, trouble: LifeboatError | None = None) -> Journal:
        """Return a journal that only stamps: for runs whose state directory cannot be written."""
        journal = cls(spec, None)
        journal.trouble = trouble
        journal.created = journal.append(journal.created)
        return journal

    def _begin(self, directory: Path) -> None:
        self._lock = _take(directory)
        path = directory / EVENTS
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._file = os.fdopen(fd, "r+b", buffering=0)
        size = os.fstat(fd).st_size
        self._torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"

    def append(self, event: AnyEvent, *, sync: bool = False) -> AnyEvent:
        """Stamp `event`, write it with one write, and return it as written; `sync` makes it survive a power cut."""
        with self._mutex:
            self._seq += 1
            stamped = msgspec.structs.replace(event, v=VERSION, job=self.spec.id, seq=self._seq, ts=self._now())
            if self._file is not None:
                try:
                    self._write(self._file, encode(stamped), sync=sync)
                except OSError as error:
                    self.trouble = durable.translate(error, subject=self.directory)
        return stamped

    def require_written(self) -> None:
        """Raise what went wrong when an event could not be written."""
        if self.trouble is not None:
            raise self.trouble

    def _write(self, file: IO[bytes], line: bytes, *, sync: bool) -> None:
        if self._torn:
            line = b"\n" + line
        self._torn = True
        if file.write(line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._torn = False
        if sync:
            durable.on_step("sync", str(self.directory))
            os.fsync(file.fileno())

    def close(self) -> None:
        """Close the file and free the lock; later events are only stamped."""
        with self._mutex:
            if self._file is not None:
                self._file.close()
                self._file = None
            if self._lock is not None:
                self._lock.close()
                self._lock = None


def hand_over(journal: Journal, directory: Path) -> HeldFile:
    """Close `journal` so that another process can `adopt` the job; until the answer is closed it counts as queued."""
    waiting = HeldFile(os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    for _ in range(_TRIES):
        if waiting.take():
            break
        time.sleep(_MOMENT)
    journal.close()
    return waiting


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Yield what is there of complete lines, and an empty one whenever there is no more for now."""
    rest = b""
    while True:
        chunk = file.read(_CHUNK)
        if not chunk:
            yield b""
            continue
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line for line in lines if line)


def read(directory: Path, from_seq: int = 0) -> Iterator[Event]:
    """Yield the events of the job in `directory` whose number is at least `from_seq`, as far as they are written.

    Lines that are no events (the half one after a crash) are passed over. Raises `JobNotFoundError`.
    """
    try:
        file = open(directory / EVENTS, "rb")  # noqa: SIM115 - closed below, while the generator lives
    except (FileNotFoundError, NotADirectoryError) as error:
        raise JobNotFoundError("no such job", subject=directory.name, hint="see `lifeboat jobs list`") from error
    except OSError as error:
        raise durable.translate(error, subject=directory / EVENTS) from error
    with file:
        for line in file:
            event = decode(line)
            if event is not None and event.seq >= from_seq:
                yield event


def follow(
    directory: Path,
    from_seq: int = 0,
    *,
    pause: Callable[[float], bool] | None = None,
    interval: float = 0.2,
) -> Iterator[Event]:
    """Yield the events of the job as they come, until `job.finished`, or until its runner is gone without it.

    Between looks it calls `pause(interval)`, an `Event.wait` by default, and ends when that answers True.
    Raises `JobNotFoundError`.
    """
    pause = pause if pause is not None else threading.Event().wait
    last_look = False
    read_spec(directory)
    with durable.translated(directory), open(directory / EVENTS, "rb", buffering=0) as file:
        for line in _lines(file):
            event = decode(line) if line else None
            if event is not None and event.seq >= from_seq:
                yield event
            if isinstance(event, JobFinished) or (not line and last_look):
                return
            if not line:
                last_look = not runner_alive(directory)
                if not last_look and pause(interval):
                    return
