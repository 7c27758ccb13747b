"""A small application on a machine that can be put back as it was, and judged: what is whole, what is true."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.makers import databases, trees
from tests.makers.faults import Ended
from tests.makers.runs import Run, Runs
from toolkit.archive.manifest import Status
from toolkit.vault import catalog, layout, rebuild, store

SIDECARS = ("-wal", "-shm", "-journal")
RECOVER = "tests.faults.drivers:recover"
DRAFTS = (".partial", ".work", ".aside", ".barrier")

State = Mapping[bytes, trees.Print]


@dataclass(frozen=True)
class Machine:
    """Everything of one test lies below `root`: `app` (and what stands beside it), `vault`, `state`, `log`."""

    root: Path
    runs: Runs

    @property
    def app(self) -> Path:
        return self.root / "here" / "app"

    @property
    def database(self) -> Path:
        return self.app / "shop.db"

    @property
    def vault(self) -> Path:
        return self.root / "here" / "vault"

    @property
    def state(self) -> Path:
        return self.root / "here" / "state"

    @property
    def env(self) -> dict[str, str]:
        here = self.root / "here"
        return {
            "LIFEBOAT_VAULT": str(self.vault),
            "STATE_DIRECTORY": str(self.state),
            "LOGS_DIRECTORY": str(here / "log"),
            "LIFEBOAT_LOCK_DIR": str(here / "lock"),
        }

    def lifeboat(self, *arguments: str | os.PathLike[str], **options: Any) -> Ended:
        """Run the command line on this machine; `options` are those of `Runs.start`."""
        return self.start(*arguments, **options).wait()

    def start(self, *arguments: str | os.PathLike[str], **options: Any) -> Run:
        """Start the command line on this machine and return the run."""
        env = {**self.env, **options.pop("env", {})}
        return self.runs.start(*arguments, env=env, **options)

    def recover(self, *, kill_before: int = 0) -> Ended:
        return self.runs.call(RECOVER, kill_before=kill_before, env=self.env)

    def verify(self, word: str | os.PathLike[str] = "latest") -> Ended:
        return self.lifeboat("verify", word)

    def keep(self) -> None:
        """Remember the whole machine as it is now, for `put_back`."""
        shutil.rmtree(self.root / "kept", ignore_errors=True)
        _copy(self.root / "here", self.root / "kept")

    def put_back(self) -> None:
        """Make the whole machine what it was at `keep`."""
        here = self.root / "here"  # may be a mount
        for path in here.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        _copy(f"{self.root}/kept/.", here)

    def print_of_app(self) -> State:
        """All that counts of the application's folder, but when a folder was last written to."""
        return print_of(self.app)

    def print_of_outside(self) -> State:
        """All that counts of what stands beside the application and is none of Lifeboat's."""
        return print_of(self.root / "here" / "beside")

    def backups(self) -> list[tuple[str, str, str]]:
        """(kind, status, error) of every manifest of the vault."""
        if not (self.vault / "vault.json").exists():
            return []
        found = [one.manifest for one in store.load_all(layout.open_vault(self.vault))]
        return sorted((one.kind.value, one.status.value, one.error) for one in found)

    def assert_true_catalog(self) -> None:
        """The catalog says what the manifests say, and these what the archives hold."""
        if not (self.vault / "vault.json").exists():
            return
        vault = layout.open_vault(self.vault)
        found = list(store.load_all(vault))
        assert catalog.differences(vault) == () or not found
        for one in found:
            manifest = one.manifest
            home = store.locate(vault, manifest.id).parent
            beside = [path for path in home.iterdir() if manifest.id in path.name]
            if manifest.status is Status.COMPLETED:
                archive = manifest.archives[0]
                pieces = [home / piece.file for piece in archive.volumes] or [home / archive.file]
                assert rebuild.measure(manifest.id, pieces) == archive
            else:
                assert manifest.status is Status.FAILED
                assert [path.name for path in beside] == [vault.manifest_path(manifest).name]
        for path in vault.path.rglob("*.tar.zst"):
            assert path.with_name(path.name.replace(".tar.zst", ".manifest.json")).exists()

    def assert_nothing_left(self) -> None:
        """No draft, staging folder, barrier or journal of a run that is over lies anywhere."""
        left = [path for path in (self.root / "here").rglob("*") if _is_draft(path) and not self._is_spared(path)]
        assert left == []
        restores = self.state / "restores"
        assert not restores.exists() or list(restores.iterdir()) == []

    def archives(self) -> list[Path]:
        """Every archive in the vault, drafts too."""
        return sorted(path for path in self.vault.rglob("*.tar.zst*"))

    def _is_spared(self, path: Path) -> bool:
        """Journals of jobs have their own broom; drafts in the vault's own folder and in the state's go after a day."""
        shared = path.parent in (self.vault, self.state, self.state / "diagnoses") and path.name.endswith(".partial")
        return shared or self.state / "jobs" in path.parents

    def assert_recovered(self) -> Ended:
        """Recover, then assert that there is nothing left to do; return how the first recovery ended."""
        first = self.recover()
        assert first.code == 0, first.stderr + first.stdout
        assert json.loads(first.stdout)["warnings"] == []
        self.assert_nothing_left()
        self.assert_true_catalog()
        again = self.recover()
        assert (again.code, json.loads(again.stdout)["actions"]) == (0, []), again.stdout
        return first


