"""What a restore says at its end: what came back, under which names, what proves it, and how to undo it."""

from __future__ import annotations

import msgspec

from toolkit.events import UndoOffer
from toolkit.operations.plan import Plan
from toolkit.operations.report import Report
from toolkit.operations.restoring.extract import FailedItem
from toolkit.operations.restoring.plan import ClashRow, RestorePlan


class RenamedItem(msgspec.Struct, frozen=True):
    """A file that got a name beside the one that was taken."""

    path: str
    to: str


class RestoredDatabase(msgspec.Struct, frozen=True, kw_only=True):
    """A database that was restored and what proves it."""

    name: str
    path: str
    tables: dict[str, int | None] = {}
    digest: str = ""
    checked: str = ""


class RestoreTimings(msgspec.Struct):
    """Seconds of wall time: staging with every digest, checking the databases, giving the names."""

    stage: float = 0.0
    check: float = 0.0
    place: float = 0.0


class RestoreReport(Report, kw_only=True):
    """The report of `restore` and `undo`. `restored` and `skipped` count; `safety` is the id of the safety backup."""

    restored: int = 0
    skipped: int = 0
    same: int = 0
    renamed: list[RenamedItem] = msgspec.field(default_factory=list)
    failed: list[FailedItem] = msgspec.field(default_factory=list)
    databases: list[RestoredDatabase] = msgspec.field(default_factory=list)
    removed: int = 0
    safety: str | None = None
    backup: str = ""
    target: str = ""
    plan: Plan | None = None
    clashes: list[ClashRow] = msgspec.field(default_factory=list)
    timings: RestoreTimings = msgspec.field(default_factory=RestoreTimings)

    @property
    def undo(self) -> UndoOffer | None:
        """How to put back what was replaced: the safety backup, or the files that were moved aside."""
        if self.safety:
            return UndoOffer(possible=True, cli=f"lifeboat undo {self.safety}")
        exchanged = self.changed and self.target == "in place"
        return UndoOffer(possible=True, cli="lifeboat undo") if exchanged else None


def dry_run(made: RestorePlan, plan: Plan) -> RestoreReport:
    """Return the report of `plan`, made out of `made`, that is only shown."""
    return RestoreReport(
        plan=plan,
        clashes=made.clashes,
        backup=made.request.backup.manifest.id,
        target=str(made.request.to or "in place"),
    )
