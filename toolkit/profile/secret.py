"""Secrets: a value that never shows itself, from the configuration, a file or a command (DESIGN promise 8)."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import IO, NoReturn

from toolkit.durable import translated
from toolkit.errors import ConfigError, ExposedSecretError

MASK = "********"
_LIMIT = 1024 * 1024
_COMMAND_SECONDS = 60


class Secret:
    """A secret and where it comes from: exactly one of a value, a file and a command.

    Neither `repr` nor `str`, JSON, pickling or formatting ever shows it; only `resolve` does. Two secrets
    are equal when they come from the same place.
    """

    __slots__ = ("_value", "command", "file")

    def __init__(
        self, value: str | None = None, *, file: Path | None = None, command: tuple[str, ...] | None = None
    ) -> None:
        if sum(source is not None for source in (value, file, command)) != 1:
            raise ValueError("a secret comes from exactly one of a value, a file and a command")
        self._value = value
        self.file = file
        self.command = command

    @property
    def inline(self) -> bool:
        """Whether the secret itself stands in the configuration."""
        return self._value is not None

    def resolve(self) -> str:
        """Return the secret itself, without the newline that ends a file or an output.

        Raises `ExposedSecretError` for a file that group or others can read or that belongs to another
        user, `ConfigError` for one that is empty, no text, or whose command fails within 60 seconds,
        and what `durable.translate` says for a file that cannot be read.
        """
        if self._value is not None:
            return self._value
        if self.file is not None:
            return _text(_read_private(self.file), self.file)
        return self._run()

    def _run(self) -> str:
        import subprocess  # 9 ms that only a secret command needs

        command = self.command or ()
        hint = "run the command by hand as the same user to see why"
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_COMMAND_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise ConfigError(
                f"the command for a secret took over {_COMMAND_SECONDS} seconds", subject=command[0], hint=hint
            ) from None
        except OSError as error:
            raise ConfigError(
                f"the command for a secret cannot be run ({error.strerror})", subject=command[0], hint=hint
            ) from None
        if done.returncode:
            raise ConfigError(
                f"the command for a secret failed with exit code {done.returncode}", subject=command[0], hint=hint
            )
        return _text(done.stdout, command[0])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return (self._value, self.file, self.command) == (other._value, other.file, other.command)

    def __hash__(self) -> int:
        return hash((self._value, self.file, self.command))

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, _spec: str) -> str:
        return MASK

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is never pickled")


def _read_private(path: Path) -> bytes:
    if not os.path.lexists(path):
        raise ConfigError("the file of a secret is missing", subject=path, hint="make it, or name another one")
    with translated(path), open(path, "rb") as file:
        require_private(file, path)
        return file.read(_LIMIT + 1)


def require_private(file: IO[bytes], path: Path) -> None:
    """Refuse the open `file` when group or others may use it, or another user owns it.

    Raises `ExposedSecretError`; judged by the open file, so that nobody can exchange it in between.
    """
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError("a secret must be in a regular file", subject=path)
    if status.st_uid not in (0, os.geteuid()):
        raise ExposedSecretError(
            "a file with a secret belongs to another user", subject=path, hint="chown it to the user that runs Lifeboat"
        )
    if status.st_mode & 0o077:
        raise ExposedSecretError(
            f"a file with a secret is open to others (mode {stat.S_IMODE(status.st_mode):04o})",
            subject=path,
            hint="chmod 600 it",
        )


def _text(data: bytes, subject: Path | str) -> str:
    if len(data) > _LIMIT:
        raise ConfigError("a secret is larger than 1 MiB", subject=subject)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise ConfigError("a secret is not UTF-8 text", subject=subject) from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise ConfigError("a secret is empty", subject=subject)
    return text
