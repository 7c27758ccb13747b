"""The journal of a restore, repair or rescue: what `recover` needs to finish it or to take it back after a power cut.

Before `commit` the target is untouched, and recovery discards what was staged. From `commit` on, all that
is needed lies staged and durable beside the targets, and recovery only goes forward. `back` is a rescue whose
smoke test failed: recovery goes on putting the old files back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from toolkit import durable
from toolkit.display import display
from toolkit.errors import ArchiveDamagedError, FormatError
from toolkit.filelist import decode_name, encode_name
from toolkit.operations.application.services import Command

VERSION = 1
Phase = Literal["staging", "commit", "back"]


class SwapRecord(msgspec.Struct, frozen=True):
    """A database to put in place: its staged files (main first), its path, and the journal of the swap.

    With `keep` what it replaces stays beside it under hidden names until the whole operation is done, so that it can
    be put back; then it is removed, or moved into the folder `kept`, which is beside it too.
    """

    staged: tuple[str, ...]
    target: str
    journal: str
    keep: bool = False
    kept: str = ""


class RestoreJournal(msgspec.Struct, frozen=True, kw_only=True):
    """One operation that is under way. `stages` are the journals of its staging folders, `folders` their paths.

    `databases` are the journals of those that hold databases: discarded after the swaps, never merged. All are
    written down before they are made, so that a stop in between leaves nothing that nobody knows of.
    `remove` is the list of paths that an undo removes, `spare` are sidecars that it puts back, `times` is the list of
    folders that get their time at the end; `stopped` are services to be started again.
    """

    version: int = VERSION
    job: str
    profile: str
    vault: str
    backup: str = ""
    operation: str = "restore"
    safety: str = ""
    phase: Phase = "staging"
    stages: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    swaps: tuple[SwapRecord, ...] = ()
    remove: str = ""
    spare: tuple[str, ...] = ()
    times: str = ""
    stopped: tuple[Command, ...] = ()

    @property
    def what(self) -> str:
        """The operation in words, for people: of which backup, or of which databases."""
        subject = self.backup or ", ".join(display(swap.target) for swap in self.swaps)
        return f"the {self.operation} of {subject}" if subject else f"the {self.operation}"


def folder(state: Path) -> Path:
    """Return where the journals of restores are kept."""
    return state / "restores"


def path_of(state: Path, job: str) -> Path:
    """Return the journal of the restore that `job` makes."""
    return folder(state) / f"{job}.json"


def _names(value: object, change: object) -> object:
    if isinstance(value, dict):
        if value.keys() == {"text", "b64"}:
            return decode_name(value)
        return {key: _names(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_names(item, change) for item in value]
    return encode_name(value) if change is encode_name and isinstance(value, str) else value


def write(path: Path, journal: RestoreJournal) -> None:
    """Make `journal` durable as `path`."""
    with durable.translated(path):
        durable.make_directory(path.parent)
        durable.write_file(path, msgspec.json.encode(_names(msgspec.to_builtins(journal), encode_name)) + b"\n")


def read(path: Path) -> RestoreJournal:
    """Return the journal in the file `path`; raises `ArchiveDamagedError`, `FormatError` for a newer version."""
    with durable.translated(path):
        data = path.read_bytes()
    try:
        journal = msgspec.convert(_names(msgspec.json.decode(data), decode_name), RestoreJournal)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ArchiveDamagedError("the journal of a restore cannot be read", subject=path) from error
    if journal.version > VERSION:
        raise FormatError("the journal is of a newer Lifeboat", subject=path, hint="upgrade Lifeboat")
    return journal


def pending(state: Path) -> list[Path]:
    """Return the journals of operations that did not end, oldest first."""
    found = sorted(folder(state).glob("*.json")) if folder(state).is_dir() else []
    return sorted(found, key=lambda path: path.stat().st_mtime)
