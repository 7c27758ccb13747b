"""An application on disk, and backups of it made by the real operation, at times that the test chooses."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from tests.makers import databases
from toolkit.events import Outcome
from toolkit.jobs.context import Job
from toolkit.operations import backup
from toolkit.operations.session import Session, open_session
from toolkit.operations.targets import profiles

START = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
Answer = TypeVar("Answer")


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    at: datetime = START

    def __call__(self) -> datetime:
        """Return the time."""
        return self.at

    def move(self, **step: float) -> None:
        """Go on by a `timedelta` of `step`."""
        self.at += timedelta(**step)


@dataclass
class Shop:
    """A small application below `root`: a database, uploads, a vault of its own beside it, and a clock."""

    root: Path
    vault: Path
    clock: Clock = field(default_factory=Clock)
    config: Path | None = None

    @property
    def database(self) -> Path:
        """The database."""
        return self.root / "shop.db"

    @property
    def uploads(self) -> Path:
        """The folder of uploads."""
        return self.root / "uploads"

    def session(self) -> Session:
        """Return a fresh session, as each command has one."""
        return open_session(config=self.config, vault=self.vault, now=self.clock)

    def execute(self, sql: str) -> None:
        """Change the database as the application would."""
        with databases.opened(self.database) as connection:
            connection.execute(sql)

    def job(self, operation: str, body: Callable[[Session, Job], Answer]) -> Answer:
        """Run `body` as a job."""
        session = self.session()
        job = Job.open(session.state / "jobs", operation)
        with job:
            result = body(session, job)
            job.finish(Outcome.OK, exit=0)
        return result

    def back_up(self, *words: str, **options: Any) -> backup.BackupRow:
        """Back up the whole application (or the profile named); return what was made, and move the clock on."""
        named = words or (() if self.config else (str(self.root),))

        def body(session: Session, job: Job) -> backup.BackupReport:
            request = backup.BackupRequest(profiles=profiles(session, named), **options)
            return backup.run(session, request, job)

        report = self.job("backup", body)
        self.clock.move(hours=1)
        return report.backups[0]


def shop(folder: Path, **options: Any) -> Shop:
    """Make a shop below `folder` with two uploads; `options` are those of `databases.shop`."""
    made = Shop(folder / "shop", folder / "vault")
    made.uploads.mkdir(parents=True)
    databases.shop(made.database, **options)
    for name, text in (("logo.png", "a logo"), ("report.txt", "one")):
        (made.uploads / name).write_text(text)
        os.utime(made.uploads / name, (1_790_000_000, 1_790_000_000))
    return made


def configured(made: Shop, text: str) -> Shop:
    """Give the shop a configuration: the profile `shop`, with `text` (YAML, not indented) as its settings."""
    made.config = made.root.parent / "config.yaml"
    lines = "".join(f"    {line}\n" for line in text.strip().splitlines())
    made.config.write_text(f"vault: {{path: {made.vault}}}\nprofiles:\n  shop:\n{lines}")
    return made


def names_below(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return every name below `folder` with its inode, size and mtime: equal means that nothing was touched."""
    found = {}
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(place, name)
            status = os.lstat(path)
            found[path] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return found
