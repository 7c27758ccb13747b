"""`timeline --find`: in which backup a row came or went, by asking the databases of as few backups as can be."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import msgspec

from toolkit.archive.manifest import Manifest
from toolkit.errors import BackupNotFoundError, DamageError, UsageError
from toolkit.jobs.context import Job
from toolkit.operations import timeline
from toolkit.operations.archiving import stored
from toolkit.operations.report import Ending
from toolkit.operations.restoring.extract import extract
from toolkit.operations.scratch import private_folder
from toolkit.operations.session import Session
from toolkit.operations.timeline import Look, Search, TimelineReport, TimelineRequest, Turn, span_text
from toolkit.sqlite import ask

MOST_NAMED = 3
"""Backups that a warning names."""


class FindRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to look for: an SQL condition on a table (found out by the columns when None), in which database.

    `every` looks at all backups instead of bisecting them; `limit` is in seconds, for each.
    """

    timeline: TimelineRequest
    condition: str
    table: str | None = None
    every: bool = False
    limit: float = ask.LIMIT


def run(session: Session, request: FindRequest, job: Job) -> TimelineReport:
    """Find where the answer changes; each database that is asked is unpacked to a private folder, and removed.

    Two looks tell whether it changed at all between the oldest and the newest backup; then bisection presumes
    that it did so once. A damaged database is asked as well where its rows could be counted; one that does not answer
    is passed over with a warning. Raises what `timeline.run` raises,
    `UsageError` (several databases, no such column), `SourceTimeoutError`, what extracting raises.
    """
    found = timeline.holders(session, request.timeline)
    if len(found) > 1:
        names = ", ".join(sorted({held[-1][1].name for held in found.values()}))
        raise UsageError(
            "several databases could be meant", subject=request.timeline.target, hint=f"give --database: {names}"
        )
    ((path, held),) = found.items()
    counted = [(manifest, record) for manifest, record in held if record.tables]
    if not counted:
        raise BackupNotFoundError("no backup holds a copy of this database that can be asked", subject=path)
    report = timeline.run(session, request.timeline)
    with private_folder(session.vault, f"timeline-{job.id}") as folder:
        search = _Search(session, request, job, path, folder, counted)
        report.search = search.run()
    answered = {one.id for one in search.backups}
    silent = [manifest.id for manifest, _ in held if manifest.id not in answered]
    if silent:
        text = "the database could not be asked in these backups, which were passed over"
        more = f" and {len(silent) - MOST_NAMED} more" if len(silent) > MOST_NAMED else ""
        report.warn("not-asked", text, subject=f"{', '.join(silent[:MOST_NAMED])}{more}")
    if not report.search.turns:
        report.ending = Ending.NOTHING
    report.notes += search.notes
    return report


class _NoAnswerError(Exception):
    """The damaged database of a backup, which cannot be asked."""

    def __init__(self, backup: Manifest) -> None:
        super().__init__(backup.id)
        self.backup = backup


