"""What was timed on this host before: the steps of jobs, from their journals, and backups, from their manifests.

A plan must not become slower by it: only the newest few are read, long journals are passed over, and what cannot be
read is as if it were not there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path

import msgspec

from toolkit.archive.manifest import Manifest, Status
from toolkit.errors import LifeboatError
from toolkit.events import Answered, Asked, Event, JobFinished, Outcome, StepStarted
from toolkit.jobs.journal import EVENTS, read, read_spec
from toolkit.jobs.state import job_directories
from toolkit.operations.pace import LEAST, Estimate, Sample, reckon
from toolkit.operations.session import Session
from toolkit.retention import Kind
from toolkit.vault import layout, sidecar

MOST_LOOKED_AT, MOST_JOURNALS, MOST_BYTES = 200, 6, 256 << 10
"""How many jobs are looked at, how many journals are read, and how long one may be."""
MOST_MANIFESTS = 5
EXTRACT_OVER_VERIFY = 2.0
"""Taking everything out of an archive and writing it, compared with reading all of it."""

_REPLACING: Mapping[str, str] = {"restore": "stage", "undo": "stage", "repair": "copy", "rescue": "copy"}
"""The operations that put something in its place, and of which kind (of `pace.PACES`) their step `stage` is."""
_STEPS = ("stop", "holders", "stage", "check", "safety", "place", "start", "smoke")
_FIRST = ("stop", "holders", "stage", "write", "delete", "prune")
"""Steps before the first of these make the plan."""


class Timed(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a job that ended well."""

    kind: str
    title: str
    sample: Sample


def of_jobs(session: Session) -> tuple[Timed, ...]:
    """Return the steps of the newest jobs of this user that restored, repaired, rescued or undid, newest first."""
    found: list[Timed] = []
    left = MOST_JOURNALS
    with contextlib.suppress(LifeboatError, OSError):
        for directory in job_directories(session.state / "jobs")[:MOST_LOOKED_AT]:
            if not left:
                break
            steps = _of_job(directory)
            found += steps
            left -= bool(steps)
    return tuple(found)


def _of_job(directory: Path) -> list[Timed]:
    with contextlib.suppress(LifeboatError, OSError):
        operation = read_spec(directory).op
        if operation in _REPLACING and (directory / EVENTS).stat().st_size <= MOST_BYTES:
            return list(steps_of(operation, read(directory)))
    return []


def steps_of(operation: str, events: Iterable[Event]) -> Iterator[Timed]:
    """Yield the steps of a plan of `operation` that a journal shows done, with the time that each took.

    None of a job that did not end well. What was asked meanwhile, and until it was answered, does not count.
    """
    begun: list[tuple[StepStarted, float]] = []
    asked: datetime | None = None
    waited, acting, ended = 0.0, False, None
    for event in events:
        if isinstance(event, Asked):
            asked = event.ts
        elif isinstance(event, Answered) and asked is not None:
            waited, asked = waited + (event.ts - asked).total_seconds(), None
        elif isinstance(event, StepStarted):
            acting = acting or event.name in _FIRST
            if acting and event.name in _STEPS:
                begun.append((event, waited))
        elif isinstance(event, JobFinished):
            ended = event if event.status in (Outcome.OK, Outcome.WARN) else None
    if ended is None or not any(step.name == "place" for step, _ in begun):
        return
    ends = [*((step.ts, paused) for step, paused in begun[1:]), (ended.ts, waited)]
    for (step, before), (end, after) in zip(begun, ends, strict=True):
        seconds = (end - step.ts).total_seconds() - (after - before)
        sample = Sample(seconds=max(seconds, 0.0), size=step.bytes or 0, items=step.items or 0, by="recorded")
        yield Timed(kind=_kind(operation, step.name), title=step.title, sample=sample)


def _kind(operation: str, name: str) -> str:
    if name == "stage":
        return _REPLACING[operation]
    if name == "check" and _REPLACING[operation] == "copy":
        return "quick"
    if name == "place" and _REPLACING[operation] == "copy":
        return "names"
    return name


def of_backups(session: Session, profile: str) -> tuple[Manifest, ...]:
    """Return the newest manifests of `profile` that this host completed, newest first."""
    found: list[Manifest] = []
    with contextlib.suppress(LifeboatError, OSError):
        paths = list(layout.manifests(session.existing_vault, profile))
        for path in sorted(paths, key=_stamp, reverse=True)[: 2 * MOST_MANIFESTS]:
            with contextlib.suppress(LifeboatError, OSError):
                one = sidecar.read(path)
                if one.host == session.host and one.status in _COMPLETE and not (one.sealed and not amount(one)):
                    found.append(one)
    return tuple(found[:MOST_MANIFESTS])


_COMPLETE = (Status.COMPLETED, Status.UPLOADING)


def _stamp(path: Path) -> str:
    found = layout.parse_name(path.name)
    return found[0].when.isoformat() if found is not None else ""


def amount(manifest: Manifest) -> int:
    """Return how many bytes the backup holds, unpacked."""
    return max(manifest.files.bytes, sum(one.size for one in manifest.databases))


def made(manifests: Sequence[Manifest], *, safety: bool | None = None) -> tuple[Sample, ...]:
    """Return what making each backup took, with its reading back; of safety sets only, of others only, or of all."""
    return tuple(
        Sample(
            seconds=(one.finished - one.started).total_seconds() + _read_back(one),
            size=amount(one),
            items=one.files.files,
            by="recorded",
        )
        for one in manifests
        if one.finished is not None and safety in (None, one.kind is Kind.SAFETY)
    )


def _read_back(manifest: Manifest) -> float:
    return manifest.evidence.seconds if manifest.evidence.level == "verified" else 0.0


def taken_out(manifests: Sequence[Manifest]) -> tuple[Sample, ...]:
    """Return what taking all out of each of the backups took, as its rehearsal shows, else its reading."""
    return tuple(
        Sample(
            seconds=one.evidence.seconds * (1.0 if one.evidence.level == "rehearsed" else EXTRACT_OVER_VERIFY),
            size=amount(one),
            items=one.files.files,
            by="recorded",
        )
        for one in manifests
        if one.evidence.seconds
    )


class History:
    """What was timed on this host that tells how long a plan for `profile` takes; read when it is first asked for."""

    def __init__(self, session: Session, profile: str) -> None:
        self._session, self._profile = session, profile

    @cached_property
    def _jobs(self) -> tuple[Timed, ...]:
        return of_jobs(self._session)

    @cached_property
    def backups(self) -> tuple[Manifest, ...]:
        """The newest backups of the profile that were made here."""
        return of_backups(self._session, self._profile)

    def _recorded(self, kind: str) -> tuple[Sample, ...]:
        own = tuple(one.sample for one in self._jobs if one.kind == kind)
        if kind == "safety":
            return (*own, *(made(self.backups, safety=True) or made(self.backups)))
        if kind == "backup":
            return made(self.backups, safety=False)
        return (*own, *taken_out(self.backups)) if kind == "stage" else own

    def estimate(self, kind: str, *, size: int = 0, items: int = 0, measured: Sequence[Sample] = ()) -> Estimate:
        """Return how long `kind` (a key of `pace.PACES`) takes for so much."""
        return reckon(kind, size=size, items=items, samples=(*self._recorded(kind), *measured))

    def same(self, kind: str, title: str) -> Estimate | None:
        """Return how long the step `kind` with just this title took last; None where it never ran."""
        found = [one.sample.seconds for one in self._jobs if (one.kind, one.title) == (kind, title)]
        return Estimate(seconds=max(found[0], LEAST), by="recorded") if found else None
