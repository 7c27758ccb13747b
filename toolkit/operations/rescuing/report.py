"""What `rescue` answers: what was broken, the ways out, the one that was taken, and how it ended."""

from __future__ import annotations

import os

import msgspec

from toolkit import __version__
from toolkit.events import UndoOffer
from toolkit.operations.diagnose import DiagnosedTarget
from toolkit.operations.diagnosing.codes import Finding
from toolkit.operations.plan import Plan
from toolkit.operations.repairing.accounts import TableRow
from toolkit.operations.repairing.report import REPORT_VERSION
from toolkit.operations.report import Report, clean
from toolkit.operations.rescuing.ways import WAYS, Patient, Way, why
from toolkit.operations.session import Session


class RescuedDatabase(msgspec.Struct, kw_only=True):
    """One database: what was found, every way out, which was recommended and why, and which was taken."""

    path: str
    findings: tuple[Finding, ...] = ()
    ways: list[Way] = []
    recommended: str = ""
    because: str = ""
    way: str = ""
    output: str = ""
    report: str = ""


class RescueReport(Report, kw_only=True):
    """The report of `rescue` (DESIGN.md section 6): the account of the one database, or of all by `NAME: TABLE`.

    `healthy` is what the diagnosis said; `left` are databases that are unhealthy in a way that no rescue cures.
    `put_back` says that it did not work and everything is as it was; `failures` say why.
    """

    profile: str = ""
    healthy: bool = True
    diagnosed: list[DiagnosedTarget] = msgspec.field(default_factory=list)
    databases: list[RescuedDatabase] = msgspec.field(default_factory=list)
    left: list[str] = msgspec.field(default_factory=list)
    recommended_because: dict[str, str] = msgspec.field(default_factory=dict)
    output: str = ""
    tables: dict[str, TableRow] = msgspec.field(default_factory=dict)
    lost_objects: list[str] = msgspec.field(default_factory=list)
    strategy: str = ""
    stopped: list[str] = msgspec.field(default_factory=list)
    told: list[str] = msgspec.field(default_factory=list)
    safety: str | None = None
    kept: list[str] = msgspec.field(default_factory=list)
    failures: list[str] = msgspec.field(default_factory=list)
    rejected: list[str] = msgspec.field(default_factory=list)
    put_back: bool = False
    plan: Plan | None = None

    @property
    def undo(self) -> UndoOffer | None:
        """How to put the damaged files back; None where that was done already."""
        names = [os.path.basename(row.path) for row in self.databases]
        aside = any(os.path.lexists(os.path.join(kept, name)) for kept in self.kept for name in names)
        if self.put_back or not (self.safety or aside):
            return None
        return UndoOffer(possible=True, cli=f"lifeboat undo {self.safety or self.profile}")

    @property
    def made(self) -> tuple[str, ...]:
        """The databases that were rescued, with their reports."""
        return tuple(path for row in self.databases for path in (row.output, row.report) if path)


def describe(patient: Patient) -> RescuedDatabase:
    """Return what the report says of `patient`."""
    return RescuedDatabase(
        path=patient.path,
        findings=patient.findings,
        ways=[patient.options[name].way for name in WAYS if name in patient.options],
        recommended=patient.recommended or "",
        because=why(patient),
        way=patient.taken or "",
    )


def report_fields(session: Session, row: RescuedDatabase) -> dict[str, object]:
    """Return what the report file of one database holds."""
    more = {"lifeboat_report": REPORT_VERSION, "tool": __version__, "made": session.now().isoformat(timespec="seconds")}
    fields: dict[str, object] = clean({**more, **msgspec.to_builtins(row)})
    return fields


def take_account(report: RescueReport, patients: list[Patient]) -> None:
    """Take the account of the ways that were taken into the report."""
    several = len(patients) > 1
    for patient in patients:
        way = patient.option.way if patient.option is not None else None
        if way is None:
            continue
        prefix = f"{os.path.basename(patient.path)}: " if several else ""
        report.tables |= {prefix + name: row for name, row in way.tables.items()}
        report.lost_objects += [prefix + name for name in way.lost_objects]
    strategies = dict.fromkeys(one.option.way.strategy for one in patients if one.option is not None)
    report.strategy = ", ".join(strategies)
    report.output = patients[0].path if len(patients) == 1 else ""
