"""From a specification to something that takes members: volumes, compression and layout put together."""

from __future__ import annotations

import contextlib
from pathlib import Path

from toolkit.archive.formats import ArchiveSpec, Compression, Container
from toolkit.archive.sink import MemberSink, TarSink
from toolkit.archive.turned import Pushed
from toolkit.archive.volumes import VolumeWriter


class Output:
    """The sink of one archive and the volumes that it ends up in."""

    def __init__(self, sink: MemberSink, volumes: VolumeWriter, encryption: Pushed | None = None) -> None:
        self.sink = sink
        self.volumes = volumes
        self._encryption = encryption

    def finish(self) -> None:
        """Complete the archive and make it durable under its partial names."""
        self.sink.finish()
        if self._encryption is not None:
            self._encryption.finish()
        self.volumes.finish()

    def discard(self) -> None:
        """End all threads and remove every file."""
        with contextlib.suppress(OSError):
            self.sink.cancel()
        if self._encryption is not None:
            self._encryption.cancel()
        self.volumes.discard()


def open_sink(folder: Path, name: str, ident: str, spec: ArchiveSpec, *, inner: str) -> Output:
    """Open the archive `name` of the backup `ident`; `inner` names the one member of an encrypted 7z."""
    volumes = VolumeWriter(folder, name, ident, spec.split)
    try:
        return _open(volumes, spec, inner)
    except BaseException:
        volumes.discard()
        raise


def _open(volumes: VolumeWriter, spec: ArchiveSpec, inner: str) -> Output:
    row, level = spec.row, spec.effective_level
    if spec.recipients:
        from toolkit.archive.age import AgeStream, recipient_of

        readers = (*spec.recipients, *((recipient_of(spec.once),) if spec.once else ()))
        age = AgeStream(volumes.write, readers)
        return Output(TarSink(age.write, row.compression, level), volumes, age)
    if row.container is Container.TAR:
        return Output(TarSink(volumes.write, row.compression, level), volumes)
    if row.container is Container.ZIP:
        from toolkit.archive.zipfmt import ZipSink

        return Output(ZipSink(volumes.write, level), volumes)
    from toolkit.archive.sevenzip import EncryptedStream, SevenZipSink

    if spec.passphrase is None:
        return Output(SevenZipSink(volumes, level), volumes)
    encryption = EncryptedStream(volumes, inner, spec.passphrase)
    return Output(TarSink(encryption.write, Compression.ZSTD, level), volumes, encryption)
