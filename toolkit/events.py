"""What a job can say, and how it can end (TUI.md section 4.6, DESIGN.md section 6).

Engines never see events: they take plain callables (`Progress`, `ShouldStop`), which `toolkit.jobs`
turns into the journal's lines. Every line of a journal, and of `--events`, is one of the structs below
with the fields of `Event`, the envelope, filled in by the journal. Readers keep types that they do not
know as `UnknownEvent` and ignore keys that they do not know. docs/reference/events.md lists them all.
"""

from __future__ import annotations

import base64
import enum
import functools
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

VERSION = 1
"""The `v` of every line; keys and types are only ever added to a version."""

Progress = Callable[[int, int | None], None]
"""Called with (done, total) in the unit of the step; total is None while it is not known."""

ShouldStop = Callable[[], bool]
"""Asked between pieces of work; when it answers True the engine raises `CancelledError` and cleans up."""


def no_progress(_done: int, _total: int | None) -> None:
    """Take progress and say nothing."""


def never_stop() -> bool:
    """Answer that the work may go on."""
    return False


class Outcome(enum.StrEnum):
    """How an operation ended; the `outcome` of every JSON document."""

    OK = "ok"
    WARN = "warn"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


class JobState(enum.StrEnum):
    """Where a job stands. `INTERRUPTED` is never written: it is a journal without an end whose lock is free."""

    QUEUED = "queued"
    RUNNING = "running"
    ASKING = "asking"
    CANCELLING = "cancelling"
    OK = "ok"
    WARN = "warn"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


class CancelEffect(enum.StrEnum):
    """When a step gives way to a cancellation: between two pieces of work, at its end, or not at all."""

    NOW = "now"
    AFTER_STEP = "after_step"
    NEVER = "never"


class UndoWay(enum.StrEnum):
    """How a step is taken back."""

    AUTO = "auto"
    MANUAL = "manual"
    NONE = "none"


class Unit(enum.StrEnum):
    """What progress counts."""

    BYTES = "bytes"
    FILES = "files"
    PAGES = "pages"
    ROWS = "rows"
    HOSTS = "hosts"


class Action(enum.StrEnum):
    """What happened to one item."""

    COPIED = "copied"
    REPLACED = "replaced"
    SKIPPED = "skipped"
    RENAMED = "renamed"
    FAILED = "failed"


