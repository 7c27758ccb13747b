"""From a profile's wishes to an archive's specification, and from a backup to its open archive."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.archive.filelists import read_file_list
from toolkit.archive.formats import AGE, ArchiveSpec
from toolkit.archive.key import Key
from toolkit.archive.manifest import Manifest
from toolkit.errors import ArchiveDamagedError, FormatError, PassphraseError, SourceMissingError, UsageError
from toolkit.filelist import FileEntry
from toolkit.operations import keys, proofs
from toolkit.operations.session import Session
from toolkit.profile.model import Profile
from toolkit.vault import layout, sidecar
from toolkit.vault.layout import Vault

if TYPE_CHECKING:
    from toolkit.archive.reader import ArchiveReader


def archive_spec(
    session: Session, profile: Profile, *, form: str | None, level: int | None, split: int | None
) -> ArchiveSpec:
    """Return how the archive is written: what was asked for, else what the profile says.

    A profile with a passphrase always makes an encrypted 7z, one with recipients a tar.zst.age. Raises `UsageError`
    for what contradicts that or itself, what reading the passphrase raises, and `UnprovenKeyError` while nobody has
    shown that a private key exists.
    """
    wanted = profile.archive
    if wanted.encrypt is not None and wanted.encrypt.recipients:
        if form not in (None, "tar.zst"):
            raise UsageError(
                "this profile's archives are encrypted to recipients, which only tar.zst can be",
                subject=form,
                hint="leave --format out",
            )
        proofs.require(session, profile)
        own_level = wanted.level if level is None else level
        return _for_recipients(wanted.encrypt.recipients, own_level, split or wanted.split)
    if wanted.encrypt is not None and wanted.encrypt.passphrase is not None:
        if form not in (None, "7z"):
            raise UsageError(
                "this profile's archives are encrypted, which only 7z can be",
                subject=form,
                hint="leave --format out",
            )
        return ArchiveSpec("7z", level or wanted.level, split or wanted.split, wanted.encrypt.passphrase.resolve())
    chosen = form or wanted.format.value
    usual = wanted.level if chosen == wanted.format.value else None
    return ArchiveSpec(chosen, usual if level is None else level, split or wanted.split)


def _for_recipients(recipients: tuple[str, ...], level: int | None, split: int | None = None) -> ArchiveSpec:
    from toolkit.archive import age

    age.require_recipients(recipients)
    return ArchiveSpec(AGE, level, split, recipients=recipients, once=age.generate()[0])


def safety_spec(session: Session, profile: Profile) -> ArchiveSpec:
    """Return how safety backups are written: fast, and encrypted where the profile's archives are.

    Where only recipients can read these, the safety backups open with this machine's own undo key too
    (docs/decisions/0017): what was replaced here can be put back here.
    """
    wanted = profile.archive.encrypt
    if wanted is None:
        return ArchiveSpec("tar.zst", 1)
    if wanted.passphrase is not None:
        return ArchiveSpec("7z", 1, None, wanted.passphrase.resolve())
    from toolkit.archive import age

    own = age.recipient_of(keys.undo_identity(session))
    return _for_recipients((*wanted.recipients, own), 1)


@contextlib.contextmanager
def named(archive: Path) -> Iterator[None]:
    """Have what cannot be read say in which `archive`, where it names nothing itself."""
    try:
        yield
    except (ArchiveDamagedError, PassphraseError) as error:
        if error.subject is None:
            error.subject = str(archive)
        raise


class StoredBackup:
    """A backup whose archive lies in a folder: its manifest, its volumes, its file list."""

    def __init__(self, manifest: Manifest, folder: Path, *, key: Key | None = None) -> None:
        self.manifest = manifest
        self.folder = folder
        self.key = key

    @property
    def volumes(self) -> list[Path]:
        """The pieces of the archive in order."""
        if not self.manifest.archives:
            raise SourceMissingError(
                "this backup has no archive", subject=self.manifest.id, hint=self.manifest.error or None
            )
        archive = self.manifest.archives[0]
        return [self.folder / volume.file for volume in archive.volumes] or [self.folder / archive.file]

    @property
    def file_list(self) -> Path:
        """The file list beside the archive, which may be absent."""
        return self.folder / f"{layout.stem_of(self.manifest)}{layout.FILE_LIST}"

    def reader(self) -> ArchiveReader:
        """Open the archive; raises `SourceMissingError`, `ArchiveDamagedError`, `PassphraseError`, `IdentityError`."""
        from toolkit.archive.reader import open_archive

        missing = next((path for path in self.volumes if not path.exists()), None)
        if missing is not None:
            raise SourceMissingError("the archive, or a volume of it, is missing", subject=missing)
        with named(self.volumes[-1]):
            return open_archive(self.volumes, format=self.manifest.format, key=self.key)

    def entries(self, *, checked: bool = False) -> Iterator[FileEntry]:
        """Yield the file list: the one beside the archive, or the one inside when that is absent.

        `checked` compares the list with its digest in the manifest, after the last entry.
        """
        if self.file_list.exists():
            yield from read_file_list(self.file_list, digest=self.manifest.files.digest if checked else "")
            return
        with named(self.volumes[-1]), self.reader() as reader:
            yield from reader.file_list()


def stored(session: Session, vault: Vault, manifest: Manifest, *, key: Key | None = None) -> StoredBackup:
    """Return the backup as it lies in the vault (or its trash); `key` opens it, without one what is configured."""
    folder = sidecar.locate(vault, manifest.id).parent
    key = key or keys.key_for(session, manifest)
    return StoredBackup(_opened(manifest, key), folder, key=key)


def _opened(manifest: Manifest, key: Key | None) -> Manifest:
    """Return the whole of a manifest that came sealed, from a destination say; raises `PassphraseError`."""
    if not manifest.sealed:
        return manifest
    from toolkit.archive.seal import unseal

    return unseal(manifest, key, stem=str(layout.stem_of(manifest)))


def stored_file(session: Session, path: Path) -> StoredBackup:
    """Return the backup whose archive is the file `path`, wherever it lies.

    The manifest beside it is believed when there is one that describes it; else the one inside. Raises
    `SourceMissingError`, `ArchiveDamagedError` when neither can be read, `FormatError`.
    """
    from toolkit.archive.reader import open_archive
    from toolkit.archive.volumes import volumes_of

    if not path.exists():
        raise SourceMissingError("there is no such archive", subject=path)
    parsed = layout.parse_name(path.name)
    if parsed is not None:
        beside = path.with_name(f"{parsed[0]}{layout.MANIFEST}")
        if beside.exists():
            manifest = sidecar.read(beside)
            key = keys.key_for(session, manifest)
            return StoredBackup(_opened(manifest, key), path.parent, key=key)
    key = keys.known_key(session, parsed[0].profile if parsed is not None else "")
    volumes = volumes_of(path)
    with open_archive(volumes, key=key) as reader:
        manifest = _inside(reader, path)
    return StoredBackup(with_archive(manifest, volumes), path.parent, key=key)


def _inside(reader: ArchiveReader, path: Path) -> Manifest:
    from toolkit.archive.reader import MANIFEST

    try:
        return reader.manifest()
    except ArchiveDamagedError as error:
        if error.subject != os.fsdecode(MANIFEST):
            raise
        raise FormatError(
            "this archive holds no manifest of Lifeboat: it was made elsewhere, or its end is gone",
            subject=path,
            hint="lifeboat import FILE takes it in as a backup, or says what is wrong with it",
        ) from error


def with_archive(manifest: Manifest, volumes: Sequence[Path]) -> Manifest:
    """Return `manifest`, which was read from inside the archive, with the archive's true files, sizes and digests."""
    import msgspec

    from toolkit.vault.rebuild import measure

    return msgspec.structs.replace(manifest, archives=(measure(manifest.id, volumes),))
