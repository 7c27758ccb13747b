"""A sound private copy of a damaged database, for what must read all that is left of it; nothing is refilled here."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.errors import DamageError, SourceChangedError
from toolkit.jobs.context import Job
from toolkit.operations.repairing import references
from toolkit.operations.report import Ending, Report
from toolkit.operations.session import Session
from toolkit.sqlite import raw, salvage
from toolkit.sqlite.account import Account, TableAccount
from toolkit.wording import count_text


class SalvagedTable(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of one table; `gaps` are stretches in which more may be missing than the `lost` ones that are known."""

    read: int
    carved: int
    lost: int
    doubtful: int
    gaps: int


class Salvaged(msgspec.Struct, frozen=True, kw_only=True):
    """What was got out of a damaged database, and how. `unplaced` rows are in a table of their own."""

    strategy: str
    reason: str
    whole: bool
    tables: dict[str, SalvagedTable]
    lost_objects: tuple[str, ...]
    unplaced: int


def raw_set(path: Path, folder: Path, job: Job, *, otherwise: Path | None) -> Path:
    """Copy the live database `path` and its sidecars bit for bit into the new `folder`; return the main file's copy.

    Where an application goes on writing to it meanwhile, the consistent copy `otherwise` is returned, or
    `SourceChangedError` raised where there is none. Raises what `raw.raw_copy` raises.
    """
    durable.make_directory(folder)
    taken = raw.raw_copy(path, folder, should_stop=job.should_stop)
    if taken.stable:
        return taken.files[0]
    if otherwise is None:
        raise SourceChangedError(
            "the database is damaged, and an application goes on writing to it",
            subject=path,
            hint="stop the application first, or export from the last good backup with --from",
        )
    return otherwise


def sound_copy(session: Session, source: Path, path: str, job: Job, report: Report) -> tuple[Path, Account]:
    """Make a sound database of the private, damaged `source` (once `path`), whose sidecars lie beside it.

    It is made in a new folder beside `source`. The newest good backup tells its schema where there is one; no row
    is taken from it; a backup that cannot be used is a warning of `report`. Raises `UnrepairableError` when nothing
    could be got back, `SpaceError`, `StorageError`, `CancelledError`.
    """
    folder = source.parent / "salvage"
    durable.make_directory(folder)
    reference = references.newest(session, path, folder, job, report, level="quick")
    job.step("salvage", f"Reading what is left of {os.path.basename(path)}")
    scratch = folder / "scratch"
    durable.make_directory(scratch)
    output = folder / "salvaged.db"
    try:
        account = salvage.repair(
            source,
            output,
            scratch=scratch,
            reference=None if reference is None else reference.path,
            on_progress=job.progress(unit="pages"),
            should_stop=job.should_stop,
        )
    except DamageError as error:
        error.subject = path
        raise
    return output, account


def described(account: Account) -> Salvaged:
    """Return the account as a report carries it."""
    return Salvaged(
        strategy=account.strategy,
        reason=account.reason,
        whole=account.whole,
        tables={
            name: SalvagedTable(
                read=one.read, carved=one.carved, lost=one.lost, doubtful=one.doubtful, gaps=len(one.gaps)
            )
            for name, one in account.tables.items()
        },
        lost_objects=account.lost_objects,
        unplaced=account.unplaced,
    )


def warn_of(account: Account, path: str, report: Report) -> None:
    """Say in `report` what was lost; it is incomplete then. A damaged database that was read whole is a warning."""
    hint = f"lifeboat diagnose {path}"
    if account.complete:
        report.warn("database-damaged", "the database is damaged; every row of it was read", subject=path, hint=hint)
        return
    report.ending = Ending.INCOMPLETE
    report.warn("database-damaged", "the database is damaged; not every row could be read", subject=path, hint=hint)
    for name, table in account.tables.items():
        if not table.whole:
            report.warn("rows-lost", _loss(table), subject=name)
    if account.unplaced:
        rows = count_text(account.unplaced, "row")
        report.warn("rows-unplaced", f"{rows} fitted no table and went to {account.unplaced_in}", subject=path)
    for name in account.lost_objects:
        report.warn("object-lost", "this part of the schema could not be got back", subject=name)


def _loss(table: TableAccount) -> str:
    parts = [f"{count_text(table.lost, 'row')} lost"] if table.lost else []
    if table.doubtful:
        parts.append(f"{count_text(table.doubtful, 'row')} doubtful and kept apart")
    if table.gaps:
        places = ", ".join(
            f"from {_key(gap.after, 'the beginning')} to {_key(gap.before, 'the end')}" for gap in table.gaps[:3]
        )
        parts.append(f"rows may be missing in {count_text(len(table.gaps), 'place')} ({places})")
    return "; ".join(parts)


def _key(key: object, end: str) -> str:
    if key is None:
        return end
    return ", ".join(map(str, key)) if isinstance(key, tuple) else str(key)
