"""The configuration of this run: which one it is, and reading it again after a command changed it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from toolkit.errors import LifeboatError
from toolkit.operations.session import Session, open_session


def given(options: Sequence[str], name: str) -> Path | None:
    """Return the value of the option `name` (`--config`, `--vault`) among `options`, None where it was not given."""
    words = list(options)
    return Path(words[words.index(name) + 1]) if name in words else None


def read_again(session: Session, options: Sequence[str]) -> str:
    """Have `session` use the configuration as it is now; return what is wrong with it, else "".

    A configuration that cannot be used changes nothing: the one before stays in force.
    """
    try:
        found = open_session(
            config=given(options, "--config"), vault=given(options, "--vault"), environ=session.environ, now=session.now
        )
    except LifeboatError as error:
        return error.message
    session.config = found.config
    return ""
