"""Plans that a detached dry run made: what a screen shows before it asks, from the document that the run printed."""

from __future__ import annotations

from typing import Any

import msgspec

from toolkit.filelist import decode_name
from toolkit.jobs.journal import LOG
from toolkit.operations.jobs import directory_of
from toolkit.operations.plan import Plan
from toolkit.operations.report import Notice
from toolkit.operations.rescue_report import RescuedDatabase
from toolkit.operations.session import Session


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """What a dry run said: its plan (None where there is nothing to do), what was measured for it, why it could not."""

    exit: int = 1
    plan: Plan | None = None
    databases: tuple[RescuedDatabase, ...] = ()
    warnings: tuple[Notice, ...] = ()
    notes: tuple[str, ...] = ()
    error: Notice | None = None


def planned(session: Session, job: str) -> Planned:
    """Return what the job `job`, a `--dry-run --json` that is over, has said.

    Where it said nothing that can be read, the error says so. Raises `JobNotFoundError`.
    """
    path = directory_of(session, job) / LOG
    try:
        data = path.read_bytes()
        document = next(line for line in reversed(data.splitlines()) if line.startswith(b"{"))
        return msgspec.convert(_names(msgspec.json.decode(document)), Planned)
    except (OSError, StopIteration, msgspec.DecodeError, msgspec.ValidationError):
        lost = Notice(code="no-plan", message="the dry run left no plan", hint=f"lifeboat jobs show {job} --log")
        return Planned(error=lost)


def _names(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"text", "b64"}:
            return decode_name(value)
        return {key: _names(item) for key, item in value.items()}
    return [_names(item) for item in value] if isinstance(value, list) else value
