"""Work on copies: the damaged files are copied bit for bit, the engine repairs the copy, a backup fills the gaps.

The one place that calls the repair engine and the refill. Nothing here touches the original but to read it.
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.archive.manifest import Check
from toolkit.errors import CancelledError, DamageError, LifeboatError, SourceChangedError
from toolkit.jobs.context import Job
from toolkit.operations import scratch
from toolkit.operations.pace import Sample
from toolkit.operations.repairing.accounts import loss_text, tables_of
from toolkit.operations.repairing.references import Reference
from toolkit.sqlite import blocks, check, header, hotcopy, raw
from toolkit.sqlite.account import Account, Unproven

State = blocks.State
SYNCED = 400e6
"""Bytes a second that a disk takes for good, at best."""


@dataclass(frozen=True)
class Original:
    """A bit-for-bit copy of a database with its sidecars, and what tells that the original is still the same.

    One that is not `stable` was written to meanwhile: good enough to see what could be done, not to be used. Copying
    its `size` bytes took `seconds`.
    """

    path: str
    copy: Path
    state: State
    stable: bool = True
    size: int = 0
    seconds: float = 0.0

    @property
    def copied(self) -> Sample:
        """How fast files like it are copied here, and brought to the disk, which a working copy is not."""
        return Sample(seconds=self.seconds + self.size / SYNCED, size=self.size)


@dataclass(frozen=True)
class Mended:
    """A private database `output` that came of a copy, with its account. `seconds` is what it took, checking apart.

    `settled` says that SQLite itself gets the same out of the files: a -wal or journal that is whole is no damage.
    `passes` and `problems` are known after `checked`: whether it is sound, and what its checks say.
    """

    original: Original
    output: Path
    account: Account
    reference: Reference | None = None
    seconds: float = 0.0
    refilled: bool = False
    settled: bool = False
    passes: bool = True
    problems: tuple[str, ...] = field(default=())
    checking: float = 0.0

    @property
    def checks(self) -> tuple[Sample, ...]:
        """How fast its pages are checked here; nothing where they were not."""
        return (Sample(seconds=self.checking, size=self.output.stat().st_size),) if self.checking else ()

    @property
    def sound(self) -> bool:
        """Whether nothing was wrong with the original that a repair could mend."""
        return (self.account.strategy == "none" or self.settled) and self.account.complete

    @property
    def digest(self) -> str:
        """What the account says, as 12 hex digits: a plan is outdated when it would say something else."""
        said = [self.account.strategy, tables_of(self.account), self.account.lost_objects, self.account.unplaced]
        said += [one for one in (self.account.doubts, self.account.faults) if one]
        return hashlib.sha256(msgspec.json.encode(said, enc_hook=repr, order="deterministic")).hexdigest()[:12]

    @property
    def damage(self) -> tuple[Check, ...]:
        """What is wrong with the original, for the manifest of a safety set."""
        said = (self.account.reason, *self.account.said, loss_text(self.account))
        return (Check(name="repair", ok=False, messages=tuple(filter(None, said))[:100]),)


def state_of(path: str) -> State:
    """Return what tells that the files of a database did not change; also for one that is missing."""
    return blocks.state(path)


def copy_original(path: str, folder: Path, job: Job, *, torn_ok: bool = False) -> Original:
    """Copy the database at `path` and the sidecars beside that name bit for bit into the new folder `folder`.

    Raises `SourceMissingError`, `SourceError`, `SpaceError`, `CancelledError`, and `SourceChangedError` when it is
    being written to (unless `torn_ok`): of a torn copy nothing could be said.
    """
    job.step("copy", f"Copying {os.path.basename(path)} with its sidecars, bit for bit")
    scratch.inner(folder)
    began = time.monotonic()
    before = blocks.state(path)
    taken = raw.raw_copy(Path(path), folder, follow=False, should_stop=job.should_stop)
    if not taken.stable and not torn_ok:
        raise SourceChangedError(
            "it is being written to, so its files cannot be judged",
            subject=path,
            hint="stop the application first, or have `lifeboat rescue` do it",
        )
    seconds = time.monotonic() - began
    size = sum(one.stat().st_size for one in taken.files)
    return Original(path, taken.files[0], before, taken.stable, size=size, seconds=seconds)


def mend(original: Original, folder: Path, job: Job, *, reference: Reference | None = None) -> Mended:
    """Repair the copy into a sound database in the new folder `folder`; `reference` lends its schema, never rows.

    A large copy is used up by it: to make another one would take as long as all that SQLite does.

    Raises `UnrepairableError` when nothing can be got back, `SpaceError`, `StorageError`, `CancelledError`.
    """
    from toolkit.sqlite.salvage import repair

    began = time.monotonic()
    job.step("mend", "Getting back what is there")
    work, output = scratch.inner(scratch.inner(folder) / "scratch"), folder / "mended.db"

    def again() -> bool:
        raw.raw_copy(Path(original.path), original.copy.parent, follow=False, should_stop=job.should_stop)
        return state_of(original.path) == original.state

    try:
        account = repair(
            original.copy,
            output,
            scratch=work,
            reference=reference.path if reference is not None else None,
            again=again,
            on_progress=job.progress(unit="pages"),
            should_stop=job.should_stop,
        )
    except DamageError as error:
        error.subject = original.path
        error.hint = error.hint or "the original is untouched; `lifeboat rescue` puts the newest backup back"
        raise
    finally:
        scratch.drop(work)
    mended = Mended(original, output, account, reference)
    if mended.sound:
        mended = replace(mended, output=_exact(original, output, folder))
    elif account.strategy == "sidecars" and account.complete:
        mended = replace(mended, settled=_settled_by_sqlite(original, output, folder, job))
    return replace(mended, seconds=time.monotonic() - began)


def _exact(original: Original, output: Path, folder: Path) -> Path:
    """Return a copy bit for bit of a sound database, where its main file is all of it; else what the engine made.

    That is the same where it used the copy itself.
    """
    if not original.copy.exists():
        return output
    wal, journal = (Path(f"{original.copy}{suffix}") for suffix in ("-wal", "-journal"))
    if any(path.exists() and path.stat().st_size and not _is_zeroed(path) for path in (wal, journal)):
        return output
    exact = folder / "exact.db"
    blocks.copy_file(os.fspath(original.copy), os.fspath(exact))
    return exact


def _settled_by_sqlite(original: Original, output: Path, folder: Path, job: Job) -> bool:
    """Say whether SQLite, which rolls back a journal and reads a -wal, gets the same rows out of a copy."""
    from toolkit.sqlite.compare import compare

    settled = folder / "settled.db"
    try:
        hotcopy.copy(original.copy, settled, should_stop=job.should_stop)
        return not check.check(settled, level="quick").damaged and compare(settled, output).equal
    except (CancelledError, MemoryError):
        raise
    except LifeboatError as error:
        if error.code == "no-space":
            raise
        return False


def _is_zeroed(journal: Path) -> bool:
    """Say whether a journal is one that `journal_mode=PERSIST` leaves: its header is zeros, so it is not hot."""
    with journal.open("rb") as file:
        return not any(file.read(28))


def refill(mended: Mended, folder: Path, job: Job, *, unproven: Unproven = "in") -> Mended:
    """Return a copy of `mended` in which the rows of its reference fill the gaps; itself where there are none.

    `unproven` says where rows go of which nothing tells whether they were deleted since the backup.
    Raises what `mend` raises.
    """
    reference = mended.reference
    if reference is None or not _wants_rows(mended.account):
        return mended
    from toolkit.sqlite.refill import refill as fill

    began = time.monotonic()
    job.step("refill", f"Filling the gaps from {reference.text}")
    work, output = scratch.inner(scratch.inner(folder) / "scratch"), folder / "refilled.db"
    with durable.translated(folder):
        blocks.copy_file(os.fspath(mended.output), os.fspath(output))
    wal = _in_rollback_mode(output)
    try:
        tables = fill(
            output,
            reference.path,
            dict(mended.account.tables),
            scratch=work,
            unproven=unproven,
            should_stop=job.should_stop,
        )
    finally:
        scratch.drop(work)
    if wal:
        header.mark_wal(output)
    seconds = mended.seconds + time.monotonic() - began
    account = replace(mended.account, tables=tables)
    return replace(mended, output=output, account=account, refilled=True, seconds=seconds)


def _wants_rows(account: Account) -> bool:
    return any(one.gaps or one.lost or one.named for one in account.tables.values())


def _in_rollback_mode(path: Path) -> bool:
    """Put the private database into rollback mode for the work on it; return whether it was in WAL mode."""
    with path.open("rb") as file:
        wal = header.parse(file.read(header.SIZE)).wal
    if wal:
        header.mark_rollback(path)
    return wal


def checked(mended: Mended, job: Job, *, level: check.Level) -> Mended:
    """Check the result and return it with what the checks say; what is wrong with it never raises.

    Of pages that the engine has checked just now, with each index that it did not make, nothing is asked again; and
    what a refill puts in there goes through SQLite, which leaves nothing that `quick_check` does not see.
    """
    job.step("check", "Checking the result")
    began = time.monotonic()
    known = mended.account.checked and not mended.refilled
    deep: check.Level = "quick" if mended.account.checked else level
    found = check.check(mended.output, level=deep, pages=not known, should_stop=job.should_stop)
    lines = tuple(line for one in found.checks if not one.ok for line in one.messages[:20])
    checking = 0.0 if known else time.monotonic() - began
    return replace(mended, passes=not found.damaged, problems=lines, checking=checking)
