"""Taking the copies of the databases: consistent ones through SQLite, raw ones of damaged files.

They are taken one after another in a thread of their own, into a private folder; `ready` tells when the
last snapshot is held, so that files are read only after the rows that name them are safe. A large copy is
checked while it goes into the archive already: it is nearly always sound, and a check takes as long as that.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec

from toolkit.archive.manifest import Check, DatabaseRecord, LeftOut
from toolkit.errors import CancelledError, DamageError, LifeboatError, NotADatabaseError
from toolkit.jobs.context import Job
from toolkit.operations.taking.survey import FoundDatabase, Survey
from toolkit.sqlite import check, hotcopy, raw


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the check of a copy said: the record for the manifest, and exports with the names that they get."""

    record: DatabaseRecord
    exports: tuple[tuple[Path, str], ...] = ()
    check_seconds: float = 0.0


class TakenCopy(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken of one database: the staged files in archive order, and the outcome of their check.

    `files` pairs each staged file with the absolute path of its original (the database, for a raw copy its
    sidecars too). `outcome` may come later than the files; its result raises `DamagedCopyError`.
    """

    database: FoundDatabase
    files: tuple[tuple[Path, str], ...]
    outcome: Future[Outcome]
    seconds: float = 0.0


class DamagedCopyError(Exception):
    """Copies that were on their way into an archive are damaged, or cannot be checked.

    `known` has by path what was found out of the damaged ones, the rows of the tables that can be read among it. The
    archive is to be begun again with `Copies(known=…)`, which takes these bit for bit.
    """

    def __init__(self, known: Mapping[str, DatabaseRecord]) -> None:
        super().__init__(*known)
        self.known = dict(known)


def _done(outcome: Outcome) -> Future[Outcome]:
    future: Future[Outcome] = Future()
    future.set_result(outcome)
    return future


class Copies:
    """The copies of all databases of a backup, being taken in the background.

    Iterating waits for each copy in turn. `problems` (read after iterating) are databases that could not
    be taken at all. A failure that is no fault of a single database is raised to whoever iterates. With `raw`
    all are taken bit for bit; with `known` those that it names, and all others are checked before they are yielded.
    """

    def __init__(
        self,
        found: Survey,
        folder: Path,
        job: Job,
        *,
        raw: bool = False,
        known: Mapping[str, DatabaseRecord] | None = None,
    ) -> None:
        self.problems: list[LeftOut] = []
        self._databases = list(found.databases)
        self._folder = folder
        self._job = job
        self._raw = raw
        self._careful = known is not None
        self._known = known or {}
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._condition = threading.Condition()
        self._taken: list[TakenCopy] = []
        self._done = False
        self._error: BaseException | None = None
        self._checks = ThreadPoolExecutor(1, "database-checks")
        self._thread = threading.Thread(target=self._run, name="database-copies", daemon=True)
        self._thread.start()

    def wait_for_snapshots(self) -> None:
        """Return when every database's snapshot is held or taken (or failed)."""
        self._ready.wait()

    def close(self) -> None:
        """Stop taking and checking copies and wait until the threads have ended."""
        self._stop.set()
        self._thread.join()
        self._checks.shutdown(cancel_futures=True)

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
        known = self._known.get(database.entry.path)
        try:
            raw = self._raw or known is not None
            copy = self._raw_copy(database, folder, known) if raw else self._copy(database, folder, last=last)
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
        except NotADatabaseError as error:
            if not _has_bytes(database.path):
                raise
            return self._raw_copy(database, folder, uncounted(database.entry.path, _failed("header", error)))
        except DamageError as error:
            return self._raw_copy(database, folder, uncounted(database.entry.path, _failed("copy", error)))
        outcome = self._checks.submit(self._check, database, staged, report.journal_mode)
        if self._careful or report.bytes < check.LARGE:
            try:
                outcome.result()
            except DamagedCopyError as damage:
                staged.unlink()
                return self._raw_copy(database, folder, damage.known[database.entry.path])
        files = ((staged, database.entry.path),)
        return TakenCopy(database=database, files=files, outcome=outcome, seconds=report.seconds)

    def _check(self, database: FoundDatabase, staged: Path, journal_mode: str) -> Outcome:
        """Check a copy and make its exports; raises `DamagedCopyError` when it is not sound."""
        began = time.monotonic()
        try:
            checkup = check.check(staged, level="quick", should_stop=self._should_stop)
        except NotADatabaseError:
            raise
        except DamageError as error:
            path = database.entry.path
            raise DamagedCopyError({path: uncounted(path, _failed("copy", error))}) from error
        record = _record(database, checkup, journal_mode=journal_mode)
        if record.damaged:
            raise DamagedCopyError({record.path: record})
        return Outcome(
            record=record,
            exports=self._exports(database, staged, staged.parent),
            check_seconds=time.monotonic() - began,
        )

    def _raw_copy(self, database: FoundDatabase, folder: Path, known: DatabaseRecord | None) -> TakenCopy:
        taken = raw.raw_copy(database.path, folder, should_stop=self._should_stop)
        main = database.entry.path
        files = tuple((path, main + path.name.removeprefix(database.path.name)) for path in taken.files)
        size = files[0][0].stat().st_size
        told = known or DatabaseRecord(name=database.name, path=main)
        record = msgspec.structs.replace(told, name=database.name, form="raw", size=size)
        return TakenCopy(database=database, files=files, outcome=_done(Outcome(record=record)))

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


def _has_bytes(path: Path) -> bool:
    """Say whether there is a file to keep, whatever its header says: a damaged one is all that is left of its rows."""
    return path.is_file() and path.stat().st_size > 0


def uncounted(path: str, *checks: Check) -> DatabaseRecord:
    """Return what is known of a damaged database of which nothing could be counted."""
    return DatabaseRecord(name="", path=path, damaged=True, checks=checks)


def _failed(name: str, error: LifeboatError) -> Check:
    return Check(name=name, ok=False, messages=(error.message,))


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
        free_pages=checkup.free_pages,
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
