"""What a person can choose before a restore: what of the backup, where to, and how much room there is."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

import msgspec

from toolkit import durable
from toolkit.archive.manifest import Manifest
from toolkit.errors import LifeboatError
from toolkit.filelist import Section
from toolkit.operations.session import Session

PLANS = "plans"
_WEEK = 7 * 86400
_GLOB = frozenset("\\*?[")


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be restored and where: parts of a backup (none: all of it) to a folder, or in place."""

    backup: str
    only: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()
    to: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the command after `lifeboat`, without the plan file and what confirms it."""
        words = ["restore", self.backup]
        for name in self.databases:
            words += ["--database", name]
        for glob in self.only:
            words += ["--only", glob]
        return (*words, *(("--to", self.to) if self.to else ()))


def only_this(path: str, *, folder: bool = False) -> str:
    """Return the glob for `--only` that picks this one path, whatever its name, or with `folder` all that is in it."""
    glob = "".join(f"\\{char}" if char in _GLOB else char for char in path)
    return f"{glob.rstrip('/')}/" if folder else glob


def beside(manifest: Manifest) -> Path:
    """Return a folder for a restore beside the live data: beside its first source, inside none, not there yet."""
    sources = [one.path for one in manifest.sources if one.section is not Section.GIT and one.path.startswith("/")]
    databases = [one.path for one in manifest.databases]
    first = (*databases, *sources, "/var/tmp/x")[0]  # noqa: S108 - a neighbour, never written as such
    folder = os.path.dirname(first.rstrip("/")) or "/"
    while any(_within(folder, source) for source in sources) and folder != "/":
        folder = os.path.dirname(folder)
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    name = f"{manifest.profile}.restored-{manifest.id}"
    taken = (f"{folder.rstrip('/')}/{name}{ending}" for ending in ("", *(f"-{number}" for number in range(2, 1000))))
    return Path(next(one for one in taken if not os.path.lexists(one)))


def _within(path: str, source: str) -> bool:
    return f"{path}/".startswith(source.rstrip("/") + "/")


def room(path: str) -> int | None:
    """Return the bytes that are free where `path` is or will be; None when that cannot be seen."""
    try:
        return durable.free_bytes(Path(path))
    except LifeboatError:
        return None


def new_plan_file(session: Session) -> Path:
    """Return a new name for a plan file in the state folder, private; those of more than a week ago go.

    Raises `StorageError` or `ForbiddenError` when the folder cannot be made.
    """
    folder = session.state / PLANS
    durable.make_directory(folder)
    for path in folder.glob("restore-*.json"):
        if time.time() - path.stat().st_mtime > _WEEK:
            durable.remove(path)
    return folder / f"restore-{secrets.token_hex(4)}.json"
