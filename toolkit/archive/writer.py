"""Writing an archive: one streaming pass that hashes while it writes, with flat memory and no temporary copies.

Everything is written under hidden partial names and takes its final names in `finish`, the file list
first and the last volume last: where that is, everything is. Whatever fails before leaves nothing.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from toolkit import durable
from toolkit.archive import restoretext
from toolkit.archive.filelists import ListWriter
from toolkit.archive.formats import ArchiveSpec
from toolkit.archive.manifest import ArchiveFile, FileCounts, Manifest, encode
from toolkit.archive.member import PIECE, HoleDigest
from toolkit.archive.names import NameGuard, member_name
from toolkit.archive.output import Output, open_sink
from toolkit.archive.prefetch import Loaded, loaded, open_content
from toolkit.archive.sink import MemberSink, text_entry
from toolkit.errors import CancelledError, LifeboatError, SourceError, SourceMissingError, UnsafeArchiveError
from toolkit.events import Progress, ShouldStop, never_stop, no_progress
from toolkit.filelist import Content, FileEntry, FileType, Item, Layer

LeftOutCallback = Callable[[FileEntry, LifeboatError], None]

RESTORE_TEXT = "RESTORE.txt"
FILE_LIST = "files.jsonl"
MANIFEST = "manifest.json"
LIST_EXTENSION = ".files.jsonl.zst"
_ZEROS = bytes(PIECE)


@dataclass(frozen=True, slots=True)
class Written:
    """A finished archive: its description, counts, file list, paths whose content changed, wall seconds.

    `file_list` is None when the archive is encrypted: then the list is inside only.
    """

    archive: ArchiveFile
    files: FileCounts
    file_list: Path | None
    changed: tuple[str, ...]
    seconds: float


def _ignore(_entry: FileEntry, _error: LifeboatError) -> None:
    """Leave it out and say nothing."""


def _ignore_added(_entry: FileEntry) -> None:
    """Take note of nothing."""


class ArchiveWriter:
    """Writes `STEM.EXT` (perhaps in volumes) and `STEM.files.jsonl.zst` into `folder`, which must be there.

    Use it as a context manager: leaving without `finish` aborts. All errors are Lifeboat's; after any
    of them the writer is aborted and nothing is left. `on_progress` is told logical bytes.
    """

    def __init__(
        self,
        folder: Path,
        stem: str,
        ident: str,
        spec: ArchiveSpec,
        *,
        on_progress: Progress = no_progress,
        should_stop: ShouldStop = never_stop,
        on_left_out: LeftOutCallback = _ignore,
    ) -> None:
        self._folder = folder
        self._stem = stem
        self._ident = ident
        self._spec = spec
        self._on_progress = on_progress
        self._should_stop = should_stop
        self._on_left_out = on_left_out
        self._begun = time.monotonic()
        self._now_ns = time.time_ns()
        self._guard = NameGuard()
        self._done = 0
        self._changed: list[str] = []
        self._orphans: set[tuple[str, int]] = set()
        self._promoted: dict[tuple[str, int], str] = {}
        self._finished = False
        self._output: Output | None = None
        self._list: ListWriter | None = None
        with self._aborting():
            self._output = open_sink(folder, stem + spec.extension, ident, spec, inner=f"{stem}.tar.zst")
            self._list = ListWriter(folder, stem + LIST_EXTENSION, ident, hidden=spec.encrypted)
            text = restoretext.text(spec, stem, stem + spec.extension)
            self._put_text(RESTORE_TEXT, len(text), (text,))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._finished:
            self.abort()

    @contextlib.contextmanager
    def _aborting(self) -> Iterator[None]:
        try:
            with durable.translated(self._folder / (self._stem + self._spec.extension)):
                yield
        except BaseException:
            self.abort()
            raise

    @property
    def _sink(self) -> MemberSink:
        if self._output is None:
            raise ValueError("the archive is closed")
        return self._output.sink

    def _put_text(self, member: str, size: int, pieces: Iterable[bytes]) -> None:
        self._guard.add(member.encode())
        self._sink.put(text_entry(member, size, self._now_ns), member, pieces)

    def add(self, items: Iterable[Item], *, on_added: Callable[[FileEntry], None] = _ignore_added) -> None:
        """Write `items` in their order; `on_added` is told each entry as it stands in the file list.

        An item that cannot be read, or whose name no archive may hold, goes to `on_left_out`; so does one
        whose reading fails half-way, which stays in, padded with zeros and marked as changed. One that
        is in the archive already is passed over. Raises `CancelledError`, `SpaceError`, `StorageError`.
        """
        with self._aborting(), contextlib.closing(loaded(items, keeps_links=self._sink.keeps_hard_links)) as ready:
            for item in ready:
                if self._should_stop():
                    raise CancelledError("the backup was cancelled", subject=self._stem)
                entry = self._add(item)
                if entry is not None:
                    on_added(entry)

    def _add(self, item: Loaded) -> FileEntry | None:
        if item.entry.link_to and item.error is None:
            item = self._link(item)
        entry, content, error = item.entry, item.content, item.error
        if error is None and entry.type is FileType.FILE and content is None and not entry.link_to:
            if entry.size:
                error = SourceError("the file has no content to read", subject=entry.path)
            content = Content(entry, data=b"")
        member = member_name(entry)
        if error is None:
            try:
                if not self._admit(entry, member):
                    _close(content)
                    return None
            except UnsafeArchiveError as refusal:
                error = SourceError(refusal.message, subject=entry.path)
        if error is not None:
            _close(content)
            if entry.link_group and not entry.link_to:
                self._orphans.add((entry.section, entry.link_group))
            self._on_left_out(entry, error)
            return None
        entry = self._write(entry, member, content, item.digest)
        self._lines.add(entry)
        return entry

    @property
    def _lines(self) -> ListWriter:
        if self._list is None:
            raise ValueError("the archive is closed")
        return self._list

    def _admit(self, entry: FileEntry, member: str) -> bool:
        """Say whether the member is new; raise `UnsafeArchiveError` for a name that no reader would take."""
        name = member.encode(errors="surrogateescape")
        if self._guard.has(name):
            return False
        self._guard.add(name, directory=entry.type is FileType.DIRECTORY)
        return True

    def _link(self, item: Loaded) -> Loaded:
        """Return a hard link as it can be written; when its first name was left out it takes that one's place."""
        group = (item.entry.section, item.entry.link_group)
        if group in self._orphans:
            first = self._promoted.get(group)
            if first is None:
                if item.load is not None:
                    item = open_content(Item(item.entry, item.load))
                if item.content is None:
                    reason = SourceError(
                        "its content, known by another name, could not be read", subject=item.entry.path
                    )
                    return Loaded(item.entry, error=item.error or reason)
                self._promoted[group] = item.entry.path
                return Loaded(msgspec.structs.replace(item.entry, link_to=""), item.content, item.digest)
            item.entry = msgspec.structs.replace(item.entry, link_to=first)
        if item.content is None and not self._sink.keeps_hard_links:
            item.error = SourceError("a hard link came without its content", subject=item.entry.path)
        return item

    def _write(self, entry: FileEntry, member: str, content: Content | None, digest: str) -> FileEntry:
        layers = (Layer(self._ident, member),)
        if entry.link_to and self._sink.keeps_hard_links:
            target = member_name(msgspec.structs.replace(entry, path=entry.link_to))
            self._sink.put(entry, member, None, link_to=target)
            _close(content)
            return msgspec.structs.replace(entry, layers=layers)
        if content is None:
            self._sink.put(entry, member, None)
            return msgspec.structs.replace(entry, layers=layers)
        if content.data is not None:
            data = _without_holes(content.data, entry)
            if not digest:
                sha = HoleDigest(entry.holes)
                sha.update(data)
                digest = sha.hexdigest()
            self._sink.put(entry, member, data)
            self._advance(len(data))
        else:
            sha = HoleDigest(entry.holes)
            self._sink.put(entry, member, self._hashed(content, entry, sha))
            digest = sha.hexdigest()
        if content.changed:
            self._changed.append(entry.path)
        return msgspec.structs.replace(entry, digest=digest, layers=layers, changed=entry.changed or content.changed)

    def _advance(self, count: int) -> None:
        self._done += count
        self._on_progress(self._done, None)

    def _hashed(self, content: Content, entry: FileEntry, sha: HoleDigest) -> Iterator[bytes]:
        """Yield exactly the promised bytes, padded with zeros or cut where the source does not keep the promise."""
        pieces = content.pieces if content.pieces is not None else iter(())
        left = entry.data_size
        try:
            for given in pieces:
                if self._should_stop():
                    raise CancelledError("the backup was cancelled", subject=self._stem)
                piece = given if len(given) <= left else given[:left]
                left -= len(piece)
                sha.update(piece)
                self._advance(len(piece))
                yield piece
        except (SourceError, SourceMissingError) as error:
            self._on_left_out(entry, error)
        finally:
            _close(content)
        content.changed = content.changed or left > 0
        while left:
            piece = _ZEROS[:left]
            left -= len(piece)
            sha.update(piece)
            yield piece

    def finish(self, manifest: Callable[[FileCounts], Manifest]) -> Written:
        """Add `files.jsonl` and `manifest.json`, make everything durable and give it its final names.

        `manifest` is asked, once all contents are written, for the manifest that goes inside.
        """
        with self._aborting():
            lines, output = self._lines, self._output
            counts = lines.counts()
            self._put_text(FILE_LIST, lines.size, lines.read())
            inside = encode(manifest(counts), inside=True)
            self._put_text(MANIFEST, len(inside), (inside,))
            if output is None:  # pragma: no cover - _lines raises before
                raise ValueError("the archive is closed")
            output.finish()
            lines.finish()
            file_list = lines.publish()
            archive = output.volumes.publish()
            self._finished = True
        return Written(archive, counts, file_list, tuple(self._changed), time.monotonic() - self._begun)

    def abort(self) -> None:
        """End all threads and remove every file of this archive."""
        if self._finished:
            return
        if self._output is not None:
            self._output.discard()
            self._output = None
        if self._list is not None:
            self._list.discard()
            self._list = None


def _close(content: Content | None) -> None:
    close = getattr(content.pieces, "close", None) if content is not None else None
    if close is not None:
        close()


def _without_holes(data: bytes, entry: FileEntry) -> bytes:
    """Return `data` without the bytes of the holes, which a loader may have read as zeros."""
    if not entry.holes or len(data) != entry.size:
        return data
    from toolkit.archive.tarfmt import data_segments

    return b"".join(data[offset : offset + length] for offset, length in data_segments(entry.size, entry.holes))
