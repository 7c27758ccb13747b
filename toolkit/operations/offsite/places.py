"""The destinations of the configuration: which there are, and whether they keep their promises (`destination`)."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import msgspec

from toolkit.errors import CancelledError, DestinationError, LifeboatError, NotFoundError
from toolkit.jobs.context import Job
from toolkit.operations.report import Ending, Report
from toolkit.operations.session import Session
from toolkit.vault import sidecar


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A destination: who uses it, how many copies wait, and, where it was asked, what it says of its space.

    `limit` is the highest speed of transfers in bytes a second.
    """

    name: str
    type: str
    profiles: tuple[str, ...]
    keep: int | None
    queued: int
    reached: bool = False
    limit: int | None = None
    free: int | None = None
    total: int | None = None
    binned: int | None = None
    error: str = ""


class PlacesReport(Report, kw_only=True):
    """The report of `destination list`."""

    destinations: list[Place] = msgspec.field(default_factory=list)


class CheckRow(msgspec.Struct, frozen=True, kw_only=True):
    """One promise, and why it is not kept."""

    name: str
    title: str
    ok: bool
    error: str = ""
    seconds: float = 0.0


class CheckReport(Report, kw_only=True):
    """The report of `destination check`."""

    destination: str
    items: list[CheckRow] = msgspec.field(default_factory=list)


def listing(session: Session, *, ask: bool = False) -> PlacesReport:
    """Return the configured destinations; with `ask` each is asked for its space, and one that fails is a warning."""
    from toolkit.destinations import registry

    report = PlacesReport()
    waiting = _waiting(session)
    for config in session.config.destinations:
        place = Place(
            name=config.name,
            type=registry.type_of(config),
            profiles=tuple(one.name for one in session.config.profiles if config.name in one.destinations),
            keep=config.keep,
            limit=config.limit,
            queued=waiting.count(config.name),
        )
        report.destinations.append(_asked(session, place, report) if ask else place)
    return report


def _waiting(session: Session) -> list[str]:
    try:
        found = list(sidecar.load_all(session.existing_vault))
    except NotFoundError:
        return []
    return [copy.destination for one in found if one.manifest.tombstone is None for copy in one.manifest.pending]


def _asked(session: Session, place: Place, report: PlacesReport) -> Place:
    from toolkit.destinations import registry

    try:
        with registry.bare(session.config.destination(place.name), state=session.state) as destination:
            usage = destination.usage()
    except LifeboatError as error:
        report.warn(error.code, error.message, subject=error.subject or place.name, hint=error.hint)
        report.ending = Ending.INCOMPLETE
        return msgspec.structs.replace(place, error=error.message)
    return msgspec.structs.replace(place, reached=True, free=usage.free, total=usage.total, binned=usage.binned)


def check(session: Session, name: str, job: Job) -> CheckReport:
    """Hold a destination to its promises with small objects of its own, which are removed again.

    Raises `ConfigError` for an unknown name, and the destination's own error when it cannot be reached at all.
    A promise that is not kept is a `PromiseBrokenError` when all were tried.
    """
    from toolkit.destinations import registry
    from toolkit.destinations.conformance import CHECKS, Bench

    config = session.config.destination(name)
    report = CheckReport(destination=name)
    with registry.bare(config, state=session.state) as destination:
        destination.usage()
    for number, promise in enumerate(CHECKS, 1):
        job.step("check", promise.title, n=number, of=len(CHECKS))
        started = time.monotonic()
        said = ""
        with tempfile.TemporaryDirectory(prefix="lifeboat-check-") as scratch:
            bench = Bench(lambda: registry.bare(config, state=session.state), Path(scratch), host=session.host)
            try:
                promise.run(bench)
            except CancelledError:
                raise
            except LifeboatError as error:
                said = str(error)
        report.items.append(
            CheckRow(
                name=promise.name,
                title=promise.title,
                ok=not said,
                error=said,
                seconds=round(time.monotonic() - started, 3),
            )
        )
    report.changed = True
    _judge(report)
    return report


def _judge(report: CheckReport) -> None:
    broken = [row for row in report.items if not row.ok]
    for row in broken:
        report.warn(DestinationError.code, f"{row.title} {row.error}", subject=row.name)
    if broken:
        report.ending = Ending.UNREACHED
