"""A folder on a host that is reached by SSH, through sshfs (asyncssh); the extra `sftp`.

Objects are files with the keys of `toolkit.destinations.keys`, which a person can copy back. A put grows in
`.partial/` below the folder and takes its name last, after its SHA-256 was compared: computed by `sha256sum` there,
or, on accounts without a shell, by reading it back. Host keys are always verified, against `known_hosts` of the
configuration or of the user; sshfs by itself verifies none.
"""

from __future__ import annotations

import contextlib
import hashlib
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, TypeVar

from toolkit import durable
from toolkit.destinations import keys
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
    ConfigError,
    DestinationDeniedError,
    DestinationError,
    DestinationFullError,
    DestinationTransientError,
    ObjectNotFoundError,
    SignInNeededError,
    TransferDamagedError,
)
from toolkit.events import Progress, ShouldStop, never_stop, no_progress
from toolkit.profile.model import Sftp

PARTIAL = ".partial"
CONNECT_SECONDS = 30
SILENT_SECONDS = 120
"""After so long without an answer a call is given up: a stalled connection must not hold a backup for ever."""
_PIECE = 1 << 20

Result = TypeVar("Result")


def open_destination(config: Sftp, *, state: Path, folder: str) -> Destination:  # noqa: ARG001 - the table's form
    """Return the destination that `config` describes, in `folder` instead of its own where one is named."""
    import sshfs  # noqa: F401 - says here, not at the first call, that the extra is missing

    return SftpDestination(config, folder or config.path)


