"""What is known of uploads that are not done: tries, the next one, the last error. One small file for each.

That an upload is wanted is in the backup's manifest (a copy without `when`, status `uploading`), so nothing here
can be lost that matters: without its file an upload is simply due. `STATE/uploads/VAULT/DESTINATION/BACKUP/` holds
the record, the bookmarks of transfers that were cut, and the manifest on its way. It goes when the copy is made.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.errors import LifeboatError

FIRST_PAUSE = timedelta(minutes=10)
LONGEST_PAUSE = timedelta(hours=12)
TRIES = 20
"""After so many failures in a row `sync` gives up: with the pauses that is more than a week."""

RECORD = "upload.json"
BOOKMARK = ".bookmark"


class Upload(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One copy that is still to be made. `next` is None when it is due; `gave_up` says that nobody tries any more."""

    tries: int = 0
    first: datetime | None = None
    last: datetime | None = None
    next: datetime | None = None
    code: str = ""
    error: str = ""
    hint: str = ""
    gave_up: bool = False

    def due(self, now: datetime) -> bool:
        """Say whether it should be tried now; a clock that went back never holds it up."""
        return not self.gave_up and (self.next is None or now >= self.next or now < (self.last or now))

    def failed(self, error: LifeboatError, now: datetime) -> Upload:
        """Return it after one more failure: the pauses double, and after `TRIES` it gives up."""
        tries = self.tries + 1
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(tries - 1, 20))
        return Upload(
            tries=tries,
            first=self.first or now,
            last=now,
            next=now + pause,
            code=error.code,
            error=error.message,
            hint=error.hint or "",
            gave_up=tries >= TRIES,
        )


class Queue:
    """The folder of uploads of one vault to one destination in the state directory."""

    def __init__(self, state: Path, vault: Path, destination: str) -> None:
        mark = hashlib.sha256(os.fsencode(os.path.realpath(vault))).hexdigest()[:8]
        self.folder = state / "uploads" / mark / destination

    def known(self) -> tuple[str, ...]:
        """Return the ids of the backups that have a folder here."""
        try:
            return tuple(sorted(path.name for path in self.folder.iterdir() if path.is_dir()))
        except FileNotFoundError:
            return ()

    def of(self, backup_id: str) -> Path:
        """Return the folder of one upload, made if absent; raises what `durable.translate` says."""
        folder = self.folder / backup_id
        with durable.translated(folder):
            durable.make_directory(folder)
        return folder

    def load(self, backup_id: str) -> Upload:
        """Return what is known of an upload; one that nobody can read is due."""
        try:
            return msgspec.json.decode((self.folder / backup_id / RECORD).read_bytes(), type=Upload)
        except (OSError, msgspec.DecodeError):
            return Upload()

    def save(self, backup_id: str, upload: Upload) -> None:
        """Keep what is known of an upload, durably."""
        path = self.of(backup_id) / RECORD
        with durable.translated(path):
            durable.write_file(path, msgspec.json.encode(upload))

    def begin_again(self, code: str) -> int:
        """Make every upload due that failed last with the error `code`, also those given up; return how many."""
        found = [backup_id for backup_id in self.known() if self.load(backup_id).code == code]
        for backup_id in found:
            self.save(backup_id, Upload())
        return len(found)

    def forget(self, backup_id: str) -> None:
        """Remove the folder of an upload that is done or will never be."""
        folder = self.folder / backup_id
        with durable.translated(folder):
            for path in sorted(folder.glob("*")) + sorted(folder.glob(".*")):
                durable.remove(path)
            if folder.is_dir():
                durable.on_step("rmdir", str(folder))
                with contextlib.suppress(FileNotFoundError):
                    folder.rmdir()
