"""The plan of a repair, with the work that was done for it on copies: it says truthfully what would be lost."""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from toolkit import durable
from toolkit.errors import (
    CancelledError,
    ForbiddenError,
    LifeboatError,
    OutdatedPlanError,
    SourceMissingError,
    TargetInUseError,
    UsageError,
)
from toolkit.jobs.context import Job
from toolkit.operations import scratch
from toolkit.operations.application import holding
from toolkit.operations.pace import Estimate, takes, timed
from toolkit.operations.pace_records import History
from toolkit.operations.plan import Needs, Plan, Step
from toolkit.operations.repairing import mending, outputs, references
from toolkit.operations.repairing.accounts import loss_of
from toolkit.operations.repairing.mending import Mended
from toolkit.operations.repairing.report import RepairReport, take_account
from toolkit.operations.report import Report
from toolkit.operations.restoring import replacing
from toolkit.operations.session import Session
from toolkit.profile.adhoc import absolute, slug
from toolkit.profile.model import Profile
from toolkit.sqlite import swap
from toolkit.sqlite.account import Unproven

LATEST, NONE = "latest", "none"


class RepairRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to repair and where to. Without `output` and `in_place` the result goes to the vault's `recovery/`.

    `refill` is `latest`, `none`, or names a backup, an archive or a database file; `unproven` says where its rows go of
    which nothing tells whether they were deleted since. `look` only plans.
    """

    database: Path
    output: Path | None = None
    in_place: bool = False
    refill: str = LATEST
    unproven: Unproven = "in"
    assume_unused: bool = False
    look: bool = False


@dataclass
class RepairPlan:
    """The plan with the work that was done for it; good as long as the block of `prepared` runs.

    `aside` says that the vault cannot take the damaged files, so that they stay beside the new ones.
    """

    request: RepairRequest
    path: str
    profile: Profile
    plan: Plan
    mended: Mended
    report: RepairReport
    folder: Path
    used_by: tuple[str, ...] = ()
    aside: bool = False

    @property
    def nothing_to_do(self) -> bool:
        """Whether the database is sound and no copy was asked for."""
        return self.mended.sound and self.request.output is None


def profile_of(session: Session, path: str) -> Profile:
    """Return the profile that the database at the real path `path` belongs to.

    By the configuration, else by the backups of the vault, else one named after the file.
    """
    for profile in session.config.profiles:
        if any(os.path.realpath(source.path) == path for source in profile.databases):
            return profile
    for profile in session.config.profiles:
        folders = [os.path.realpath(tree.path) for tree in (*profile.files, *profile.config_files)]
        if any(f"{path}/".startswith(f"{folder.rstrip('/')}/") for folder in folders):
            return profile
    remembered = references.profile_remembered(session, path)
    return Profile(name=remembered or slug(os.path.basename(path)))


def confirm_word(path: str) -> str:
    """Return what is typed to confirm: the name of the database where it can be typed, else its slug."""
    name = os.path.basename(path)
    return name if name.isprintable() and name.isascii() and name == name.strip() else slug(name)


@contextlib.contextmanager
def prepared(session: Session, request: RepairRequest, job: Job) -> Iterator[RepairPlan]:
    """Repair a copy and give the plan, with everything that `apply` needs; the working copies go with the block.

    Nothing of the original is changed. Raises `SourceMissingError`, `RefusedError` for an output that is there,
    `TargetInUseError` and `ForbiddenError` for a repair in place that could not be applied, `UnrepairableError`,
    `DatabaseDamagedError`, `SpaceError` with the bytes needed, `StorageError`, `SourceChangedError`, `CancelledError`.
    """
    began = time.monotonic()
    path = _target(request)
    profile = profile_of(session, path)
    report = RepairReport(database=path)
    used = holding.of_files([path])
    if request.in_place:
        refuse_unwritable(path)
        if not request.look and used.found:
            names = ", ".join(sorted(one.text for one in used.found))
            raise TargetInUseError(
                f"in use by {names}", subject=path, hint="stop it first, or have `lifeboat rescue` do it"
            )
    with _folder(session, request, profile, job, outputs.size_of(path)) as folder:
        mended = work(session, request, path, folder, job, report)
        made = RepairPlan(
            request=request,
            path=path,
            profile=profile,
            plan=Plan(op="repair", targets=(path,), steps=()),
            mended=mended,
            report=report,
            folder=folder,
            used_by=tuple(sorted(one.text for one in used.found)),
        )
        made.aside = request.in_place and not replacing.vault_takes(
            session, outputs.size_of(path), make=not request.look
        )
        made.plan = _plan(session, made, time.monotonic() - began)
        take_account(report, mended)
        yield made


def _target(request: RepairRequest) -> str:
    if request.in_place and request.output is not None:
        raise UsageError("an output and --in-place contradict each other", hint="choose one")
    path = os.path.realpath(absolute(request.database))
    if swap.is_barrier(absolute(request.database)):
        raise TargetInUseError(
            "a replacement of this database was interrupted", subject=request.database, hint="lifeboat jobs recover"
        )
    try:
        status = os.stat(path)
    except OSError as error:
        raise SourceMissingError(
            "there is no such database", subject=path, hint="`lifeboat rescue` puts the newest backup back"
        ) from error
    if not stat.S_ISREG(status.st_mode):
        raise UsageError("this is no file", subject=path, hint="name the database file itself")
    if request.output is not None:
        output = absolute(request.output)
        if not output.parent.is_dir():
            raise SourceMissingError("the folder for the output does not exist", subject=output.parent)
        outputs.refuse_existing(output)
    return path


def refuse_unwritable(path: str) -> None:
    """Raise `ForbiddenError` where the file at `path` could not be replaced: a read-only file system, no permission."""
    parent = os.path.dirname(path)
    try:
        read_only = bool(os.statvfs(parent).f_flag & os.ST_RDONLY)
    except OSError as error:
        raise SourceMissingError("the folder of the database is missing", subject=parent) from error
    if read_only:
        raise ForbiddenError(
            "the file system of the database is mounted read-only",
            subject=parent,
            hint="remount it read-write, or write a repaired copy elsewhere: lifeboat repair --output FILE",
        )
    if not os.access(parent, os.W_OK | os.X_OK):
        raise ForbiddenError(
            "this user may not replace files there", subject=parent, hint="run it as root or as the owner"
        )


@contextlib.contextmanager
def _folder(session: Session, request: RepairRequest, profile: Profile, job: Job, size: int) -> Iterator[Path]:
    needed = size * outputs.COPIES
    if request.output is not None and not request.look:
        parent = absolute(request.output).parent
        durable.require_space(parent, needed)
        with outputs.beside(session, parent, job, profile.name) as folder:
            yield folder
        return
    if not request.look:
        with contextlib.suppress(LifeboatError):
            _ = session.vault  # made now, so that the work is done where its result will be
    with outputs.somewhere(session, job, needed) as folder:
        yield folder


def work(
    session: Session, request: RepairRequest, path: str, folder: Path, job: Job, report: Report, *, number: int = 0
) -> Mended:
    """Copy, repair, refill and check the database at `path` in `folder`; raises what `prepared` raises."""
    original = mending.copy_original(path, folder / f"original-{number}", job)
    reference = _reference(session, request, path, folder / f"backup-{number}", job, report)
    mended = mending.mend(original, folder / f"mended-{number}", job, reference=reference)
    mended = mending.refill(mended, folder / f"refilled-{number}", job, unproven=request.unproven)
    return mending.checked(mended, job, level="full" if request.in_place else "quick")


def _reference(
    session: Session, request: RepairRequest, path: str, folder: Path, job: Job, report: Report
) -> references.Reference | None:
    if request.refill == NONE:
        return None
    if request.refill != LATEST:
        return references.named(session, request.refill, path, scratch.inner(folder), job, level="quick")
    try:
        return references.newest(session, path, folder, job, report, level="quick")
    except (CancelledError, MemoryError):
        raise
    except LifeboatError as error:
        if error.code == "no-space":
            raise
        report.warn("no-reference", f"no backup could be looked at: {error.message}", subject=error.subject)
        return None


def _plan(session: Session, made: RepairPlan, look: float) -> Plan:
    request, mended, path = made.request, made.mended, made.path
    size = mended.output.stat().st_size
    changes = request.in_place and not mended.sound
    replaced = outputs.size_of(path)
    where = Path(os.path.dirname(path)) if request.in_place else session.vault_path
    if request.output is not None:
        where = absolute(request.output).parent
    steps = tuple(_steps(made, size, replaced, History(session, made.profile.name)))
    return Plan(
        op="repair",
        targets=(path,),
        steps=steps,
        takes=takes(steps, look=look),
        loses=loss_of(mended.account),
        keeps=keeps_text(aside=made.aside) if changes else "the original is not touched",
        needs=Needs(free=size, have=durable.free_bytes(where)),
        confirm="word" if changes else "none",
        confirm_word=confirm_word(path) if changes else "",
        cli=_command(request, path),
        state=(*_state(mended), f"result|{mended.digest}"),
    ).sealed()


def keeps_text(*, aside: bool) -> str:
    """Return what becomes of the damaged files."""
    where = "beside the new one (the vault has no room)" if aside else "in a safety backup"
    return f"the old files stay, bit for bit, {where}; `lifeboat undo` puts them back"


def safety_title(*, aside: bool) -> str:
    """Return the title of the step that keeps the old files."""
    if aside:
        return "move the old files aside where they are: the vault has no room for them"
    return "keep the old files, bit for bit, in a safety backup"


def _state(mended: Mended) -> tuple[str, ...]:
    names = ("", "-wal", "-journal")
    return tuple(
        f"{mended.original.path}{suffix}|{'absent' if one is None else '|'.join(map(str, one))}"
        for suffix, one in zip(names, mended.original.state, strict=True)
    )


def _steps(made: RepairPlan, size: int, replaced: int, history: History) -> Iterator[Step]:
    request, mended = made.request, made.mended
    names: list[tuple[str, str, int]] = []
    if made.nothing_to_do:
        return
    if request.in_place:
        names = [
            ("stage", "copy the repaired database beside its place", size),
            ("safety", safety_title(aside=made.aside), 0 if made.aside else replaced),
            ("place", "give the repaired database its name", 0),
            ("check", "check it once more under its name", 0),
        ]
    else:
        names = [("write", "write a copy: it is sound" if mended.sound else "write the repaired database", size)]
    for number, (name, title, written) in enumerate(names, 1):
        step = Step(
            n=number,
            name=name,
            title=title,
            writes_bytes=written,
            deletes=1 if name == "place" else 0,
            cancel="never" if name == "place" else "now",
            undo="manual" if name == "place" else "auto",
        )
        keeping: Literal["safety", "names"] = "safety" if written else "names"
        yield timed(step, estimate_of(name, history, size=size, kept=written, keeping=keeping, mended=mended))


def estimate_of(
    name: str, history: History, *, size: int, kept: int, keeping: Literal["safety", "names"], mended: Mended | None
) -> Estimate | None:
    """Return how long a step takes that puts a database of `size` bytes in its place, where `kept` bytes are kept.

    `keeping` is how: in a safety backup, or under another name. What was timed while it was mended counts where nothing
    of the kind was recorded. None for a step of another name.
    """
    copied = (mended.original.copied,) if mended is not None else ()
    checked = mended.checks if mended is not None else ()
    if name == "stage":
        return history.estimate("copy", size=size, measured=copied)
    if name == "check":
        return history.estimate("quick", size=size, measured=checked)
    if name == "safety":
        return history.estimate(keeping, size=kept)
    if name == "write":
        return history.estimate("write", size=size, measured=copied)
    return history.estimate("names", size=size) if name == "place" else None


def _command(request: RepairRequest, path: str) -> str:
    words = ["lifeboat", "repair", path]
    if request.output is not None:
        words += ["--output", str(absolute(request.output))]
    if request.in_place:
        words.append("--in-place")
    if request.refill != LATEST:
        words += ["--refill", request.refill]
    if request.unproven != "in":
        words += ["--refill-unproven", request.unproven]
    return shlex.join(words)


def require_same(mended: Mended) -> None:
    """Raise `OutdatedPlanError` when the original is not what it was when it was copied."""
    if mending.state_of(mended.original.path) != mended.original.state:
        raise OutdatedPlanError(
            "the database changed since the plan was made; nothing was changed",
            subject=mended.original.path,
            hint="look at the plan again and confirm the new one",
        )
