"""What `diagnose` can find, and what it advises: from what was seen of a database to findings."""

from __future__ import annotations

import enum
import os
import shlex
import shutil
import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from toolkit.archive.manifest import DatabaseRecord
from toolkit.errors import DamageError, LifeboatError, NotADatabaseError, SourceMissingError
from toolkit.sqlite.check import FOREIGN_KEYS, CheckResult, Checkup
from toolkit.sqlite.probe import Probe
from toolkit.wording import count_text, size_text

WAL_RESET_FIXED = 3_051_003
"""SQLite 3.51.3 fixed the WAL-reset bug, by which older libraries can damage databases in WAL mode."""

LARGE_WAL = 64 * 1024 * 1024
"""A -wal of this size, and larger than half of its database, is not being checkpointed."""

CODES = {
    "quick_check": "integrity",
    "integrity_check": "integrity",
    "foreign_key_check": "foreign-keys",
    "fts": "full-text",
    "rtree": "r-tree",
    "size": "size",
    "rows": "rows",
    "sidecars": "sidecars",
}
_SAID = {
    "integrity": "SQLite finds damage inside",
    "foreign-keys": "rows refer to rows that do not exist",
    "full-text": "a full-text index does not match its content: searches miss rows",
    "r-tree": "an R-tree index is damaged",
    "size": "the file has another size than its header says",
    "rows": "the rows of some tables cannot be counted",
    "sidecars": "a journal beside it was not read",
}


