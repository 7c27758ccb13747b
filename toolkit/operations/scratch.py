"""Private working folders in the vault: for copies on their way into an archive, and for rehearsals.

Each is locked while its run lives, so that the next run can tell a left-over from one that is in use.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from toolkit import durable
from toolkit.beside import Beside
from toolkit.vault.layout import Vault

_ENDING = ".work"


@contextlib.contextmanager
def private_folder(vault: Vault, ident: str, *, clearing: Beside | None = None) -> Iterator[Path]:
    """Give a private folder on the vault's file system, and remove it with all in it.

    With `clearing`, which the caller settles, that is done beside what comes next when the block ended well: to
    free a large copy takes a while.
    """
    folder = vault.path / f".{ident}{_ENDING}"
    with durable.translated(folder):
        durable.make_directory(folder)
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield folder
    except BaseException:
        _remove(folder, fd)
        raise
    if clearing is None:
        _remove(folder, fd)
    else:
        clearing.do(_remove, folder, fd)


def _remove(folder: Path, fd: int) -> None:
    """Remove a folder of which `fd` holds the lock."""
    shutil.rmtree(folder, ignore_errors=True)
    os.close(fd)


def sweep(vault: Vault) -> list[Path]:
    """Remove the folders of runs that are gone; return them."""
    removed = []
    for folder in vault.path.glob(f".*{_ENDING}"):
        with contextlib.suppress(OSError):
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(folder)
            finally:
                os.close(fd)
    return removed


def inner(folder: Path) -> Path:
    """Make the folder `folder` inside a private one, 0700, and return it; one that is there is left as it is.

    Raises `StorageError`, `SpaceError`.
    """
    with durable.translated(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def drop(folder: Path) -> None:
    """Remove a private folder with all in it; what cannot be removed goes with the run's own folder."""
    shutil.rmtree(folder, ignore_errors=True)
