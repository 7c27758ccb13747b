"""A directory as a destination: a second disk, or a mounted share.

Objects are plain files that any tool can copy back, `HOST/PROFILE/KIND/NAME`; a second object of the same name
goes to `HOST/PROFILE/KIND/~2/NAME`, and so on. The id is that path. Properties lie beside each file in
`.NAME.lifeboat.json`, written before the file takes its name and removed after it. File systems without
modes, links or extended attributes (FAT, SMB) are good enough.

A disk that is not mounted must not be taken for an empty folder: the folder itself is never made, `/etc/fstab`
is asked whether something should be mounted there, and the first put leaves a marker whose id is remembered in
the state directory. A folder that has lost its marker is refused.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import secrets
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.destinations.base import (
    CHUNK,
    EVERYTHING,
    Bookmark,
    Destination,
    Properties,
    Query,
    RemoteObject,
    Removal,
    Usage,
)
from toolkit.errors import (
    CancelledError,
    DestinationDeniedError,
    DestinationError,
    DestinationFullError,
    DestinationTransientError,
    ObjectNotFoundError,
    TransferDamagedError,
)
from toolkit.events import Progress, ShouldStop, never_stop, no_progress

MARKER = ".lifeboat-destination"
SIDECAR = ".lifeboat.json"
FSTAB = Path("/etc/fstab")
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


class _Sidecar(msgspec.Struct, frozen=True):
    size: int
    properties: Properties


class _Place(msgspec.Struct, frozen=True):
    """A bookmark: the file that a put is about to make, and of what."""

    id: str
    sha256: str


class LocalDestination(Destination):
    """Objects in the directory `path`, which must be there. `memory` remembers the id of its marker."""

    def __init__(self, name: str, path: Path, *, memory: Path | None = None, fstab: Path = FSTAB) -> None:
        self.name = name
        self.path = path
        self._memory = memory
        self._fstab = fstab

    def put(
        self,
        source: Path,
        properties: Properties,
        *,
        bookmark: Bookmark,
        on_progress: Progress = no_progress,
        should_stop: ShouldStop = never_stop,
    ) -> RemoteObject:
        """Store `source`; see `Destination.put`. The copy is read back from the disk."""
        self._require_root()
        self._mark()
        place = self._noted(bookmark, properties)
        if place is not None and self._is_whole(place, properties):
            bookmark.clear()
            return self.stat(place.id)
        if place is None:
            place = _Place(self._free_id(properties), properties.sha256)
            bookmark.save(msgspec.json.encode(place).decode())
        target = self._path(place.id)
        partial = _partial_of(target, place)
        with _translated(properties.file_name):
            durable.make_directory(target.parent)
        size = self._copy(source, partial, on_progress, should_stop)
        self._compare(partial, properties, should_stop)
        with _translated(properties.file_name):
            _write(target.with_name(f".{target.name}{SIDECAR}"), msgspec.json.encode(_Sidecar(size, properties)))
            durable.rename(partial, target)
        bookmark.clear()
        return self.stat(place.id)

    def abandon(self, bookmark: Bookmark) -> None:
        """Remove the part that a put has left."""
        self._require_root()
        with contextlib.suppress(msgspec.DecodeError, UnicodeError, ObjectNotFoundError):
            place = msgspec.json.decode(bookmark.load(), type=_Place)
            with _translated(place.id):
                durable.remove(_partial_of(self._path(place.id), place))
        bookmark.clear()

    def _noted(self, bookmark: Bookmark, properties: Properties) -> _Place | None:
        try:
            place = msgspec.json.decode(bookmark.load(), type=_Place)
        except (msgspec.DecodeError, UnicodeError):
            return None
        fits = place.sha256 == properties.sha256 and place.id.rpartition("/")[2] == properties.file_name
        if fits and (not self._path(place.id).exists() or self._is_whole(place, properties)):
            return place
        bookmark.clear()
        return None

    def _is_whole(self, place: _Place, properties: Properties) -> bool:
        try:
            return self.stat(place.id).properties == properties
        except ObjectNotFoundError:
            return False

    def _free_id(self, properties: Properties) -> str:
        folder = "/".join(_segment(part) for part in (properties.host, properties.profile, properties.kind))
        name = properties.file_name
        if not name or name != os.path.basename(name) or name.startswith(".") or "\0" in name:
            raise DestinationError("this is no name for an object", subject=name)
        number = 1
        while True:
            chosen = f"{folder}/{name}" if number == 1 else f"{folder}/~{number}/{name}"
            if not os.path.lexists(self.path / chosen):
                return chosen
            number += 1

    def _copy(self, source: Path, partial: Path, on_progress: Progress, should_stop: ShouldStop) -> int:
        """Append to `partial` what it lacks of `source`; return the size. A full disk gets the space back."""
        with durable.translated(source), source.open("rb") as reading:
            total = os.fstat(reading.fileno()).st_size
            try:
                with _translated(partial), _appending(partial, total) as writing:
                    done = reading.seek(writing.tell())
                    on_progress(done, total)
                    while piece := reading.read(CHUNK):
                        if should_stop():
                            raise CancelledError("the upload was cancelled")
                        writing.write(piece)
                        done += len(piece)
                        on_progress(done, total)
                    durable.sync_file(writing)
                    with contextlib.suppress(OSError):
                        os.posix_fadvise(writing.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            except DestinationFullError:
                with contextlib.suppress(OSError):
                    durable.remove(partial)
                raise
        return done

    def _compare(self, partial: Path, properties: Properties, should_stop: ShouldStop) -> None:
        digest = hashlib.sha256()
        with _translated(properties.file_name):
            for piece in _pieces(partial, 0):
                if should_stop():
                    raise CancelledError("the upload was cancelled")
                digest.update(piece)
            if digest.hexdigest() != properties.sha256:
                durable.remove(partial)
                raise TransferDamagedError("the copy does not read back as it was sent", subject=properties.file_name)

    def read(self, object_id: str, *, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes of an object; see `Destination.read`."""
        self._require_root()
        path = self._path(object_id)
        with _translated(object_id):
            yield from _pieces(path, start)

    def objects(self, query: Query = EVERYTHING) -> Iterator[RemoteObject]:
        """Yield every object that matches; links and hidden files are none."""
        self._require_root()
        waiting = [self.path]
        while waiting:
            folder = waiting.pop()
            with _translated(folder), os.scandir(folder) as entries:
                for entry in sorted(entries, key=lambda one: one.name):
                    if entry.name.startswith(".") or entry.name == "lost+found":
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    elif entry.is_file(follow_symlinks=False):
                        found = self._object(Path(entry.path))
                        if query.matches(found):
                            yield found

    def stat(self, object_id: str) -> RemoteObject:
        """Return an object; raises `ObjectNotFoundError`."""
        self._require_root()
        with _translated(object_id):
            return self._object(self._path(object_id))

    def remove(self, object_id: str) -> Removal:
        """Remove an object for good: the file, then its properties; there is no bin."""
        self.stat(object_id)
        path = self._path(object_id)
        with _translated(object_id):
            durable.remove(path)
            durable.remove(path.with_name(f".{path.name}{SIDECAR}"))
            if path.parent.name.startswith("~"):
                with contextlib.suppress(OSError):
                    durable.on_step("rmdir", str(path.parent))
                    path.parent.rmdir()
        return Removal(binned=False)

    def usage(self) -> Usage:
        """Return the space of the file system."""
        self._require_root()
        with _translated(self.path):
            found = os.statvfs(self.path)
        return Usage(
            total=found.f_blocks * found.f_frsize,
            used=(found.f_blocks - found.f_bfree) * found.f_frsize,
            free=found.f_bavail * found.f_frsize,
        )

    def _object(self, path: Path) -> RemoteObject:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise ObjectNotFoundError("there is no such object", subject=path.name)
        sidecar = _read_sidecar(path.with_name(f".{path.name}{SIDECAR}"))
        ours = sidecar is not None and sidecar.size == status.st_size
        return RemoteObject(
            id=path.relative_to(self.path).as_posix(),
            name=path.name,
            size=status.st_size,
            properties=sidecar.properties if sidecar is not None and ours else None,
            modified=datetime.fromtimestamp(status.st_mtime, UTC),
        )

    def _path(self, object_id: str) -> Path:
        """Return the file of an id; one that leads elsewhere, or to what is hidden, is none of ours."""
        parts = object_id.split("/")
        if any(not part or part.startswith(".") or "\0" in part for part in parts):
            raise ObjectNotFoundError("there is no such object", subject=object_id)
        with _translated(object_id):
            folder = self.path
            for part in parts[:-1]:
                folder /= part
                if folder.is_symlink():
                    raise ObjectNotFoundError("there is no such object", subject=object_id)
        return self.path.joinpath(*parts)

    def _require_root(self) -> None:
        """Raise where the folder is not there, or what should be mounted on it is not."""
        with _translated(self.path):
            if not self.path.is_dir():
                raise ObjectNotFoundError(
                    "the destination's folder is not there",
                    subject=self.path,
                    hint="mount the disk, or make the folder; Lifeboat never makes it, since a disk may be missing",
                )
        missing = _unmounted(self.path, self._fstab)
        if missing is not None:
            raise DestinationError("nothing is mounted there", subject=missing, hint=f"run: mount {missing}")
        known = self._remembered()
        if known and self._marked() != known:
            raise DestinationError(
                "this is not the folder or disk that was used before: its mark is missing or another",
                subject=self.path,
                hint=f"mount the right disk; if another one is meant to take its place, remove {self._memory}",
            )

    def _mark(self) -> None:
        """Leave a marker in the folder where there is none, and remember it."""
        mark = self._marked()
        if not mark:
            mark = secrets.token_hex(8)
            with _translated(self.path):
                _write(self.path / MARKER, f"{mark}\n".encode())
        if self._memory is not None and self._remembered() != mark:
            with durable.translated(self._memory):
                durable.make_directory(self._memory.parent)
                durable.write_file(self._memory, f"{mark}\n".encode())

    def _marked(self) -> str:
        return _first_line(self.path / MARKER)

    def _remembered(self) -> str:
        return _first_line(self._memory) if self._memory is not None else ""


