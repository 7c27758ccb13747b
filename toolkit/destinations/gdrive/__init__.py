"""Google Drive, through Google's own client: the only place that imports it.

`destination` is the whole of it behind the interface; `credentials`, `signin` and `doctor` are what a person
meets first. docs/decisions/0016 says why these libraries, and what of them is not relied on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from toolkit.destinations.base import Destination
    from toolkit.profile.model import GoogleDrive


def open_destination(config: GoogleDrive, *, state: Path, folder: str) -> Destination:
    """Return the destination that `config` describes; `folder`, an id or a name, is read in place of its own."""
    from toolkit.destinations.gdrive.destination import GoogleDriveDestination

    return GoogleDriveDestination(config, state=state, folder=folder)