class _Search:
    """The backups in order, and what each answered so far; `backups` are without those that did not answer."""

    def __init__(
        self, session: Session, request: FindRequest, job: Job, path: str, folder: Path, held: timeline.Held
    ) -> None:
        self.session, self.request, self.job = session, request, job
        self.path, self.folder = path, folder
        self.backups = [manifest for manifest, _ in held]
        self.damaged = {manifest.id for manifest, record in held if record.damaged}
        self.table = request.table
        self.looks: dict[str, Look] = {}
        self.notes: list[str] = []

    def run(self) -> Search:
        """Search among the backups that answer. Raises `BackupNotFoundError` when none does."""
        while self.backups:
            try:
                return self._search()
            except _NoAnswerError as silent:
                self.backups.remove(silent.backup)
        raise BackupNotFoundError("no backup holds a copy of this database that can be asked", subject=self.path)

    def _search(self) -> Search:
        self.job.step("search", f"Asking {len(self.backups)} backups of {Path(self.path).name}")
        newest = len(self.backups) - 1
        self._settle_table()
        if self.request.every:
            for index in range(len(self.backups)):
                self.look(index)
        elif self.holds(0) != self.holds(newest):
            self._bisect(0, newest)
        turns = self._turns()
        self._say(turns)
        looked = [self.looks[one.id] for one in self.backups if one.id in self.looks]
        return Search(
            condition=self.request.condition,
            table=self.table or "",
            backups=len(self.backups),
            looked=looked,
            turns=turns,
        )

    def _settle_table(self) -> None:
        """Ask the newest backup, or the oldest where that has another schema, so that a slip of the pen is told."""
        newest = len(self.backups) - 1
        try:
            self.look(newest, strict=True)
        except UsageError:
            try:
                self.look(0, strict=True)
            except UsageError:
                pass
            else:
                return
            raise

    def _bisect(self, low: int, high: int) -> None:
        while high - low > 1:
            middle = (low + high) // 2
            if self.holds(middle) == self.holds(low):
                low = middle
            else:
                high = middle

    def holds(self, index: int) -> bool:
        return self.look(index).holds

    def look(self, index: int, *, strict: bool = False) -> Look:
        """Return what the backup answers, asking it once only."""
        manifest = self.backups[index]
        if manifest.id not in self.looks:
            try:
                answer = self._ask(manifest, strict=strict)
            except DamageError as error:
                if manifest.id in self.damaged:
                    raise _NoAnswerError(manifest) from error
                raise
            self.table = self.table or answer.table
            look = Look(id=manifest.id, when=manifest.started, holds=answer.holds, why_not=answer.why_not)
            self.looks[manifest.id] = look
            self.job.log("info", "looked", f"{manifest.id}: {'has' if answer.holds else 'lacks'} it")
        return self.looks[manifest.id]

    def _ask(self, manifest: Manifest, *, strict: bool) -> ask.Answer:
        backup = stored(self.session, self.session.existing_vault, manifest)
        with tempfile.TemporaryDirectory(dir=self.folder) as room:
            taken = extract(backup, Path(room) / "taken", self.job, only_databases={self.path})
            if taken.failed:
                raise DamageError(taken.failed[0].reason, subject=manifest.id, hint=f"lifeboat verify {manifest.id}")
            return ask.ask(
                taken.place_of(self.path),
                self.request.condition,
                table=self.table,
                strict=strict,
                limit=self.request.limit,
                should_stop=self.job.should_stop,
            )

    def _turns(self) -> list[Turn]:
        """Return the changes between neighbours that were both looked at."""
        turns = []
        for before, after in pairwise(self.backups):
            last, first = self.looks.get(before.id), self.looks.get(after.id)
            if last is None or first is None or last.holds == first.holds:
                continue
            word = "has" if first.holds else "lacks"
            span = span_text(last.when, first.when, self.session.now())
            text = (
                f"{first.id} is the first that {word} such a row; it {'came' if first.holds else 'went'} between {span}"
            )
            turns.append(Turn(last=last, first=first, appeared=first.holds, text=text))
        return turns

    def _say(self, turns: list[Turn]) -> None:
        for one in self.backups:
            if one.id in self.damaged and one.id in self.looks and not self.looks[one.id].holds:
                self.notes.append(f"{one.id} is damaged: what it lacks may only be unreadable")
        gone = [turn for turn in turns if not turn.appeared]
        if gone:
            self.notes.append(f"{gone[-1].last.id} still has it: lifeboat restore {gone[-1].last.id} --to DIR")
        if self.request.every:
            return
        looked = f"{len(self.looks)} of {len(self.backups)} backups were looked at"
        self.notes.append(f"{looked}: bisecting presumes one change; --every looks at all")
        if not turns:
            word = "have" if self.holds(0) else "lack"
            self.notes.append(f"the oldest and the newest backup both {word} such a row")