class SftpDestination(Destination):
    """Objects below `path` on the host of `config`."""

    def __init__(self, config: Sftp, path: str) -> None:
        self.name = config.name
        self._config = config
        self._root = path.rstrip("/") or "/"
        self._connected: Any = None

    def close(self) -> None:
        """End the connection."""
        connected, self._connected = self._connected, None
        if connected is not None:
            with contextlib.suppress(Exception):
                _close(connected)

    @property
    def _fs(self) -> Any:
        if self._connected is None:
            self._connected = self._call(self._connect, self._config.host)
        return self._connected

    def _connect(self) -> Any:
        from sshfs import SSHFileSystem

        config = self._config
        options: dict[str, Any] = {"port": config.port, "keepalive_interval": 15, "keepalive_count_max": 4}
        if config.user is not None:
            options["username"] = config.user
        if config.password is not None:
            options["password"] = config.password.resolve()
        if config.key_file is not None:
            options["client_keys"] = [str(config.key_file)]
        # () is asyncssh's word for the user's own file; None, sshfs's default, would trust every host
        options["known_hosts"] = str(config.known_hosts) if config.known_hosts is not None else ()
        return SSHFileSystem(
            config.host, timeout=CONNECT_SECONDS, connect_timeout=CONNECT_SECONDS, skip_instance_cache=True, **options
        )

    def put(
        self,
        source: Path,
        properties: Properties,
        *,
        bookmark: Bookmark,
        on_progress: Progress = no_progress,
        should_stop: ShouldStop = never_stop,
    ) -> RemoteObject:
        """Store `source`; see `Destination.put`."""
        key = bookmark.load()
        if keys.parse_key(key) != properties:
            key = keys.make_key(properties)
            bookmark.save(key)
        with contextlib.suppress(ObjectNotFoundError):
            made = self.stat(key)
            bookmark.clear()
            return made
        partial = self._partial(key)
        with durable.translated(source), source.open("rb") as reading:
            self._send(reading, partial, on_progress, should_stop)
        if self._digest(partial, should_stop) != properties.sha256:
            self._call(lambda: self._fs.rm_file(partial), properties.file_name)
            bookmark.clear()
            raise TransferDamagedError("what arrived is not what was sent", subject=properties.file_name)
        target = self._path(key)
        self._call(lambda: self._fs.makedirs(target.rpartition("/")[0], exist_ok=True), properties.file_name)
        self._call(lambda: self._fs.mv(partial, target), properties.file_name)
        bookmark.clear()
        return self.stat(key)

    def abandon(self, bookmark: Bookmark) -> None:
        """Remove the part that a put has left."""
        key = bookmark.load()
        if keys.parse_key(key) is not None:
            with contextlib.suppress(ObjectNotFoundError):
                self._call(lambda: self._fs.rm_file(self._partial(key)), key)
        bookmark.clear()

    def _partial(self, key: str) -> str:
        return self._path(f"{PARTIAL}/{key.rpartition('/')[2]}")

    def _send(self, reading: IO[bytes], partial: str, on_progress: Progress, should_stop: ShouldStop) -> None:
        total = reading.seek(0, 2)
        self._call(lambda: self._fs.makedirs(partial.rpartition("/")[0], exist_ok=True), partial)
        done = self._size(partial)
        if done > total:
            done = 0
        mode = "r+b" if done else "wb"
        with self._file(partial, mode) as writing:
            self._call(lambda: writing.seek(done), partial)
            reading.seek(done)
            on_progress(done, total)
            while piece := reading.read(_PIECE):
                if should_stop():
                    raise CancelledError("the upload was cancelled")
                self._write(writing, piece, partial)
                done += len(piece)
                on_progress(done, total)
            with contextlib.suppress(DestinationError):  # a server may not know fsync@openssh.com
                self._call(writing.fsync, partial)

    def _write(self, writing: Any, piece: bytes, partial: str) -> None:
        try:
            self._call(lambda: writing.write(piece), partial)
        except DestinationError as error:
            free = None
            with contextlib.suppress(DestinationError):
                free = self.usage().free
            if free is None or free > len(piece):
                raise
            with contextlib.suppress(DestinationError):
                self._call(lambda: self._fs.rm_file(partial), partial)
            raise DestinationFullError("the disk there is full", subject=self.name) from error

    @contextlib.contextmanager
    def _file(self, path: str, mode: str) -> Iterator[Any]:
        opened = self._call(lambda: self._fs.open(path, mode), path)
        try:
            yield opened
        finally:
            with contextlib.suppress(DestinationError):
                self._call(opened.close, path)

    def _size(self, path: str) -> int:
        try:
            return int(self._call(lambda: self._fs.info(path), path)["size"])
        except ObjectNotFoundError:
            return 0

    def _digest(self, path: str, should_stop: ShouldStop) -> str:
        """Return the SHA-256 of a file there: computed there where a shell can, else here."""
        with contextlib.suppress(Exception):
            said = str(self._fs.execute(f"sha256sum -b -- {shlex.quote(path)}", check=False).stdout).split()
            if len(said) >= 1 and len(said[0].lstrip("\\")) == 64:
                return said[0].lstrip("\\")
        digest = hashlib.sha256()
        for piece in self._pieces(path, 0):
            if should_stop():
                raise CancelledError("the upload was cancelled")
            digest.update(piece)
        return digest.hexdigest()

    def read(self, object_id: str, *, start: int = 0) -> Iterator[bytes]:
        """Yield the bytes of an object; see `Destination.read`."""
        yield from self._pieces(self._path(_checked(object_id)), start)

    def _pieces(self, path: str, start: int) -> Iterator[bytes]:
        with self._file(path, "rb") as reading:
            self._call(lambda: reading.seek(start), path)
            while piece := self._call(lambda: reading.read(min(CHUNK, 4 * _PIECE)), path):
                yield piece

    def objects(self, query: Query = EVERYTHING) -> Iterator[RemoteObject]:
        """Yield every object that matches; links and hidden files are none."""
        waiting = [self._root]
        while waiting:
            folder = waiting.pop()
            try:
                entries = self._call(lambda path=folder: self._fs.ls(path, detail=True), folder)  # type: ignore[misc]
            except ObjectNotFoundError:
                if folder == self._root:
                    return
                continue
            for entry in entries:
                name = str(entry["name"]).rpartition("/")[2]
                if name.startswith("."):
                    continue
                if entry["type"] == "directory":
                    waiting.append(str(entry["name"]))
                elif entry["type"] == "file":
                    found = self._object(str(entry["name"]), entry)
                    if query.matches(found):
                        yield found

    def stat(self, object_id: str) -> RemoteObject:
        """Return an object; raises `ObjectNotFoundError`."""
        path = self._path(_checked(object_id))
        info = self._call(lambda: self._fs.info(path), object_id)
        if info["type"] != "file":
            raise ObjectNotFoundError("there is no such object", subject=object_id)
        return self._object(path, info)

    def _object(self, path: str, info: Any) -> RemoteObject:
        key = path.removeprefix("/" if self._root == "/" else f"{self._root}/")
        properties = keys.parse_key(key)
        return RemoteObject(
            id=key,
            name=properties.file_name if properties is not None else key.rpartition("/")[2],
            size=int(info["size"]),
            properties=properties,
            modified=info["mtime"],
        )

    def remove(self, object_id: str) -> Removal:
        """Remove an object for good."""
        self.stat(object_id)
        self._call(lambda: self._fs.rm_file(self._path(object_id)), object_id)
        return Removal(binned=False)

    def usage(self) -> Usage:
        """Return the space of the file system there, where the server says it (OpenSSH does)."""
        fs = self._fs
        try:
            said = self._call(lambda: _statvfs(fs, self._root), self._root)
        except (ObjectNotFoundError, DestinationTransientError):
            self._call(lambda: fs.info("."), self._root)  # it answers, and that is all that is known
            return Usage()
        unit = said.frsize or said.bsize
        return Usage(total=said.blocks * unit, used=(said.blocks - said.bfree) * unit, free=said.bavail * unit)

    def _path(self, key: str) -> str:
        return f"/{key}" if self._root == "/" else f"{self._root}/{key}"

    def _call(self, call: Callable[[], Result], subject: str) -> Result:
        """Return what `call` does; whatever sshfs, asyncssh or the network raise is translated here."""
        try:
            return call()
        except (DestinationError, CancelledError, ConfigError):
            raise
        except Exception as error:
            raise _translate(error, subject) from error


