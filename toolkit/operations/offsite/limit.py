"""`destination limit`: how fast transfers may be, in a drop-in of the configuration that Lifeboat writes itself."""

from __future__ import annotations

from pathlib import Path

from toolkit.operations import drop_in
from toolkit.operations.session import Session

HEADER = "# Written by `lifeboat destination limit`: it takes the place of the `limit` in the files before it.\n"


def limit(session: Session, name: str, rate: str | None, config: Path | None) -> bool:
    """Write the drop-in with the highest speed of transfers (`2MB/s`; None: none); say whether that changed anything.

    The result is validated before it takes its name. Raises `ConfigError` for an unknown destination or a rate that
    is none, `RefusedError` for a drop-in that Lifeboat did not write, `StorageError`.
    """
    session.config.destination(name)
    said = f'"{rate}"' if rate is not None else "null"
    text = f"destinations:\n  {name}:\n    limit: {said}\n"
    return drop_in.write(session, f"90-limit-{name}.yaml", HEADER, text, config)
