"""The one table of exit codes (DESIGN.md section 6); errors and operations do not know theirs."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from toolkit import errors

if TYPE_CHECKING:
    from toolkit.operations.report import Ending


class ExitCode(enum.IntEnum):
    """What the exit code of a command says; documented in docs/reference/exit-codes.md."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    INCOMPLETE = 3
    DAMAGE = 4
    REFUSED = 5
    NOTHING = 10
    LOCKED = 11
    PASSPHRASE = 12
    DESTINATION = 13
    SPACE = 14
    INTERRUPTED = 130


MEANINGS = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "failed",
    ExitCode.USAGE: "usage or configuration is wrong, or there is no terminal",
    ExitCode.INCOMPLETE: "finished, but incomplete: some files unread, upload queued, rows lost, some hosts failed",
    ExitCode.DAMAGE: "damage or staleness found",
    ExitCode.REFUSED: "refused for safety: not confirmed, clashes undecided, plan out of date, target in use",
    ExitCode.NOTHING: "nothing there: no such backup, profile or database",
    ExitCode.LOCKED: "another run holds the lock",
    ExitCode.PASSPHRASE: "the passphrase, or the age identity, is wrong or missing",
    ExitCode.DESTINATION: "a destination is unreachable or asks to sign in",
    ExitCode.SPACE: "too little space",
    ExitCode.INTERRUPTED: "interrupted",
}

_ERRORS: tuple[tuple[type[errors.LifeboatError], ExitCode], ...] = (
    (errors.UsageError, ExitCode.USAGE),
    (errors.ConfigError, ExitCode.USAGE),
    (errors.NotFoundError, ExitCode.NOTHING),
    (errors.NotADatabaseError, ExitCode.NOTHING),
    (errors.DamageError, ExitCode.DAMAGE),
    (errors.UnsafeArchiveError, ExitCode.REFUSED),
    (errors.RefusedError, ExitCode.REFUSED),
    (errors.LockedError, ExitCode.LOCKED),
    (errors.PassphraseError, ExitCode.PASSPHRASE),
    (errors.DestinationError, ExitCode.DESTINATION),
    (errors.SpaceError, ExitCode.SPACE),
    (errors.CancelledError, ExitCode.INTERRUPTED),
)

_ENDINGS = {
    "done": ExitCode.DONE,
    "failed": ExitCode.FAILED,
    "incomplete": ExitCode.INCOMPLETE,
    "damage": ExitCode.DAMAGE,
    "refused": ExitCode.REFUSED,
    "nothing": ExitCode.NOTHING,
    "unreached": ExitCode.DESTINATION,
}
"""By the values of `Ending`, whose module brings msgspec: `--help` does without."""


def of_error(error: errors.LifeboatError) -> ExitCode:
    """Return the exit code for `error`."""
    return next((code for kind, code in _ERRORS if isinstance(error, kind)), ExitCode.FAILED)


def of_ending(ending: Ending) -> ExitCode:
    """Return the exit code for an operation that ended without an error."""
    return _ENDINGS[ending]
