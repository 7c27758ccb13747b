"""From a section of the configuration to a destination, with what it asks for around it."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.errors import ConfigError
from toolkit.events import ShouldStop, never_stop
from toolkit.profile.model import AnyDestination, DirectoryDestination

if TYPE_CHECKING:
    from toolkit.destinations.base import Destination

OPENERS = {
    "google-drive": "toolkit.destinations.gdrive",
    "directory": "toolkit.destinations.registry",
    "s3": "toolkit.destinations.s3",
    "sftp": "toolkit.destinations.sftp",
}
"""By the `type` of the configuration, the module whose `open_destination(config, *, state, folder)` makes it.

`state` is the folder of this destination in the state directory, private and perhaps not there yet, where
tokens and the like may live. `folder` is what `DEST:FOLDER` named, "" for what the configuration says.
"""


def type_of(config: AnyDestination) -> str:
    """Return the word of the configuration for the type of a destination."""
    return str(config.__struct_config__.tag)


def open_destination(config: DirectoryDestination, *, state: Path, folder: str) -> Destination:
    """Return the directory, or the folder below it."""
    from toolkit.destinations.local import LocalDestination

    path = config.path / folder if folder else config.path
    return LocalDestination(config.name, path, memory=None if folder else state / "mark")


def connect(
    config: AnyDestination,
    *,
    state: Path,
    folder: str = "",
    read_only: bool = False,
    should_stop: ShouldStop = never_stop,
) -> Destination:
    """Return the destination that `config` describes, retrying, and as slow as its `limit`; no connection is made yet.

    `state` is the state directory. Raises `ConfigError` when a library for it is not installed.
    """
    from toolkit.destinations.limits import Limited, Pace
    from toolkit.destinations.readonly import ReadOnly
    from toolkit.destinations.retrying import Retrying

    made = bare(config, state=state, folder=folder)
    if config.limit is not None:
        made = Limited(made, Pace(config.limit))
    made = Retrying(made, should_stop=should_stop)
    return ReadOnly(made) if read_only else made


def bare(config: AnyDestination, *, state: Path, folder: str = "") -> Destination:
    """Return the destination itself, with nothing around it."""
    kind = type_of(config)
    try:
        module = importlib.import_module(OPENERS[kind])
    except ImportError as error:
        raise ConfigError(
            f"destinations of the type {kind} need a library that is not installed",
            subject=config.name,
            hint=f"in a checkout: pipx install --force '.[{kind}]'",
        ) from error
    made: Destination = module.open_destination(config, state=state / "destinations" / config.name, folder=folder)
    return made
