"""Watching and steering jobs from another process: list, show, attach, answer, cancel, prune."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from toolkit import durable
from toolkit.errors import JobNotFoundError, LifeboatError, RefusedError
from toolkit.events import AnswerScope, By, Event, JobStarted, JobState
from toolkit.jobs.flock import is_held
from toolkit.jobs.identity import boot_id, start_ticks
from toolkit.jobs.journal import EVENTS, LOCK, SPEC, follow, read_spec, runner_alive, utc_now
from toolkit.jobs.requests import CANCEL, Request, leave_request
from toolkit.jobs.state import JobStatus, job_directories, job_status

KEEP = 500
KEEP_AGE = timedelta(days=30)
KEEP_ALWAYS = 20
KEEP_NEWEST = timedelta(days=400)
"""How long the newest job of each command line stays: schedules look there for when an entry ran last."""
SLACK = 50
"""By so many jobs a store may outgrow `KEEP` before it is worth the work."""

_REMOVING = ".removing-"


def list_jobs(
    store: Path, *, limit: int | None = None, offset: int = 0, states: frozenset[JobState] | None = None
) -> list[JobStatus]:
    """Return the jobs of `store` (STATE/jobs), newest first; `states` picks before `limit` and `offset` count.

    Jobs whose description cannot be read are passed over.
    """
    found: list[JobStatus] = []
    for directory in job_directories(store):
        if limit is not None and len(found) >= offset + limit:
            break
        try:
            status = job_status(directory, brief=True)
        except LifeboatError:
            continue
        if states is None or status.state in states:
            found.append(status)
    return found[offset:]


def find_job(store: Path, name: str) -> Path:
    """Return the directory of the job with the id `name`, its unambiguous beginning, or `latest`.

    Raises `JobNotFoundError`, also when several jobs answer.
    """
    directories = job_directories(store)
    if name == "latest" and directories:
        return directories[0]
    matches = [path for path in directories if name and path.name.startswith(name)]
    exact = [path for path in matches if path.name == name]
    if len(matches) > 1 and not exact:
        raise JobNotFoundError("several jobs begin like that", subject=name, hint="give more of the id")
    if not matches:
        raise JobNotFoundError("no such job", subject=name, hint="see `lifeboat jobs list`")
    return (exact or matches)[0]


def attach(
    directory: Path,
    sink: Callable[[Event], None],
    *,
    from_seq: int = 0,
    pause: Callable[[float], bool] | None = None,
    interval: float = 0.2,
) -> JobStatus:
    """Give `sink` every event of the job, from number `from_seq` on, until it is over; return how it stands then.

    Ends early when `pause` (see `follow`) answers True: watching is left, the job goes on.
    """
    for event in follow(directory, from_seq, pause=pause, interval=interval):
        sink(event)
    return job_status(directory)


def answer(directory: Path, qid: str, choice: str, *, by: By, scope: AnswerScope | str = AnswerScope.THIS) -> None:
    """Answer the question `qid` that the job asks.

    Raises `RefusedError` when the job does not ask that now, or the choice is none of its choices.
    """
    status = job_status(directory)
    question = status.question
    if question is None or question.qid != qid or status.state is not JobState.ASKING:
        raise RefusedError("the job does not ask that", subject=directory.name, hint="see `lifeboat jobs show`")
    if question.choices and choice not in question.choices:
        raise RefusedError("this is none of the choices", subject=choice, hint=f"one of: {', '.join(question.choices)}")
    leave_request(directory, qid, Request(by=by, choice=choice, scope=AnswerScope(scope)))


def cancel(directory: Path, *, by: By) -> bool:
    """Ask the runner of the job to end; answer whether a signal reached it (else it finds the request by itself).

    Raises `RefusedError` when the job is over, `ForbiddenError` when it is another user's.
    """
    status = job_status(directory)
    if status.over:
        raise RefusedError(f"the job is over already: {status.state}", subject=directory.name)
    leave_request(directory, CANCEL, Request(by=by))
    return status.started is not None and _signal(directory, status.started)


def _signal(directory: Path, runner: JobStarted) -> bool:
    """Send SIGTERM to `runner`, through a descriptor that cannot come to mean another process; answer whether sent.

    Only while the lock is held, in the same boot, and to the process that started at that very tick.
    """
    try:
        process = os.pidfd_open(runner.pid)
    except OSError:
        return False
    try:
        same = runner.boot_id == boot_id() and runner.start_ticks == start_ticks(runner.pid) != 0
        if not same or not is_held(directory / LOCK):
            return False
        signal.pidfd_send_signal(process, signal.SIGTERM)
    except ProcessLookupError:
        return False
    except OSError as error:
        raise durable.translate(error, subject=directory.name) from error
    finally:
        os.close(process)
    return True


def _command(directory: Path) -> str:
    try:
        return read_spec(directory).cli
    except LifeboatError:
        return ""


def _written(directory: Path, moment: datetime) -> datetime:
    """Return when the job was last heard of."""
    for name in (EVENTS, SPEC):
        with contextlib.suppress(FileNotFoundError):
            return datetime.fromtimestamp((directory / name).stat().st_mtime, moment.tzinfo)
    return moment


def _never_made(store: Path, before: datetime) -> list[Path]:
    """Return the directories whose maker died before they were jobs."""
    return [
        path
        for path in store.glob("[!.]*/")
        if not (path / SPEC).exists() and path.stat().st_mtime < before.timestamp() and not runner_alive(path)
    ]


def tidy(store: Path) -> list[str]:
    """Prune `store` when it has outgrown what is kept; called before each job, so it looks only at names first.

    Raises what `prune_jobs` raises.
    """
    try:
        found = os.listdir(store)
    except OSError:
        return []
    return prune_jobs(store) if len(found) > KEEP + SLACK else []


def prune_jobs(
    store: Path,
    *,
    keep: int = KEEP,
    max_age: timedelta = KEEP_AGE,
    always: int = KEEP_ALWAYS,
    now: datetime | None = None,
) -> list[str]:
    """Remove the directories of jobs that are over, and return their ids.

    The newest `keep` stay as long as they are younger than `max_age`, the newest `always` whatever their
    age, and the newest of each command line for `KEEP_NEWEST`. Jobs that run, or wait to, are never touched and do
    not count. What an earlier call left half-removed is removed too. Raises `StorageError` or `ForbiddenError`.
    """
    import shutil

    moment = now if now is not None else utc_now()
    removed: list[str] = []
    commands: set[str] = set()
    place = 0
    with durable.translated(store):
        for directory in job_directories(store):
            command = _command(directory)
            first = bool(command) and command not in commands
            commands.add(command)
            if runner_alive(directory):
                continue
            place += 1
            age = moment - _written(directory, moment)
            if place <= always or (place <= keep and age < max_age) or (first and age < KEEP_NEWEST):
                continue
            durable.rename(directory, store / f"{_REMOVING}{directory.name}")
            removed.append(directory.name)
        for stillborn in _never_made(store, moment - timedelta(days=1)):
            durable.rename(stillborn, store / f"{_REMOVING}{stillborn.name}")
        for leftover in store.glob(f"{_REMOVING}*"):
            shutil.rmtree(leftover)
    return removed
