"""What a person says of a backup: rating, note, tags, pin. All of it is kept in the manifest."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

import msgspec
from msgspec.structs import replace

from toolkit.archive.manifest import Manifest
from toolkit.errors import UsageError
from toolkit.jobs.context import Job
from toolkit.operations.listing import ListedBackup
from toolkit.operations.report import Report
from toolkit.operations.session import Session
from toolkit.operations.targets import manifest as find_manifest
from toolkit.vault import rows, store

LONGEST_TAG = 100
LONGEST_NOTE = 10_000
MOST_TAGS = 100

RATINGS: dict[str, int] = {
    **dict.fromkeys(("bad", "terrible", "גרוע", "ужасно", "buruk", "👎"), 1),
    **dict.fromkeys(("poor", "weak", "חלש", "плохо", "kurang"), 2),
    **dict.fromkeys(("ok", "okay", "fair", "בינוני", "סביר", "нормально", "cukup"), 3),
    **dict.fromkeys(("good", "טוב", "хорошо", "baik", "bagus", "👍"), 4),
    **dict.fromkeys(("excellent", "perfect", "מצוין", "מצויין", "отлично", "sangat baik", "🏆"), 5),
}
"""The numbers that known words mean, in the languages of the applications whose backups are kept here."""

Change = Callable[[Manifest], Manifest]


class KeepingReport(Report, kw_only=True):
    """The backups as they are now."""

    backups: list[ListedBackup] = msgspec.field(default_factory=list)


def rating_of(word: str) -> tuple[int | None, str]:
    """Return the number that `word` means (None when it is not known) and the tag that it is kept as.

    A number from 1 to 5 is kept as itself, without a tag. Raises `UsageError` for any other number.
    """
    text = word.strip()
    if text.lstrip("+-").isdecimal():
        if text not in ("1", "2", "3", "4", "5"):
            raise UsageError("a rating is a number from 1 to 5, or a word", subject=word, hint="5 is the best")
        return int(text), ""
    if text and not text.strip("⭐★"):
        return min(len(text), 5), check_tag(text)
    symbols = "".join(char for char in text if unicodedata.category(char) == "So")
    letters = "".join(char if char.isalnum() or char == "-" else " " for char in text.casefold()).split()
    return RATINGS.get(" ".join(letters)) or RATINGS.get(symbols), check_tag(text)


def check_tag(tag: str) -> str:
    """Return `tag` without blanks around it; raises `UsageError` for one that is empty, long or has control codes."""
    text = tag.strip()
    if not text:
        raise UsageError("a tag has at least one character")
    if len(text) > LONGEST_TAG or any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
        raise UsageError(f"a tag is one line of at most {LONGEST_TAG} characters", subject=tag)
    return text


def rate(session: Session, word: str, rating: str, job: Job) -> KeepingReport:
    """Rate a backup; a word stays as a tag, in place of the word of an earlier rating. `none` takes the rating away.

    Raises `BackupNotFoundError`, `UsageError`, `LockedError`.
    """
    if rating.strip().casefold() == "none":
        return _change(session, [word], "rate", lambda old: replace(old, rating=None, tags=_unrated(old.tags)), job)
    number, tag = rating_of(rating)

    def change(old: Manifest) -> Manifest:
        tags = _unrated(old.tags)
        if tag and tag not in tags:
            tags = (*tags, tag)
        return replace(old, rating=number, tags=tags)

    report = _change(session, [word], "rate", change, job)
    if number is None:
        report.notes.append("no number is known for this word; it was kept as a tag (numbers are 1 to 5)")
    return report


def _unrated(tags: Sequence[str]) -> tuple[str, ...]:
    """Return `tags` without those that a rating by a known word left."""
    kept = []
    for tag in tags:
        try:
            number, _ = rating_of(tag)
        except UsageError:
            number = None
        if number is None or tag.strip().isdecimal():
            kept.append(tag)
    return tuple(kept)


def note(session: Session, word: str, text: str, job: Job) -> KeepingReport:
    """Write the note on a backup; an empty one removes it. Raises what `rate` raises."""
    clean = text.strip()
    if len(clean) > LONGEST_NOTE:
        raise UsageError(f"a note has at most {LONGEST_NOTE:,} characters", hint="keep the rest in a file")
    return _change(session, [word], "note", lambda old: replace(old, note=clean), job)


def tag(session: Session, word: str, add: Sequence[str], remove: Sequence[str], job: Job) -> KeepingReport:
    """Add and remove tags of a backup; a tag that is there is not added twice. Raises what `rate` raises."""
    added = [check_tag(one) for one in add]
    removed = {check_tag(one) for one in remove}
    missing: set[str] = set()

    def change(old: Manifest) -> Manifest:
        missing.update(removed - set(old.tags))
        tags = tuple(dict.fromkeys([*(one for one in old.tags if one not in removed), *added]))
        if len(tags) > MOST_TAGS:
            raise UsageError(f"a backup has at most {MOST_TAGS} tags", subject=old.id)
        return replace(old, tags=tags)

    report = _change(session, [word], "tag", change, job)
    for one in sorted(missing):
        report.warn("no-such-tag", "the backup has no such tag", subject=one)
    return report


def pin(session: Session, words: Sequence[str], job: Job, *, pinned: bool) -> KeepingReport:
    """Pin backups, so that neither retention nor `delete` takes them, or unpin them. Raises what `rate` raises."""
    operation = "pin" if pinned else "unpin"
    return _change(session, words, operation, lambda old: replace(old, pin=pinned), job)


def _change(session: Session, words: Sequence[str], operation: str, change: Change, job: Job) -> KeepingReport:
    report = KeepingReport()
    for found in {one.id: one for one in (find_manifest(session, word) for word in words)}.values():
        with session.hold(found.profile, operation, job):
            before = store.load(session.existing_vault, found.id)
            now = store.update(session.existing_vault, found.id, change)
        report.changed = report.changed or now != before
        report.backups.append(row_of(now))
    return report


def row_of(manifest: Manifest) -> ListedBackup:
    """Return the row of `manifest`, as `list` shows it."""
    return ListedBackup(
        id=manifest.id,
        profile=manifest.profile,
        kind=manifest.kind,
        scope=manifest.scope,
        format=manifest.format,
        host=manifest.host,
        status=manifest.status.value,
        error=manifest.error,
        started=manifest.started,
        finished=manifest.finished,
        size=manifest.size,
        files=manifest.files.files,
        databases=len(manifest.databases),
        evidence=manifest.evidence.level,
        good=manifest.good,
        damaged=manifest.damaged or bool(manifest.evidence.damage),
        pin=manifest.pin,
        rating=manifest.rating,
        note=manifest.note,
        tags=manifest.tags,
        destinations=tuple(copy.destination for copy in manifest.copies),
        removed=rows.removed_word(manifest),
    )