def _checked(object_id: str) -> str:
    if not keys.is_safe(object_id):
        raise ObjectNotFoundError("there is no such object", subject=object_id)
    return object_id


def _statvfs(fs: Any, path: str) -> Any:
    from fsspec.asyn import sync

    async def ask() -> Any:
        async with fs._pool.get() as channel:  # noqa: SLF001 - sshfs has no call for it
            return await channel.statvfs(path)

    return sync(fs.loop, ask, timeout=SILENT_SECONDS)


def _close(fs: Any) -> None:
    from fsspec.asyn import sync

    async def end() -> None:
        await fs._pool.close()  # noqa: SLF001 - sshfs closes only when it is collected
        await fs._stack.aclose()  # noqa: SLF001

    sync(fs.loop, end, timeout=5)


def _translate(error: Exception, subject: str) -> Exception:
    import asyncssh

    words = str(error) or type(error).__name__
    causes = [error, *([error.__cause__] if isinstance(error.__cause__, Exception) else [])]
    if any(isinstance(cause, asyncssh.HostKeyNotVerifiable) for cause in causes):
        return SignInNeededError(
            "the host's key is not known, or another one than before",
            subject=subject,
            hint="compare it, then add it: ssh-keyscan HOST >> known_hosts",
        )
    if any(isinstance(cause, asyncssh.PermissionDenied | asyncssh.KeyImportError) for cause in causes):
        return SignInNeededError(
            "the host takes none of the keys and passwords that it was offered",
            subject=subject,
            hint="check user, key_file and password; ssh USER@HOST shows why",
        )
    if any(isinstance(cause, asyncssh.SFTPNoSuchFile | FileNotFoundError) for cause in causes):
        return ObjectNotFoundError("there is no such object", subject=subject)
    denied = (PermissionError, asyncssh.SFTPPermissionDenied, asyncssh.SFTPWriteProtect)
    if any(isinstance(cause, denied) for cause in causes):
        return DestinationDeniedError(
            "the host does not allow that", subject=subject, hint="check owner and mode there"
        )
    full = (asyncssh.SFTPNoSpaceOnFilesystem, asyncssh.SFTPQuotaExceeded)
    if any(isinstance(cause, full) for cause in causes):
        return DestinationFullError("the disk there is full", subject=subject)
    return DestinationTransientError(f"the connection or the host failed: {words}", subject=subject)
