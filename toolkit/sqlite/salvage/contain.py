"""One table that cannot be handled must not keep the others from being got back."""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import Callable, Iterator

from toolkit.errors import LifeboatError
from toolkit.sqlite.translate import primary_code

_OF_ALL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_NOMEM)
_OF_NUMBERS = (errno.EINVAL, errno.EOVERFLOW)
"""What a system call says of an offset that only damaged bytes can ask for."""


def of_all(error: Exception) -> bool:
    """Answer whether an error ends the whole repair: a full or broken disk, a stop, no memory."""
    if isinstance(error, OSError):
        return error.errno not in _OF_NUMBERS
    return isinstance(error, LifeboatError | MemoryError) or primary_code(error) in _OF_ALL


@contextlib.contextmanager
def contained(failed: Callable[[str], object]) -> Iterator[None]:
    """Give what goes wrong in the block to `failed` as a sentence; only what ends the whole repair is raised."""
    try:
        yield
    except Exception as error:
        if of_all(error):
            raise
        failed(str(error) or type(error).__name__)
