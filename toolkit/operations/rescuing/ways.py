"""The ways out for one damaged database, each made on copies and measured by what it loses in rows and in time."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from toolkit.archive.manifest import Check, visible_tables
from toolkit.errors import CancelledError, DatabaseDamagedError, LifeboatError, NotFoundError
from toolkit.filelist import FileEntry, FileType, Section
from toolkit.jobs.context import Job
from toolkit.operations.archiving import StoredBackup
from toolkit.operations.diagnosing.codes import Finding
from toolkit.operations.pace_words import estimate_text
from toolkit.operations.plan import Basis
from toolkit.operations.repairing import mending, references
from toolkit.operations.repairing.accounts import TableRow, loss_text, missing, tables_of
from toolkit.operations.repairing.mending import Mended
from toolkit.operations.repairing.references import Reference
from toolkit.operations.report import Report
from toolkit.operations.session import Session
from toolkit.sqlite import check
from toolkit.sqlite.account import Unproven
from toolkit.sqlite.deleted import Deleted
from toolkit.wording import count_text

WayName = Literal["mend", "salvage", "restore"]
WAYS: tuple[WayName, ...] = ("mend", "salvage", "restore")
"""Mildest first: mend what is there; the same, with its gaps filled from a backup; put a backup in its place."""

_UNKNOWN = 1 << 60


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One way out. `lost` counts the rows that are known to be lost, None where nobody can know.

    `unsure` says that more may be missing. `revives` are rows deleted since the backup that would come back.
    `seconds` is what making it took, `offline_s` for how long it keeps the application offline (None: nothing is
    stopped). Where it is not `possible`, `why_not` says why.
    """

    name: WayName
    possible: bool = False
    why_not: str = ""
    what: str = ""
    loses: str = ""
    lost: int | None = None
    unsure: bool = False
    lost_objects: tuple[str, ...] = ()
    revives: int = 0
    rows: int = 0
    since: datetime | None = None
    backup: str = ""
    strategy: str = ""
    tables: dict[str, TableRow] = {}
    seconds: float = 0.0
    offline_s: float | None = None
    offline_by: Basis = ""


def loses_text(way: Way) -> str:
    """Return what the way loses, and that it may be more where that is so."""
    return f"{way.loses}, perhaps more" if way.unsure and way.lost and way.name != "restore" else way.loses


def offline_text(way: Way) -> str:
    """Return for how long the way keeps the application offline, to stand behind what it loses; "" for not at all."""
    if way.offline_s is None:
        return ""
    return f"; offline {estimate_text(way.offline_s, way.offline_by)}"


@dataclass(frozen=True)
class Option:
    """A way with what it made: the result of a repair, or the copy out of a backup."""

    way: Way
    mended: Mended | None = None
    reference: Reference | None = None

    @property
    def output(self) -> Path | None:
        """The sound private database that would take the name."""
        if self.mended is not None:
            return self.mended.output
        return self.reference.path if self.reference is not None else None


@dataclass
class Patient:
    """A damaged database: what was found, its ways out, the one that is recommended and the one that is taken.

    `deleted` are its files where only processes that have them open keep them; then `source` is where they can be read.
    """

    path: str
    findings: tuple[Finding, ...] = ()
    deleted: Deleted | None = None
    source: str = ""
    original: mending.Original | None = None
    options: dict[WayName, Option] = field(default_factory=dict)
    recommended: WayName | None = None
    taken: WayName | None = None
    sound: bool = False

    @property
    def files(self) -> str:
        """Where its files can be read: by its name, or as they were before they were deleted."""
        return self.source or self.path

    @property
    def option(self) -> Option | None:
        """The option that is taken."""
        return self.options[self.taken] if self.taken is not None else None

    @property
    def like(self) -> FileEntry | None:
        """Whose owner and mode a new file gets where nothing is there."""
        if self.source:
            status = os.stat(self.source)
            return FileEntry(
                section=Section.DATABASES,
                path=self.path,
                type=FileType.FILE,
                mode=stat.S_IMODE(status.st_mode),
                uid=status.st_uid,
                gid=status.st_gid,
                mtime_ns=status.st_mtime_ns,
            )
        return next((one.reference.entry for one in self.options.values() if one.reference is not None), None)

    @property
    def damage(self) -> tuple[Check, ...]:
        """What is wrong with it, for the manifest of the safety set."""
        lines = tuple(line for one in self.findings for line in (one.message, *one.evidence[:5]))
        return (Check(name="diagnose", ok=False, messages=(lines or ("damaged",))[:100]),)


