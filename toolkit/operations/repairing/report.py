"""What `repair` answers, and the report file that it leaves: the account of rows and objects."""

from __future__ import annotations

import msgspec

from toolkit import __version__
from toolkit.events import UndoOffer
from toolkit.operations.plan import Plan
from toolkit.operations.repairing.accounts import CandidateRow, TableRow, candidates_of, loss_text, tables_of
from toolkit.operations.repairing.mending import Mended
from toolkit.operations.report import Ending, Report, clean
from toolkit.operations.session import Session

REPORT_VERSION = 1


class RepairReport(Report, kw_only=True):
    """The report of `repair` (DESIGN.md section 6). `output` is where the result is, empty when nothing was written.

    `chosen`: nobody named the output.
    """

    database: str = ""
    output: str = ""
    sound: bool = False
    strategy: str = ""
    reason: str = ""
    tables: dict[str, TableRow] = msgspec.field(default_factory=dict)
    kept_objects: list[str] = msgspec.field(default_factory=list)
    lost_objects: list[str] = msgspec.field(default_factory=list)
    unplaced: int = 0
    refilled_from: str = ""
    candidates: list[CandidateRow] = msgspec.field(default_factory=list)
    said: list[str] = msgspec.field(default_factory=list)
    problems: list[str] = msgspec.field(default_factory=list)
    lost: str = ""
    report: str = ""
    lost_and_found: str = ""
    safety: str | None = None
    kept: list[str] = msgspec.field(default_factory=list)
    plan: Plan | None = None
    chosen: bool = False

    @property
    def undo(self) -> UndoOffer | None:
        """How to put the damaged files back, after a repair in place."""
        if not self.safety and not self.kept:
            return None
        return UndoOffer(possible=True, cli=f"lifeboat undo {self.safety}" if self.safety else "lifeboat undo")

    @property
    def made(self) -> tuple[str, ...]:
        """The result, its report, and the file of rows that fitted no table."""
        return tuple(filter(None, (self.output, self.report, self.lost_and_found)))

    @property
    def results(self) -> tuple[str, ...]:
        """The output, where nobody named it."""
        return (self.output,) if self.chosen else ()


def take_account(report: RepairReport, mended: Mended) -> None:
    """Take what the engine accounts for into the report."""
    account = mended.account
    report.sound = mended.sound and account.whole
    report.strategy = account.strategy
    report.reason = account.reason
    report.tables = tables_of(account)
    report.kept_objects = list(account.kept_objects)
    report.lost_objects = list(account.lost_objects)
    report.unplaced = account.unplaced
    report.candidates = candidates_of(account)
    report.said = list(account.said)
    report.problems = list(mended.problems)
    report.lost = loss_text(account)
    report.refilled_from = mended.reference.word if mended.reference is not None and mended.refilled else ""


def conclude(report: RepairReport, mended: Mended) -> None:
    """Say how the repair ended: with damage, incomplete, or whole."""
    if not mended.passes:
        report.warn(
            "does-not-pass",
            f"the result does not pass its checks: {mended.problems[0] if mended.problems else 'unknown'}",
            subject=report.output or report.database,
            hint="look at it before you use it",
        )
        report.ending = Ending.DAMAGE
    elif not mended.account.whole:
        report.ending = Ending.INCOMPLETE


def report_fields(session: Session, report: RepairReport, mended: Mended) -> dict[str, object]:
    """Return what the report file holds: the account of the JSON document, and what it was made of."""
    fields = report.document()
    for name in ("changed", "warnings", "notes", "plan", "outcome", "report"):
        fields.pop(name, None)
    reference = mended.reference
    more = {
        "lifeboat_report": REPORT_VERSION,
        "tool": __version__,
        "made": session.now().isoformat(timespec="seconds"),
        "whole": mended.account.whole,
        "passes": mended.passes,
        "reference": None if reference is None else reference.text,
    }
    found: dict[str, object] = clean({**more, **fields})
    return found
