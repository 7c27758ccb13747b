"""What is to be restored and where, and what becomes of files that are others at the target."""

from __future__ import annotations

import enum
from pathlib import Path

import msgspec

from toolkit.operations.archiving import StoredBackup


class OnConflict(enum.StrEnum):
    """What becomes of a file whose content at the target is another one."""

    ASK = "ask"
    REPLACE = "replace"
    SKIP = "skip"
    RENAME = "rename"
    NEWER = "newer"


class RestoreRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to restore and where; `to` None means in place. `decisions` are choices by target path.

    With `exact`, for undo, a file that is the same but for its time is written too. `mapping` are the options that say
    what of another machine is where here (see `relocation`).
    """

    backup: StoredBackup
    to: Path | None = None
    only: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()
    on_conflict: OnConflict = OnConflict.ASK
    decisions: dict[str, OnConflict] = {}
    services: bool = True
    assume_unused: bool = False
    exact: bool = False
    mapping: tuple[str, ...] = ()

    @property
    def in_place(self) -> bool:
        """Whether things go back to where they were."""
        return self.to is None