class Severity(enum.StrEnum):
    """How bad a finding is; notices never make a database unhealthy."""

    NOTICE = "notice"
    WARNING = "warning"
    ERROR = "error"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing found: a stable code, how bad, of what, a sentence, what was seen, what to do next."""

    code: str
    severity: Severity
    subject: str
    message: str
    evidence: tuple[str, ...] = ()
    remedy: str = ""


def healthy(findings: Sequence[Finding]) -> bool:
    """Say whether `findings` are notices only."""
    return all(finding.severity is Severity.NOTICE for finding in findings)


def accepted(findings: Sequence[Finding], accept: Sequence[str]) -> tuple[Finding, ...]:
    """Return `findings` with those whose code the profile accepts turned into notices."""
    return tuple(
        msgspec.structs.replace(one, severity=Severity.NOTICE, message=f"{one.message} (accepted by the profile)")
        if one.code in accept and one.severity is not Severity.NOTICE
        else one
        for one in findings
    )


def of_error(error: LifeboatError, path: str) -> Finding:
    """Return the finding for a database that could not be looked at at all."""
    back = "restore it from a backup: `lifeboat list` shows them"
    if isinstance(error, SourceMissingError):
        return _error("missing", path, "the database is missing", remedy=back)
    if isinstance(error, NotADatabaseError) and _is_empty(path):
        return _error("empty", path, "the database has 0 bytes", remedy=back)
    if isinstance(error, NotADatabaseError):
        return _error("not-a-database", path, error.message, remedy=back)
    if isinstance(error, DamageError):
        return _error("damaged", path, error.message, remedy=_rescue(path))
    if error.code in ("source-changed", "source-timeout"):
        return Finding(
            code="in-use",
            severity=Severity.NOTICE,
            subject=path,
            message="in use, unsure: it could not be read in one piece",
            evidence=(error.message,),
            remedy="diagnose it again when the application is quiet, or a copy of it",
        )
    return _error("unreadable", path, error.message, remedy=error.hint or "run it as root or as the owner")


def _error(code: str, path: str, message: str, *, evidence: tuple[str, ...] = (), remedy: str = "") -> Finding:
    return Finding(code=code, severity=Severity.ERROR, subject=path, message=message, evidence=evidence, remedy=remedy)


def _notice(code: str, path: str, message: str, *, evidence: tuple[str, ...] = (), remedy: str = "") -> Finding:
    return Finding(code=code, severity=Severity.NOTICE, subject=path, message=message, evidence=evidence, remedy=remedy)


def _is_empty(path: str) -> bool:
    try:
        return os.stat(path).st_size == 0
    except OSError:
        return False


def _rescue(path: str) -> str:
    keep = f"lifeboat backup {shlex.quote(path)} --kind emergency"
    return f"keep it as it is now with `{keep}`, then restore the last good backup"


_REMEDIES = {
    "foreign-keys": "look at the rows named; if they are known, add `accept: [foreign-keys]` to the profile",
    "full-text": "rebuild the index in the application: INSERT INTO name(name) VALUES('rebuild')",
}


def of_checks(checkup: Checkup, path: str) -> list[Finding]:
    """Return a finding for each check that failed, and a notice for those that could not be made."""
    unread = checkup.foreign_key_violations is None
    failed = [check for check in checkup.checks if not check.ok]
    found = [_of_check(check, path) for check in failed if not (unread and check.name == FOREIGN_KEYS)]
    if unread and not found:
        found = [_of_check(replace(check, name="rows"), path) for check in failed]
    if checkup.skipped:
        found.append(
            _notice("not-checked", path, "some checks could not be made here", evidence=tuple(checkup.skipped))
        )
    return found


def _of_check(check: CheckResult, path: str) -> Finding:
    code = CODES.get(check.name, check.name)
    return Finding(
        code=code,
        severity=Severity.WARNING if code == "foreign-keys" else Severity.ERROR,
        subject=path,
        message=_SAID.get(code, f"the check {check.name} failed"),
        evidence=check.messages,
        remedy=_REMEDIES.get(code, _rescue(path)),
    )


def of_surroundings(probe: Probe) -> list[Finding]:
    """Return the notices about what lies around a database: old library, sidecars, space."""
    path = probe.path
    found = []
    version = probe.header.library_version
    if probe.header.wal and 0 < version < WAL_RESET_FIXED:
        found.append(
            _notice(
                "old-sqlite",
                path,
                f"SQLite {_version(version)} wrote it last, which can damage a database in WAL mode (WAL-reset bug)",
                remedy="update SQLite to 3.51.3 or newer where the application uses it",
            )
        )
    found += _sidecars(probe)
    found += _space(probe)
    return found


def _version(number: int) -> str:
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


def _sidecars(probe: Probe) -> list[Finding]:
    found = []
    wal, journal = probe.sidecar("-wal"), probe.sidecar("-journal")
    used = bool(probe.holders.found) or not probe.holders.complete
    if wal is not None and wal.size > max(LARGE_WAL, probe.size // 2):
        found.append(
            _notice(
                "wal-large",
                wal.path,
                f"the WAL has grown to {size_text(wal.size)}",
                remedy="a reader that never ends keeps it from being checkpointed: restart the application",
            )
        )
    if wal is not None and wal.frames and not used:
        found.append(
            _notice(
                "wal-left",
                wal.path,
                f"it holds {count_text(wal.frames, 'page')} that are not in the database yet, and nobody has it open",
                remedy="never copy, move or delete the database without it",
            )
        )
    if journal is not None and journal.state == "hot" and not used:
        found.append(
            _notice(
                "hot-journal",
                journal.path,
                "a transaction was cut off; SQLite rolls it back when the database is opened next",
                remedy="never copy, move or delete the database without it",
            )
        )
    return found + [one for sidecar in probe.sidecars for one in _rights(probe, sidecar.path)]


def _rights(probe: Probe, path: str) -> list[Finding]:
    try:
        status = os.stat(path)
    except OSError:
        return []
    found = []
    if (status.st_uid, status.st_gid) != (probe.uid, probe.gid):
        found.append(
            _notice(
                "sidecar-owner",
                path,
                f"its owner {status.st_uid}:{status.st_gid} is not the database's, {probe.uid}:{probe.gid}",
                remedy="the application may not be able to write: give it the owner of the database",
            )
        )
    mode = stat.S_IMODE(status.st_mode)
    if mode != probe.mode:
        found.append(
            _notice(
                "sidecar-mode",
                path,
                f"its mode {mode:04o} is not the database's, {probe.mode:04o}",
                remedy="the application may not be able to write: give it the mode of the database",
            )
        )
    return found


def _space(probe: Probe) -> list[Finding]:
    try:
        space = shutil.disk_usage(Path(probe.path).parent)
    except OSError:
        return []
    if space.free >= space.total // 20 and space.free >= probe.size:
        return []
    return [
        _notice(
            "space-low",
            str(Path(probe.path).parent),
            f"the file system is nearly full: {size_text(space.free)} of {size_text(space.total)} free",
            remedy="free some space: SQLite needs room for its journal, a restore for a second copy",
        )
    ]


def of_losses(checkup: Checkup, record: DatabaseRecord, backup: str, path: str) -> list[Finding]:
    """Return a notice when tables that had rows in the last good backup are gone or empty now."""
    lost = [
        f"{name}: {count_text(rows, 'row')} in backup {backup}, "
        + ("no such table now" if name not in checkup.tables else "none now")
        for name, rows in sorted(record.tables.items())
        if rows and (name not in checkup.tables or checkup.tables[name] == 0)
    ]
    if not lost:
        return []
    return [
        _notice(
            "rows-lost",
            path,
            "tables that had rows in the last good backup are empty or gone",
            evidence=tuple(lost),
            remedy=f"if that was not meant: lifeboat compare {backup}",
        )
    ]
