"""The job that an operation gets: it says what happens, and hears whether to stop.

Each event goes to the journal first and then to every sink: the text progress of the command line,
`--events`, the screen. All methods may be called from any thread; sinks are called one event at a time.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Self, TypeVar

from msgspec.structs import replace

from toolkit.display import display
from toolkit.errors import CancelledError, ForbiddenError, StorageError
from toolkit.events import (
    Action,
    Advanced,
    Answered,
    Asked,
    Beat,
    By,
    CancelEffect,
    CancelRequested,
    Event,
    Failure,
    ItemReported,
    JobFinished,
    JobStarted,
    Level,
    Logged,
    Outcome,
    QuestionKind,
    StepStarted,
    UndoOffer,
    UndoWay,
    Unit,
    Warned,
    encode,
)
from toolkit.jobs.failure import failure_of, outcome_of, plain_exit
from toolkit.jobs.identity import boot_id, start_ticks, who
from toolkit.jobs.journal import Journal, Spec, new_spec, wire_name
from toolkit.jobs.meter import Meter
from toolkit.jobs.questions import settle
from toolkit.jobs.requests import CANCEL, find_request
from toolkit.masking import Mask

JOB_ID_VARIABLE = "LIFEBOAT_JOB_ID"
"""Names the job that a detached child takes over instead of making its own."""

BEAT = 5.0
"""Seconds of silence after which a beat says that the job is alive."""

_PULSE = 1.0

Sink = Callable[[Event], None]
Answerer = Callable[[Asked], str | None]
"""Asks a person at once and returns the choice; None when there is nobody to ask."""

AnyEvent = TypeVar("AnyEvent", bound=Event)


def json_lines(stream: IO[str]) -> Sink:
    """Return the sink that writes each event as one JSON line to `stream` (`--events`)."""

    def write(event: Event) -> None:
        stream.write(encode(event).decode())
        stream.flush()

    return write


class ProgressReporter:
    """The `Progress` of one step: call it as often as you like, from any thread."""

    __slots__ = ("_job", "_meter")

    def __init__(self, job: Job, meter: Meter) -> None:
        self._job = job
        self._meter = meter

    def __call__(self, done: int, total: int | None = None) -> None:
        """Take (done, total); done never falls, and total stays what it was where it is None."""
        self._job._advance(self._meter, done, total)  # noqa: SLF001 - the other half of Job

    def at(self, item: str | bytes | Path) -> None:
        """Name what is worked on; it is said with the next progress."""
        self._meter.item = wire_name(item)


class Job:
    """One running operation. As a context manager it says `job.started`, beats, and always ends the journal.

    `mask` takes secrets out of all that is said. `answerer` asks a person at this terminal; `attended` says
    that somebody may answer through the job's directory. `exit_for` gives the exit code for an error that
    leaves the block. `clock` (seconds), `pause` and `pulse` (seconds between looks; None: no thread) are for tests.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        sinks: Iterable[Sink] = (),
        mask: Mask | None = None,
        answerer: Answerer | None = None,
        exit_for: Callable[[BaseException], int] = plain_exit,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
        pulse: float | None = _PULSE,
    ) -> None:
        self.mask = mask if mask is not None else Mask()
        self.result: JobFinished | None = None
        self.warnings: list[Warned] = []
        self._journal = journal
        self._sinks = list(sinks)
        self._answerer = answerer
        self._exit_for = exit_for
        self._clock = clock
        self._pause = pause
        self._pulse = pulse
        self._mutex = threading.RLock()
        self._meters: dict[int, Meter] = {}
        self._said_at = clock()
        self._step: StepStarted | None = None
        self._questions = 0
        self._cancel: CancelRequested | None = None
        self._signal = ""
        self._trouble_said = False
        self._ended = threading.Event()
        self._heart: threading.Thread | None = None

    @classmethod
    def open(
        cls,
        store: Path | None,
        operation: str,
        *,
        targets: tuple[str | bytes | Path, ...] = (),
        plan: str | None = None,
        cli: str = "",
        by: By | None = None,
        sinks: Iterable[Sink] = (),
        mask: Mask | None = None,
        answerer: Answerer | None = None,
        exit_for: Callable[[BaseException], int] = plain_exit,
    ) -> Job:
        """Return a job whose journal is made in `store` (STATE/jobs), or taken over where LIFEBOAT_JOB_ID names one.

        Where the journal cannot be made (read-only or full disk, `store` None) the job runs without one, and
        warns of it unless `store` is None. Raises `JobNotFoundError`, `LockedError` or `RefusedError` when the
        named job cannot be taken over. The variable is taken out of the environment: children start their own jobs.
        """
        mask = mask if mask is not None else Mask()
        adopted = os.environ.pop(JOB_ID_VARIABLE, "")
        if adopted and store is not None:
            journal = Journal.adopt(store, adopted)
        else:
            spec: Spec = new_spec(operation, targets=targets, plan=plan, cli=cli, by=by if by is not None else who())
            spec = mask.struct(spec)
            try:
                journal = Journal.unwritten(spec) if store is None else Journal.create(store, spec)
            except (StorageError, ForbiddenError) as error:
                journal = Journal.unwritten(spec, error)
        return cls(journal, sinks=sinks, mask=mask, answerer=answerer, exit_for=exit_for)

    @property
    def id(self) -> str:
        """The job's id."""
        return self._journal.spec.id

    @property
    def spec(self) -> Spec:
        """What the job was asked."""
        return self._journal.spec

    @property
    def directory(self) -> Path | None:
        """The job's directory; None when it runs without a journal."""
        return self._journal.directory

    def __enter__(self) -> Self:
        with self._mutex:
            self._tell(self._journal.created)
            pid = os.getpid()
            self._say(JobStarted(pid=pid, boot_id=boot_id(), start_ticks=start_ticks(pid)))
        if self._pulse is not None:
            self._heart = threading.Thread(target=self._beat, args=(self._pulse,), name="job-beat", daemon=True)
            self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self.result is None:
                code = 0 if error is None else self._exit_for(error)
                self.finish(outcome_of(error), exit=code, error=error)
        finally:
            self._ended.set()
            if self._heart is not None:
                self._heart.join()
            self._journal.close()

    def _beat(self, pulse: float) -> None:
        while not self._ended.wait(pulse):
            self.tick()

    def tick(self) -> None:
        """Do what is due: hear signals and requests, say held-back progress, beat. The job's own thread calls it."""
        with self._mutex:
            self._hear(look=True)
            now = self._clock()
            self._flush(now)
            if now - self._said_at >= BEAT:
                self._say(Beat())

    def _say(self, event: AnyEvent, *, sync: bool = False) -> AnyEvent:
        with self._mutex:
            if self.result is not None:
                return event
            stamped = self._journal.append(self.mask.struct(event), sync=sync)
            self._said_at = self._clock()
            self._tell(stamped)
            trouble = self._journal.trouble
            if trouble is not None and not self._trouble_said and not isinstance(event, JobFinished):
                self._trouble_said = True
                self.warn("journal-unwritable", f"this job leaves no journal: {trouble.message}")
            return stamped

    def _tell(self, event: Event) -> None:
        for sink in tuple(self._sinks):
            try:
                sink(event)
            except (OSError, ValueError):  # the terminal is gone; the job is not
                self._sinks.remove(sink)

    def _line(self, text: str) -> str:
        return display(self.mask.text(text))

    def _flush(self, now: float) -> None:
        for key, meter in tuple(self._meters.items()):
            event = meter.flush(now)
            del self._meters[key]
            if event is not None:
                self._say(event)

    def _advance(self, meter: Meter, done: int, total: int | None) -> None:
        with self._mutex:
            event: Advanced | None = meter.update(done, total, self._clock())
            if event is not None:
                self._say(event)
            elif meter.pending:
                self._meters[id(meter)] = meter

    def step(
        self,
        name: str,
        title: str,
        *,
        n: int | None = None,
        of: int | None = None,
        cancel: CancelEffect | str = CancelEffect.NOW,
        undo: UndoWay | str = UndoWay.NONE,
        size: int | None = None,
        items: int | None = None,
    ) -> None:
        """Begin a step: `name` is stable, `title` for people; `n` counts by itself. It is about `size` bytes, `items`.

        `cancel` says when the step gives way. Raises `CancelledError` when the job was cancelled, unless
        the step must `never` be: so the step that ends a swap is reached, and nothing after it begun.
        """
        effect = CancelEffect(cancel)
        with self._mutex:
            self._hear()
            if self._cancel is not None and effect is not CancelEffect.NEVER:
                raise self._cancelled()
            self._flush(self._clock())
            number = n if n is not None else 1 + (self._step.n if self._step is not None else 0)
            step = StepStarted(
                n=number,
                of=of,
                name=name,
                title=self._line(title),
                cancel=effect,
                undo=UndoWay(undo),
                bytes=size,
                items=items,
            )
            self._step = self._say(step)

    def progress(
        self,
        step: str | None = None,
        *,
        unit: Unit | str = Unit.BYTES,
        total: int | None = None,
        item: str | bytes | Path | None = None,
    ) -> ProgressReporter:
        """Return the `Progress` of `step` (default: the one that runs), counted in `unit`.

        However often it is called, at most four events a second come out, the first and the last among
        them; the last is said at the latest when the next step begins or the job ends.
        """
        name = step if step is not None else self._step.name if self._step is not None else ""
        return ProgressReporter(self, Meter(name, Unit(unit), None if item is None else wire_name(item), total))

    def item(self, path: str | bytes | Path, action: Action | str, reason: str = "") -> None:
        """Report an exceptional item."""
        self._say(ItemReported(path=wire_name(path), action=Action(action), reason=self._line(reason)))

    def log(
        self, level: Level | str, code: str, msg: str, *, host: str | None = None, **params: str | float | bool | None
    ) -> None:
        """Write a line; `code` is stable, `params` are the values in `msg`, `host` which server it is about."""
        safe = {key: self._line(value) if isinstance(value, str) else value for key, value in params.items()}
        self._say(Logged(level=Level(level), code=code, msg=self._line(msg), params=safe, host=host))

    def warn(self, code: str, msg: str, *, count: int = 1) -> None:
        """Warn of something; the job ends no better than `warn`."""
        with self._mutex:
            self.warnings.append(self._say(Warned(code=code, msg=self._line(msg), count=count)))

    def note_signal(self, name: str) -> None:
        """Remember a signal; it cancels the job when that next looks. Takes no lock: handlers may call it."""
        self._signal = name

    def cancel(self, by: By | None = None, *, signal: str | None = None) -> None:
        """Ask the job to end as soon as its step allows; asking twice changes nothing."""
        with self._mutex:
            if self._cancel is not None or self.result is not None:
                return
            now = self._step is None or self._step.cancel is CancelEffect.NOW
            effective = CancelEffect.NOW if now else CancelEffect.AFTER_STEP
            self._cancel = CancelRequested(effective=effective, by=by, signal=signal)
            self._say(self._cancel)

    def _hear(self, *, look: bool = False) -> None:
        if self._cancel is not None or not (self._signal or look):
            return
        directory = self._journal.directory
        request = find_request(directory, CANCEL) if directory is not None else None
        if request is not None or self._signal:
            self.cancel(None if request is None else request.by, signal=self._signal or None)

    def should_stop(self) -> bool:
        """Answer whether to stop now: cancelled, and the step gives way (`ShouldStop` for engines)."""
        if self._signal and self._cancel is None:
            with self._mutex:
                self._hear()
        return self._cancel is not None and (self._step is None or self._step.cancel is CancelEffect.NOW)

    def raise_if_stopped(self) -> None:
        """Raise `CancelledError` when the job should stop now."""
        if self.should_stop():
            raise self._cancelled()

    def _cancelled(self) -> CancelledError:
        request = self._cancel
        if request is not None and request.by is not None and request.by.user:
            return CancelledError(f"cancelled by {display(request.by.user)}")
        if request is not None and request.signal:
            return CancelledError(f"cancelled by {request.signal}")
        return CancelledError("cancelled")

    def ask(
        self,
        kind: QuestionKind | str,
        subject: str | bytes | Path,
        choices: tuple[str, ...] = (),
        *,
        suggest: str | None = None,
        default: str | None = None,
        default_after: float | None = None,
    ) -> Answered:
        """Ask, and return the answer: from the person at this terminal, or from the job's directory when attended.

        After `default_after` seconds, or when there is nobody to ask, `default` is taken. Raises `UndecidedError`
        where there is neither, `CancelledError` when the job is cancelled meanwhile. A secret comes from the
        terminal only; the answer holds it, the journal does not.
        """
        kind = QuestionKind(kind)
        self._questions += 1
        question = self._say(
            Asked(
                qid=f"q{self._questions}",
                kind=kind,
                subject=wire_name(subject),
                choices=choices,
                suggest=suggest,
                default=default,
                default_after_s=default_after,
            )
        )
        choice = self._answerer(question) if self._answerer is not None else None
        if choice is not None:
            given = Answered(qid=question.qid, choice=choice, by=self.spec.by)
        else:
            directory = self.directory if self.spec.attended else None
            given = settle(question, directory, check=self.raise_if_stopped, clock=self._clock, pause=self._pause)
        if kind is QuestionKind.SECRET:
            self.mask.add(given.choice)
            self._say(Answered(qid=given.qid, choice="", by=given.by))
            return given
        return self._say(given)

    def finish(
        self,
        outcome: Outcome | str,
        *,
        exit: int,  # noqa: A002 - the word of the protocol
        summary: str = "",
        error: BaseException | Failure | None = None,
        undo: UndoOffer | None = None,
        artifacts: Iterable[str | bytes | Path] = (),
    ) -> JobFinished:
        """End the journal, durably, and return its last event; `ok` with warnings becomes `warn`.

        Where that event cannot be written it says `warn` too. Only the first call counts.
        """
        with self._mutex:
            if self.result is not None:
                return self.result
            self._flush(self._clock())
            status = Outcome(outcome)
            if status is Outcome.OK and self.warnings:
                status = Outcome.WARN
            finished = self._say(
                JobFinished(
                    status=status,
                    exit=exit,
                    summary=self._line(summary),
                    error=failure_of(error) if isinstance(error, BaseException) else error,
                    undo=undo,
                    artifacts=tuple(wire_name(artifact) for artifact in artifacts),
                    warnings=sum(warned.count for warned in self.warnings),
                ),
                sync=True,
            )
            if self._journal.trouble is not None and finished.status is Outcome.OK:
                finished = replace(finished, status=Outcome.WARN)
            self.result = finished
            return finished
