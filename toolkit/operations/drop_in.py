"""Drop-ins of the configuration that Lifeboat writes itself, and never over one that somebody else wrote."""

from __future__ import annotations

import os
from pathlib import Path

from toolkit import durable
from toolkit.errors import ConfigError, RefusedError
from toolkit.operations import configuration
from toolkit.operations.session import Session
from toolkit.profile import load, locations


def write(session: Session, name: str, header: str, body: str, config: Path | None) -> bool:
    """Write the drop-in `name`, `header` and then `body`, beside the configuration; say whether it is another one now.

    The whole configuration is validated with it before it takes its name. Raises `ConfigError`, `RefusedError` for a
    file that does not begin with `header`, `StorageError`.
    """
    base = configuration.place(config, session.environ)
    path = locations.drop_in_directory(base) / name
    text = header + body
    problems = load.validate_text(text, str(path), session.environ, over=base)
    if problems:
        raise ConfigError("\n".join(str(problem) for problem in problems))
    with durable.translated(path):
        old = path.read_text(errors="replace") if os.path.lexists(path) else header
        if not old.startswith(header):
            raise RefusedError("this file was not written by Lifeboat", subject=path, hint="give it another name")
        if old == text:
            return False
        durable.make_directory(path.parent, mode=0o755)
        durable.write_file(path, text.encode())
    return True