def print_of(folder: Path) -> State:
    """Return the fingerprint of `folder` without the times of folders: they change with each name in them."""
    found = trees.fingerprint(folder)
    return {name: replace(one, mtime_ns=0) if one.type == "directory" else one for name, one in found.items()}


def _is_draft(path: Path) -> bool:
    return path.name.endswith(DRAFTS) or path.name.startswith(".lifeboat-") or ".aside-" in path.name


def _copy(source: str | Path, target: Path) -> None:
    subprocess.run(["cp", "-a", os.fspath(source), os.fspath(target)], check=True)


def rows(database: Path) -> str:
    """Open a copy of a database as an application would; return a digest of its rows, or `unsound`.

    The copy is of all four files as they stand, so that nothing is changed where they are.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.db"
        for suffix in ("", *SIDECARS):
            path = Path(f"{database}{suffix}")
            if os.path.lexists(path):
                if path.is_symlink():
                    return "unsound"
                shutil.copyfile(path, f"{copy}{suffix}")
        if not copy.exists():
            return "unsound"
        try:
            with databases.opened(copy) as connection:
                if connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                    return "unsound"
                names = [one[0] for one in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")]
                seen = [connection.execute(f'SELECT * FROM "{name}" ORDER BY 1').fetchall() for name in names]
        except sqlite3.DatabaseError:
            return "unsound"
        return hashlib.sha256(repr(seen).encode()).hexdigest() if names else "unsound"


def age(path: Path, seconds: int = 1_700_000_000) -> None:
    """Give everything below `path` an old time, the innermost first."""
    for folder, folders, files in os.walk(path, topdown=False):
        for name in (*files, *folders):
            os.utime(os.path.join(folder, name), (seconds, seconds), follow_symlinks=False)
    os.utime(path, (seconds, seconds))


def make_application(app: Path) -> None:
    """Make the first state of the application, which is backed up."""
    uploads = app / "uploads"
    (uploads / "folder" / "deep").mkdir(parents=True)
    (uploads / "was-folder" / "inner").mkdir(parents=True)
    (uploads / "same").write_bytes(b"the same")
    (uploads / "changed").write_bytes(b"first")
    (uploads / "gone").write_bytes(b"gone later")
    (uploads / "mode").write_bytes(b"mode")
    (uploads / "was-file").write_bytes(b"a file")
    (uploads / "was-folder" / "inner" / "file").write_bytes(b"in a folder")
    (uploads / "folder" / "deep" / "file").write_bytes(b"deep")
    os.link(uploads / "folder" / "deep" / "file", uploads / "folder" / "twin")
    (uploads / "link").symlink_to("same")
    databases.shop(app / "shop.db", orders=40, journal="wal", page_size=1024)
    age(app)


def change_application(app: Path) -> None:
    """Change everything that a restore knows: an uncheckpointed WAL, deletions, clashes of type, new files."""
    uploads = app / "uploads"
    (app / "shop.db").unlink()
    databases.wal(app / "shop.db", orders=50, extra=30)
    (uploads / "changed").write_bytes(b"second, and longer")
    (uploads / "gone").unlink()
    (uploads / "mode").chmod(0o600)
    shutil.rmtree(uploads / "folder")
    (uploads / "was-file").unlink()
    (uploads / "was-file" / "now").mkdir(parents=True)
    (uploads / "was-file" / "now" / "file").write_bytes(b"new below")
    shutil.rmtree(uploads / "was-folder")
    (uploads / "was-folder").write_bytes(b"now a file")
    (uploads / "link").unlink()
    (uploads / "link").symlink_to("changed")
    (uploads / "new").write_bytes(b"came later")
    age(app, 1_750_000_000)
