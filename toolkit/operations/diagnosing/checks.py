"""What `diagnose` finds in what SQLite says of a database: from checks and errors to findings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

import msgspec

from toolkit.archive.manifest import DatabaseRecord, visible_tables
from toolkit.errors import DamageError, LifeboatError, NotADatabaseError, SourceMissingError, StorageError
from toolkit.operations.diagnosing.codes import Finding, Severity, make
from toolkit.sqlite.check import FOREIGN_KEYS, CheckResult, Checkup
from toolkit.wording import count_text

CODES = {
    "quick_check": "integrity",
    "integrity_check": "integrity",
    "foreign_key_check": "foreign-keys",
    "fts": "full-text",
    "rtree": "r-tree",
    "size": "size",
    "rows": "rows",
    "sidecars": "sidecars",
    "sequence": "sequence",
    "checks": "constraints",
    "text": "text",
}


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


_SCHEMA = re.compile(r"malformed database schema(?: \((?P<name>.*?)\))?")


def of_error(error: LifeboatError, path: str) -> Finding:
    """Return the finding for a database that could not be looked at at all."""
    if isinstance(error, SourceMissingError):
        return make("missing", path)
    if isinstance(error, NotADatabaseError):
        return make("empty" if "empty" in error.message else "not-a-database", path, error.message)
    if isinstance(error, DamageError):
        schema = _SCHEMA.search(error.message)
        if schema is not None:
            name = schema.group("name")
            text = f"the schema cannot be read: {name}" if name else ""
            return make("schema", path, text, evidence=(error.message,))
        return make("damaged", path, error.message)
    if error.code in ("source-changed", "source-timeout"):
        return make("in-use", path, evidence=(error.message,))
    if isinstance(error, StorageError):  # no room for a private copy says nothing of the database
        return make("not-checked", path, evidence=(error.message,), remedy=error.hint)
    return make("unreadable", path, error.message, remedy=error.hint)


def of_checks(checkup: Checkup, path: str, *, leave_out: Iterable[str] = ()) -> list[Finding]:
    """Return a finding for each check that failed, and a notice for those that could not be made.

    Checks named in `leave_out` are judged elsewhere.
    """
    unread = checkup.foreign_key_violations is None
    failed = [check for check in checkup.checks if not check.ok and check.name not in leave_out]
    found = [
        _to_none(check, path) if check.name == FOREIGN_KEYS and checkup.keys_to_none else _of_check(check, path)
        for check in failed
        if not (unread and check.name == FOREIGN_KEYS)
    ]
    if unread and not found:
        found = [_of_check(replace(check, name="rows"), path) for check in failed]
    if checkup.skipped:
        found.append(make("not-checked", path, evidence=tuple(checkup.skipped)))
    return found


def _of_check(check: CheckResult, path: str) -> Finding:
    code = CODES.get(check.name, check.name)
    if code == "integrity" and any(_SCHEMA.search(line) for line in check.messages):
        code = "schema"
    return make(code, path, evidence=check.messages)


def _to_none(check: CheckResult, path: str) -> Finding:
    message = "rows refer to row 0, or to tables that are not here: nobody enforces these keys"
    return make("foreign-keys", path, message, evidence=check.messages, remedy="", severity=Severity.NOTICE)


def of_losses(
    tables: dict[str, int | None], record: DatabaseRecord, backup: str, path: str, shrink: float | None = None
) -> list[Finding]:
    """Compare the rows of tables with those in the last good backup; the inner ones of virtual tables come and go.

    A notice names tables that are gone or empty now; a warning those that have shrunk by more than the share
    `shrink` that the profile's alarms allow.
    """
    gone, fewer = [], []
    for name, rows in sorted(visible_tables(record.tables).items()):
        now = tables.get(name, 0)
        if not rows or now is None:
            continue
        before = f"{name}: {count_text(rows, 'row')} in backup {backup}, "
        if name not in tables or not now:
            gone.append(before + ("no such table now" if name not in tables else "none now"))
        elif shrink is not None and now < rows * (1 - shrink):
            fewer.append(before + f"{count_text(now, 'row')} now")
    found = []
    if gone:
        remedy = f"if that was not meant: lifeboat compare {backup}"
        found.append(make("rows-lost", path, evidence=tuple(gone), remedy=remedy))
    if fewer:
        found.append(make("rows-fewer", path, evidence=tuple(fewer)))
    return found
