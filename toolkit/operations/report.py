"""What an operation answers: the outcome, how it ended, what it warns of, and its own results.

The same object is rendered as text, printed as the JSON document of DESIGN.md section 6, and shown by
the UI. Keys are only ever added.
"""

from __future__ import annotations

import enum
from typing import Any

import msgspec

from toolkit.errors import LifeboatError
from toolkit.events import Outcome, UndoOffer
from toolkit.filelist import decode_name, encode_name


class Ending(enum.StrEnum):
    """How an operation that did not raise ended; the command line maps it to an exit code."""

    DONE = "done"
    FAILED = "failed"
    INCOMPLETE = "incomplete"
    DAMAGE = "damage"
    REFUSED = "refused"
    NOTHING = "nothing"
    UNREACHED = "unreached"


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A warning or an error as others' scripts read it."""

    code: str
    message: str
    subject: str | None = None
    hint: str | None = None


def notice(error: LifeboatError) -> Notice:
    """Return `error` as the notice that goes into reports."""
    return Notice(code=error.code, message=error.message, subject=error.subject, hint=error.hint)


_OUTCOMES = {
    Ending.DONE: Outcome.OK,
    Ending.FAILED: Outcome.FAILED,
    Ending.INCOMPLETE: Outcome.WARN,
    Ending.DAMAGE: Outcome.WARN,
    Ending.REFUSED: Outcome.REFUSED,
    Ending.NOTHING: Outcome.FAILED,
    Ending.UNREACHED: Outcome.FAILED,
}
_SEVERITY = (
    Ending.DONE,
    Ending.INCOMPLETE,
    Ending.DAMAGE,
    Ending.NOTHING,
    Ending.UNREACHED,
    Ending.REFUSED,
    Ending.FAILED,
)


def worst(*endings: Ending) -> Ending:
    """Return the most serious of `endings`."""
    return max(endings, key=_SEVERITY.index, default=Ending.DONE)


class Report(msgspec.Struct, kw_only=True):
    """The part that every report has.

    `changed` says whether anything on disk is different now; `notes` are sentences for a person that
    are no warnings (an empty backup, the advice to split).
    """

    ending: Ending = Ending.DONE
    changed: bool = False
    warnings: list[Notice] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        """The `outcome` of the JSON document."""
        if self.ending is Ending.DONE and self.warnings:
            return Outcome.WARN
        return _OUTCOMES[self.ending]

    @property
    def is_asked_for(self) -> bool:
        """Whether its text is what the command is for, and printed also where work that ended well says nothing."""
        return not self.changed

    @property
    def undo(self) -> UndoOffer | None:
        """How what was done can be taken back; None where it cannot, or where nothing was done."""
        return None

    @property
    def made(self) -> tuple[str, ...]:
        """What was made, for the journal: paths here, links elsewhere."""
        return self.results

    @property
    def results(self) -> tuple[str, ...]:
        """Paths that were chosen for what was made and that nobody could know: said also where success is silent."""
        return ()

    def warn(self, code: str, message: str, *, subject: str | None = None, hint: str | None = None) -> None:
        """Add a warning."""
        self.warnings.append(Notice(code=code, message=message, subject=subject, hint=hint))

    def document(self) -> dict[str, Any]:
        """Return the report as plain values for JSON: names that are not UTF-8 become `{"text", "b64"}`."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        del fields["ending"]
        cleaned: dict[str, Any] = clean(fields)
        return cleaned


def clean(value: Any) -> Any:
    """Return plain `value` with every name in a form that JSON can hold."""
    if isinstance(value, str):
        return encode_name(value)
    if isinstance(value, dict):
        return {key.encode(errors="backslashreplace").decode(): clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    return value


def restored(value: Any) -> Any:
    """Return plain values that `clean` made with the names as they were. Raises `ArchiveDamagedError`."""
    if isinstance(value, dict):
        if value.keys() == {"text", "b64"}:
            return decode_name(value)
        return {key: restored(item) for key, item in value.items()}
    return [restored(item) for item in value] if isinstance(value, list) else value
