"""The rows of Backups: read off the catalog page by page, as the list asks for them."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.errors import LifeboatError, NotFoundError
from toolkit.operations.browsing import BackupList, Browsed, Condition
from toolkit.operations.jobs import JobRow
from toolkit.operations.listing import ListedBackup
from toolkit.operations.session import Session
from toolkit.wording import brief_time_text, percent_text, size_text
from tui.filter import Filter
from tui.widgets.edges import ACTIVE
from tui.widgets.rows import Cell, Column, Row

COLUMNS = (
    Column(name="age", title="WHEN", width=12),
    Column(name="target", title="TARGET"),
    Column(name="kind", title="KIND", width=9),
    Column(name="size", title="SIZE", width=7, right=True),
    Column(name="state", title="TESTED", width=11),
    Column(name="rate", title="RATE", width=4),
    Column(name="where", title="WHERE", width=12, most=30),
)

_TONES = {"rehearsed": "ok", "opened": "ok", "verified": "ok", "written": "warn", "DAMAGED": "bad", "FAILED": "bad"}


def conditions(wanted: Filter) -> list[Condition]:
    """Return what was typed as the operations take it."""
    return [
        Condition(column=term.name, op=term.op.value, text=term.text, negated=term.negated) for term in wanted.terms
    ]


class BackupRows:
    """The backups of the vault as a source of rows. `problem` says why there are none, when that is no good reason."""

    def __init__(self, session: Session, jobs: Sequence[JobRow]) -> None:
        self.list = BackupList(session)
        self.stamp = self.list.stamp
        self.problem = ""
        self.seen: dict[str, Browsed] = {}
        self._session = session
        self._jobs = jobs

    def arrange(self, wanted: Filter, sort: str, *, reverse: bool) -> tuple[int, int]:
        """Take filter and order; without a vault there is nothing, and no problem."""
        self.seen.clear()
        self.problem = ""
        try:
            return self.list.arrange(conditions(wanted), sort, reverse=reverse)
        except NotFoundError:
            return 0, 0
        except LifeboatError as error:
            self.problem = f"{error.message}; {error.hint or 'R looks again'}"
            return 0, 0

    def rows(self, offset: int, limit: int) -> list[Row]:
        """Return a page."""
        try:
            found = self.list.rows(offset, limit)
        except LifeboatError as error:
            self.problem = f"{error.message}; {error.hint or 'R looks again'}"
            return []
        if len(self.seen) > 5000:
            self.seen.clear()
        self.seen |= {one.backup.id: one for one in found}
        return [self._row(one) for one in found]

    def place_of(self, key: str) -> int | None:
        """Return where the backup is now."""
        try:
            return self.list.place_of(key)
        except LifeboatError:
            return None

    def _row(self, one: Browsed) -> Row:
        backup = one.backup
        state = state_of(one, self._jobs)
        pinned = " pinned" if backup.pin else ""
        return Row(
            key=backup.id,
            cells=(
                brief_time_text(backup.started, self._session.now()),
                backup.profile,
                backup.kind.value,
                size_text(backup.size) if backup.size else "-",
                Cell(state, _TONES.get(state, "bad" if state in ("LOST", "CHANGED", "INTERRUPTED") else "warn")),
                f"{backup.rating}/5" if backup.rating else "-",
                Cell(" ".join(("here", *backup.destinations)) + pinned, "dim" if not backup.destinations else ""),
            ),
        )


def state_of(one: Browsed, jobs: Sequence[JobRow]) -> str:
    """Return the one word for a backup: how well it is proven, or what is wrong with it; trouble in capitals."""
    backup = one.backup
    if backup.status == "creating":
        return f"writing {_progress(backup, jobs)}".strip()
    if backup.status in ("failed", "interrupted"):
        return backup.status.upper()
    if one.archive:
        return one.archive.upper()
    return "DAMAGED" if backup.damaged else backup.evidence


def _progress(backup: ListedBackup, jobs: Sequence[JobRow]) -> str:
    for job in jobs:
        if job.operation == "backup" and job.state in ACTIVE and backup.profile in job.targets and job.total:
            return percent_text(job.done or 0, job.total)
    return ""
