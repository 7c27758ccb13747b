"""Which keys this machine has: of the configuration, of the command line, and its own for undoing."""

from __future__ import annotations

from pathlib import Path

from toolkit import durable
from toolkit.archive.formats import AGE
from toolkit.archive.key import Key, Lock
from toolkit.archive.manifest import Manifest
from toolkit.errors import PassphraseError
from toolkit.operations.session import Session
from toolkit.profile.model import Encrypt
from toolkit.profile.secret import Secret

FOLDER = "keys"
_UNDO = "undo.age"


def folder(session: Session) -> Path:
    """Return the private folder in the state directory where keys and what is known of keys lie."""
    return session.state / FOLDER


def undo_identity(session: Session) -> str:
    """Return the age identity that opens this machine's safety backups, made at the first call."""
    from toolkit.archive import age

    path = folder(session) / _UNDO
    if not path.exists():
        with durable.translated(path):
            durable.make_directory(path.parent)
            durable.write_file(path, f"{age.generate()[0]}\n".encode())
    return Secret(file=path).resolve()


def known_key(session: Session, name: str) -> Key | None:
    """Return what this machine has to open backups of the profile `name`; None where that is nothing.

    Raises what reading a secret raises.
    """
    wanted = _encryption(session, name)
    passphrase = wanted.passphrase.resolve() if wanted is not None and wanted.passphrase is not None else None
    given = [wanted.identity if wanted is not None else None, session.identity]
    own = folder(session) / _UNDO
    secrets = [*(one for one in given if one is not None), *([Secret(file=own)] if own.exists() else [])]
    identities = tuple(secret.resolve() for secret in secrets)
    return Key(passphrase, identities) if passphrase is not None or identities else None


def key_for(session: Session, manifest: Manifest) -> Key | None:
    """Return what opens a backup: None where it needs nothing, or where only the holder of a private key can.

    Opening then raises `IdentityError`. Raises `PassphraseError` when it needs a passphrase that nobody configured.
    """
    if not manifest.encrypted:
        return None
    key = known_key(session, manifest.profile)
    if manifest.format != AGE and (key is None or key.passphrase is None):
        raise PassphraseError(
            "the archive is encrypted, and the configuration has no passphrase for its profile",
            subject=manifest.profile,
            hint="set archive.encrypt.passphrase_file of the profile",
        )
    return key


def lock_for(session: Session, manifest: Manifest) -> Lock | None:
    """Return what encrypts the manifest of an encrypted backup, None where it is not encrypted.

    Raises `PassphraseError` when its profile is configured with neither a passphrase nor recipients.
    """
    if not manifest.encrypted:
        return None
    wanted = _encryption(session, manifest.profile)
    if wanted is None:
        raise PassphraseError(
            "the backup is encrypted, and the configuration does not say how to encrypt its manifest",
            subject=manifest.profile,
            hint="set archive.encrypt of the profile",
        )
    if wanted.recipients:
        return Lock(recipients=wanted.recipients)
    return Lock(passphrase=wanted.passphrase.resolve()) if wanted.passphrase is not None else None


def _encryption(session: Session, name: str) -> Encrypt | None:
    profile = session.known_profile(name)
    return profile.archive.encrypt if profile is not None else None
