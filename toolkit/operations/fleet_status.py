"""`fleet status`: the state of every profile on every server, worst first, and the file from which screens paint it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from toolkit import durable
from toolkit.errors import LifeboatError
from toolkit.events import RawName, plain_name
from toolkit.operations.fleet import FleetReport, HostRow, conclude
from toolkit.operations.report import Ending
from toolkit.operations.session import Session
from toolkit.vault import health

FILE_NAME = "fleet.json"
SKEWED = 60
"""Seconds that the clock of a server may differ before it is said; finding it out takes a few itself."""

WORST_FIRST = ("unreachable", "failed", *health.WORST_FIRST)


class FleetRow(msgspec.Struct, frozen=True, kw_only=True):
    """One profile on one server, or a server without any (`profile` empty).

    `state` is the worst of its targets' (bad, warn, unknown, ok), `failed` where Lifeboat does not run there, or
    `unreachable`; `why` the first reason in words. `last_good` is the oldest of the targets' newest good copies, for
    nothing younger is safe as a whole; `evidence` the weakest of theirs; `rehearsed` when one was last rehearsed.
    """

    host: str
    profile: str = ""
    state: str = "unknown"
    why: str = ""
    last_good: datetime | None = None
    age_s: int | None = None
    evidence: str = ""
    rehearsed: datetime | None = None
    queued: int = 0
    findings: int = 0
    free: int | None = None
    total: int | None = None
    version: str = ""
    skew_s: int | None = None
    timer: str = ""


class FleetStatusReport(FleetReport, kw_only=True):
    """The report of `fleet status`: rows worst first, and what each server answered."""

    at: datetime | None = None
    rows: list[FleetRow] = msgspec.field(default_factory=list)


class FleetTarget(msgspec.Struct, frozen=True, kw_only=True):
    """A database or file set on a server: its state, why, and its newest good backup."""

    profile: str
    path: str
    state: str
    why: str = ""
    backup: str = ""
    at: datetime | None = None
    evidence: str = ""


class FleetSeen(msgspec.Struct, frozen=True, kw_only=True):
    """What the last `fleet status` saw: when, of which inventory, the rows, and what each server has, by its name."""

    v: int = 1
    at: datetime
    inventory: tuple[str, ...] = ()
    rows: tuple[FleetRow, ...] = ()
    targets: dict[str, tuple[FleetTarget, ...]] = {}


def assess(report: FleetReport, now: datetime) -> FleetStatusReport:
    """Return the report of `fleet status` out of what the servers answered to `status`."""
    rows = sorted(
        (row for name, host in report.hosts.items() for row in rows_of(name, host)),
        key=lambda row: (_rank(row.state), row.host, row.profile),
    )
    made = FleetStatusReport(operation=report.operation, hosts=report.hosts, at=now, rows=rows)
    conclude(made)
    if made.ending is Ending.DONE and any(row.state == "bad" for row in rows):
        made.ending = Ending.DAMAGE
    for row in rows:
        if row.skew_s is not None and abs(row.skew_s) > SKEWED:
            made.warn("clock-skew", f"the clock of this server differs by {row.skew_s} s", subject=row.host)
    return made


def _rank(state: str) -> int:
    """Return how far down a state belongs; one that a newer Lifeboat on a server may send counts as unknown."""
    return WORST_FIRST.index(state if state in WORST_FIRST else "unknown")


def rows_of(name: str, host: HostRow) -> Iterator[FleetRow]:
    """Yield the rows of one server."""
    document = host.report
    if not host.reached or "targets" not in document:
        state = "failed" if host.reached else "unreachable"
        yield FleetRow(host=name, state=state, why=host.error if host.reached else "does not answer")
        return
    vault = document.get("vault") or {}
    common: dict[str, Any] = {
        "host": name,
        "free": vault.get("free"),
        "total": vault.get("total"),
        "version": document.get("version") or "",
        "skew_s": _skew(document.get("now"), host.heard),
        "timer": _timer(document.get("schedule")),
    }
    profiles = [one["profile"] for one in document.get("profiles") or ()]
    if not profiles:
        yield FleetRow(state="unknown", why="no profile and no backup", **common)
    for profile in profiles:
        yield FleetRow(profile=profile, **_of_profile(profile, document), **common)


def _of_profile(profile: str, document: Mapping[str, Any]) -> dict[str, Any]:
    targets = [one for one in document["targets"] if one["profile"] == profile]
    worst = min(targets, key=lambda one: _rank(one["state"]), default=None)
    good = [one["last_good"] for one in targets if one.get("last_good")]
    oldest = min(good, key=lambda one: str(one["at"]), default=None) if len(good) == len(targets) else None
    known: dict[str, Any] = next((one for one in document["profiles"] if one["profile"] == profile), {})
    levels = ("written", "verified", "opened", "rehearsed")
    reasons = (worst or {}).get("reasons") or ()
    return {
        "state": worst["state"] if worst is not None else "unknown",
        "why": reasons[0]["text"] if reasons else "",
        "last_good": _time(oldest["at"]) if oldest is not None else None,
        "age_s": oldest["age_s"] if oldest is not None else None,
        "evidence": min((one["evidence"] for one in good), key=levels.index, default=""),
        "rehearsed": _time(known.get("rehearsed_at")),
        "queued": sum(one.get("profile") == profile for one in document.get("queue") or ()),
        "findings": sum((one.get("last_check") or {}).get("result") == "damaged" for one in targets),
    }


def _targets(host: HostRow) -> Iterator[FleetTarget]:
    for one in host.report.get("targets") or ():
        good, reasons = one.get("last_good") or {}, one.get("reasons") or ()
        yield FleetTarget(
            profile=one["profile"],
            path=plain_name(msgspec.convert(one["path"], RawName | str)),
            state=one["state"],
            why=reasons[0]["text"] if reasons else "",
            backup=good.get("id", ""),
            at=_time(good.get("at")),
            evidence=good.get("evidence", ""),
        )


def _timer(schedule: Mapping[str, Any] | None) -> str:
    if schedule is None:
        return "?"
    installed = str(schedule.get("installed") or "none")
    return installed if schedule.get("current") or installed == "none" else f"{installed}, outdated"


def _skew(there: str | None, heard: datetime | None) -> int | None:
    at = _time(there)
    return None if at is None or heard is None else round((at - heard).total_seconds())


def _time(text: str | None) -> datetime | None:
    return None if not text else msgspec.convert(text, datetime, strict=False)


def unrehearsed(rows: list[FleetRow], now: datetime, age: timedelta) -> list[FleetRow]:
    """Return the rows without a rehearsal younger than `age`."""
    return [row for row in rows if row.rehearsed is None or now - row.rehearsed > age]


def problems(rows: list[FleetRow]) -> list[FleetRow]:
    """Return the rows that somebody should look at: not ok, copies waiting, or nothing that runs by itself."""
    return [row for row in rows if row.state != "ok" or row.queued or row.timer in ("none", "") or "out" in row.timer]


def keep(session: Session, report: FleetStatusReport, inventory: tuple[str, ...]) -> None:
    """Write what was seen, for the screens. What of it cannot be written is a warning of `report`."""
    if report.at is None:
        return
    targets = {name: tuple(_targets(row)) for name, row in report.hosts.items()}
    seen = FleetSeen(at=report.at, inventory=inventory, rows=tuple(report.rows), targets=targets)
    try:
        write(session, seen)
    except LifeboatError as error:
        report.warn(error.code, f"what was seen could not be kept: {error.message}", subject=error.subject)


def write(session: Session, seen: FleetSeen) -> None:
    """Write what was seen; raises `StorageError`."""
    durable.make_directory(session.state)
    durable.write_file(path_of(session), msgspec.json.encode(seen))


def last(session: Session) -> FleetSeen | None:
    """Return what the last `fleet status` saw; None where there was none, or its file cannot be read."""
    try:
        return msgspec.json.decode(path_of(session).read_bytes(), type=FleetSeen)
    except (OSError, msgspec.DecodeError):
        return None


def path_of(session: Session) -> Path:
    """Return where it is kept."""
    return session.state / FILE_NAME
