"""Plans that a detached dry run made: what a screen shows before it asks, from the document that the run printed."""

from __future__ import annotations

from typing import Any

import msgspec

from toolkit.jobs.journal import LOG
from toolkit.operations.jobs import directory_of
from toolkit.operations.plan import Plan
from toolkit.operations.report import Notice, restored
from toolkit.operations.rescuing.report import RescuedDatabase
from toolkit.operations.session import Session

LOST = "no-plan"


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """What a dry run said: its plan (None where there is nothing to do), what was measured for it, why it could not."""

    exit: int = 1
    plan: Plan | None = None
    databases: tuple[RescuedDatabase, ...] = ()
    warnings: tuple[Notice, ...] = ()
    notes: tuple[str, ...] = ()
    error: Notice | None = None

    @property
    def lost(self) -> bool:
        """Whether the run printed nothing that can be read, or nothing yet."""
        return self.error is not None and self.error.code == LOST


def planned(session: Session, job: str) -> Planned:
    """Return what the job `job`, a `--dry-run --json` that is over, has said.

    Where it said nothing that can be read, the error says so. Raises `JobNotFoundError`.
    """
    try:
        return msgspec.convert(document_of(session, job), Planned)
    except msgspec.ValidationError:
        lost = Notice(code=LOST, message="the dry run left no plan", hint=f"lifeboat jobs show {job} --log")
        return Planned(error=lost)


def document_of(session: Session, job: str) -> Any:
    """Return the document that the job `job`, run with `--json`, has printed, with the names as they are; else None.

    Raises `JobNotFoundError`.
    """
    path = directory_of(session, job) / LOG
    try:
        data = path.read_bytes()
        return restored(msgspec.json.decode(next(x for x in reversed(data.splitlines()) if x.startswith(b"{"))))
    except (OSError, StopIteration, msgspec.DecodeError):
        return None
