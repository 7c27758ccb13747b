"""The diagnosis of one database: its bytes, then what SQLite says, then its pages, then what lies around it."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from toolkit.errors import CancelledError, LifeboatError, SourceError
from toolkit.jobs.context import Job
from toolkit.operations.diagnosing import around as findings_around
from toolkit.operations.diagnosing import checks as findings
from toolkit.operations.diagnosing import codes as finding_codes
from toolkit.operations.diagnosing import outline as findings_outline
from toolkit.operations.diagnosing import pages as findings_pages
from toolkit.operations.diagnosing.codes import Finding, make
from toolkit.operations.diagnosing.livecheck import look_at, look_at_copy
from toolkit.operations.diagnosing.livewalk import walk_live, walk_private
from toolkit.profile.model import DatabaseSource
from toolkit.sqlite import check, envelope, locks, outline, probe, raw
from toolkit.sqlite.check import Checkup, Level
from toolkit.sqlite.outline import Outline

STUCK = 2.0
"""Seconds for which somebody keeps a database locked, and writes nothing, until it is said."""

PATIENCE = 4.0
"""Seconds to wait for a lock that is stuck."""

SLOWEST = 20_000_000
"""Bytes a second that a full check reads at least; a database that is larger gets the time that it needs."""

_INSIDE = ("integrity", "rows", "schema", "damaged", "full-text")


@dataclass(slots=True)
class Diagnosis:
    """What was found in one database; `tables` counts rows where they could be counted."""

    found: list[Finding]
    seen: probe.Probe | None = None
    checkup: Checkup | None = None

    @property
    def tables(self) -> dict[str, int | None]:
        """The rows of each table, empty when none could be counted."""
        return self.checkup.tables if self.checkup is not None else {}


class Examination:
    """One database being looked at; `level` `quick` leaves out the walk over pages and the content of indexes."""

    def __init__(self, path: Path, source: DatabaseSource, level: Level, folder: Path, job: Job) -> None:
        self._path = path
        self._where = os.fspath(path)
        self._level = level
        self._folder = folder
        self._job = job
        self._timeout = max(source.timeout.total_seconds(), _size(path) / SLOWEST)

    def diagnosis(self) -> Diagnosis:
        """Look at it. Raises `CancelledError`; everything else that goes wrong is a finding."""
        try:
            outlined = outline.look(self._path)
        except FileNotFoundError:
            return Diagnosis([findings_around.of_absence(self._path)])
        except OSError as error:
            return Diagnosis([make("unreadable", self._where, f"the database cannot be read ({error.strerror})")])
        seen = self._probe()
        around = findings_around.of_surroundings(seen, outlined) if seen is not None else []
        around += self._of_locks()
        result = Diagnosis([], seen)
        if outlined.envelope.kind != "database" and outlined.steady:
            result.found = findings_outline.of_envelope(outlined, self._where)
            return result
        result.found = self._of_bytes(outlined)
        broken = bool(result.found) and any(one.subject == self._where for one in result.found)
        try:
            result.checkup, said = self._of_sqlite(outlined)
            result.found += said
            if self._level == "full":
                result.found += self._of_pages(outlined, result.found)
        except (CancelledError, MemoryError):
            raise
        except LifeboatError as error:
            if not broken:
                result.found.append(findings.of_error(error, self._where))
            else:
                result.found += self._behind(result)
        result.found = [*self._settled(result.found, outlined), *around]
        return result

    def _probe(self) -> probe.Probe | None:
        try:
            return probe.look(self._path)
        except LifeboatError:
            return None

    def _of_locks(self) -> list[Finding]:
        """Say who keeps it locked; where that is everybody's lock, what waits for it does not wait for long."""
        stuck = locks.stuck(self._path, STUCK, should_stop=self._job.should_stop)
        if any(one.everybody for one in stuck):
            self._timeout = min(self._timeout, PATIENCE)
        return findings_around.of_locks(stuck, self._where)

    def _of_bytes(self, outlined: Outline) -> list[Finding]:
        if not outlined.steady:
            return []
        found = findings_outline.of_envelope(outlined, self._where)
        return found + findings_outline.of_sidecars(outlined, self._where)

    def _of_sqlite(self, outlined: Outline) -> tuple[Checkup, list[Finding]]:
        """Return what the checks say; full-text indexes are checked in a private copy, unless it must be quick."""
        checkup = look_at(
            self._path,
            level=self._level,
            folder=self._folder,
            timeout=self._timeout,
            should_stop=self._job.should_stop,
            values=True,
        )
        left_out = ("size",) if outlined.steady else ()
        if self._level != "quick" and any("full-text" in line for line in checkup.skipped):
            checkup = self._with_full_text(checkup)
        return checkup, findings.of_checks(checkup, self._where, leave_out=left_out)

    def _with_full_text(self, checkup: Checkup) -> Checkup:
        try:
            copy = look_at_copy(
                self._path,
                level="quick",
                folder=self._folder,
                timeout=self._timeout,
                should_stop=self._job.should_stop,
            )
        except (CancelledError, MemoryError):
            raise
        except LifeboatError as error:
            unread = (*checkup.skipped, f"no private copy could be made: {error.message}")
            return replace(checkup, skipped=unread)
        more = tuple(one for one in copy.checks if one.name == "fts")
        return replace(checkup, checks=(*checkup.checks, *more), skipped=copy.skipped)

    def _of_pages(self, outlined: Outline, found: list[Finding]) -> list[Finding]:
        waiting = outlined.wal is not None and bool(outlined.wal.replayed)
        hot = outlined.judgement is not None and outlined.judgement.standing in ("hot", "stale")
        walked, certain = walk_live(
            self._path,
            whole=outlined.steady and not waiting and not hot,
            folder=self._folder,
            timeout=self._timeout,
            should_stop=self._job.should_stop,
        )
        if not certain and not any(one.code in _INSIDE for one in found):
            return [make("not-checked", self._where, evidence=("the pages: no copy at rest could be had",))]
        known = {one.code for one in found}
        return [
            one for one in findings_pages.of_pages(walked, self._where) if one.code not in known or one.code != "size"
        ]

    def _behind(self, result: Diagnosis) -> list[Finding]:
        """Mend what lies around the pages in a private copy, and say what else is wrong there."""
        with tempfile.TemporaryDirectory(dir=self._folder) as private:
            try:
                raw.raw_copy(self._path, Path(private), should_stop=self._job.should_stop)
                source, mended = Path(private, self._path.name), Path(private, "mended.db")
                done = envelope.mend(source, mended)
                if not done.now.sound:
                    return []
                result.checkup = check.check(mended, level=self._level, values=True, should_stop=self._job.should_stop)
            except (CancelledError, MemoryError):
                raise
            except (LifeboatError, OSError):
                return []
            more = findings.of_checks(result.checkup, self._where, leave_out=("size", "sidecars"))
            if self._level == "full":
                more += findings_pages.of_pages(walk_private(mended, self._job.should_stop), self._where)
        return more

    def _settled(self, found: list[Finding], outlined: Outline) -> list[Finding]:
        """Ask, where damage shows through a journal, whether the file is sound without it: then it is not its own."""
        codes = {one.code for one in found}
        if not codes & set(_INSIDE) or codes & {"wal-foreign", "journal-foreign", "journal-header"}:
            return found
        waiting = outlined.wal is not None and outlined.wal.replayed
        hot = outlined.judgement is not None and outlined.judgement.standing == "hot"
        if not outlined.steady or not (waiting or hot) or not self._sound_alone():
            return found
        code, suffix = ("wal-foreign", "-wal") if waiting else ("journal-foreign", "-journal")
        lines = tuple(one.message for one in found if one.code in _INSIDE)
        evidence = ("without it the database is sound", *lines)
        own = make(code, self._where, subject=f"{self._where}{suffix}", evidence=evidence)
        return [own, *(one for one in found if one.code not in (*_INSIDE, *finding_codes.GROUPS["Pages"]))]

    def _sound_alone(self) -> bool:
        """Answer whether the main file alone passes `quick_check`, in a private copy."""
        with tempfile.TemporaryDirectory(dir=self._folder) as private:
            try:
                raw.raw_copy(self._path, Path(private), should_stop=self._job.should_stop)
            except SourceError:
                return False
            return not check.quick_check(Path(private, self._path.name))


def _size(path: Path) -> int:
    """Return the size of a file in bytes, 0 when it is not there."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
