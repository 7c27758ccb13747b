"""What `diagnose` finds in a database and its sidecars as bytes: from an outline to findings."""

from __future__ import annotations

from toolkit.operations.diagnosing.codes import Finding, make
from toolkit.sqlite.outline import Outline
from toolkit.sqlite.rollbackfit import Standing
from toolkit.wording import count_text

_CODES = {"cut": "size", "trailing": "size", "page-count": "size", "free-list": "freelist"}


def of_envelope(outline: Outline, path: str) -> list[Finding]:
    """Return what is wrong around the pages of the file `path`."""
    envelope = outline.envelope
    if envelope.kind == "empty":
        return [make("empty", path, evidence=tuple(_waiting(outline)))]
    return [
        make(_CODES.get(fault.code, fault.code), path, fault.text, evidence=fault.evidence) for fault in envelope.faults
    ]


def _waiting(outline: Outline) -> list[str]:
    """Say what the sidecars of an empty file still hold: SQLite removes them when it opens it."""
    lines = []
    if outline.wal is not None and outline.wal.committed:
        pages = count_text(len(outline.wal.newest()), "page")
        lines.append(f"its -wal holds {pages}: do not open it with SQLite, which would remove them")
    if outline.journal is not None and len(outline.journal):
        pages = count_text(len(outline.journal), "page")
        lines.append(f"its -journal holds {pages}: do not open it with SQLite, which would remove them")
    return lines


def of_sidecars(outline: Outline, path: str) -> list[Finding]:
    """Return what is wrong with the -wal and the -journal of the database `path`."""
    return [*_wal(outline, path), *_journal(outline, path)]


def _wal(outline: Outline, path: str) -> list[Finding]:
    wal = outline.wal
    if wal is None:
        return []
    subject = f"{path}-wal"
    certain = [misfit.text for misfit in outline.misfits if misfit.certain]
    if certain:
        return [make("wal-foreign", path, subject=subject, evidence=tuple(one.text for one in outline.misfits))]
    missing = outline.promised > len(wal)
    if not (wal.hidden and outline.unsaved) and not (missing or outline.promised > wal.replayed):
        return []
    lines = [f"{count_text(outline.unsaved, 'page')} of transactions that had ended are not replayed"]
    if missing:
        lines = [f"{count_text(outline.promised - len(wal), 'frame')} at its end are missing"]
    if wal.header != "valid":
        lines.append(f"the header is {wal.header}, its frames tell of {count_text(wal.committed, 'frame')}")
        return [make("wal-header", path, subject=subject, evidence=tuple(lines))]
    lines.append(f"SQLite stops after {wal.replayed} of {max(wal.committed, outline.promised)} frames")
    return [make("wal-frames", path, subject=subject, evidence=tuple(lines))]


def _journal(outline: Outline, path: str) -> list[Finding]:
    journal, judgement = outline.journal, outline.judgement
    if journal is None or judgement is None:
        return []
    subject = f"{path}-journal"
    if judgement.standing is Standing.STALE:
        return [make("journal-foreign", path, subject=subject, evidence=(judgement.text,))]
    if judgement.standing is Standing.HALF:
        return [make("journal-header", path, subject=subject, evidence=(judgement.text,))]
    if judgement.standing is Standing.HOT:
        wrong = len(journal) - journal.stops + journal.missing
        if wrong:
            line = f"SQLite would put back {journal.stops} of {len(journal) + journal.missing} pages"
            return [make("journal-records", path, subject=subject, evidence=(line,))]
    return []
