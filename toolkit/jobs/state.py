"""Where a job stands, derived from its journal and its lock and nothing else."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.errors import JobNotFoundError
from toolkit.events import (
    Advanced,
    Answered,
    Asked,
    CancelRequested,
    Event,
    JobFinished,
    JobStarted,
    JobState,
    Outcome,
    StepStarted,
    Warned,
    decode,
)
from toolkit.jobs.journal import EVENTS, SPEC, Spec, read, read_spec, runner_alive

_TAIL = 1 << 16
_ENDS = {
    Outcome.OK: JobState.OK,
    Outcome.WARN: JobState.WARN,
    Outcome.CANCELLED: JobState.CANCELLED,
    Outcome.INTERRUPTED: JobState.INTERRUPTED,
}


class JobStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a job. `heard` is the time of its last event; the rest is null until it happens."""

    spec: Spec
    state: JobState
    started: JobStarted | None = None
    step: StepStarted | None = None
    progress: Advanced | None = None
    question: Asked | None = None
    warnings: int = 0
    result: JobFinished | None = None
    heard: datetime | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.state not in (JobState.QUEUED, JobState.RUNNING, JobState.ASKING, JobState.CANCELLING)


class Replay:
    """Takes the events of one job in order and says where they lead; every face can use it."""

    def __init__(self) -> None:
        self.started: JobStarted | None = None
        self.step: StepStarted | None = None
        self.progress: Advanced | None = None
        self.question: Asked | None = None
        self.cancel: CancelRequested | None = None
        self.result: JobFinished | None = None
        self.warnings = 0
        self.heard: datetime | None = None

    def take(self, event: Event) -> None:
        """Take the next event; unknown ones change nothing."""
        self.heard = event.ts
        match event:
            case JobStarted():
                self.started = event
            case StepStarted():
                self.step, self.progress = event, None
            case Advanced():
                self.progress = event
            case Asked():
                self.question = event
            case Answered() if self.question is not None and event.qid == self.question.qid:
                self.question = None
            case CancelRequested():
                self.cancel = event
            case Warned():
                self.warnings += event.count
            case JobFinished():
                self.result = event

    def state(self, *, alive: bool) -> JobState:
        """Return the state, given whether the runner's lock was held before the events were read."""
        if self.result is not None:
            return _ENDS.get(self.result.status, JobState.FAILED)
        if not alive:
            return JobState.INTERRUPTED
        if self.cancel is not None:
            return JobState.CANCELLING
        if self.question is not None:
            return JobState.ASKING
        return JobState.RUNNING if self.started is not None else JobState.QUEUED

    def status(self, spec: Spec, *, alive: bool) -> JobStatus:
        """Return what is known by now of the job `spec`; `alive` as for `state`."""
        return JobStatus(
            spec=spec,
            state=self.state(alive=alive),
            started=self.started,
            step=self.step,
            progress=self.progress,
            question=self.question,
            warnings=self.warnings,
            result=self.result,
            heard=self.heard,
        )


def replayed(events: Iterable[Event]) -> Replay:
    """Return where `events` lead."""
    replay = Replay()
    for event in events:
        replay.take(event)
    return replay


def _end(directory: Path) -> JobFinished | None:
    """Return the last event of a job that ended, from the end of its journal: lists need no more."""
    with durable.translated(directory), open(directory / EVENTS, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - _TAIL))
        lines = file.read().splitlines()
    last = decode(lines[-1]) if lines else None
    return last if isinstance(last, JobFinished) else None


def job_status(directory: Path, *, brief: bool = False) -> JobStatus:
    """Return where the job in `directory` stands; `brief` leaves out start and steps of jobs that ended.

    Raises `JobNotFoundError`, `ArchiveDamagedError` when its description cannot be read.
    """
    spec = read_spec(directory)
    alive = runner_alive(directory)  # before the events: a job that ends meanwhile has said so there
    if brief and not alive:
        try:
            end = _end(directory)
        except JobNotFoundError:
            end = None
        if end is not None and end.warnings is not None:  # else an older one wrote it: they have to be counted
            state = _ENDS.get(end.status, JobState.FAILED)
            return JobStatus(spec=spec, state=state, warnings=end.warnings, result=end, heard=end.ts)
    return replayed(read(directory)).status(spec, alive=alive)


def job_directories(store: Path) -> list[Path]:
    """Return the directories of all jobs in `store`, newest first; none when there is no store."""
    found: list[tuple[int, str, Path]] = []
    with durable.translated(store):
        try:
            names = os.listdir(store)
        except FileNotFoundError:
            return []
        for name in names:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                if not name.startswith("."):
                    found.append(((store / name / SPEC).stat().st_mtime_ns, name, store / name))
    return [path for _, _, path in sorted(found, reverse=True)]
