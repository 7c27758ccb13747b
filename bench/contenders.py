"""The ways that are compared, each with the same few verbs: prepare, back up, verify, restore.

Every one gets a new store for every run, made outside the timing. Restic and borg read the live files. Restic always
encrypts and has its ordinary cache in a private folder; borg is measured as its quick start has it, with the zstd
level that the plain way and Lifeboat use, and once more at its fastest: no encryption, lz4.
"""

# ruff: noqa: D102 - the base class says what each verb does

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

import machine
import measuring
from measuring import Cost

SHELL = ["bash", "-o", "pipefail", "-ec"]


class Contender:
    """One way to back up the folder `source`; all that it writes lies below `work`."""

    name = ""
    consistent = True

    def __init__(self, source: Path, work: Path) -> None:
        self.source = source
        self.work = work
        self.store = work / "store"
        self.target = work / "restored"
        self.env = {**os.environ, "HOME": str(work / "home"), "LC_ALL": "C.UTF-8"}
        self.watch = False
        self.parts: list[dict[str, float]] = []
        self.restore_parts: list[dict[str, float]] = []

    def run(self, command: Sequence[str], *, cwd: Path | None = None, accept: Sequence[int] = (0,)) -> Cost:
        """Run one command of this way."""
        return measuring.run(command, env=self.env, cwd=cwd, accept=accept, watch=self.watch)

    def shell(self, text: str, **values: Path) -> Cost:
        """Run a shell pipeline with quoted paths."""
        quoted = {name: shlex.quote(str(value)) for name, value in values.items()}
        return self.run([*SHELL, text.format(**quoted)])

    def prepare(self) -> None:
        """Make a new, empty store."""
        self.clear()
        (self.work / "home").mkdir(parents=True)

    def clear(self) -> None:
        """Remove everything that this way wrote."""
        shutil.rmtree(self.work, ignore_errors=True)

    def back_up(self) -> Cost:
        """Back up `source` into the store."""
        raise NotImplementedError

    def verify(self) -> Cost:
        """Read all that is stored and check it."""
        raise NotImplementedError

    def restore(self) -> Cost:
        """Restore all of it into the new folder `target`."""
        raise NotImplementedError

    def restored(self, name: str) -> Path:
        """Return where the restored `name` of the source lies."""
        return Path(f"{self.target}{self.source}") / name

    def size(self) -> int:
        """Return the bytes of the store."""
        return sum(path.stat().st_size for path in self.store.rglob("*") if path.is_file())


class Plain(Contender):
    """What an administrator writes: VACUUM INTO, then tar and zstd. Nothing is hashed, checked or read back."""

    name = "plain"

    def prepare(self) -> None:
        super().prepare()
        self.store.mkdir()
        self.target.mkdir()

    def back_up(self) -> Cost:
        has_database = (self.source / "shop.db").exists()
        copy = "sqlite3 {source}/shop.db \"VACUUM INTO '$PWD/shop.db'\"; " if has_database else ""
        both = "-C {stage} shop.db " if has_database else ""
        return self.shell(
            "mkdir {stage}; cd {stage}; " + copy + "tar -cf - " + both + "-C {source} --exclude='./shop.db*' . "
            "| zstd -q -T0 -3 -o {store}/all.tar.zst; rm -rf {stage}",
            stage=self.work / "stage",
            source=self.source,
            store=self.store,
        )

    def verify(self) -> Cost:
        return self.shell("zstd -q -t {store}/all.tar.zst", store=self.store)

    def restore(self) -> Cost:
        return self.shell(
            "zstd -q -d -c {store}/all.tar.zst | tar -xf - -C {target}", store=self.store, target=self.target
        )

    def restored(self, name: str) -> Path:
        return self.target / name


class Lifeboat(Contender):
    """`lifeboat backup`, with quick_check, digests and read-back; `lifeboat restore`, which compares it all again."""

    name = "lifeboat"

    def __init__(self, source: Path, work: Path) -> None:
        super().__init__(source, work)
        places = {
            "LIFEBOAT_VAULT": self.store,
            "STATE_DIRECTORY": work / "state",
            "LOGS_DIRECTORY": work / "logs",
            "LIFEBOAT_LOCK_DIR": work / "locks",
        }
        self.env |= {name: str(path) for name, path in places.items()}
        self.env.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed command has its bytecode
        self._command = machine.lifeboat_command()

    def back_up(self) -> Cost:
        cost = self.run([*self._command, "--json", "backup", str(self.source)])
        row = json.loads(cost.output)["backups"][0]
        self.parts.append({**row["timings"], "all": row["seconds"]})
        return cost

    def verify(self) -> Cost:
        return self.run([*self._command, "--json", "verify", "latest"])

    def restore(self) -> Cost:
        cost = self.run([*self._command, "--json", "restore", "latest", "--to", str(self.target), "--yes"])
        self.restore_parts.append(json.loads(cost.output)["timings"])
        return cost


class Restic(Contender):
    """restic from Debian."""

    name = "restic"
    consistent = False

    def __init__(self, source: Path, work: Path) -> None:
        super().__init__(source, work)
        self.env |= {
            "RESTIC_REPOSITORY": str(self.store),
            "RESTIC_PASSWORD": "measurement",
            "RESTIC_CACHE_DIR": str(work / "cache"),
        }

    def prepare(self) -> None:
        super().prepare()
        self.run(["restic", "init", "-q", "--repository-version", "2"])

    def back_up(self) -> Cost:
        return self.run(["restic", "backup", "-q", str(self.source)])

    def verify(self) -> Cost:
        return self.run(["restic", "check", "-q", "--read-data"])

    def restore(self) -> Cost:
        return self.run(["restic", "restore", "-q", "latest", "--target", str(self.target)])


class Borg(Contender):
    """borg from Debian, encrypted as in its quick start, zstd level 3."""

    name = "borg"
    consistent = False
    encryption = "repokey"
    compression = "zstd,3"

    def __init__(self, source: Path, work: Path) -> None:
        super().__init__(source, work)
        self.env |= {
            "BORG_REPO": str(self.store),
            "BORG_BASE_DIR": str(work / "base"),
            "BORG_PASSPHRASE": "measurement",
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        }

    def prepare(self) -> None:
        super().prepare()
        self.target.mkdir()
        self.run(["borg", "init", "-e", self.encryption])

    def back_up(self) -> Cost:
        return self.run(["borg", "create", "--compression", self.compression, "::one", str(self.source)], accept=(0, 1))

    def verify(self) -> Cost:
        return self.run(["borg", "check", "--verify-data"])

    def restore(self) -> Cost:
        return self.run(["borg", "extract", "::one"], cwd=self.target)


class BorgFastest(Borg):
    """borg without encryption and with lz4: larger, and as fast as it gets."""

    name = "borg-lz4"
    encryption = "none"
    compression = "lz4"


ALL: tuple[type[Contender], ...] = (Plain, Lifeboat, Restic, Borg, BorgFastest)