def study(
    session: Session,
    patient: Patient,
    folder: Path,
    job: Job,
    report: Report,
    *,
    backup: StoredBackup | None,
    wanted: WayName | None = None,
    unproven: Unproven = "in",
) -> None:
    """Make every way out for `patient` on copies in the existing `folder`, measure them and recommend one.

    `backup` is the one to fill from and to restore; without it the newest good one that passes its checks. Where it is
    to be restored, as `wanted` or recommended, it is checked in full before. `unproven`
    says where its rows go of which nothing tells whether they were deleted since. Raises
    `SpaceError`, `StorageError`, `SourceError`, `CancelledError`, and what is wrong with a `backup` that was named.
    """
    reference = _reference(session, patient.path, folder / "backup", job, report, backup)
    mended, why_not = _mend(patient, folder, job, reference)
    patient.options = {
        "mend": _of_mended("mend", mended, why_not, deleted=patient.deleted),
        "salvage": _salvage(mended, why_not, reference, folder, job, unproven),
    }
    best = next((one.mended for one in reversed(patient.options.values()) if one.mended is not None), mended)
    patient.options["restore"] = _restore(reference, best, job)
    patient.sound = mended is not None and mended.sound and patient.deleted is None
    if reference is not None and (wanted or recommend(patient)) == "restore":
        proven = _proven(session, patient.path, reference, folder / "proven", job, report, named=backup is not None)
        if proven is not reference:
            patient.options["restore"] = _restore(proven, best, job)
    patient.recommended = recommend(patient)
    patient.taken = patient.recommended


def _reference(
    session: Session, path: str, folder: Path, job: Job, report: Report, backup: StoredBackup | None
) -> Reference | None:
    began = time.monotonic()
    if backup is not None:
        wanted = references.fitting(backup.manifest, path)
        return references.take(backup, path, folder, job, wanted=wanted, level="quick")
    try:
        found = references.newest(session, path, folder, job, report, level="quick")
    except NotFoundError:
        return None
    return msgspec.structs.replace(found, seconds=time.monotonic() - began) if found is not None else None


def _proven(
    session: Session,
    path: str,
    reference: Reference,
    folder: Path,
    job: Job,
    report: Report,
    *,
    named: bool,
) -> Reference | None:
    """Return `reference`, or an older one, of which every check speaks well; raises when that very one was `named`."""
    if reference.thorough:
        return reference
    job.step("check", "Checking the copy out of the backup in full")
    found = check.check(reference.path, level="full", should_stop=job.should_stop)
    if not found.damaged:
        return reference
    if named:
        failed = next(one for one in found.checks if not one.ok and one.name != check.FOREIGN_KEYS)
        raise DatabaseDamagedError(
            f"the copy in the backup does not pass: {failed.name}: {failed.messages[0]}", subject=reference.backup
        )
    return references.newest(session, path, folder, job, report, level="full")


def _mend(patient: Patient, folder: Path, job: Job, reference: Reference | None) -> tuple[Mended | None, str]:
    """Repair a copy; return the result, or why there is none."""
    try:
        patient.original = mending.copy_original(patient.files, folder / "original", job, torn_ok=True)
        mended = mending.mend(patient.original, folder / "mended", job, reference=reference)
        return mending.checked(mended, job, level="full"), ""
    except (CancelledError, MemoryError):
        raise
    except LifeboatError as error:
        if error.code in ("no-space", "storage", "forbidden"):
            raise
        return None, error.message


def _of_mended(name: WayName, mended: Mended | None, why_not: str, *, deleted: Deleted | None = None) -> Option:
    if mended is None:
        return Option(Way(name=name, why_not=why_not))
    if mended.sound and deleted is None:
        return Option(Way(name=name, why_not="there is nothing in it that a repair could mend"))
    if not mended.passes:
        first = mended.problems[0] if mended.problems else "unknown"
        return Option(Way(name=name, why_not=f"the result does not pass its checks: {first}"))
    account = mended.account
    return Option(
        Way(
            name=name,
            possible=True,
            what=account.reason if deleted is None or not mended.sound else "the deleted file gets its name back",
            loses=loss_text(account) or "nothing",
            lost=sum(missing(one) for one in account.tables.values()) + account.unplaced,
            unsure=any(one.gaps for one in account.tables.values()),
            lost_objects=tuple(account.lost_objects),
            rows=_rows({name: one.there for name, one in tables_of(account).items()}),
            backup=mended.reference.backup if mended.reference is not None and mended.refilled else "",
            strategy=account.strategy,
            tables=tables_of(account),
            seconds=round(mended.seconds, 1),
        ),
        mended=mended,
    )


