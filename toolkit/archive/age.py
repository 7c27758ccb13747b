"""age, the file encryption to public keys (age-encryption.org/v1), through pyrage: streams, and small secrets.

What pyrage 1.4 does, tried: `encrypt_io` and `decrypt_io` take Python files, keep memory flat and let other threads run
(their `_file` twins hold the GIL for the whole file); data that was changed or cut short is an `OSError`, after the
sound part before it was handed out; a key that does not fit is a `DecryptError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

from toolkit.archive.key import Key
from toolkit.archive.turned import Pulled, PulledStream, Pushed, StoppedError
from toolkit.errors import ArchiveDamagedError, ConfigError, IdentityError

MAGIC = b"age-encryption.org/v1\n"
_PIECE = 1 << 20
_SSH = "-----BEGIN OPENSSH PRIVATE KEY-----"


def _pyrage() -> ModuleType:
    try:
        import pyrage
    except ImportError as error:
        raise ConfigError(
            "encryption to age recipients needs a package that is not installed",
            hint="in a checkout: pipx install --force '.[age]'",
        ) from error
    module: ModuleType = pyrage
    return module


def _recipient(text: str) -> Any:
    pyrage = _pyrage()
    kind = pyrage.ssh if text.startswith("ssh-") else pyrage.x25519
    try:
        return kind.Recipient.from_str(text)
    except pyrage.RecipientError as error:
        raise ConfigError(
            "this is no age recipient", subject=text, hint="one that age-keygen printed (age1…), or ssh-ed25519 …"
        ) from error


def require_recipients(recipients: Sequence[str]) -> None:
    """Raise `ConfigError` for the first that is none."""
    for text in recipients:
        _recipient(text)


def _identities(text: str) -> list[Any]:
    """Return the identities in the text of a key file: of age-keygen (comments allowed), or of ssh-keygen."""
    pyrage = _pyrage()
    hint = "a file that age-keygen wrote, or an SSH key without passphrase"
    if text.lstrip().startswith(MAGIC.decode().strip()):
        raise ConfigError("the age identity is encrypted itself", hint="give a command that decrypts it: age -d FILE")
    try:
        if text.lstrip().startswith(_SSH):
            return [pyrage.ssh.Identity.from_buffer(text.strip().encode() + b"\n")]
        lines = [line.strip() for line in text.splitlines()]
        found = [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except pyrage.IdentityError as error:
        raise ConfigError("this is no age identity", hint=hint) from error
    if not found:
        raise ConfigError("there is no age identity in it", hint=hint)
    return found


def generate() -> tuple[str, str]:
    """Return a new identity and its recipient."""
    made = _pyrage().x25519.Identity.generate()
    return str(made), str(made.to_public())


def recipient_of(identity: str) -> str:
    """Return the recipient of an identity of age-keygen's form."""
    return str(_identities(identity)[0].to_public())


class _Gathered:
    """A file for pyrage, which writes 64 KiB at a time: hands on a MiB, which is worth hashing beside."""

    def __init__(self, sink: Callable[[bytes], object]) -> None:
        self._sink = sink
        self._pieces: list[bytes] = []
        self._size = 0
        self.failure: BaseException | None = None

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        self._size += len(data)
        if self._size >= _PIECE:
            self.flush()
        return len(data)

    def flush(self) -> None:
        pieces, self._pieces, self._size = self._pieces, [], 0
        if pieces:
            try:
                self._sink(b"".join(pieces))
            except BaseException as error:
                self.failure = error
                raise


class _Source(PulledStream):
    """A file for pyrage that remembers why it could not be read, of which pyrage keeps the words only."""

    failure: BaseException | None = None

    def read(self, size: int | None = -1, /) -> bytes:
        try:
            return super().read(size)
        except BaseException as error:
            self.failure = error
            raise


class AgeStream(Pushed):
    """Encrypts what is pushed to `recipients`, into `sink`; raises `ConfigError` for what is no recipient."""

    def __init__(self, sink: Callable[[bytes], object], recipients: Sequence[str]) -> None:
        self._sink = sink
        self._recipients = [_recipient(text) for text in recipients]
        super().__init__("encrypt", self._encrypt)

    def _encrypt(self, pieces: Iterator[bytes]) -> None:
        target = _Gathered(self._sink)
        try:
            _pyrage().encrypt_io(PulledStream(pieces), target, self._recipients)
        except Exception as error:
            if target.failure is not None:
                raise target.failure from error
            raise
        target.flush()


def decrypted(chunks: Iterator[bytes], key: Key | None) -> Iterator[bytes]:
    """Yield the content of an age file, about a MiB at a time.

    Raises `IdentityError` when no identity of `key` fits, `ArchiveDamagedError` for changed or missing bytes (what
    was yielded before is sound), and what `chunks` raises.
    """
    identities = [one for text in _require(key) for one in _identities(text)]
    source = _Source(chunks)

    def push(put: Callable[[bytes], None]) -> None:
        target = _Gathered(put)
        try:
            _pyrage().decrypt_io(source, target, identities)
        except Exception as error:
            if isinstance(target.failure, StoppedError):
                raise target.failure from None
            raise _translated(error) if source.failure is None else source.failure from error
        target.flush()

    turned = Pulled("decrypt", push)
    try:
        while (piece := turned.next()) is not None:
            yield piece
    finally:
        turned.stop()


def _require(key: Key | None) -> tuple[str, ...]:
    if key is None or not key.identities:
        raise IdentityError(
            "it is encrypted to age recipients, and no private key is at hand",
            hint="give the private key with --identity FILE, on a machine that may have it",
        )
    return key.identities


def _translated(error: Exception) -> Exception:
    pyrage = _pyrage()
    if isinstance(error, pyrage.DecryptError):
        if "No matching keys" in str(error):
            return IdentityError("it is encrypted to other age recipients than this private key's")
        return ArchiveDamagedError("the age file is damaged, or of a newer version")
    if isinstance(error, OSError):
        return ArchiveDamagedError("the encrypted data is damaged or cut short")
    return error


def sealed(data: bytes, recipients: Sequence[str], *, armored: bool = False) -> bytes:
    """Return `data` encrypted, as text that `age -d` reads too when `armored`; no two results are alike."""
    made: bytes = _pyrage().encrypt(data, [_recipient(text) for text in recipients], armored)
    return made


def opened(data: bytes, key: Key | None) -> bytes:
    """Return the content of what `sealed` made; raises as `decrypted` does."""
    identities = [one for text in _require(key) for one in _identities(text)]
    try:
        made: bytes = _pyrage().decrypt(data, identities)
    except Exception as error:
        raise _translated(error) from error
    return made
