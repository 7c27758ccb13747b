"""Where a repair works and what it leaves: private folders, names in `recovery/`, the report beside the output."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from toolkit import durable
from toolkit.errors import LifeboatError, RefusedError, SpaceError
from toolkit.filelist import encode_name
from toolkit.jobs.context import Job
from toolkit.operations import scratch
from toolkit.operations.restoring import journal as restore_journal
from toolkit.operations.restoring.journal import RestoreJournal
from toolkit.operations.scratch import private_folder
from toolkit.operations.session import Session
from toolkit.profile.adhoc import slug
from toolkit.sqlite.raw import raw_copy
from toolkit.tree.scan import STAGING_PREFIX
from toolkit.vault import layout

REPORT = ".report.json"
COPIES = 4
"""How often the size of a database is needed in a working folder: the copy, the engine's own, a backup, the result."""


def recovery_folder(session: Session) -> Path:
    """Return the vault's folder `recovery/`, made when absent; raises `StorageError`."""
    vault = session.vault
    return vault.make_folder(vault.recovery)


def free_name(folder: Path, word: str, database: str | Path, ending: str, now: datetime) -> Path:
    """Return an unused path in `folder`: `WORD_NAME_TIMESTAMP` and the ending."""
    name = slug(os.path.basename(os.fspath(database)).removesuffix(".db"))
    stem = f"{word}_{name}_{now:%Y%m%dT%H%M%SZ}"
    number = 1
    while os.path.lexists(found := folder / f"{stem}{f'-{number}' if number > 1 else ''}{ending}"):
        number += 1
    return found


def keep_files(session: Session, word: str, database: str, *, source: str = "") -> Path:
    """Copy a database with its sidecars bit for bit into a new folder of `recovery/`; return the folder.

    `source` is where they can be read if not under their name. Raises `StorageError` and what `raw_copy` raises.
    """
    folder = free_name(recovery_folder(session), word, database, "", session.now())
    durable.make_directory(folder)
    raw_copy(Path(source or database), folder, follow=not source)
    return folder


def report_path(output: Path) -> Path:
    """Return where the report of a repaired file goes."""
    return output.with_name(f"{output.name}{REPORT}")


def refuse_existing(output: Path) -> None:
    """Raise `RefusedError` when something has the name of the output or of its report.

    A report alone, of a repair that was stopped before its output had its name, is written anew.
    """
    for path in (output, report_path(output)):
        if os.path.lexists(path) and not (path != output and _is_report_of(path, output)):
            raise RefusedError("something has this name already", subject=path, hint="give another --output")


def _is_report_of(path: Path, output: Path) -> bool:
    try:
        fields: Any = msgspec.json.decode(path.read_bytes())
        return "lifeboat_report" in fields and fields["output"] == encode_name(str(output))
    except (OSError, msgspec.DecodeError, TypeError, KeyError):
        return False


def write_report(path: Path, fields: dict[str, object], work: Path) -> None:
    """Write the machine-readable report, 0600, durably, by way of the private folder `work`."""
    data = msgspec.json.format(msgspec.json.encode(fields), indent=1) + b"\n"
    begun = work / f"report-{secrets.token_hex(4)}.json"
    with durable.translated(path):
        durable.write_file(begun, data)
        try:
            durable.rename(begun, path)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            durable.write_file(path, data)


def give_name(made: Path, output: Path) -> None:
    """Give the private file `made` the name `output` on the same file system, 0600, durably.

    Raises `RefusedError` when somebody took the name meanwhile, `StorageError`.
    """
    with durable.translated(output):
        made.chmod(0o600)
        with made.open("rb") as file:
            durable.sync_file(file)
        if os.path.lexists(output):
            raise RefusedError("something has this name by now", subject=output, hint="give another --output")
        durable.rename(made, output)


@contextlib.contextmanager
def beside(session: Session, parent: Path, job: Job, profile: str) -> Iterator[Path]:
    """Give a private folder on the file system of `parent`, in it; the next run removes it when this one is killed."""
    folder = parent / f"{STAGING_PREFIX}{job.id}-work"
    journal = RestoreJournal(
        job=job.id,
        profile=profile,
        vault=str(session.vault_path),
        operation="repair",
        folders=(str(folder),),
    )
    path = restore_journal.path_of(session.state, job.id)
    restore_journal.write(path, journal)
    try:
        with durable.translated(folder):
            durable.make_directory(folder)
        yield folder
    finally:
        scratch.drop(folder)
        durable.remove(path)


@contextlib.contextmanager
def somewhere(session: Session, job: Job, needed: int) -> Iterator[Path]:
    """Give a private folder with room for `needed` bytes: in the vault, else a temporary one.

    Raises `SpaceError` with the bytes needed where neither has it.
    """
    with contextlib.ExitStack() as stack:
        folder = None
        with contextlib.suppress(LifeboatError):
            vault = layout.open_vault(session.vault_path)
            durable.require_space(vault.path, needed)
            folder = stack.enter_context(private_folder(vault, f"repair-{job.id}"))
        if folder is None:
            temporary = Path(tempfile.gettempdir())
            free = durable.free_bytes(temporary)
            needed += durable.RESERVE
            if needed > free:
                raise SpaceError(
                    f"too little space to work on a copy: {needed:,} bytes needed, {free:,} free",
                    subject=temporary,
                    hint="free some space, use a vault with room (--vault), or set TMPDIR",
                    needed=needed,
                    free=free,
                )
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lifeboat-")))
        yield folder


def size_of(path: str | Path) -> int:
    """Return the bytes of a database with its sidecars, 0 for none."""
    total = 0
    for suffix in ("", "-wal", "-journal"):
        with contextlib.suppress(OSError):
            total += os.stat(f"{os.fspath(path)}{suffix}").st_size
    return total
