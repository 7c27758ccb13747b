"""What a manifest beside an encrypted archive may show, and the rest of it, encrypted as the archive is.

Readable stay the backup's id, profile, kind, scope, host, times, status, format, sizes, digests, counts, evidence and
pin: what lists and retention need. The whole manifest is in `sealed`, in base64. With a passphrase that is

    version (1 byte, 1) · salt (16) · nonce (12) · tag (16) · ciphertext

by AES-256-GCM, whose key scrypt (N 2^15, r 8, p 1) makes of passphrase and salt, with the stem as associated data.
The salt comes from the id, and the nonce from the key and the plaintext (HMAC-SHA-256), so the same manifest is
sealed to the same bytes: a copy that arrived is recognised, and a nonce never serves two texts.

For recipients it is an age file. Whoever knows a public key can make one: it says who may read, not who wrote.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

import msgspec

from toolkit.archive import manifest as format_
from toolkit.archive.key import Key, Lock
from toolkit.archive.manifest import Evidence, Manifest
from toolkit.errors import ArchiveDamagedError, FormatError, PassphraseError

VERSION = 1
_SALT, _NONCE, _TAG = 16, 12, 16
_COST, _BLOCK, _LANES = 1 << 15, 8, 1
_MEMORY = 64 << 20


def _key(passphrase: str, salt: bytes) -> bytes:
    return hashlib.scrypt(
        passphrase.encode(errors="surrogateescape"),
        salt=salt,
        n=_COST,
        r=_BLOCK,
        p=_LANES,
        maxmem=_MEMORY,
        dklen=32,
    )


def seal(manifest: Manifest, lock: Lock, *, stem: str) -> Manifest:
    """Return `manifest` with what may be read, and the whole of it in `sealed`; raises `ConfigError` (no recipient)."""
    plain = format_.encode(manifest)
    if lock.recipients:
        from toolkit.archive import age

        closed = age.sealed(plain, lock.recipients)
    else:
        closed = _with_passphrase(plain, str(lock.passphrase), manifest.id, stem)
    return msgspec.structs.replace(readable(manifest), sealed=base64.b64encode(closed).decode())


def _with_passphrase(plain: bytes, passphrase: str, ident: str, stem: str) -> bytes:
    from Cryptodome.Cipher import AES

    salt = hashlib.sha256(b"lifeboat manifest " + ident.encode()).digest()[:_SALT]
    key = _key(passphrase, salt)
    nonce = hmac.digest(key, b"nonce" + plain, "sha256")[:_NONCE]
    cipher = AES.new(key, AES.MODE_GCM, nonce=nonce, mac_len=_TAG)
    cipher.update(stem.encode())
    text, tag = cipher.encrypt_and_digest(plain)
    return bytes([VERSION]) + salt + nonce + tag + text


def readable(manifest: Manifest) -> Manifest:
    """Return only what a manifest beside an encrypted archive may show."""
    return Manifest(
        id=manifest.id,
        profile=manifest.profile,
        kind=manifest.kind,
        scope=manifest.scope,
        format=manifest.format,
        host=manifest.host,
        tool=manifest.tool,
        started=manifest.started,
        finished=manifest.finished,
        status=manifest.status,
        pin=manifest.pin,
        encrypted=manifest.encrypted,
        damaged=manifest.damaged,
        archives=manifest.archives,
        files=manifest.files,
        evidence=Evidence(manifest.evidence.level, manifest.evidence.when),
    )


def unseal(manifest: Manifest, key: Key | None, *, stem: str) -> Manifest:
    """Return the whole manifest; one that is not sealed is returned as it is.

    Raises `PassphraseError` for a wrong or missing passphrase (or a changed text, which looks the same),
    `IdentityError` where no private key fits, `FormatError` for a newer version, and `ArchiveDamagedError` for what
    was never sealed or is of another backup.
    """
    if not manifest.sealed:
        return manifest
    whole = format_.decode(_opened(manifest, key, stem))
    if (whole.id, whole.profile, whole.kind, whole.started, whole.archives) != (
        manifest.id,
        manifest.profile,
        manifest.kind,
        manifest.started,
        manifest.archives,
    ):
        raise ArchiveDamagedError("what the manifest shows is not what is sealed in it", subject=manifest.id)
    return whole


def _opened(manifest: Manifest, key: Key | None, stem: str) -> bytes:
    from toolkit.archive import age

    try:
        data = base64.b64decode(manifest.sealed, validate=True)
    except binascii.Error as error:
        raise ArchiveDamagedError("the sealed part of the manifest cannot be read") from error
    if data.startswith(age.MAGIC):
        return age.opened(data, key)
    if key is None or key.passphrase is None:
        raise PassphraseError(
            "the manifest is encrypted, and the configuration has no passphrase for its profile",
            subject=manifest.profile,
            hint="set archive.encrypt.passphrase_file of the profile",
        )
    from Cryptodome.Cipher import AES

    salt, nonce, tag, text = _parts(data)
    cipher = AES.new(_key(key.passphrase, salt), AES.MODE_GCM, nonce=nonce, mac_len=_TAG)
    cipher.update(stem.encode())
    try:
        return cipher.decrypt_and_verify(text, tag)
    except ValueError as error:
        raise PassphraseError(
            "the manifest does not open: the passphrase is wrong", subject=manifest.profile
        ) from error


def _parts(data: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    if data[:1] > bytes([VERSION]):
        raise FormatError(
            f"the sealed part has version {data[0]}, this Lifeboat reads up to {VERSION}", hint="upgrade Lifeboat"
        )
    if len(data) < 1 + _SALT + _NONCE + _TAG:
        raise ArchiveDamagedError("the sealed part of the manifest is cut short")
    rest = data[1:]
    head = _SALT + _NONCE
    return rest[:_SALT], rest[_SALT:head], rest[head : head + _TAG], rest[head + _TAG :]
