"""`timeline --find`: in which backup a row came or went, by asking the databases of as few backups as can be."""

from __future__ import annotations

import tempfile
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
    that it did so once. Damaged backups are passed over with a warning. Raises what `timeline.run` raises,
    `UsageError` (several databases, no such column), `SourceTimeoutError`, what extracting raises.
    """
    found = timeline.holders(session, request.timeline)
    if len(found) > 1:
        names = ", ".join(sorted({held[-1][1].name for held in found.values()}))
        raise UsageError(
            "several databases could be meant", subject=request.timeline.target, hint=f"give --database: {names}"
        )
    ((path, held),) = found.items()
    whole = [manifest for manifest, record in held if record.form == "copy" and not record.damaged]
    if not whole:
        raise BackupNotFoundError("no backup holds a sound copy of this database", subject=path)
    report = timeline.run(session, request.timeline)
    for manifest, record in held:
        if record.form != "copy" or record.damaged:
            report.warn("not-asked", "the database in this backup is damaged and was passed over", subject=manifest.id)
    with private_folder(session.vault, f"timeline-{job.id}") as folder:
        search = _Search(session, request, job, path, folder, whole)
        report.search = search.run()
    if not report.search.turns:
        report.ending = Ending.NOTHING
    report.notes += search.notes
    return report


class _Search:
    """The backups in order, and what each answered so far."""

    def __init__(
        self, session: Session, request: FindRequest, job: Job, path: str, folder: Path, backups: list[Manifest]
    ) -> None:
        self.session, self.request, self.job = session, request, job
        self.path, self.folder, self.backups = path, folder, backups
        self.table = request.table
        self.looks: dict[int, Look] = {}
        self.notes: list[str] = []

    def run(self) -> Search:
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
        looked = [self.looks[index] for index in sorted(self.looks)]
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
        if index not in self.looks:
            manifest = self.backups[index]
            answer = self._ask(manifest, strict=strict)
            self.table = self.table or answer.table
            self.looks[index] = Look(id=manifest.id, when=manifest.started, holds=answer.holds, why_not=answer.why_not)
            self.job.log("info", "looked", f"{manifest.id}: {'has' if answer.holds else 'lacks'} it")
        return self.looks[index]

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
        for index in range(1, len(self.backups)):
            last, first = self.looks.get(index - 1), self.looks.get(index)
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
