"""Every failure that Lifeboat foresees, as one tree.

::

    LifeboatError                 message (what happened), subject (to what), hint (what to do next)
    ├── UsageError                arguments that contradict each other or make no sense
    ├── ConfigError               configuration that cannot be read or is wrong
    │   └── ExposedSecretError    a file with a secret can be read by others
    ├── NotFoundError             nothing there
    │   ├── BackupNotFoundError
    │   ├── ProfileNotFoundError
    │   ├── JobNotFoundError
    │   └── SourceMissingError    a database, file or folder that should be backed up is absent
    ├── SourceError               a source that is there cannot be read now
    │   ├── NotADatabaseError     the file is empty or is no SQLite database
    │   ├── SourceChangedError    it went on changing while it was read
    │   └── SourceTimeoutError    it took longer than its limit
    ├── DamageError               the data itself is broken
    │   ├── DatabaseDamagedError
    │   ├── UnrepairableError     nothing at all could be got back from it
    │   └── ArchiveDamagedError   an archive, manifest or file list does not hold what it should
    ├── UnsafeArchiveError        an archive would write outside its target, or is a bomb
    ├── FormatError               an archive, manifest or catalog of an unknown kind or a newer version
    ├── StorageError              writing or removing in the vault or at the target failed
    │   ├── SpaceError            too little space; carries the bytes needed and free
    │   └── OutputError           what is printed cannot be written
    ├── RefusedError              refused for safety, nothing was changed
    │   ├── NotConfirmedError
    │   ├── UndecidedError        clashes that nobody decided
    │   ├── OutdatedPlanError     the target changed since the plan was made
    │   ├── TargetInUseError      a process holds the database
    │   ├── LastGoodCopyError     would remove the last good copy of something
    │   ├── UnprovenKeyError      nobody has shown that the private key of the recipients exists
    │   └── ForbiddenError        this user may not do that here
    ├── LockedError               another run holds the lock
    ├── PassphraseError           wrong or missing passphrase
    │   └── IdentityError         no private key at hand that opens it
    ├── ServiceError              a service could not be stopped or started
    ├── FleetError                Ansible is not installed, or could not even begin
    ├── DestinationError          an off-site place failed; says whether a retry can help
    │   ├── DestinationTransientError  the network or the server stumbled; a retry can help
    │   ├── DestinationFullError  its quota or disk is full
    │   ├── DestinationDeniedError     this account may not do that there
    │   ├── SignInNeededError     no credentials, or they are wrong, expired or revoked
    │   ├── ObjectNotFoundError   no such object there, or its folder is gone
    │   ├── TransferDamagedError  what arrived is not what was sent
    │   └── PromiseBrokenError    `destination check` found a promise that is not kept
    └── CancelledError            the user or a signal ended the run

Errors do not know their exit codes: `toolkit.cli.exit_codes` does. Bugs stay ordinary exceptions.
"""

from __future__ import annotations

import os
from pathlib import Path

Subject = str | bytes | Path | None


