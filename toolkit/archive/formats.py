"""The formats an archive can have, and the options each of them takes: one table.

Facts behind the choices: tar keeps owners, modes, links and holes, zip and 7z do not, so `tar.zst` is the
default; stock `7z` opens LZMA2 and COPY with AES-256, never Brotli, PPMd or zstd.
"""

from __future__ import annotations

import difflib
import enum
from dataclasses import dataclass, field

from toolkit.archive.key import Key
from toolkit.errors import UsageError

SMALLEST_VOLUME = 64 * 1024
"""Bytes: below this a split archive would be more names than data."""


class Container(enum.StrEnum):
    """How members are laid out."""

    TAR = "tar"
    ZIP = "zip"
    SEVENZIP = "7z"


class Compression(enum.StrEnum):
    """What a tar stream is compressed with."""

    ZSTD = "zst"
    GZIP = "gz"
    BZIP2 = "bz2"
    XZ = "xz"
    NONE = ""


@dataclass(frozen=True, slots=True)
class Format:
    """One row of the table: name, extension with its dot, layout, levels with the default."""

    name: str
    extension: str
    container: Container
    compression: Compression
    lowest: int
    highest: int
    default: int


AGE = "tar.zst.age"
"""The format of archives that are encrypted to recipients."""

FORMATS: dict[str, Format] = {
    row.name: row
    for row in (
        Format("tar.zst", ".tar.zst", Container.TAR, Compression.ZSTD, 1, 19, 3),
        Format("tar.gz", ".tar.gz", Container.TAR, Compression.GZIP, 1, 9, 6),
        Format("tar.bz2", ".tar.bz2", Container.TAR, Compression.BZIP2, 1, 9, 9),
        Format("tar.xz", ".tar.xz", Container.TAR, Compression.XZ, 0, 9, 6),
        Format("zip", ".zip", Container.ZIP, Compression.NONE, 0, 9, 6),
        Format(AGE, f".{AGE}", Container.TAR, Compression.ZSTD, 1, 19, 3),
        Format("7z", ".7z", Container.SEVENZIP, Compression.NONE, 0, 9, 1),
    )
}
"""By name. Level 0 of zip stores; with a passphrase 7z holds one tar.zst and takes the levels of tar.zst."""

DEFAULT_FORMAT = "tar.zst"


def format_named(name: str) -> Format:
    """Return the format of that name.

    Raises `UsageError`, which names the nearest one, when there is none.
    """
    row = FORMATS.get(name)
    if row is None:
        near = difflib.get_close_matches(name, FORMATS, 1)
        hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(FORMATS)}"
        raise UsageError("there is no such archive format", subject=name, hint=hint)
    return row


@dataclass(frozen=True, slots=True)
class ArchiveSpec:
    """What an archive shall be; wrong combinations raise `UsageError` at once.

    `level` None means the format's default. `split` is the size of a volume in bytes. A passphrase
    makes an AES-256 `.7z` with encrypted header that holds a tar.zst as its one member. `recipients` of age make a
    `.tar.zst.age`; `once` is an age identity that is known to this run only: the archive is encrypted to it too, so
    that it can be read back by the machine that wrote it, and by that machine never again.
    """

    format: str = DEFAULT_FORMAT
    level: int | None = None
    split: int | None = None
    passphrase: str | None = field(default=None, repr=False)
    recipients: tuple[str, ...] = ()
    once: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        row = format_named(self.format)
        if self.passphrase is not None:
            if row.container is not Container.SEVENZIP:
                raise UsageError("only 7z archives can have a passphrase", subject=self.format, hint="use format 7z")
            if not self.passphrase:
                raise UsageError("the passphrase is empty")
            row = FORMATS["tar.zst"]
        if (self.format == AGE) != bool(self.recipients):
            raise UsageError(f"{AGE} archives are for recipients, and only they", subject=self.format)
        if self.level is not None and not row.lowest <= self.level <= row.highest:
            raise UsageError(
                f"level {self.level} is outside {row.lowest} to {row.highest}",
                subject=self.format,
                hint=f"{row.default} is the default",
            )
        if self.split is not None and self.split < SMALLEST_VOLUME:
            raise UsageError(f"volumes of {self.split:,} bytes are too small", hint=f"at least {SMALLEST_VOLUME:,}")

    @property
    def row(self) -> Format:
        """The format's row of the table."""
        return FORMATS[self.format]

    @property
    def extension(self) -> str:
        """The extension of the archive's name, with its dot."""
        return self.row.extension

    @property
    def encrypted(self) -> bool:
        """Whether the archive is encrypted."""
        return self.passphrase is not None or bool(self.recipients)

    @property
    def key(self) -> Key | None:
        """What opens the archive in the run that writes it."""
        if self.passphrase is not None:
            return Key(passphrase=self.passphrase)
        return Key(identities=(self.once,)) if self.once else None

    @property
    def effective_level(self) -> int:
        """The level that is used."""
        if self.level is not None:
            return self.level
        return FORMATS["tar.zst"].default if self.encrypted else self.row.default