def _partial_of(target: Path, place: _Place) -> Path:
    return target.with_name(f".{target.name[:200]}.{place.sha256[:8]}.partial")


def _first_line(path: Path) -> str:
    with _translated(path), contextlib.suppress(FileNotFoundError):
        return path.read_text(errors="replace").partition("\n")[0].strip()
    return ""


def _segment(text: str) -> str:
    """Return `text` as a harmless name of a folder; different texts stay different."""
    out = "".join(chr(byte) if chr(byte) in _SAFE else f"%{byte:02X}" for byte in os.fsencode(text) or b"_")
    return f"%2E{out[1:]}" if out.startswith(".") else out


def _unmounted(path: Path, fstab: Path) -> Path | None:
    """Return the place on the way to `path` where fstab wants something mounted and nothing is."""
    try:
        lines = fstab.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return None
    wanted = {line.split()[1] for line in lines if not line.lstrip().startswith("#") and len(line.split()) > 1}
    for place in (path, *path.parents):
        escaped = str(place).replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011")
        if escaped in wanted and not os.path.ismount(place):
            return place
    return None


def _read_sidecar(path: Path) -> _Sidecar | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Sidecar)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _pieces(path: Path, start: int) -> Iterator[bytes]:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb") as file:
        file.seek(start)
        while piece := file.read(CHUNK):
            yield piece


