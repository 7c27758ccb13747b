"""What `diagnose` notices around a database: old library, sidecars, rights, space, file system. Never a verdict."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from toolkit.operations.diagnosing.codes import Finding, make
from toolkit.sqlite import deleted
from toolkit.sqlite.holders import Holder
from toolkit.sqlite.locks import Lock
from toolkit.sqlite.outline import Outline
from toolkit.sqlite.probe import Probe
from toolkit.wording import count_text, size_text

WAL_RESET_FIXED = 3_051_003
"""SQLite 3.51.3 fixed the WAL-reset bug, by which older libraries can damage databases in WAL mode."""

LARGE_WAL = 64 * 1024 * 1024
"""A -wal of this size, and larger than half of its database, is not being checkpointed."""

NETWORK = {
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.glusterfs", "fuse.sshfs", "lustre",
    "gfs2", "ocfs2", "fuse.s3fs", "fuse.rclone", "davfs", "fuse.davfs", "ncpfs", "beegfs", "virtiofs",
}  # fmt: skip
"""File systems whose locks or shared memory cannot be relied on, as /proc/self/mountinfo names them."""


def of_surroundings(probe: Probe, outline: Outline | None = None) -> list[Finding]:
    """Return the notices about what lies around a database."""
    found = [*_library(probe), *_sidecars(probe), *_rights(probe), *_space(probe), *_file_system(probe)]
    found += [*_unwritable(probe), *_names(probe)]
    return found if outline is None else [*found, *_written(probe, outline)]


def of_absence(path: Path) -> Finding:
    """Return what is to be said of a database that is not there: who has it open still, where that is so."""
    found = deleted.find(path)
    if found is None:
        return make("missing", os.fspath(path))
    return make("deleted", os.fspath(path), evidence=_openers(found.holders))


def of_locks(stuck: Iterable[Lock], path: str) -> list[Finding]:
    """Return what is to be said of those who keep a database locked."""
    lines = tuple(f"{one.text} keeps {'everybody' if one.everybody else 'other writers'} out" for one in stuck)
    return [make("locked", path, evidence=lines)] if lines else []


def _openers(holders: Iterable[Holder]) -> tuple[str, ...]:
    return tuple(f"{one.text} has the deleted file open" for one in holders)


def _names(probe: Probe) -> list[Finding]:
    """Return what is to be said of the other names of the file, and of the file that had this name before."""
    found = []
    if probe.links > 1:
        text = f"it has {count_text(probe.links, 'name')} (hard links): SQLite finds no journal of it by the others"
        found.append(make("other-names", probe.path, text))
    former = deleted.find(probe.path) if any(one.deleted for one in probe.holders.found) else None
    if former is not None and former.written:
        copies = " && ".join(
            f"cp {where} {shlex.quote(f'{probe.path}.deleted{suffix}')}" for suffix, where in former.parts.items()
        )
        remedy = f"save that file, then restart the application: {copies}"
        found.append(make("replaced", probe.path, evidence=_openers(former.holders), remedy=remedy))
    return found


def _library(probe: Probe) -> list[Finding]:
    version = probe.header.library_version
    if not probe.header.wal or not 0 < version < WAL_RESET_FIXED:
        return []
    name = f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}"
    message = f"SQLite {name} wrote it last, which can damage a database in WAL mode (WAL-reset bug)"
    return [make("old-sqlite", probe.path, message)]


def _sidecars(probe: Probe) -> list[Finding]:
    found = []
    wal, journal = probe.sidecar("-wal"), probe.sidecar("-journal")
    used = any(not one.deleted for one in probe.holders.found) or not probe.holders.complete
    if wal is not None and wal.size > max(LARGE_WAL, probe.size // 2):
        text = f"the WAL has grown to {size_text(wal.size)}"
        found.append(make("wal-large", probe.path, text, subject=wal.path))
    if wal is not None and wal.frames and not used:
        pages = count_text(wal.frames, "page")
        text = f"it holds {pages} that are not in the database yet, and nobody has it open"
        found.append(make("wal-left", probe.path, text, subject=wal.path))
    if journal is not None and journal.state == "hot" and not used:
        found.append(make("hot-journal", probe.path, subject=journal.path))
    return found


def _rights(probe: Probe) -> list[Finding]:
    found = []
    if probe.mode & stat.S_IWOTH:
        found.append(make("others-write", probe.path, f"its mode {probe.mode:04o} lets every user write it"))
    for sidecar in probe.sidecars:
        try:
            status = os.stat(sidecar.path)
        except OSError:
            continue
        if (status.st_uid, status.st_gid) != (probe.uid, probe.gid):
            text = f"its owner {status.st_uid}:{status.st_gid} is not the database's, {probe.uid}:{probe.gid}"
            found.append(make("sidecar-owner", probe.path, text, subject=sidecar.path))
        mode = stat.S_IMODE(status.st_mode)
        if mode != probe.mode:
            text = f"its mode {mode:04o} is not the database's, {probe.mode:04o}"
            found.append(make("sidecar-mode", probe.path, text, subject=sidecar.path))
    return found


def _unwritable(probe: Probe) -> list[Finding]:
    """Say what keeps the owner from writing, by the modes of file and folder; access control lists are left aside."""
    where = os.path.realpath(probe.path)
    lines = []
    try:
        if os.statvfs(where).f_flag & os.ST_RDONLY:
            lines.append("the file system is mounted read-only")
        lines += [
            f"{probe.user}, its owner, may not write to {path}"
            for path in (where, os.path.dirname(where))
            if not _may_write(os.stat(path), probe.uid, probe.gid)
        ]
    except OSError:
        return []
    return [make("read-only", probe.path, evidence=tuple(lines))] if lines else []


def _may_write(status: os.stat_result, uid: int, gid: int) -> bool:
    if uid == 0:
        return True
    if status.st_uid == uid:
        return bool(status.st_mode & stat.S_IWUSR)
    if status.st_gid in _groups(uid, gid):
        return bool(status.st_mode & stat.S_IWGRP)
    return bool(status.st_mode & stat.S_IWOTH)


def _groups(uid: int, gid: int) -> set[int]:
    import pwd

    try:
        return set(os.getgrouplist(pwd.getpwuid(uid).pw_name, gid))
    except KeyError:
        return {gid}


def _space(probe: Probe) -> list[Finding]:
    folder = Path(probe.path).parent
    try:
        space = shutil.disk_usage(folder)
    except OSError:
        return []
    if space.free >= space.total // 20 and space.free >= probe.size:
        return []
    text = f"the file system is nearly full: {size_text(space.free)} of {size_text(space.total)} free"
    return [make("space-low", probe.path, text, subject=str(folder))]


def file_system(path: str | os.PathLike[str]) -> str:
    """Return the type of the file system on which `path` lies, empty where that cannot be known."""
    try:
        device = os.stat(path).st_dev
        wanted = f"{os.major(device)}:{os.minor(device)}"
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                fields = line.split()
                if fields[2] == wanted:
                    return fields[fields.index("-") + 1]
    except (OSError, ValueError, IndexError):
        return ""
    return ""


def _file_system(probe: Probe) -> list[Finding]:
    kind = file_system(probe.path)
    if kind not in NETWORK:
        return []
    text = f"it lies on a network file system ({kind}), where locks are not to be trusted"
    return [make("network", probe.path, text)]


def _written(probe: Probe, outline: Outline) -> list[Finding]:
    """Return what the file and its journal tell of the application that wrote them."""
    found = []
    journal, header = outline.journal, outline.envelope.header
    if journal is not None and any(one.said is None and not one.lost for one in journal.segments):
        found.append(make("synchronous-off", probe.path))
    if header and header[24:28] != header[92:96]:
        found.append(make("counters", probe.path))
    return found
