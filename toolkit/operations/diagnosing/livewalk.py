"""The pages of a live database walked without SQLite: in place while nothing changes, else in a private copy."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from toolkit.errors import CancelledError, LifeboatError
from toolkit.events import ShouldStop
from toolkit.sqlite import blocks, hotcopy
from toolkit.sqlite.pages import PageFinding, walk


def walk_live(
    path: Path, *, whole: bool, folder: Path, timeout: float, should_stop: ShouldStop
) -> tuple[list[PageFinding], bool]:
    """Return what is wrong with the pages of `path`, and whether that is certain.

    The main file is walked where it is `whole` by itself (no -wal or -journal waits) and nothing was written
    meanwhile; else a consistent private copy in `folder`. It is not certain when neither can be had: then the database
    is in use, there is too little space, or SQLite cannot read it. Raises `CancelledError`.
    """
    where = os.path.realpath(path)
    try:
        if whole:
            before = blocks.state(where)
            found = _walked(where, should_stop)
            if blocks.state(where) == before:
                return found, True
        with tempfile.TemporaryDirectory(dir=folder) as private:
            copy = Path(private, "walked.db")
            hotcopy.copy(path, copy, timeout=timeout, should_stop=should_stop)
            return _walked(os.fspath(copy), should_stop), True
    except CancelledError:
        raise
    except (LifeboatError, OSError):
        return [], False


def walk_private(path: str | os.PathLike[str], should_stop: ShouldStop) -> list[PageFinding]:
    """Return what is wrong with the pages of the private file `path`; nothing where they cannot be read at all."""
    try:
        return _walked(path, should_stop)
    except (OSError, LifeboatError):
        return []


def _walked(path: str | os.PathLike[str], should_stop: ShouldStop) -> list[PageFinding]:
    try:
        return list(walk(path, should_stop=should_stop))
    except ValueError:  # the header: what is wrong with it is said elsewhere
        return []
