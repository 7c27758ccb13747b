"""`destination limit`: how fast transfers may be, in a drop-in of the configuration that Lifeboat writes itself."""

from __future__ import annotations

import os
from pathlib import Path

from toolkit import durable
from toolkit.errors import ConfigError, RefusedError
from toolkit.operations import configuration
from toolkit.operations.session import Session
from toolkit.profile import load, locations

HEADER = "# Written by `lifeboat destination limit`: it takes the place of the `limit` in the files before it.\n"


def limit(session: Session, name: str, rate: str | None, config: Path | None) -> bool:
    """Write the drop-in with the highest speed of transfers (`2MB/s`; None: none); say whether that changed anything.

    The result is validated before it takes its name. Raises `ConfigError` for an unknown destination or a rate that
    is none, `RefusedError` for a drop-in that Lifeboat did not write, `StorageError`.
    """
    session.config.destination(name)
    base = configuration.place(config, session.environ)
    path = locations.drop_in_directory(base) / f"90-limit-{name}.yaml"
    said = f'"{rate}"' if rate is not None else "null"
    text = f"{HEADER}destinations:\n  {name}:\n    limit: {said}\n"
    problems = load.validate_text(text, str(path), session.environ, over=base)
    if problems:
        raise ConfigError("\n".join(str(problem) for problem in problems))
    with durable.translated(path):
        old = path.read_text(errors="replace") if os.path.lexists(path) else HEADER
        if not old.startswith(HEADER):
            raise RefusedError("this file was not written by Lifeboat", subject=path, hint="give it another name")
        if old == text:
            return False
        durable.make_directory(path.parent, mode=0o755)
        durable.write_file(path, text.encode())
    return True
