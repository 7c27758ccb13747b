"""What is said of the backup under the cursor: note, content, the live data beside it, copies, why it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from textual.content import Content

from toolkit.operations.browsing import BackupFacts, Browsed, DatabaseRecord, Manifest, visible_tables
from toolkit.operations.compare import CompareReport
from toolkit.wording import age_text, count_text, size_text, time_text
from tui.text import Piece, put
from tui.widgets.edges import base

LINES = 8
"""Lines that it takes at most."""


def detail(one: Browsed, facts: BackupFacts | None, live: CompareReport | None, now: datetime) -> Iterator[Content]:
    """Yield what is known of the backup: at once what the list knows, then its manifest in `facts`, and `live`."""
    backup = one.backup
    when = f"{time_text(backup.started, now)} ({age_text(backup.started, now)})"
    size = f"{size_text(backup.size)} {backup.format}" if backup.size else "no archive"
    yield put((f" {backup.id}  {backup.profile}", "bold"), f"  {backup.kind} {backup.scope}  {when}  {size}")
    trouble = _trouble(one, facts)
    if trouble:
        yield put((f"   {trouble}", "bold $text-error"))
    tags = f"   [{', '.join(backup.tags)}]" if backup.tags else ""
    yield put("   note     ", backup.note or ("none: a writes one", "$text-muted"), (tags, "$text-accent"))
    if facts is None:
        return
    manifest = facts.manifest
    yield put("   holds    ", _holds(manifest))
    yield put("   live     ", *_live(live, now))
    yield put("   proof    ", _proof(manifest, now))
    yield put("   copies   ", _copies(facts, now))
    if facts.kept:
        yield put(
            "   kept     " if facts.kept.startswith("kept") else "   fate     ", facts.kept.removeprefix("kept: ")
        )


def _trouble(one: Browsed, facts: BackupFacts | None) -> str:
    backup = one.backup
    if one.archive == "lost":
        return "the archive file is gone: only its manifest is left" + (
            "; F gets it back" if backup.destinations else ""
        )
    if one.archive == "changed":
        return "the archive file has another size than was written: t tells what can still be restored"
    if backup.error:
        return backup.error
    if facts is not None and facts.manifest.evidence.damage:
        return f"a later check failed: {facts.manifest.evidence.damage[0]}"
    return "taken of a damaged database, as it was" if backup.damaged else ""


def _holds(manifest: Manifest) -> str:
    parts = []
    if manifest.files.files:
        parts.append(f"{count_text(manifest.files.files, 'file')}, {size_text(manifest.files.bytes)}")
    parts += [f"{base(record.path)} {_rows(record)}" for record in manifest.databases[:3]]
    if len(manifest.databases) > 3:
        parts.append(f"{len(manifest.databases) - 3} more databases")
    missed = [one for one in manifest.left_out if not one.expected]
    if missed:
        parts.append(f"left out: {len(missed)} ({base(missed[0].path)}: {missed[0].reason})")
    return "; ".join(parts) or "nothing"


def _rows(record: DatabaseRecord) -> str:
    if record.damaged:
        return "damaged, taken bit for bit"
    counts = [rows for rows in visible_tables(record.tables).values() if rows is not None]
    return f"{sum(counts):,} rows in {count_text(len(counts), 'table')}"


def _live(live: CompareReport | None, now: datetime) -> Iterator[Piece]:
    if live is None:
        yield "not compared with what is there now: v does it", "$text-muted"
        return
    yield f"compared {time_text(live.right_at, now)}: {compared(live)}"


def compared(live: CompareReport) -> str:
    """Return a comparison in one line."""
    found = live.differences
    parts = []
    if found.changed or found.added or found.removed:
        parts.append(f"files: {found.changed:,} differ, {found.added:,} new, {found.removed:,} gone")
    for change in found.databases[:2]:
        tables = [
            f"{name} {_count(sides.left)} -> {_count(sides.right)}" for name, sides in list(change.tables.items())[:2]
        ]
        parts.append(f"{base(change.path)}: {', '.join(tables) or ', '.join(change.how) or change.change.value}")
    if live.warnings:
        parts.append(f"not all could be read ({live.warnings[0].message})")
    return "; ".join(parts) or "the same as in the backup"


def _count(rows: int | None) -> str:
    return "-" if rows is None else f"{rows:,}"


def _proof(manifest: Manifest, now: datetime) -> str:
    proof = manifest.evidence
    when = f" {time_text(proof.when, now)} ({age_text(proof.when, now)})" if proof.when is not None else ""
    more = {
        "written": ": t rehearses a restore of it",
        "verified": ": read back; t rehearses it",
        "opened": ": its databases were restored, checked and compared",
        "rehearsed": ": restored to scratch, checked, compared",
    }
    return f"{proof.level}{when}{more.get(proof.level, '')}"


def _copies(facts: BackupFacts, now: datetime) -> str:
    manifest = facts.manifest
    parts = [f"here {facts.folder}"]
    parts += [f"{one.destination} {time_text(one.when, now)}" for one in manifest.copies if one.when is not None]
    parts += [f"{one.destination} waits{f' ({one.error})' if one.error else ''}" for one in manifest.pending]
    return "; ".join(parts)
