"""Taking the copies of the databases: consistent ones through SQLite, raw ones of damaged files.

They are taken one after another in a thread of their own, into a private folder; `ready` tells when the
last snapshot is held, so that files are read only after the rows that name them are safe.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from toolkit.archive.manifest import Check, DatabaseRecord, LeftOut
from toolkit.errors import CancelledError, DamageError, LifeboatError, NotADatabaseError
from toolkit.jobs.context import Job
from toolkit.operations.survey import FoundDatabase, Survey
from toolkit.sqlite import check, hotcopy, raw


class TakenCopy(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken of one database: its record for the manifest and the staged files in archive order.

    `files` pairs each staged file with the absolute path of its original (the database, for a raw copy its
    sidecars too); `exports` are staged files with the names that they get beside the database.
    """

    database: FoundDatabase
    record: DatabaseRecord
    files: tuple[tuple[Path, str], ...]
    exports: tuple[tuple[Path, str], ...] = ()
    seconds: float = 0.0
    check_seconds: float = 0.0


class Copies:
    """The copies of all databases of a backup, being taken in the background.

    Iterating waits for each copy in turn. `problems` (read after iterating) are databases that could not
    be taken at all. A failure that is no fault of a single database is raised to whoever iterates.
    """

    def __init__(self, found: Survey, folder: Path, job: Job, *, raw: bool = False) -> None:
        self.problems: list[LeftOut] = []
        self._databases = list(found.databases)
        self._folder = folder
        self._job = job
        self._raw = raw
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._condition = threading.Condition()
        self._taken: list[TakenCopy] = []
        self._done = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="database-copies", daemon=True)
        self._thread.start()

    def wait_for_snapshots(self) -> None:
        """Return when every database's snapshot is held or taken (or failed)."""
        self._ready.wait()

    def close(self) -> None:
        """Stop taking copies and wait until the thread has ended."""
        self._stop.set()
        self._thread.join()

    def __iter__(self) -> Iterator[TakenCopy]:
        """Yield each copy when it is there."""
        index = 0
        while True:
            with self._condition:
                while index >= len(self._taken) and not self._done:
                    self._condition.wait()
                if index >= len(self._taken):
                    break
                copy = self._taken[index]
            index += 1
            yield copy
        if self._error is not None:
            raise self._error

    def _should_stop(self) -> bool:
        return self._stop.is_set() or self._job.should_stop()

    def _run(self) -> None:
        try:
            for number, database in enumerate(self._databases):
                last = number == len(self._databases) - 1
                self._take(database, self._folder / str(number), last=last)
        except BaseException as error:  # noqa: BLE001 -- handed to the thread that iterates
            self._error = error
        finally:
            self._ready.set()
            with self._condition:
                self._done = True
                self._condition.notify_all()

    def _take(self, database: FoundDatabase, folder: Path, *, last: bool) -> None:
        folder.mkdir(mode=0o700)
        try:
            copy = self._raw_copy(database, folder, ()) if self._raw else self._copy(database, folder, last=last)
        except (CancelledError, MemoryError):
            raise
        except LifeboatError as error:
            if error.code in ("no-space", "forbidden") and error.subject and str(folder) in error.subject:
                raise
            self.problems.append(LeftOut(database.entry.path, error.message))
            return
        with self._condition:
            self._taken.append(copy)
            self._condition.notify_all()

    def _copy(self, database: FoundDatabase, folder: Path, *, last: bool) -> TakenCopy:
        staged = folder / "copy.db"
        try:
            report = hotcopy.copy(
                database.path,
                staged,
                timeout=database.source.timeout.total_seconds(),
                should_stop=self._should_stop,
                on_snapshot=self._ready.set if last else _nothing,
            )
            began = time.monotonic()
            checkup = check.check(staged, level="quick")
            checked = time.monotonic() - began
        except NotADatabaseError:
            raise
        except DamageError as error:
            return self._raw_copy(database, folder, (Check(name="copy", ok=False, messages=(error.message,)),))
        if checkup.damaged:
            staged.unlink()
            return self._raw_copy(database, folder, _checks(checkup))
        return TakenCopy(
            database=database,
            record=_record(database, checkup, journal_mode=report.journal_mode),
            files=((staged, database.entry.path),),
            exports=self._exports(database, staged, folder),
            seconds=report.seconds,
            check_seconds=checked,
        )

    def _raw_copy(self, database: FoundDatabase, folder: Path, checks: tuple[Check, ...]) -> TakenCopy:
        taken = raw.raw_copy(database.path, folder, should_stop=self._should_stop)
        main = database.entry.path
        files = tuple((path, main + path.name.removeprefix(database.path.name)) for path in taken.files)
        record = DatabaseRecord(
            name=database.name,
            path=main,
            form="raw",
            damaged=bool(checks),
            size=files[0][0].stat().st_size,
            checks=checks,
        )
        return TakenCopy(database=database, record=record, files=files)

    def _exports(self, database: FoundDatabase, staged: Path, folder: Path) -> tuple[tuple[Path, str], ...]:
        made: list[tuple[Path, str]] = []
        for form in database.source.export:
            target = folder / f"export.{form}"
            from toolkit.sqlite import export

            export.export(staged, target, form.value)
            pieces = sorted(target.iterdir()) if target.is_dir() else [target]
            name = f"{database.entry.path}.{form}"
            made.extend((piece, f"{name}/{piece.name}" if target.is_dir() else name) for piece in pieces)
        return tuple(made)


def _nothing() -> None:
    """Take the news of a snapshot and do nothing."""


def _checks(checkup: check.Checkup) -> tuple[Check, ...]:
    return tuple(Check(name=one.name, ok=one.ok, messages=one.messages[:100]) for one in checkup.checks)


def _record(database: FoundDatabase, checkup: check.Checkup, *, journal_mode: str) -> DatabaseRecord:
    return DatabaseRecord(
        name=database.name,
        path=database.entry.path,
        damaged=checkup.damaged,
        size=checkup.size,
        page_size=checkup.page_size,
        page_count=checkup.page_count,
        user_version=checkup.user_version,
        application_id=checkup.application_id,
        encoding=checkup.encoding,
        journal_mode=journal_mode,
        sqlite_version=checkup.sqlite_version,
        schema_digest=checkup.schema_digest,
        tables=checkup.tables,
        foreign_key_violations=checkup.foreign_key_violations,
        checks=_checks(checkup),
    )
