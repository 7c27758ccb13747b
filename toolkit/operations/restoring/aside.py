"""The safety set where the vault has no room: damaged files moved aside within their own file system.

They lie in `.lifeboat-JOB-kept` beside the database, under their own names, which no backup walks into. What
`undo` needs to know is a record in `STATE/aside/`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.errors import ArchiveDamagedError, LifeboatError
from toolkit.filelist import decode_name, encode_name
from toolkit.operations.restoring.journal import RestoreJournal, SwapRecord
from toolkit.operations.restoring.plan import SIDECARS
from toolkit.operations.session import Session
from toolkit.tree.scan import STAGING_PREFIX


class KeptDatabase(msgspec.Struct, frozen=True):
    """One database that was replaced: its path, and where its old files lie (main file first, empty for none)."""

    target: str
    folder: str


class AsideRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What one repair or rescue moved aside. When it was put back, its files are not there any more."""

    job: str
    profile: str
    operation: str
    finished: datetime
    databases: tuple[KeptDatabase, ...] = ()

    def files(self, kept: KeptDatabase) -> tuple[Path, ...]:
        """Return the old files of `kept` that are still there, main file first; none without a main file.

        Sidecars of a database that was gone itself stay where they are: under its name they would be replayed.
        """
        stem = os.path.join(kept.folder, os.path.basename(kept.target))
        if not os.path.lexists(stem):
            return ()
        return tuple(Path(stem + suffix) for suffix in ("", *SIDECARS) if os.path.lexists(stem + suffix))


def kept_folder(target: str, job: str, number: int) -> Path:
    """Return the folder beside `target` into which the job `job` moves what it replaces."""
    return Path(os.path.dirname(target)) / f"{STAGING_PREFIX}{job}-kept-{number}"


def folder(state: Path) -> Path:
    """Return where the records are."""
    return state / "aside"


def record(session: Session, journal: RestoreJournal) -> None:
    """Write down, durably, what the swaps of `journal` keep in folders beside the databases, if they do; idempotent."""
    kept = [swap for swap in journal.swaps if swap.kept]
    if kept:
        path = folder(session.state) / f"{journal.job}.json"
        if not path.exists():
            write(session, _record(session, journal, kept))


def _record(session: Session, journal: RestoreJournal, kept: list[SwapRecord]) -> AsideRecord:
    return AsideRecord(
        job=journal.job,
        profile=journal.profile,
        operation=journal.operation,
        finished=session.now(),
        databases=tuple(KeptDatabase(one.target, one.kept) for one in kept),
    )


def write(session: Session, kept: AsideRecord) -> None:
    """Make `kept` durable."""
    path = folder(session.state) / f"{kept.job}.json"
    fields = msgspec.to_builtins(kept)
    for row in fields["databases"]:
        row["target"], row["folder"] = encode_name(row["target"]), encode_name(row["folder"])
    with durable.translated(path):
        durable.make_directory(path.parent)
        durable.write_file(path, msgspec.json.encode(fields) + b"\n")


def read(path: Path) -> AsideRecord:
    """Return the record in the file `path`; raises `ArchiveDamagedError`."""
    with durable.translated(path):
        data = path.read_bytes()
    try:
        fields = msgspec.json.decode(data)
        for row in fields["databases"]:
            row["target"], row["folder"] = decode_name(row["target"]), decode_name(row["folder"])
        return msgspec.convert(fields, AsideRecord)
    except (msgspec.DecodeError, msgspec.ValidationError, KeyError, TypeError) as error:
        raise ArchiveDamagedError("the record of what was moved aside cannot be read", subject=path) from error


def records(session: Session) -> Iterator[AsideRecord]:
    """Yield the records whose files can still be put back."""
    for path in sorted(folder(session.state).glob("*.json")) if folder(session.state).is_dir() else []:
        try:
            found = read(path)
        except LifeboatError:
            continue
        if any(found.files(kept) for kept in found.databases):
            yield found