class Level(enum.StrEnum):
    """How much a line of the log matters."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class QuestionKind(enum.StrEnum):
    """What sort of answer a question wants. The answer to `SECRET` is never written to a file."""

    CLASH = "clash"
    CONFIRM = "confirm"
    SECRET = "secret"  # noqa: S105 - a word of the protocol
    CHOICE = "choice"


class AnswerScope(enum.StrEnum):
    """How far an answer reaches: this question, all of its kind, all that follow."""

    THIS = "this"
    KIND = "kind"
    ALL = "all"


class RawName(msgspec.Struct, frozen=True):
    """A name that is not clean UTF-8: how it is shown, and its bytes in base64."""

    text: str
    b64: str


Name = str | RawName
"""A name on the wire. A plain one may still be hostile: show it through `toolkit.display` only."""


def plain_name(name: Name) -> str:
    """Return the name as Python knows it (`os.fsdecode`); an encoding that is broken gives its text."""
    if isinstance(name, str):
        return name
    try:
        return os.fsdecode(base64.b64decode(name.b64, validate=True))
    except ValueError:
        return name.text


class By(msgspec.Struct, frozen=True):
    """Who: the user, the one behind `sudo`, the terminal, and the address they came from."""

    user: str = ""
    sudo_user: str | None = None
    tty: str | None = None
    from_: str | None = msgspec.field(default=None, name="from")


class Failure(msgspec.Struct, frozen=True):
    """An error as JSON shows it; `retry` says whether doing the same again can help."""

    code: str
    msg: str
    subject: Name | None = None
    hint: str | None = None
    retry: bool = False


class UndoOffer(msgspec.Struct, frozen=True):
    """Whether the job can be taken back, until when, and by which command."""

    possible: bool
    until: datetime | None = None
    cli: str | None = None


EPOCH = datetime.fromtimestamp(0, UTC)


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """The envelope: protocol version, job, number in the journal (from 1, rising), UTC time, host of a fleet job."""

    v: int = VERSION
    job: str = ""
    seq: int = 0
    ts: datetime = EPOCH
    host: str | None = None


class JobCreated(Event, frozen=True, kw_only=True, tag="job.created"):
    """The first event: which operation on what, the digest of its plan, the command line that says the same, who."""

    op: str
    targets: tuple[Name, ...] = ()
    plan: str | None = None
    cli: str = ""
    by: By = By()


class JobStarted(Event, frozen=True, kw_only=True, tag="job.started"):
    """The runner took over: its process, the boot it lives in, and its start in clock ticks since that boot."""

    pid: int
    boot_id: str
    start_ticks: int = 0


class StepStarted(Event, frozen=True, kw_only=True, tag="step"):
    """Step `n` begins, of `of` when that is known; `name` is stable, `title` is for people.

    `bytes` and `items` say how much it is about, where that is known: what the next plan reckons its times from.
    """

    n: int
    of: int | None = None
    name: str
    title: str
    cancel: CancelEffect = CancelEffect.NOW
    undo: UndoWay = UndoWay.NONE
    bytes: int | None = None
    items: int | None = None


class Advanced(Event, frozen=True, kw_only=True, tag="progress"):
    """How far the step is; `done` never falls. `rate` is units a second, smoothed, `eta_s` seconds; null: unknown."""

    step: str
    done: int
    total: int | None = None
    unit: Unit = Unit.BYTES
    item: Name | None = None
    rate: float | None = None
    eta_s: int | None = None


class ItemReported(Event, frozen=True, kw_only=True, tag="item"):
    """An item that is an exception; what went as it should is only counted."""

    path: Name
    action: Action
    reason: str = ""


class Logged(Event, frozen=True, kw_only=True, tag="log"):
    """One line; `code` is stable, `params` are the values in `msg`. Without a `job`: why there is none."""

    level: Level
    msg: str
    code: str = ""
    params: dict[str, str | int | float | bool | None] = {}


class Asked(Event, frozen=True, kw_only=True, tag="ask"):
    """A question; after `default_after_s` seconds without an answer `default` is taken."""

    qid: str
    kind: QuestionKind
    subject: Name
    choices: tuple[str, ...] = ()
    suggest: str | None = None
    default: str | None = None
    default_after_s: float | None = None


class Answered(Event, frozen=True, kw_only=True, tag="answer"):
    """The answer to `qid`; `choice` is empty for a secret, `by` is null for the default."""

    qid: str
    choice: str
    scope: AnswerScope = AnswerScope.THIS
    by: By | None = None


class Warned(Event, frozen=True, kw_only=True, tag="warn"):
    """Something to know, `count` times; the job can end no better than `warn`."""

    code: str
    msg: str
    count: int = 1


class Beat(Event, frozen=True, kw_only=True, tag="beat"):
    """Said every 5 seconds when there is nothing else to say: alive, not stuck."""


class CancelRequested(Event, frozen=True, kw_only=True, tag="cancel"):
    """Somebody, or a signal, asked the job to end; `effective` says when it gives way."""

    effective: CancelEffect
    by: By | None = None
    signal: str | None = None


class JobFinished(Event, frozen=True, kw_only=True, tag="job.finished"):
    """The last event; a journal without it whose lock is free was interrupted. `warnings`: their counts, added up."""

    status: Outcome
    exit: int
    summary: str = ""
    error: Failure | None = None
    undo: UndoOffer | None = None
    artifacts: tuple[Name, ...] = ()
    warnings: int | None = None


class UnknownEvent(Event, frozen=True, kw_only=True, tag="unknown"):
    """A line of a type, or with values, that this version does not know; `fields` is all that it says."""

    name: str
    fields: dict[str, Any] = {}


KNOWN = (
    JobCreated,
    JobStarted,
    StepStarted,
    Advanced,
    ItemReported,
    Logged,
    Asked,
    Answered,
    Warned,
    Beat,
    CancelRequested,
    JobFinished,
)
"""Every event that is written, in the order of the reference."""

_AnyEvent = (
    JobCreated
    | JobStarted
    | StepStarted
    | Advanced
    | ItemReported
    | Logged
    | Asked
    | Answered
    | Warned
    | Beat
    | CancelRequested
    | JobFinished
)
_encoder = msgspec.json.Encoder()


@functools.cache
def _decoder() -> msgspec.json.Decoder[Event]:
    return msgspec.json.Decoder(_AnyEvent)


@functools.cache
def _unprintable() -> re.Pattern[str]:
    return re.compile(r"[^\x20-\x7e]")


def _escape(match: re.Match[str]) -> str:
    if match[0].isprintable():
        return match[0]
    units = match[0].encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value


def encode(event: Event) -> bytes:
    r"""Return the line of `event`, with its newline.

    The line is JSON and safe to send to a terminal: what is not printable is escaped as JSON allows, so
    it reads back unchanged. Lone surrogates, which JSON cannot carry, become text such as `\udce9`;
    names that may hold them belong in a `RawName`.
    """
    value = event.fields if isinstance(event, UnknownEvent) else event
    try:
        line = _encoder.encode(value)
    except UnicodeEncodeError:
        line = _encoder.encode(_clean(msgspec.to_builtins(value)))
    if line.isascii() and b"\x7f" not in line:
        return line + b"\n"
    return _unprintable().sub(_escape, line.decode()).encode() + b"\n"


def decode(line: bytes) -> Event | None:
    """Return the event of `line`, an `UnknownEvent` for what this version does not know, None for what is no event.

    Never raises: a journal may end in half a line after a crash, and is read all the same.
    """
    try:
        return _decoder().decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        fields = msgspec.json.decode(line)
        if not isinstance(fields, dict) or not isinstance(fields.get("type"), str):
            return None
        envelope = {key: fields[key] for key in ("v", "job", "seq", "ts", "host") if key in fields}
        return msgspec.convert({**envelope, "type": "unknown", "name": fields["type"], "fields": fields}, UnknownEvent)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