def _salvage(
    mended: Mended | None, why_not: str, reference: Reference | None, folder: Path, job: Job, unproven: Unproven
) -> Option:
    if mended is None:
        return Option(Way(name="salvage", why_not=why_not))
    if reference is None:
        return Option(Way(name="salvage", why_not="there is no good backup to fill gaps from"))
    try:
        filled = mending.refill(mended, folder / "refilled", job, unproven=unproven)
    except (CancelledError, MemoryError):
        raise
    except LifeboatError as error:
        if error.code in ("no-space", "storage", "forbidden"):
            raise
        return Option(Way(name="salvage", why_not=error.message))
    if filled is mended:
        return Option(Way(name="salvage", why_not="mending it leaves no gap to fill"))
    return _of_mended("salvage", mending.checked(filled, job, level="full"), "")


def _restore(reference: Reference | None, best: Mended | None, job: Job) -> Option:
    """Measure what putting the backup in place loses: against the best that was got back, where there is that."""
    if reference is None:
        return Option(Way(name="restore", why_not="there is no good backup of it"))
    way = Way(
        name="restore",
        possible=True,
        what=f"put {reference.text} in its place",
        since=reference.when,
        backup=reference.backup,
        rows=_rows(reference.tables),
        tables={name: TableRow(read=count or 0) for name, count in reference.tables.items()},
        strategy="restore",
        seconds=round(reference.seconds, 1),
        unsure=True,
    )
    stamp = f"{reference.when.astimezone():%Y-%m-%d %H:%M}" if reference.when is not None else "then"
    if best is None:
        return Option(msgspec.structs.replace(way, loses=f"whatever was written since {stamp}"), reference=reference)
    job.step("compare", "Comparing what was got back with the backup")
    fresh, revived = _differences(reference, best)
    text = f"{count_text(fresh, 'row')} written since {stamp}" if fresh else f"nothing that was found since {stamp}"
    if revived:
        text += f"; {count_text(revived, 'row')} that are not in it now would come back"
    way = msgspec.structs.replace(
        way, lost=fresh, loses=text, revives=revived, unsure=not best.account.complete or not best.original.stable
    )
    return Option(way, reference=reference)


def _rows(tables: Mapping[str, int | None]) -> int:
    return sum(count or 0 for count in visible_tables(tables).values())


def _differences(reference: Reference, best: Mended) -> tuple[int, int]:
    """Return how many rows are new or other in what was got back, and how many only the backup has."""
    from toolkit.sqlite.compare import compare

    fresh = revived = 0
    for table in compare(best.output, reference.path).tables:
        if table.left_only is not None:
            fresh += table.left_only + (table.different or 0)
            revived += table.right_only or 0
        else:
            fresh += max(0, (table.left_rows or 0) - (table.right_rows or 0))
    return fresh, revived


def recommend(patient: Patient) -> WayName | None:
    """Return the way that loses least, the mildest of those that lose the same; None when there is none."""
    possible = [name for name in WAYS if patient.options[name].way.possible]
    return min(possible, key=lambda name: _cost(patient.options[name].way), default=None)


def _cost(way: Way) -> tuple[int, int, bool, int, int]:
    """Return what `recommend` compares; where more may be missing, rows out of a backup make it less."""
    apart = sum(row.unproven for row in way.tables.values() if row.apart)  # these the other ways do not have either
    lost = _UNKNOWN if way.lost is None else way.lost - apart
    refilled = sum(row.refilled for row in way.tables.values())
    return len(way.lost_objects), lost, way.unsure, -refilled, WAYS.index(way.name)


def why(patient: Patient) -> str:
    """Return in a sentence why the recommended way is recommended."""
    if patient.recommended is None:
        return "no way out was found"
    best = patient.options[patient.recommended].way
    others = [one.way for one in patient.options.values() if one.way.possible and one.way.name != best.name]
    if not others:
        return "it is the only way"
    if all(_cost(best)[:-1] == _cost(other)[:-1] for other in others):
        return "it is the mildest, and none loses less"
    return "it loses least"


def made_again(
    patient: Patient, folder: Path, job: Job, reference: Reference | None, *, unproven: Unproven = "in"
) -> Option:
    """Do the way that was taken once more on a fresh copy, since the database was written to after the plan.

    Raises what `mending` raises.
    """
    original = mending.copy_original(patient.files, folder / "original", job)
    mended = mending.mend(original, folder / "mended", job, reference=reference)
    if patient.taken == "salvage":
        mended = mending.refill(mended, folder / "refilled", job, unproven=unproven)
    checked = mending.checked(mended, job, level="full")
    return _of_mended(patient.taken or "mend", checked, "", deleted=patient.deleted)


def loses_more(then: Way, now: Way) -> bool:
    """Say whether `now` loses more than the plan `then` said."""
    if not now.possible:
        return True
    more = (now.lost or 0) > (then.lost or 0) or (now.unsure and not then.unsure)
    return more or bool(set(now.lost_objects) - set(then.lost_objects))
