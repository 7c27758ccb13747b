"""How well each database and file set is looked after, as the health file says it (TUI.md section 4.6).

Computed from the manifests of a profile, its alarms and what the last checks found; the screen's first
paint and `status` read only the file, which is replaced as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.archive.manifest import EvidenceLevel, Manifest, Status, visible_tables
from toolkit.errors import ArchiveDamagedError, FormatError, SourceMissingError
from toolkit.filelist import decode_name, encode_name
from toolkit.retention import Kind
from toolkit.vault.remove import candidate

VERSION = 1
KEPT = "kept"
"""The `kind` of a check that nobody made now: a database that was damaged when it was kept took its name again."""

WORST_FIRST = ("bad", "warn", "unknown", "ok")
"""The states of a target, in the order in which they are shown."""


class Alarms(msgspec.Struct, frozen=True):
    """When to speak up: nothing good for `max_age`; or the newest good copy is smaller than the one before.

    `shrink` is the fraction (0 to 1) by which it may be smaller.
    """

    max_age: timedelta | None = None
    shrink: float | None = None


class Reason(msgspec.Struct, frozen=True):
    """Why a target is not `ok`: a stable code, since when, and a sentence."""

    code: str
    since: datetime
    text: str


class LastGood(msgspec.Struct, frozen=True):
    """The newest good copy: when it was finished, the backup's id, and when it was last opened or rehearsed."""

    at: datetime
    id: str
    tested_at: datetime | None = None


class LastCheck(msgspec.Struct, frozen=True, omit_defaults=True):
    """A look at the live data: when, which check, and `ok`, `damaged` or `unsure`; `said`: the worst findings."""

    at: datetime
    kind: str
    result: str
    said: tuple[str, ...] = ()


