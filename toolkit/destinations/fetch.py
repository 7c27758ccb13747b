"""From a destination to a local file: goes on where it was cut, is compared, and takes its name last."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from toolkit import durable
from toolkit.beside import Beside
from toolkit.destinations.base import CHUNK, Destination, RemoteObject
from toolkit.errors import CancelledError, TransferDamagedError
from toolkit.events import Progress, ShouldStop, never_stop, no_progress
from toolkit.hashing import Digest

AHEAD = 2
"""Pieces that wait to be written while the next one comes."""


def partial_of(found: RemoteObject, target: Path) -> Path:
    """Return where the bytes of `found` are kept until `target` is whole: the same name in every process."""
    mark = hashlib.sha256(f"{found.id}\0{found.size}\0{found.digest}".encode()).hexdigest()[:8]
    return target.with_name(f".{target.name[:200]}.{mark}.partial")


def fetch(
    destination: Destination,
    found: RemoteObject,
    target: Path,
    *,
    on_progress: Progress = no_progress,
    should_stop: ShouldStop = never_stop,
) -> str:
    """Download `found` as the new private file `target`, whose folder is there; return its SHA-256.

    Length and digest (where one is known) are compared before it takes its name. After any failure the part
    that came stays beside `target`, and the same call goes on from there, in another process too. A part that
    proves wrong is removed: `TransferDamagedError`. Otherwise raises what `Destination.read` raises,
    `CancelledError`, and what `durable.translate` says of the local disk.
    """
    partial = partial_of(found, target)
    with durable.translated(partial), _open(partial) as file:
        digest = Digest()
        done = _take_up(file, digest, found.size, should_stop)
        on_progress(done, found.size)
        with _written_beside(file) as write:
            for piece in destination.read(found.id, start=done) if done < found.size else ():
                if should_stop():
                    raise CancelledError("the download was cancelled")
                write(piece)
                digest.update(piece)
                done += len(piece)
                on_progress(done, found.size)
        durable.sync_file(file)
    wrong = _difference(found, done, digest.hexdigest())
    with durable.translated(target):
        if wrong:
            durable.remove(partial)
            raise TransferDamagedError(
                f"what was downloaded is not what was stored: {wrong}",
                subject=found.name,
                hint="run it again; if it happens again, the copy at the destination is damaged",
            )
        durable.rename(partial, target)
    return digest.hexdigest()


@contextlib.contextmanager
def _written_beside(file: IO[bytes]) -> Iterator[Callable[[bytes], None]]:
    """Give what has a piece written while the next one comes; whatever happens, what came is in `file` afterwards."""
    beside = Beside("writing a download", ahead=AHEAD)
    try:
        yield lambda piece: beside.do(file.write, piece)
        beside.settle()
    finally:
        with contextlib.suppress(OSError):
            beside.settle()
        beside.abandon()


def _open(partial: Path) -> IO[bytes]:
    if not partial.exists():
        return durable.create_file(partial)
    durable.on_step("create", str(partial))
    return os.fdopen(os.open(partial, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW), "r+b")


def _take_up(file: IO[bytes], digest: Digest, size: int, should_stop: ShouldStop) -> int:
    """Hash what is there already, and return its length; 0 when it is longer than it should be."""
    if os.fstat(file.fileno()).st_size > size:
        file.truncate(0)
        return 0
    done = 0
    while piece := file.read(CHUNK):
        if should_stop():
            raise CancelledError("the download was cancelled")
        digest.update(piece)
        done += len(piece)
    return done


def _difference(found: RemoteObject, size: int, sha256: str) -> str:
    if size != found.size:
        return f"{size:,} bytes instead of {found.size:,}"
    for expected in {found.digest, found.sha256} - {""}:
        if expected != sha256:
            return "another SHA-256"
    return ""
