"""Put a new database in the place of an old one: four files changed as if they were one.

The old main file is linked aside, then a barrier takes its name: a symbolic link that leads nowhere, so that
SQLite neither opens nor creates anything under that name. (A text file would not do: SQLite would lay the
old -wal or hot -journal over it and then delete them.) Behind the barrier the old sidecars go aside and new
ones come in; the rename of the new main file over the barrier is the moment of decision. A journal lets
`recover` take back what did not get that far and finish what did.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from toolkit import durable
from toolkit.errors import ForbiddenError, FormatError, TargetInUseError, UsageError
from toolkit.sqlite.connect import SIDECARS
from toolkit.sqlite.holders import holders, rescue_first

BARRIER = "/proc/Lifeboat is replacing this database/run: lifeboat jobs recover"
"""Where the barrier points: nothing can ever be created under /proc, and `ls -l` shows what to do."""

VERSION = 1

Recovery = Literal["finished", "taken-back", "nothing"]


@dataclass(frozen=True, slots=True)
class Ownership:
    """Owner, permission bits (with setuid) and extended attributes (ACLs are among them) of a file."""

    uid: int
    gid: int
    mode: int
    xattrs: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class SwapPlan:
    """What the journal says: paths by suffix, empty for the main file.

    `state` is `begun`, `done`, `back` (what was put aside is on its way back) or `taken-back`.
    """

    target: str
    staged: dict[str, str]
    aside: dict[str, str]
    barrier: str
    keep_aside: bool
    state: str = "begun"
    version: int = VERSION


@dataclass(frozen=True, slots=True)
class Swapped:
    """A swap that is done: where the old database and its sidecars are, main file first; empty when there was none."""

    aside: tuple[Path, ...]


def ownership(path: str | os.PathLike[str]) -> Ownership:
    """Return who owns `path` and what may be done with it. Raises `OSError`."""
    status = os.stat(path)
    xattrs = []
    with contextlib.suppress(OSError):  # file systems without
        for name in os.listxattr(path):
            with contextlib.suppress(OSError):
                xattrs.append((name, os.getxattr(path, name)))
    return Ownership(status.st_uid, status.st_gid, status.st_mode & 0o7777, tuple(xattrs))


def give(path: str | os.PathLike[str], owner: Ownership) -> None:
    """Make `owner` that of the file `path`. Raises `ForbiddenError` when this user may not."""
    try:
        status = os.stat(path)
        if (status.st_uid, status.st_gid) != (owner.uid, owner.gid):
            os.chown(path, owner.uid, owner.gid)
        os.chmod(path, owner.mode)
        for name, value in owner.xattrs:
            try:
                os.setxattr(path, name, value)
            except OSError as error:
                if error.errno not in (errno.ENOTSUP, errno.EPERM, errno.EACCES, errno.EINVAL):
                    raise
    except PermissionError as error:
        raise ForbiddenError(
            "the owner of the database cannot be given to the new file", subject=os.fspath(path), hint="run it as root"
        ) from error


def refuse_if_held(paths: Iterable[str | os.PathLike[str]], *, accept_unseen: bool = False) -> None:
    """Raise `TargetInUseError` while a process has one of `paths` open, or where that cannot be seen.

    `accept_unseen` lets it pass when only some processes could not be looked into (not root).
    """
    wanted = [os.fspath(path) for path in paths]
    seen = holders(wanted)
    if seen.found:
        names = sorted({holder.text for holder in seen.found})
        first = max(seen.found, key=lambda one: one.lone)
        raise TargetInUseError(
            f"in use by {', '.join(names)}",
            subject=first.path,
            hint=rescue_first(first.path) if first.lone else "stop it, then run this again",
        )
    if not seen.complete and not accept_unseen:
        raise TargetInUseError(
            "it cannot be seen whether another process uses it",
            subject=wanted[0] if wanted else None,
            hint="run it as root",
        )


def _suffix(path: Path, main: Path) -> str:
    if path == main:
        return ""
    for suffix in SIDECARS:
        if path.name.endswith(suffix):
            return suffix
    raise UsageError("a file that is swapped in is neither a database nor a sidecar", subject=path)


def _write(journal: Path, plan: SwapPlan) -> None:
    durable.write_file(journal, json.dumps(asdict(plan), indent=1).encode() + b"\n")


def _plan(staged: tuple[Path, ...], target: str, *, keep_aside: bool) -> SwapPlan:
    folder, name = os.path.split(target)
    hidden = os.path.join(folder, f".{os.fsdecode(os.fsencode(name)[:180])}.{secrets.token_hex(4)}")
    present = [suffix for suffix in ("", *SIDECARS) if os.path.lexists(target + suffix)]
    return SwapPlan(
        target=target,
        staged={_suffix(path, staged[0]): os.path.abspath(path) for path in staged},
        aside={suffix: f"{hidden}.aside{suffix}" for suffix in present},
        barrier=f"{hidden}.barrier",
        keep_aside=keep_aside,
    )


def _check(plan: SwapPlan) -> None:
    device = os.stat(os.path.dirname(plan.target)).st_dev
    for path in plan.staged.values():
        # The folders tell: on an overlay a file has the device of the layer that it lies in.
        if os.stat(os.path.dirname(path)).st_dev != device:
            raise UsageError("the new file is not on the file system of the database", subject=path)


def is_barrier(path: str | os.PathLike[str]) -> bool:
    """Answer whether `path` is the barrier of a swap that was interrupted."""
    try:
        return os.readlink(path) == BARRIER
    except OSError:
        return False


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        durable.on_step("sync", path)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _link_aside(plan: SwapPlan) -> None:
    old, aside = plan.target, plan.aside[""]
    durable.on_step("link", aside)
    try:
        os.link(old, aside, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        durable.rename(Path(old), Path(aside))  # no hard links here: the name is absent until the barrier is there
        return
    durable.sync_directory(Path(aside).parent)


def _exchange(plan: SwapPlan) -> None:
    target = Path(plan.target)
    if "" in plan.aside:
        _link_aside(plan)
    durable.on_step("link", plan.barrier)
    os.symlink(BARRIER, plan.barrier)
    durable.rename(Path(plan.barrier), target)
    for suffix in SIDECARS:
        if suffix in plan.aside:
            durable.rename(Path(plan.target + suffix), Path(plan.aside[suffix]))
    for suffix in SIDECARS:
        if suffix in plan.staged:
            durable.rename(Path(plan.staged[suffix]), Path(plan.target + suffix))
    durable.rename(Path(plan.staged[""]), target)


def put(
    staged: tuple[Path, ...],
    target: Path,
    journal: Path,
    *,
    keep_aside: bool,
    owner: Ownership | None = None,
    accept_unseen: bool = False,
) -> Swapped:
    """Replace the database `target` and its sidecars by the files `staged`, main file first, then its sidecars.

    `staged` lie on the file system of `target`, under names that nobody uses; they are moved. They get the
    owner, mode and ACL of the old main file, or those of `owner`. Where `target` is a symbolic link, the file it
    points at is replaced. What was there lies beside it under hidden names; with `keep_aside` it stays,
    and the journal with it, until `discard_aside`.

    `journal` is written before anything changes and belongs to this swap alone. Stopped at any moment,
    the name holds the old database, the new one, or a barrier that `recover` removes. `TargetInUseError`,
    `UsageError` and `ForbiddenError` come before anything changed. After `StorageError` or `SpaceError` ask
    `recover`: it takes back what was not decided, and finishes what was.
    """
    where = os.path.realpath(target)
    if where == BARRIER:
        raise TargetInUseError(
            "a replacement of this database was interrupted", subject=target, hint="run: lifeboat jobs recover"
        )
    refuse_if_held([where + suffix for suffix in ("", *SIDECARS)], accept_unseen=accept_unseen)
    with durable.translated(target):
        plan = _plan(staged, where, keep_aside=keep_aside)
        _check(plan)
        if owner is None and "" in plan.aside:
            owner = ownership(where)
        for path in plan.staged.values():
            if owner is not None:
                give(path, owner)
            _sync(path)
        _write(journal, plan)
        try:
            _exchange(plan)
        except OSError:
            if os.path.lexists(plan.staged[""]):
                _take_back(plan)
                durable.remove(journal)
                raise
        _finish(journal, plan)
    return Swapped(_aside(plan) if keep_aside else ())


def _aside(plan: SwapPlan) -> tuple[Path, ...]:
    return tuple(Path(path) for path in plan.aside.values())


def _finish(journal: Path, plan: SwapPlan) -> None:
    _write(journal, replace(plan, state="done"))
    if not plan.keep_aside:
        discard_aside(journal)


def _take_back(plan: SwapPlan) -> None:
    target, aside = plan.target, plan.aside.get("")
    if is_barrier(target) or not os.path.lexists(target):
        for suffix in SIDECARS:
            placed = plan.staged.get(suffix)
            if placed is not None and not os.path.lexists(placed) and os.path.lexists(target + suffix):
                durable.rename(Path(target + suffix), Path(placed))
            if suffix in plan.aside and os.path.lexists(plan.aside[suffix]):
                durable.rename(Path(plan.aside[suffix]), Path(target + suffix))
        if aside is not None and os.path.lexists(aside):
            durable.rename(Path(aside), Path(target))
        elif is_barrier(target):
            durable.remove(Path(target))
    elif aside is not None and os.path.exists(aside) and os.path.samefile(aside, target):
        durable.remove(Path(aside))
    durable.remove(Path(plan.barrier))


def read_plan(journal: Path) -> SwapPlan | None:
    """Return what the journal of a swap says, None when there is none.

    Raises `FormatError` when it is of a newer version or is no such journal.
    """
    try:
        with durable.translated(journal), contextlib.suppress(FileNotFoundError):
            plan = SwapPlan(**json.loads(journal.read_bytes()))
            if plan.version <= VERSION:
                return plan
            raise FormatError("a newer Lifeboat wrote this journal", subject=journal, hint="upgrade Lifeboat")
    except (ValueError, TypeError) as error:
        raise FormatError("this is no journal of a swap", subject=journal) from error
    return None


def _sweep(journal: Path) -> None:
    """Remove unfinished writes of `journal` that a kill left."""
    prefix = durable.sibling(journal).name.rsplit(".", 2)[0] + "."
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(journal.parent):
            if name.startswith(prefix) and name.endswith(".partial"):
                durable.remove(journal.parent / name)


def recover(journal: Path, *, keep_staged: bool = False) -> Recovery:
    """Finish or take back the swap that `journal` tells of; may be stopped and run again at any moment.

    `finished`: the new database has its name (what it replaced is kept or removed as was asked). `taken-back`:
    the old one has, the journal is gone, and so are the staged files unless `keep_staged` (the caller puts them
    again). `nothing`: there is no journal. When somebody
    put another file in the barrier's place, that stays, and the old files stay under their hidden names.
    Raises `FormatError`, `StorageError`.
    """
    plan = read_plan(journal)
    with durable.translated(journal):
        _sweep(journal)
    if plan is None:
        return "nothing"
    with durable.translated(plan.target):
        if plan.state == "back":
            _put_back(journal, plan)
            return "taken-back"
        if plan.state == "done" or (plan.state == "begun" and not os.path.lexists(plan.staged[""])):
            _finish(journal, plan)
            return "finished"
        if plan.state == "begun":
            _take_back(plan)
            _write(journal, replace(plan, state="taken-back"))
        if not keep_staged:
            for path in plan.staged.values():
                durable.remove(Path(path))
        durable.remove(journal)
    return "taken-back"


def put_back(journal: Path, *, accept_unseen: bool = True) -> bool:
    """Undo the finished swap of `journal`: what it put aside takes its names again, what it brought is removed.

    Stopped at any moment, the name holds the new database, the old one, or a barrier, and `put_back` or `recover` goes
    on. Returns False when there is no journal (any more). Raises `TargetInUseError` with nothing changed,
    `UsageError` for a swap that is not finished or kept nothing, `StorageError`.
    """
    plan = read_plan(journal)
    if plan is None:
        return False
    if plan.state not in ("done", "back") or not plan.keep_aside:
        raise UsageError("this swap cannot be put back", subject=journal, hint="run: lifeboat jobs recover")
    refuse_if_held([plan.target + suffix for suffix in ("", *SIDECARS)], accept_unseen=accept_unseen)
    with durable.translated(plan.target):
        if plan.state == "done":
            _write(journal, replace(plan, state="back"))
        _put_back(journal, plan)
    return True


def _put_back(journal: Path, plan: SwapPlan) -> None:
    target, aside = Path(plan.target), plan.aside.get("")
    if aside is None or os.path.lexists(aside):
        if os.path.lexists(target) and not is_barrier(target):
            durable.remove(Path(plan.barrier))
            durable.on_step("link", plan.barrier)
            os.symlink(BARRIER, plan.barrier)
            durable.rename(Path(plan.barrier), target)
        for suffix in SIDECARS:
            if suffix not in plan.aside:
                durable.remove(Path(plan.target + suffix))
            elif os.path.lexists(plan.aside[suffix]):
                durable.rename(Path(plan.aside[suffix]), Path(plan.target + suffix))
        if aside is not None:
            durable.rename(Path(aside), target)
        else:
            durable.remove(target)
    durable.remove(journal)


def discard_aside(journal: Path) -> None:
    """Remove what a finished swap put aside, then its journal; an absent journal is no error.

    Raises `UsageError` while the swap is not finished, `StorageError`.
    """
    plan = read_plan(journal)
    if plan is None:
        return
    if plan.state != "done":
        raise UsageError("this swap is not finished", subject=journal, hint="run: lifeboat jobs recover")
    with durable.translated(plan.target):
        for path in _aside(plan):
            durable.remove(path)
        durable.remove(journal)
