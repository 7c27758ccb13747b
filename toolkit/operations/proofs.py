"""Proof that the private key of a recipient exists: a code that only its holder can read, and that is brought back.

A server that encrypts to a public key cannot try whether anybody can decrypt. So before the first backup somebody
decrypts a short message where the private key is, and gives the code in it to the server; or says that this is known.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.errors import ConfigError, LifeboatError, RefusedError, UnprovenKeyError
from toolkit.operations import keys
from toolkit.operations.report import Report
from toolkit.operations.session import Session
from toolkit.profile.model import Profile

PROVEN, IDENTITY, ACCEPTED = "code", "identity", "accepted"
_FILE = "proofs.json"
_CODE_BYTES = 10


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a recipient: the SHA-256 of the code that was asked for, and how it was proven, when, by whom.

    `how` is `code` (it was brought back), `identity` (the private key is on this machine), or `accepted` (somebody said
    that it is known).
    """

    asked: str = ""
    how: str = ""
    when: datetime | None = None
    by: str = ""


class Challenge(msgspec.Struct, frozen=True):
    """A recipient, and the message for the holder of its private key, as text that `age -d` reads."""

    recipient: str
    message: str


class KeyRow(msgspec.Struct, frozen=True):
    """A recipient of a profile and how it is proven; "" while it is not."""

    recipient: str
    how: str
    when: datetime | None = None


class ProofReport(Report, kw_only=True):
    """The recipients of a profile, and messages for those that are not proven."""

    profile: str = ""
    recipients: list[KeyRow] = msgspec.field(default_factory=list)
    challenges: list[Challenge] = msgspec.field(default_factory=list)

    @property
    def is_asked_for(self) -> bool:
        """Whether there is a message to carry to where the private key is."""
        return bool(self.challenges) or not self.changed


def require(session: Session, profile: Profile) -> None:
    """Raise `UnprovenKeyError` while the private key of none of the profile's recipients is proven.

    The identity of the configuration proves its recipient by itself.
    """
    recipients = _recipients(profile)
    known = _load(session)
    if any(known[one].how for one in recipients if one in known):
        return
    opened = [one for one in recipients if _opens(session, profile, one)]
    if not opened:
        raise UnprovenKeyError(
            "nobody has shown yet that the private key exists which opens these backups",
            subject=profile.name,
            hint=f"lifeboat config prove-key {profile.name}",
        )
    _prove(session, opened, IDENTITY)


def ask(session: Session, profile: Profile) -> ProofReport:
    """Return a new message for each recipient that is not proven yet; older ones lose their worth.

    A recipient whose identity is on this machine, or given, is proven by it at once.
    """
    from toolkit.archive import age

    missing = [row.recipient for row in _report(session, profile).recipients if not row.how]
    opened = [one for one in missing if _opens(session, profile, one)]
    if opened:
        _prove(session, opened, IDENTITY)
    known = _load(session)
    report = _report(session, profile)
    for row in report.recipients:
        if row.how:
            continue
        code = _code()
        text = f"The code of Lifeboat on {session.host} for profile {profile.name} is {code}\n"
        message = age.sealed(text.encode(), (row.recipient,), armored=True).decode()
        known[row.recipient] = Proof(asked=_digest(code))
        report.challenges.append(Challenge(row.recipient, message))
    _save(session, known)
    report.changed = bool(report.challenges or opened)
    return report


def answer(session: Session, profile: Profile, code: str) -> ProofReport:
    """Take the code that somebody decrypted; raises `RefusedError` when it is not the one that was asked for."""
    known = _load(session)
    found = [one for one in _recipients(profile) if one in known and known[one].asked == _digest(code)]
    if not found:
        raise RefusedError(
            "this is not the code that was asked for",
            subject=profile.name,
            hint=f"decrypt the newest message of `lifeboat config prove-key {profile.name}`",
        )
    _prove(session, found, PROVEN)
    return _changed(_report(session, profile))


def accept(session: Session, profile: Profile) -> ProofReport:
    """Note that somebody says the private keys of the profile are known to exist."""
    known = _load(session)
    missing = [one for one in _recipients(profile) if not known.get(one, Proof()).how]
    _prove(session, missing, ACCEPTED)
    return _changed(_report(session, profile))


def _changed(report: ProofReport) -> ProofReport:
    report.changed = True
    return report


def _recipients(profile: Profile) -> tuple[str, ...]:
    encrypt = profile.archive.encrypt
    if encrypt is None or not encrypt.recipients:
        raise ConfigError(
            "the profile has no age recipients", subject=profile.name, hint="set archive.encrypt.recipients"
        )
    return encrypt.recipients


def _report(session: Session, profile: Profile) -> ProofReport:
    known = _load(session)
    proofs = [(one, known.get(one, Proof())) for one in _recipients(profile)]
    return ProofReport(profile=profile.name, recipients=[KeyRow(one, proof.how, proof.when) for one, proof in proofs])


def _opens(session: Session, profile: Profile, recipient: str) -> bool:
    """Say whether the identity that is configured, or given, opens what is encrypted to `recipient`."""
    from toolkit.archive import age

    code = _code().encode()
    closed = age.sealed(code, (recipient,))
    try:
        return age.opened(closed, keys.known_key(session, profile.name)) == code
    except LifeboatError:
        return False


def _prove(session: Session, recipients: Sequence[str], how: str) -> None:
    proof = Proof(how=how, when=session.now(), by=session.user)
    _save(session, {**_load(session), **dict.fromkeys(recipients, proof)})


def _code() -> str:
    import base64

    text = base64.b32encode(secrets.token_bytes(_CODE_BYTES)).decode()
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def _digest(code: str) -> str:
    return hashlib.sha256(code.strip().upper().replace("-", "").encode()).hexdigest()


def _path(session: Session) -> Path:
    return keys.folder(session) / _FILE


def _load(session: Session) -> dict[str, Proof]:
    path = _path(session)
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Proof])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(
            "what is known of private keys cannot be read",
            subject=path,
            hint="remove it, and prove the keys again with `lifeboat config prove-key`",
        ) from error


def _save(session: Session, known: dict[str, Proof]) -> None:
    path = _path(session)
    with durable.translated(path):
        durable.make_directory(path.parent)
        durable.write_file(path, msgspec.json.encode(known))
