"""Copies of a database and its sidecars bit for bit, for what SQLite cannot or should not read.

Like `probe`, this opens and closes users' files: no process that has them open through SQLite may call it.
"""

from __future__ import annotations

import contextlib
import errno
import os
from dataclasses import dataclass
from pathlib import Path

from toolkit import durable
from toolkit.errors import CancelledError, SourceError, SourceMissingError
from toolkit.events import ShouldStop, never_stop
from toolkit.sqlite.blocks import copy_set, state
from toolkit.sqlite.connect import SIDECARS

RETRIES = 3


@dataclass(frozen=True, slots=True)
class RawCopy:
    """The copies, main file first; `stable` is False when the files went on changing while they were copied."""

    files: tuple[Path, ...]
    stable: bool


def _clear(target: str) -> None:
    for suffix in ("", *SIDECARS):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(target + suffix)


def raw_copy(source: Path, folder: Path, *, follow: bool = True, should_stop: ShouldStop = never_stop) -> RawCopy:
    """Copy the database `source` and its sidecars bit for bit into the existing `folder`, under their own names.

    The copies are 0600, holes stay holes. The sidecars are those beside the file that a link leads to, unless `follow`
    is False. The set is tried again a few times when the files changed
    meanwhile; `stable` says whether the last try saw them at rest. Works for files that are no database.
    Raises `SourceMissingError`, `SourceError`, `SpaceError`, `CancelledError`; then nothing is left in `folder`.
    """
    where = os.path.realpath(source) if follow else os.fspath(source)
    target = os.path.join(folder, os.path.basename(os.fspath(source)))

    def check(_done: int, _total: int | None) -> None:
        if should_stop():
            raise CancelledError("cancelled while copying a database", subject=source)

    try:
        durable.require_space(folder, sum(part[2] for part in state(where) if part))
        for _ in range(RETRIES):
            _clear(target)
            before = state(where)
            check(0, None)
            copied = copy_set(where, target, SIDECARS, on_progress=check)
            stable = state(where) == before
            if stable:
                break
    except FileNotFoundError as error:
        _clear(target)
        raise SourceMissingError("there is no such database", subject=source) from error
    except OSError as error:
        _clear(target)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise durable.translate(error, subject=folder) from error
        raise SourceError(f"the database cannot be copied ({error.strerror})", subject=source) from error
    except BaseException:
        _clear(target)
        raise
    return RawCopy(tuple(Path(target + suffix) for suffix in copied), stable)
