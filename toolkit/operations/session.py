"""What every operation works in: the configuration, the vault, the places, who we are, and the clock."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from toolkit.jobs.context import Job
from toolkit.jobs.lock import Locks
from toolkit.operations import scratch
from toolkit.operations.report import Notice
from toolkit.profile import load, locations
from toolkit.profile.model import Config, Profile
from toolkit.profile.secret import Secret
from toolkit.vault import layout, recover
from toolkit.vault.layout import Vault


def utc_now() -> datetime:
    """Return the time now, aware, in UTC."""
    return datetime.now(UTC)


class Session:
    """The setting of one run.

    Nothing is read or made before it is needed: the vault is opened at the first look and made by the
    first backup. `lock_wait` is how many seconds to wait for another run (0: not at all). `said` is what the words of
    the command line turned out to mean and should be told; it goes to the warnings of the report.
    `identity` is an age identity that was given for this run.
    """

    def __init__(
        self,
        config: Config,
        *,
        environ: Mapping[str, str],
        uid: int,
        lock_wait: float = 0.0,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.config = config
        self.environ = environ
        self.uid = uid
        self.lock_wait = lock_wait
        self.now = now
        self.said: list[Notice] = []
        self.identity: Secret | None = None

    @property
    def vault_path(self) -> Path:
        """Where the vault is or will be."""
        return self.config.vault.path

    @cached_property
    def vault(self) -> Vault:
        """The vault; made when it is not there."""
        return layout.create_vault(self.vault_path, group=self.config.vault.group)

    @property
    def existing_vault(self) -> Vault:
        """The vault, for reading; raises `NotFoundError` when there is none."""
        return layout.open_vault(self.vault_path)

    @property
    def host(self) -> str:
        """The name of this machine."""
        return socket.gethostname()

    @cached_property
    def user(self) -> str:
        """The name of the user who runs this."""
        import pwd

        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)

    @property
    def state(self) -> Path:
        """The folder of journals and the health file."""
        return locations.state_directory(self.environ, self.uid)

    @property
    def log(self) -> Path:
        """The folder of the audit log."""
        return locations.log_directory(self.environ, self.uid)

    @property
    def private_folders(self) -> tuple[Path, ...]:
        """Lifeboat's own folders, which are in no backup."""
        return (self.vault_path, self.state / "jobs")

    def profile(self, name: str) -> Profile:
        """Return the profile of the configuration; raises `ProfileNotFoundError`."""
        return self.config.profile(name)

    def known_profile(self, name: str) -> Profile | None:
        """Return the profile of the configuration, or None for backups of paths."""
        return next((profile for profile in self.config.profiles if profile.name == name), None)

    @contextlib.contextmanager
    def hold(self, name: str, operation: str, job: Job) -> Iterator[None]:
        """Hold the lock of the profile `name` in this vault; raises `LockedError` after `lock_wait`."""
        with self.hold_keys((f"{os.path.realpath(self.vault_path)}/{name}",), f"{operation} of {name}", job):
            yield

    @contextlib.contextmanager
    def hold_keys(self, keys: tuple[str, ...], operation: str, job: Job) -> Iterator[None]:
        """Hold the locks of all `keys` (real paths), taken in one order by everybody."""
        locks = Locks(keys, locations.make_lock_directory(self.environ, self.uid))
        with locks.acquire(operation=operation, job=job.id, wait=self.lock_wait, should_stop=job.should_stop):
            yield

    def recover(self, name: str, job: Job) -> list[str]:
        """Settle what a run of the profile `name` that is gone left in the vault; returns what was done, in words.

        The profile's lock is held, so no job of the profile but our own can be alive.
        """
        done = recover.recover(
            self.vault,
            now=self.now(),
            alive=lambda running: running == job.id,
            profile=name,
            keep_trash=self.config.vault.trash,
        )
        scratch.sweep(self.vault)
        for action in done.actions:
            job.log("info", "recovered", action)
        for unreadable in done.unreadable:
            job.log("warning", "unreadable", unreadable)
        return list(done.actions)


def open_session(
    *,
    config: Path | None = None,
    vault: Path | None = None,
    lock_wait: float = 0.0,
    environ: Mapping[str, str] | None = None,
    now: Callable[[], datetime] = utc_now,
) -> Session:
    """Read the configuration and return the session; `vault` wins over it and over LIFEBOAT_VAULT.

    Raises `ConfigError` with every problem of the files.
    """
    given = os.environ if environ is None else environ
    loaded = load.load(config, environ=given, uid=os.getuid(), vault=vault)
    return Session(loaded, environ=given, uid=os.getuid(), lock_wait=lock_wait, now=now)


def default_session(*, vault: Path | None = None, lock_wait: float = 0.0) -> Session:
    """Return the session of a machine without a configuration, for looking about where the one there is wrong."""
    loaded = load.defaults(os.environ, vault=vault)
    return Session(loaded, environ=os.environ, uid=os.getuid(), lock_wait=lock_wait)


def bug_report_folder() -> Path:
    """Return where reports of bugs are written."""
    return locations.state_directory(os.environ, os.getuid()) / "bugs"
