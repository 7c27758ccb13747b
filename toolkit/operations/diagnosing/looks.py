"""What the last `diagnose` said of each database, in full: kept for the screens, whoever looked.

One file for each database in `STATE/diagnoses/`, replaced as a whole. The health file has only the verdict.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.errors import LifeboatError
from toolkit.operations.diagnosing.codes import Finding
from toolkit.operations.report import clean, restored
from toolkit.operations.session import Session

MOST_KEPT = 200
MOST_EVIDENCE = 200
"""Lines of evidence that are kept of a finding."""


class DiagnosedTarget(msgspec.Struct, frozen=True, kw_only=True):
    """One database and what was found; `tables` counts rows, `checks` names what was checked."""

    path: str
    profile: str
    healthy: bool
    findings: tuple[Finding, ...]
    size: int = 0
    journal_mode: str = ""
    tables: dict[str, int | None] = {}
    checks: tuple[str, ...] = ()
    open_by: tuple[str, ...] = ()


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One look at a database: when, `quick` or `full`, and what was found."""

    at: datetime
    kind: str
    target: DiagnosedTarget


def keep(session: Session, targets: Sequence[DiagnosedTarget], kind: str) -> None:
    """Keep what was found of `targets`, in place of what was kept of them. Raises `LifeboatError`."""
    folder = folder_of(session)
    with durable.translated(folder):
        durable.make_directory(folder)
        for target in targets:
            look = Look(at=session.now(), kind=kind, target=_shortened(target))
            durable.write_file(folder / _name(target.path), msgspec.json.encode(clean(msgspec.to_builtins(look))))
        kept = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        for path in kept[MOST_KEPT:]:
            durable.remove(path)


def kept(session: Session, path: str) -> Look | None:
    """Return the last look at the database `path`, None where there was none or nobody can read it."""
    try:
        data = msgspec.json.decode((folder_of(session) / _name(path)).read_bytes())
        return msgspec.convert(restored(data), Look)
    except (OSError, msgspec.DecodeError, msgspec.ValidationError, LifeboatError):
        return None


def folder_of(session: Session) -> Path:
    """Return where looks are kept."""
    return session.state / "diagnoses"


def _name(path: str) -> str:
    return f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:24]}.json"


def _shortened(target: DiagnosedTarget) -> DiagnosedTarget:
    findings = tuple(
        msgspec.structs.replace(one, evidence=one.evidence[:MOST_EVIDENCE])
        if len(one.evidence) > MOST_EVIDENCE
        else one
        for one in target.findings
    )
    return msgspec.structs.replace(target, findings=findings)
