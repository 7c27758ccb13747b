"""What closes archives and what opens them, passed around without ever showing itself."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Lock:
    """What encrypts: a passphrase, or the recipients of age (public keys, which need no hiding)."""

    passphrase: str | None = field(default=None, repr=False)
    recipients: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.passphrase) == bool(self.recipients):
            raise ValueError("a lock is either a passphrase or recipients")


@dataclass(frozen=True, slots=True)
class Key:
    """What decrypts: a passphrase, or the texts of age identities (private keys)."""

    passphrase: str | None = field(default=None, repr=False)
    identities: tuple[str, ...] = field(default=(), repr=False)