def _create(path: Path) -> int:
    """Create a private file; a file system without modes is no obstacle, so none is set afterwards."""
    durable.on_step("create", str(path))
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


@contextlib.contextmanager
def _appending(partial: Path, total: int) -> Iterator[io.BufferedRandom]:
    with os.fdopen(_create(partial), "r+b") as file:
        if file.seek(0, os.SEEK_END) > total:
            file.seek(0)
            file.truncate()
        yield file


def _write(path: Path, data: bytes) -> None:
    temporary = durable.sibling(path)
    try:
        with os.fdopen(_create(temporary), "wb") as file:
            file.write(data)
            durable.sync_file(file)
        durable.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


@contextlib.contextmanager
def _translated(subject: str | Path) -> Iterator[None]:
    """Turn an `OSError` of the destination's file system into one of the family of `DestinationError`."""
    try:
        yield
    except OSError as error:
        raise _translate(error, subject) from error


def _translate(error: OSError, subject: str | Path) -> DestinationError:
    words = os.strerror(error.errno) if error.errno else "input/output error"
    if error.errno in _FULL:
        return DestinationFullError("the destination is full", subject=subject, hint="free some space there")
    if error.errno in _DENIED:
        return DestinationDeniedError(
            f"writing or reading was denied there: {words}", subject=subject, hint="check owner, mode and mount options"
        )
    if error.errno in _ABSENT:
        return ObjectNotFoundError("there is no such object", subject=subject)
    return DestinationTransientError(f"the file system there failed: {words}", subject=subject)
