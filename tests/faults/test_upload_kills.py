"""kill -9 before durable steps of uploads, of retention there and of downloads: nothing lost, nothing doubled."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.makers.faults import Ended
from tests.makers.runs import Runs
from toolkit.archive.manifest import Manifest, Status
from toolkit.destinations.local import LocalDestination
from toolkit.vault import layout, offsite, rebuild, store

PARTS = 3
STRIDE = PARTS * (1 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 12)
"""The thorough profile takes every step; else each part takes some of its own."""
CONTENT = b"content" * 300_000
part = pytest.mark.parametrize("part", range(PARTS))


class Site:
    """Everything lies below `here`, so that it can be put back; `disk` is the destination."""

    def __init__(self, root: Path, runs: Runs) -> None:
        self.here = root / "here"
        self.kept = root / "kept"
        self.runs = runs
        (self.here / "app").mkdir(parents=True)
        (self.here / "app" / "file").write_bytes(CONTENT)
        (self.here / "disk").mkdir()
        self.config = self.here / "config.yaml"
        self.config.write_text(
            f"vault: {self.here}/vault\n"
            f"destinations: {{disk: {{type: directory, path: {self.here}/disk, keep: 1}}}}\n"
            f"profiles: {{app: {{files: [{self.here}/app], destinations: [disk], "
            f"archive: {{format: zip, level: 0, split: 1MiB}}}}}}\n"
        )
        self.config.chmod(0o600)
        self.keep()

    def lifeboat(self, *arguments: str, kill_before: int = 0) -> Ended:
        env = {
            "STATE_DIRECTORY": f"{self.here}/state",
            "LOGS_DIRECTORY": f"{self.here}/log",
            "LIFEBOAT_LOCK_DIR": f"{self.here}/lock",
        }
        options = ("--config", str(self.config), "--json")
        return self.runs.lifeboat(*arguments, *options, kill_before=kill_before, env=env)

    def keep(self) -> None:
        shutil.rmtree(self.kept, ignore_errors=True)
        shutil.copytree(self.here, self.kept, symlinks=True)

    def put_back(self) -> None:
        shutil.rmtree(self.here)
        shutil.copytree(self.kept, self.here, symlinks=True)

    def done(self, *arguments: str) -> None:
        ended = self.lifeboat(*arguments)
        assert ended.code == 0, ended.stdout + ended.stderr

    def manifests(self) -> list[Manifest]:
        if not (self.here / "vault" / "vault.json").exists():
            return []
        found = [one.manifest for one in store.load_all(layout.open_vault(self.here / "vault"))]
        return sorted(found, key=lambda one: one.started)

    def there(self) -> list[offsite.RemoteBackup]:
        return offsite.backups(LocalDestination("disk", self.here / "disk"))

    def assert_whole(self, one: offsite.RemoteBackup) -> None:
        """Everything of a backup is there once, with the bytes that its manifest says."""
        destination = LocalDestination("disk", self.here / "disk")
        manifest = offsite.read_manifest(destination, one)
        assert len(one.objects) == len(manifest.archives[0].volumes) + 2
        paths = [self.here / "disk" / found.id for found in offsite.archive_objects(one, manifest)]
        assert rebuild.measure(manifest.id, paths) == manifest.archives[0]


@pytest.fixture
def site(tmp_path: Path, runs: Runs) -> Site:
    return Site(tmp_path, runs)


@part
def test_backup_with_its_copy(site: Site, part: int) -> None:
    """Whatever moment it is killed at: what is complete here gets exactly one whole copy by the next `sync`."""
    number, most = part + 1, 0
    while True:
        site.put_back()
        ended = site.lifeboat("backup", "app", kill_before=number)
        for one in offsite.complete(site.there()):
            site.assert_whole(one)
        finished = [one.id for one in site.manifests() if one.status in (Status.COMPLETED, Status.UPLOADING)]
        if site.manifests():
            site.done("sync", "--now")
        assert [one.id for one in site.there()] == finished
        for one in site.there():
            site.assert_whole(one)
        for manifest in site.manifests():
            assert manifest.id not in finished or (manifest.status, len(manifest.copies)) == (Status.COMPLETED, 1)
        assert not list((site.here / "state").glob("uploads/*/disk/*")) or not finished
        if not ended.killed:
            assert ended.code == 0, ended.stderr
            break
        number, most = number + STRIDE, len(ended.steps)
    assert most > 60


@part
def test_retention_there(site: Site, part: int) -> None:
    """Of two backups one goes (`keep: 1`): at any moment the newest complete one is whole, in the end only that is."""
    site.done("backup", "app")
    site.done("backup", "app", "--no-upload")
    site.keep()
    old, new = (one.id for one in site.manifests())
    number = part + 1
    while True:
        site.put_back()
        vault = layout.open_vault(site.here / "vault")
        _queue(vault, new)
        ended = site.lifeboat("sync", kill_before=number)
        whole = offsite.complete(site.there())
        assert {one.id for one in whole} & {old, new}
        site.assert_whole(whole[0])
        site.done("sync")
        site.done("backup", "app")  # what was begun is finished by the next upload
        assert [one.id for one in site.there()] == [site.manifests()[-1].id]
        assert [len(one.copies) for one in site.manifests()] == [0, 0, 1]
        if not ended.killed:
            break
        number += STRIDE


def _queue(vault: layout.Vault, backup_id: str) -> None:
    from msgspec.structs import replace

    from toolkit.archive.manifest import Copy

    store.update(vault, backup_id, lambda old: replace(old, status=Status.UPLOADING, destinations=(Copy("disk"),)))


@part
def test_download(site: Site, part: int) -> None:
    """A download that is killed leaves nothing that looks like a backup, and the next one finishes it."""
    site.done("backup", "app")
    before = site.manifests()[0]
    for name in ("vault", "state", "app"):
        shutil.rmtree(site.here / name)
    site.keep()
    number = part + 1
    while True:
        site.put_back()
        look = site.here / "look"
        ended = site.lifeboat("restore", "--from", "disk", "latest", "--to", str(look), kill_before=number)
        for manifest in site.manifests():
            if manifest.kind == "manual":
                assert rebuild.missing(site.here / "vault" / "app" / "manual", manifest) == ()
        shutil.rmtree(look, ignore_errors=True)
        site.done("restore", "--from", "disk", "latest", "--to", str(look))
        assert [path.read_bytes() for path in look.rglob("file")] == [CONTENT]
        assert [one.archives for one in site.manifests()] == [before.archives]
        assert not (site.here / "vault" / ".incoming").exists()
        if not ended.killed:
            break
        number += STRIDE
    assert json.loads(ended.stdout)["exit"] == 0