class LifeboatError(Exception):
    """A foreseen failure: one sentence on what happened, to what, and what to do next.

    `code` is stable and goes into JSON; `message` never repeats the subject, which may be a hostile
    name and is shown through `toolkit.display` only. `changed` says whether something is different on disk all the
    same, `job` is the id of the job that it ended. Where nothing better is known, `hint` is the `next_step` of its
    class.
    """

    code = "failed"
    next_step: str | None = None
    changed = False
    job: str | None = None

    def __init__(self, message: str, *, subject: Subject = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.subject = os.fsdecode(subject) if subject is not None else None
        self.hint = hint or self.next_step

    def __str__(self) -> str:
        return self.message if self.subject is None else f"{self.message}: {self.subject}"


class UsageError(LifeboatError):
    """Arguments that contradict each other or make no sense."""

    code = "usage"


class ConfigError(LifeboatError):
    """Configuration that cannot be read or is wrong; the message names line and key."""

    code = "config"


class ExposedSecretError(ConfigError):
    """A file that holds a secret can be read by others."""

    code = "exposed-secret"


class NotFoundError(LifeboatError):
    """What was asked for is not there."""

    code = "not-found"


class BackupNotFoundError(NotFoundError):
    """No backup answers to that name."""

    code = "backup-not-found"


class ProfileNotFoundError(NotFoundError):
    """No profile has that name."""

    code = "profile-not-found"


class JobNotFoundError(NotFoundError):
    """No job answers to that id."""

    code = "job-not-found"


class SourceMissingError(NotFoundError):
    """A database, file or folder that should be read is absent."""

    code = "source-missing"
    next_step = "check the path"


class SourceError(LifeboatError):
    """A source that is there cannot be read now."""

    code = "source-unreadable"


class NotADatabaseError(SourceError):
    """The file is empty or is no SQLite database."""

    code = "not-a-database"


class SourceChangedError(SourceError):
    """The source went on changing while it was read."""

    code = "source-changed"


class SourceTimeoutError(SourceError):
    """Reading the source took longer than its limit."""

    code = "source-timeout"


class DamageError(LifeboatError):
    """The data itself is broken."""

    code = "damaged"


class DatabaseDamagedError(DamageError):
    """A database fails its checks or cannot be read by SQLite."""

    code = "database-damaged"


class UnrepairableError(DamageError):
    """Nothing at all could be got back from a damaged database."""

    code = "unrepairable"


class ArchiveDamagedError(DamageError):
    """An archive, manifest or file list does not hold what it should."""

    code = "archive-damaged"
    next_step = "take another backup: `lifeboat list` shows them, `lifeboat list --remote` what lies elsewhere"


class UnsafeArchiveError(LifeboatError):
    """An archive would write outside its target, or unpacks to an absurd size; nothing was written."""

    code = "unsafe-archive"
    next_step = "nothing was written; list what is in it with tar -tvf, unzip -l or 7z l before you trust it"


class FormatError(LifeboatError):
    """An archive, manifest or catalog of an unknown kind or a newer version."""

    code = "format"


class StorageError(LifeboatError):
    """Writing or removing failed in the vault or at the target."""

    code = "storage"


class OutputError(StorageError):
    """What is printed cannot be written where stdout goes."""

    code = "output"


class SpaceError(StorageError):
    """Too little space; nothing was written."""

    code = "no-space"

    def __init__(
        self,
        message: str,
        *,
        subject: Subject = None,
        hint: str | None = None,
        needed: int | None = None,
        free: int | None = None,
    ) -> None:
        super().__init__(message, subject=subject, hint=hint)
        self.needed = needed
        self.free = free


class RefusedError(LifeboatError):
    """Refused for safety; nothing was changed."""

    code = "refused"


class NotConfirmedError(RefusedError):
    """A destructive step was not confirmed."""

    code = "not-confirmed"


class UndecidedError(RefusedError):
    """There are clashes that nobody decided."""

    code = "undecided"


class OutdatedPlanError(RefusedError):
    """The target changed since the plan was made."""

    code = "plan-outdated"


class TargetInUseError(RefusedError):
    """A process holds the database that would be replaced, or that cannot be seen."""

    code = "target-in-use"


class LastGoodCopyError(RefusedError):
    """It would remove the last good copy of something."""

    code = "last-good-copy"


class UnprovenKeyError(RefusedError):
    """Nobody has shown that the private key exists which would open the backup."""

    code = "unproven-key"


class ForbiddenError(RefusedError):
    """This user may not do that here."""

    code = "forbidden"


class LockedError(LifeboatError):
    """Another run holds the lock; `holder` says who, since when."""

    code = "locked"

    def __init__(
        self, message: str, *, subject: Subject = None, hint: str | None = None, holder: str | None = None
    ) -> None:
        super().__init__(message, subject=subject, hint=hint)
        self.holder = holder


class PassphraseError(LifeboatError):
    """The passphrase is wrong or missing."""

    code = "passphrase"
    next_step = "check what archive.encrypt of its profile names, and that it is what the backup was made with"


class IdentityError(PassphraseError):
    """No age identity (private key) at hand opens it: a machine may be set up to encrypt only."""

    code = "identity"
    next_step = "give the private key with --identity, or do it where that key is"


class ServiceError(LifeboatError):
    """A service could not be stopped or started."""

    code = "service"


class FleetError(LifeboatError):
    """Ansible, which reaches other servers, is not installed, or could not even begin."""

    code = "fleet"


class DestinationError(LifeboatError):
    """An off-site place failed; `retryable` says whether trying again can help."""

    code = "destination"

    def __init__(
        self, message: str, *, subject: Subject = None, hint: str | None = None, retryable: bool = False
    ) -> None:
        super().__init__(message, subject=subject, hint=hint)
        self.retryable = retryable


class DestinationTransientError(DestinationError):
    """The network or the server stumbled; `retry_after` is what the server asked for, in seconds."""

    code = "destination-transient"

    def __init__(
        self, message: str, *, subject: Subject = None, hint: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, subject=subject, hint=hint, retryable=True)
        self.retry_after = retry_after


class DestinationFullError(DestinationError):
    """The destination's quota or disk is full; nothing is left of what was sent."""

    code = "destination-full"


class DestinationDeniedError(DestinationError):
    """This account may not do that there."""

    code = "destination-denied"


class SignInNeededError(DestinationError):
    """There are no credentials, or they are wrong, expired or revoked; only a person can mend that."""

    code = "sign-in-needed"


class ObjectNotFoundError(DestinationError):
    """There is no such object at the destination, or its folder is gone."""

    code = "object-not-found"


class TransferDamagedError(DestinationError):
    """What arrived is not what was sent; nothing is left of it, and a retry can help."""

    code = "transfer-damaged"

    def __init__(self, message: str, *, subject: Subject = None, hint: str | None = None) -> None:
        super().__init__(message, subject=subject, hint=hint, retryable=True)


class PromiseBrokenError(DestinationError):
    """A destination does not keep one of the promises that `destination check` tries."""

    code = "promise-broken"


class CancelledError(LifeboatError):
    """The user or a signal ended the run."""

    code = "cancelled"
