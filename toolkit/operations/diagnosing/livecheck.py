"""Looking at live databases: in the worker's one consistent view, or in a private copy where that is impossible."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from toolkit.errors import LifeboatError, SourceChangedError, SourceTimeoutError
from toolkit.events import ShouldStop
from toolkit.operations.scratch import private_folder
from toolkit.operations.session import Session
from toolkit.sqlite import check, hotcopy
from toolkit.sqlite.check import Checkup, Level


@contextlib.contextmanager
def working_folder(session: Session, ident: str) -> Iterator[Path]:
    """Give a private folder: in the vault when there is one that can be written, else a temporary one."""
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(private_folder(session.existing_vault, ident))
        except LifeboatError:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lifeboat-")))
        yield folder


def look_at(
    path: Path, *, level: Level, folder: Path, timeout: float, should_stop: ShouldStop, values: bool = False
) -> Checkup:
    """Check the live database `path`, in place when that is possible without keeping writers waiting.

    Raises what `sqlite.check.check_live` and `sqlite.hotcopy.copy` raise; nothing is left in `folder`.
    """
    try:
        return check.check_live(
            path, level=level, scratch=folder, timeout=timeout, values=values, should_stop=should_stop
        )
    except (SourceTimeoutError, SourceChangedError):
        return look_at_copy(path, level=level, folder=folder, timeout=timeout, values=values, should_stop=should_stop)


def look_at_copy(
    path: Path, *, level: Level, folder: Path, timeout: float, should_stop: ShouldStop, values: bool = False
) -> Checkup:
    """Check a private copy of the live database `path`, full-text indexes too; the copy is removed again."""
    with tempfile.TemporaryDirectory(dir=folder) as private:
        staged = Path(private, "copy.db")
        hotcopy.copy(path, staged, timeout=timeout, should_stop=should_stop)
        return check.check(staged, level=level, values=values, should_stop=should_stop)
