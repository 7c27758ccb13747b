"""Delete backups that a person named: shown exactly, confirmed, then to the trash, or for good."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from toolkit.archive.manifest import Manifest, Status
from toolkit.errors import BackupNotFoundError, UsageError
from toolkit.events import UndoOffer
from toolkit.jobs.context import Job
from toolkit.operations.pace import removing, takes, timed
from toolkit.operations.plan import Loss, Plan, Step
from toolkit.operations.report import Ending, Report
from toolkit.operations.session import Session
from toolkit.operations.targets import manifest as find_manifest
from toolkit.retention import Kind
from toolkit.vault import catalog, remove, sidecar
from toolkit.vault import prune as removals
from toolkit.vault.layout import Vault
from toolkit.wording import count_text, duration_text, size_text


class DeleteRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which backups: those that `words` name, or all that fit the filters.

    `before` is a time: only what was started earlier. `failed` means records of runs that failed. `purge`
    removes for good, from the trash too; `allow_last_good` lets the last good copy of something go.
    """

    words: tuple[str, ...] = ()
    profile: str | None = None
    kinds: tuple[Kind, ...] = ()
    before: datetime | None = None
    failed: bool = False
    purge: bool = False
    allow_last_good: bool = False

    @property
    def filtered(self) -> bool:
        """Whether a filter was given."""
        return bool(self.profile or self.kinds or self.before or self.failed)


class DeletedRow(msgspec.Struct, frozen=True, kw_only=True):
    """One backup that goes, or would: `lost` says of what it is the last good copy."""

    id: str
    profile: str
    kind: Kind
    started: datetime
    size: int
    status: str = ""
    error: str = ""
    note: str = ""
    lost: tuple[str, ...] = ()
    trashed: bool = False


class KeptRow(msgspec.Struct, frozen=True, kw_only=True):
    """One backup that fits the filters and stays all the same."""

    id: str
    profile: str
    reason: str


class DeleteReport(Report, kw_only=True):
    """The report of `delete`; with a dry run `removed` is what would go.

    `until` is the time up to which `undo` brings it back (null: it does not).
    """

    removed: list[DeletedRow] = msgspec.field(default_factory=list)
    kept: list[KeptRow] = msgspec.field(default_factory=list)
    freed: int = 0
    until: datetime | None = None
    plan: Plan | None = None

    @property
    def undo(self) -> UndoOffer | None:
        """How to bring it back out of the trash."""
        if self.until is None:
            return None
        word = f" {self.removed[0].id}" if len(self.removed) == 1 else ""
        return UndoOffer(possible=True, until=self.until, cli=f"lifeboat undo{word}")


class DeletePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What would go. `removal` are the backups that are there, the rest of `rows` lies in the trash already."""

    plan: Plan
    request: DeleteRequest
    removal: removals.RemovalPlan
    rows: tuple[DeletedRow, ...]
    kept: tuple[KeptRow, ...] = ()

    @property
    def forbidden(self) -> tuple[DeletedRow, ...]:
        """The rows that may not go, because they are last good copies and nobody allowed it."""
        return () if self.request.allow_last_good else tuple(row for row in self.rows if row.lost)


def make_plan(session: Session, request: DeleteRequest, job: Job) -> DeletePlan:
    """Return what `request` would delete; nothing is changed.

    Raises `BackupNotFoundError` when a word names nothing or nothing fits the filters, `UsageError` when
    words and filters are mixed or neither is given.
    """
    vault = session.existing_vault
    job.step("plan", "Looking at what would go")
    kept: list[KeptRow] = []
    chosen = _named(session, vault, request) if request.words else _fitting(vault, request, kept)
    if request.words and request.filtered:
        raise UsageError("give backups or filters, not both", hint="`--profile` and the others choose by themselves")
    there = [one for one in chosen if one.tombstone is None]
    removal = removals.plan_delete(vault, [one.id for one in there])
    lost = {one.id: one.lost for one in removal.removed}
    rows = tuple(
        DeletedRow(
            id=one.id,
            profile=one.profile,
            kind=one.kind,
            started=one.started,
            size=one.size,
            status=one.status.value,
            error=one.error,
            note=one.note,
            lost=lost.get(one.id, ()),
            trashed=one.tombstone is not None,
        )
        for one in sorted(chosen, key=lambda one: (one.started, one.id))
    )
    return DeletePlan(
        plan=_plan(session, request, rows, removal.digest),
        request=request,
        removal=removal,
        rows=rows,
        kept=tuple(kept),
    )


def _named(session: Session, vault: Vault, request: DeleteRequest) -> list[Manifest]:
    found: dict[str, Manifest] = {}
    for word in request.words:
        try:
            one = find_manifest(session, word)
        except BackupNotFoundError:
            trashed = _in_trash(vault, word) if request.purge else None
            if trashed is None:
                raise
            one = trashed
        found[one.id] = one
    return list(found.values())


def _in_trash(vault: Vault, word: str) -> Manifest | None:
    wanted = catalog.Filter(id_prefix=word.rpartition("@")[2].lower(), removed="trash")
    rows = catalog.rows(vault, wanted, limit=2)
    return sidecar.load(vault, rows[0].id) if len(rows) == 1 else None


def _fitting(vault: Vault, request: DeleteRequest, kept: list[KeptRow]) -> list[Manifest]:
    """Return the backups that fit the filters. Safety sets only where asked for; pinned ones are `kept`."""
    if not request.filtered:
        raise UsageError(
            "no backup was named", hint="`lifeboat list` shows the ids; or choose with --profile, --before"
        )
    kinds = request.kinds or tuple(kind for kind in Kind if kind is not Kind.SAFETY)
    wanted = catalog.Filter(
        profile=request.profile,
        kinds=kinds,
        statuses=(Status.FAILED,) if request.failed else (),
        until=request.before,
    )
    chosen = []
    for row in catalog.rows(vault, wanted):
        if row.pin or row.status is Status.CREATING:
            reason = "it is pinned" if row.pin else "it is still being made"
            kept.append(KeptRow(id=row.id, profile=row.profile, reason=reason))
        else:
            chosen.append(sidecar.load(vault, row.id))
    if not chosen:
        hint = "those that fit are pinned" if kept else "`lifeboat list` shows what there is"
        raise BackupNotFoundError("no backup fits", hint=hint)
    return chosen


def _plan(session: Session, request: DeleteRequest, rows: tuple[DeletedRow, ...], digest: str) -> Plan:
    count = count_text(len(rows), "backup")
    freed = size_text(sum(row.size for row in rows))
    trash = session.config.vault.trash
    if request.purge:
        step = Step(n=1, name="purge", title=f"remove {count} for good, {freed}", deletes=len(rows), undo="none")
    else:
        step = Step(n=1, name="trash", title=f"move {count} to the trash, {freed}", deletes=len(rows), undo="manual")
    size = sum(row.size for row in rows) if request.purge else 0
    step = timed(step, removing(len(rows), size=size))
    lost = sorted({what for row in rows for what in row.lost})
    words = (*request.words, *(("--purge",) if request.purge else ()))
    return Plan(
        op="delete",
        targets=tuple(row.id for row in rows),
        steps=(step,),
        takes=takes((step,)),
        loses=Loss(text=", ".join(f"the {what}" for what in lost)),
        keeps="" if request.purge else f"all of it for {duration_text(trash.total_seconds())}; `lifeboat undo`",
        confirm="word",
        confirm_word=rows[0].id if len(rows) == 1 else str(len(rows)),
        cli=" ".join(("lifeboat delete", *words)) if request.words else "",
        state=(digest, *(row.id for row in rows)),
    ).sealed()


def settle(session: Session, made: DeletePlan, request: DeleteRequest, job: Job) -> DeletePlan:
    """Turn records of runs that are gone into failed ones first; return the plan, made again where that was needed.

    Raises `LockedError` while a run of such a record's profile goes on.
    """
    begun = sorted({row.profile for row in made.rows if row.status == Status.CREATING})
    if not begun:
        return made
    with holding(session, begun, "delete", job):
        for name in begun:
            session.recover(name, job)
    return make_plan(session, request, job)


def dry_run(made: DeletePlan) -> DeleteReport:
    """Return the report of a dry run; its ending is `refused` when applying it would be."""
    report = DeleteReport(plan=made.plan, removed=list(made.rows), kept=list(made.kept))
    report.freed = sum(row.size for row in made.rows)
    for row in made.forbidden:
        report.warn(
            "last-good-copy",
            f"this is the {', the '.join(row.lost)}; it goes only with --allow-last-good",
            subject=row.id,
        )
        report.ending = Ending.REFUSED
    return report


def require_allowed(session: Session, made: DeletePlan) -> None:
    """Raise what forbids the plan, before anybody is asked: `RefusedError`, `LastGoodCopyError`."""
    for profile in made.removal.profiles:
        remove.refuse(
            remove.present(session.existing_vault, profile),
            [row.id for row in made.removal.removed],
            allow_last_good=made.request.allow_last_good,
        )


def apply(session: Session, made: DeletePlan, job: Job) -> DeleteReport:
    """Do what the plan says, all with one tombstone time, so that one `undo` brings all of it back.

    Raises `OutdatedPlanError` when a backup of these profiles changed since, `LockedError`, and what
    `require_allowed` raises; then nothing was changed. After any other failure some went, and the next run
    of the profile finishes the one that was begun.
    """
    now = session.now()
    vault = session.existing_vault
    report = DeleteReport(kept=list(made.kept))
    rows = {row.id: row for row in made.rows}
    job.step("delete", f"Deleting {count_text(len(rows), 'backup')}", cancel="after_step")
    with holding(session, sorted({row.profile for row in made.rows}), "delete", job):
        if made.removal.removed:
            removals.apply(
                vault,
                made.removal,
                now=now,
                allow_last_good=made.request.allow_last_good,
                on_removed=lambda gone: report.removed.append(rows[gone.id]),
            )
        if made.request.purge:
            for row in made.rows:
                remove.purge(vault, row.id, now=now, reason="deleted for good by hand")
            report.removed = list(made.rows)
    report.changed = bool(report.removed)
    report.freed = sum(row.size for row in report.removed) if made.request.purge else 0
    words = count_text(len(report.removed), "backup")
    job.log("info", "deleted", f"deleted {words}", count=len(report.removed), purged=made.request.purge)
    if not made.request.purge and report.removed:
        report.until = now + session.config.vault.trash
        hours = duration_text(session.config.vault.trash.total_seconds())
        report.notes.append(f"kept in the trash for {hours}: `lifeboat undo` brings {_them(report)} back")
    return report


def _them(report: DeleteReport) -> str:
    return "it" if len(report.removed) == 1 else "them"


@contextlib.contextmanager
def holding(session: Session, profiles: Sequence[str], operation: str, job: Job) -> Iterator[None]:
    """Hold the locks of all `profiles`, taken in the order in which everybody takes them."""
    with contextlib.ExitStack() as stack:
        for name in sorted(set(profiles)):
            stack.enter_context(session.hold(name, operation, job))
        yield