class Drive(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the off-site side says: a state word, copies that wait, and the last error."""

    state: str = ""
    queued: int = 0
    error: str = ""


class Observation(msgspec.Struct, frozen=True, omit_defaults=True):
    """What only the running system knows of a target; None and () where nobody looked."""

    next_run: datetime | None = None
    last_check: LastCheck | None = None
    open_by: tuple[str, ...] = ()
    free_bytes: int | None = None
    drive: Drive = Drive()


class Target(msgspec.Struct, frozen=True):
    """One database or file set of a profile. `kind` is `database` or `files`; `state` is ok, unknown, warn or bad."""

    profile: str
    kind: str
    path: str
    state: str
    reasons: tuple[Reason, ...] = ()
    last_good: LastGood | None = None
    failed_since_good: int = 0
    next_run: datetime | None = None
    last_check: LastCheck | None = None
    open_by: tuple[str, ...] = ()
    free_bytes: int | None = None
    drive: Drive = Drive()


class Health(msgspec.Struct, frozen=True):
    """All targets of this server, and when that was computed."""

    health: int
    at: datetime
    targets: tuple[Target, ...] = ()


def assess(
    profile: str,
    wanted: Sequence[tuple[str, str]],
    manifests: Sequence[Manifest],
    alarms: Alarms,
    *,
    now: datetime,
    observations: dict[str, Observation] | None = None,
) -> tuple[Target, ...]:
    """Return the state of each target of a profile; pure.

    `wanted` are (kind, path) of what the profile names: kind `database` with the database's path, kind
    `files` with `SECTION:PATH`. Databases that only the backups know (found inside folders) are added.
    `observations` are by path; a target without one has none.
    """
    there = [one for one in manifests if one.profile == profile and one.tombstone is None]
    ordered = sorted(there, key=_end, reverse=True)
    found = {("database", database.path) for one in ordered[:1] for database in one.databases}
    targets = [*dict.fromkeys(wanted), *sorted(found - set(wanted))]
    looked = observations or {}
    return tuple(
        _target(profile, kind, path, ordered, alarms, now=now, seen=looked.get(path, Observation()))
        for kind, path in targets
    )


def _end(manifest: Manifest) -> datetime:
    return manifest.finished or manifest.started


def _holds(manifest: Manifest, kind: str, path: str) -> bool:
    return (kind, path) in candidate(manifest).holdings


def _target(
    profile: str,
    kind: str,
    path: str,
    ordered: Sequence[Manifest],
    alarms: Alarms,
    *,
    now: datetime,
    seen: Observation,
) -> Target:
    regular = [one for one in ordered if one.kind is not Kind.SAFETY]
    copies = [one for one in regular if one.good and _holds(one, kind, path)]
    newest = copies[0] if copies else None
    failed = [one for one in regular if one.status is Status.FAILED and (newest is None or _end(one) > _end(newest))]
    reasons: list[tuple[str, Reason]] = []
    check = seen.last_check
    if check is not None and check.result == "damaged" and (newest is None or _end(newest) <= check.at):
        how = "put back as it was kept" if check.kind == KEPT else f"{check.kind} check failed"
        reasons.append(("bad", Reason("damaged", check.at, f"damaged: {how}")))
    reasons += _age(newest, regular, alarms, now)
    if failed:
        text = (
            f"{len(failed)} runs failed: {failed[0].error}" if len(failed) > 1 else f"a run failed: {failed[0].error}"
        )
        reasons.append(("warn", Reason("failed", _end(failed[-1]), text)))
    damaged = next(
        (one for one in regular if one.status in (Status.COMPLETED, Status.UPLOADING) and _holds(one, kind, path)), None
    )
    if damaged is not None and damaged is not newest and candidate(damaged).damaged:
        reasons.append(("bad", Reason("backup-damaged", _end(damaged), f"the newest backup {damaged.id} is damaged")))
    reasons += _shrunk(kind, path, copies, alarms)
    reasons += _rows_shrank(kind, path, copies, alarms)
    state = min((word for word, _ in reasons), key=WORST_FIRST.index, default="ok")
    tested = newest is not None and newest.level >= EvidenceLevel.OPENED
    return Target(
        profile=profile,
        kind=kind,
        path=path,
        state=state,
        reasons=tuple(reason for _, reason in reasons),
        last_good=None
        if newest is None
        else LastGood(_end(newest), newest.id, newest.evidence.when if tested else None),
        failed_since_good=len(failed),
        next_run=seen.next_run,
        last_check=seen.last_check,
        open_by=seen.open_by,
        free_bytes=seen.free_bytes,
        drive=seen.drive,
    )


def _age(
    newest: Manifest | None, regular: Sequence[Manifest], alarms: Alarms, now: datetime
) -> list[tuple[str, Reason]]:
    if newest is None:
        if not regular:
            return [("unknown", Reason("no-backup", now, "no backup yet"))]
        return [("bad", Reason("no-good-backup", _end(regular[-1]), "there is no good backup"))]
    if alarms.max_age is not None and now - _end(newest) > alarms.max_age:
        since = _end(newest) + alarms.max_age
        return [("warn", Reason("stale", since, f"no good backup for longer than {alarms.max_age}"))]
    if _end(newest) > now:
        return [("warn", Reason("clock", now, "the last good backup is from the future: check the clock"))]
    return []


def _size(manifest: Manifest, kind: str, path: str) -> int:
    if kind == "database":
        return sum(database.size for database in manifest.databases if database.path == path)
    return manifest.files.bytes


def _shrunk(kind: str, path: str, copies: Sequence[Manifest], alarms: Alarms) -> list[tuple[str, Reason]]:
    """Compare the newest good copy with the one before; files are only compared between backups of the same sources."""
    if alarms.shrink is None or not copies:
        return []
    newest = copies[0]
    before = next((one for one in copies[1:] if kind == "database" or one.sources == newest.sources), None)
    if before is None:
        return []
    old, new = _size(before, kind, path), _size(newest, kind, path)
    if new >= old * (1 - alarms.shrink):
        return []
    return [("warn", Reason("shrunk", _end(newest), f"shrank from {old:,} to {new:,} bytes since backup {before.id}"))]


def _rows_shrank(kind: str, path: str, copies: Sequence[Manifest], alarms: Alarms) -> list[tuple[str, Reason]]:
    """Compare the rows of each table in the newest good copy of a database with those in the one before."""
    if alarms.shrink is None or kind != "database" or len(copies) < 2:
        return []
    newest, before = copies[0], copies[1]
    new, old = _rows(newest, path), _rows(before, path)
    texts = []
    for table, rows in sorted(visible_tables(old).items()):
        if rows is None or new.get(table, 0) is None:
            continue
        left = new.get(table) or 0
        if left < rows * (1 - alarms.shrink):
            texts.append(f"{table} fell from {rows:,} to {left:,} rows" if table in new else f"{table} is gone")
    if not texts:
        return []
    more = f", and {len(texts) - 3} more tables shrank" if len(texts) > 3 else ""
    said = f"{', '.join(texts[:3])}{more} since backup {before.id}"
    return [("warn", Reason("rows-shrank", _end(newest), said))]


def _rows(manifest: Manifest, path: str) -> dict[str, int | None]:
    return {name: rows for one in manifest.databases if one.path == path for name, rows in one.tables.items()}


def write(path: Path, health: Health, *, mode: int = 0o600) -> None:
    """Replace the health file by `health`, atomically. Raises a `StorageError` or `ForbiddenError`."""
    with durable.translated(path):
        durable.make_directory(path.parent)
        durable.write_file(path, _encode(health), mode=mode)


def _encode(health: Health) -> bytes:
    return msgspec.json.format(msgspec.json.encode(_to_wire(msgspec.to_builtins(health))), indent=1) + b"\n"


def _to_wire(value: object) -> object:
    if isinstance(value, dict):
        return {key: _to_wire(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_wire(item) for item in value]
    return encode_name(value) if isinstance(value, str) else value


def _from_wire(value: object) -> object:
    if isinstance(value, dict):
        return decode_name(value) if value.keys() == {"text", "b64"} else {k: _from_wire(v) for k, v in value.items()}
    return [_from_wire(item) for item in value] if isinstance(value, list) else value


def replace(path: Path, profile: str, targets: Sequence[Target], *, now: datetime, mode: int = 0o600) -> Health:
    """Put `targets` in place of those of `profile` in the health file; return the whole of it.

    A file that is missing or unreadable is begun anew. Callers hold the lock of the health file's writer.
    """
    try:
        others = [target for target in read(path).targets if target.profile != profile]
    except (SourceMissingError, ArchiveDamagedError, FormatError):
        others = []
    health = Health(VERSION, now, tuple(sorted((*others, *targets), key=lambda one: (one.profile, one.kind, one.path))))
    write(path, health, mode=mode)
    return health


def read(path: Path) -> Health:
    """Return the health file's content.

    Raises `SourceMissingError` when there is none, `ArchiveDamagedError` when it cannot be read,
    `FormatError` when a newer Lifeboat wrote it.
    """
    with durable.translated(path):
        data = path.read_bytes()
    try:
        fields = _from_wire(msgspec.json.decode(data))
        if isinstance(fields, dict) and isinstance(fields.get("health"), int) and fields["health"] > VERSION:
            raise FormatError("a newer Lifeboat wrote the health file", subject=path, hint="upgrade Lifeboat")
        return msgspec.convert(fields, Health)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ArchiveDamagedError("the health file cannot be read", subject=path, hint="it is made again") from error
