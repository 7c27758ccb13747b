"""`list`: the backups of the vault, filtered, sorted, a page at a time."""

from __future__ import annotations

from datetime import datetime

import msgspec

from toolkit.archive.manifest import EvidenceLevel, Status
from toolkit.errors import LifeboatError
from toolkit.jobs.journal import runner_alive
from toolkit.operations.report import Report
from toolkit.operations.session import Session
from toolkit.operations.targets import profile_names
from toolkit.retention import Kind, Scope
from toolkit.vault import catalog, sidecar
from toolkit.vault.layout import Vault
from toolkit.vault.rows import Row

INTERRUPTED = "interrupted"
"""The status of a backup that says `creating` and whose job is gone."""


class ListRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which backups, in which order, which page. `deleted` includes those in the trash."""

    profile: str | None = None
    kinds: tuple[Kind, ...] = ()
    scopes: tuple[Scope, ...] = ()
    tags: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    sort: str = "started"
    reverse: bool = False
    deleted: bool = False
    limit: int | None = 50
    offset: int = 0


class ListedBackup(msgspec.Struct, frozen=True, kw_only=True):
    """One backup. `databases` and `files` are counts; `removed` is empty, `trash` or `removing`."""

    id: str
    profile: str
    kind: Kind
    scope: Scope
    format: str
    host: str
    status: str
    error: str
    started: datetime
    finished: datetime | None
    size: int
    files: int
    databases: int
    evidence: str
    good: bool
    damaged: bool
    pin: bool
    rating: int | None
    note: str
    tags: tuple[str, ...]
    destinations: tuple[str, ...]
    removed: str


class ListReport(Report, kw_only=True):
    """The page of backups, and how many there are in all."""

    backups: list[ListedBackup] = msgspec.field(default_factory=list)
    total: int = 0
    offset: int = 0


def run(session: Session, request: ListRequest) -> ListReport:
    """Return the page that `request` asks for.

    Raises `NotFoundError` when there is no vault, `ProfileNotFoundError` for a name that neither the
    configuration nor a backup has, `UsageError` for an order that there is not.
    """
    vault = session.existing_vault
    if request.profile is not None:
        profile_names(session, [request.profile])
    report = ListReport(offset=request.offset)
    wanted = catalog.Filter(
        profile=request.profile,
        kinds=request.kinds,
        scopes=request.scopes,
        tags=request.tags,
        since=request.since,
        until=request.until,
        removed=None if request.deleted else "",
    )

    def say(message: str) -> None:
        report.warn("catalog", message)

    found = catalog.rows(
        vault,
        wanted,
        order=request.sort,
        descending=request.reverse == (request.sort in ("profile", "kind")),
        limit=request.limit,
        offset=request.offset,
        say=say,
    )
    report.total = catalog.count(vault, wanted)
    report.backups = [listed(session, vault, row) for row in found]
    if not report.total:
        report.notes.append("there is no such backup" if _narrow(request) else "there is no backup yet")
    return report


def _narrow(request: ListRequest) -> bool:
    return bool(request.kinds or request.scopes or request.tags or request.since or request.until)


def listed(session: Session, vault: Vault, row: Row) -> ListedBackup:
    """Return what a list says of the backup of the catalog's `row`."""
    return ListedBackup(
        id=row.id,
        profile=row.profile,
        kind=row.kind,
        scope=row.scope,
        format=row.format,
        host=row.host,
        status=_status(session, vault, row),
        error=row.error,
        started=row.started,
        finished=row.finished,
        size=row.size,
        files=row.files,
        databases=row.databases,
        evidence=EvidenceLevel(row.evidence).word,
        good=row.good,
        damaged=row.damaged,
        pin=row.pin,
        rating=row.rating,
        note=row.note,
        tags=row.tags,
        destinations=row.destinations,
        removed=row.removed,
    )


def _status(session: Session, vault: Vault, row: Row) -> str:
    """Return the status of `row`; a run whose job is known to be gone was interrupted."""
    if row.status is not Status.CREATING:
        return row.status.value
    try:
        job = sidecar.read(vault.path / row.path).job
        gone = bool(job) and (session.state / "jobs" / job).is_dir() and not runner_alive(session.state / "jobs" / job)
    except LifeboatError:
        return row.status.value
    return INTERRUPTED if gone else row.status.value
