"""Copies at destinations from end to end, through the command line: made, queued, retried, given up, brought back."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from toolkit.archive.manifest import Manifest
from toolkit.cli.main import run
from toolkit.destinations.local import LocalDestination
from toolkit.errors import DestinationDeniedError
from toolkit.jobs.context import Job
from toolkit.jobs.journal import Journal, new_spec
from toolkit.operations.offsite import uploads
from toolkit.operations.session import open_session
from toolkit.vault import layout, offsite, store
from toolkit.vault.queue import TRIES, Queue

PROFILE = "app: {databases: [FOLDER/shop.db], files: [FOLDER/files], destinations: [disk]}"


@dataclass
class Site:
    """A machine with one application and one destination, `disk`, that can be taken away."""

    root: Path
    capsys: pytest.CaptureFixture[str]

    @property
    def disk(self) -> Path:
        return self.root / "disk"

    @property
    def vault(self) -> Path:
        return self.root / "vault"

    def configure(self, *, destination: str = "") -> None:
        text = PROFILE.replace("FOLDER", str(self.root / "app"))
        config = self.root / "config.yaml"
        config.write_text(
            f"vault: {self.vault}\n"
            f"destinations: {{disk: {{type: directory, path: {self.disk}{destination}}}}}\n"
            f"profiles: {{{text}}}\n"
        )
        config.chmod(0o600)

    def lifeboat(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        code = run([*arguments, "--config", str(self.root / "config.yaml"), "--json"])
        return code, json.loads(self.capsys.readouterr().out)

    def backup(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        return self.lifeboat("backup", "app", *arguments)

    def manifests(self) -> list[Manifest]:
        found = [one.manifest for one in store.load_all(layout.open_vault(self.vault))]
        return sorted(found, key=lambda one: (one.started, one.id))

    def there(self) -> list[offsite.RemoteBackup]:
        return offsite.backups(LocalDestination("disk", self.disk))

    def pull(self) -> None:
        """Take the disk away."""
        self.disk.rename(self.root / "drawer")

    def push(self) -> None:
        """Put the disk back."""
        (self.root / "drawer").rename(self.disk)

    def lose_everything(self) -> None:
        """Leave only the configuration and the disk."""
        for name in ("app", "vault"):
            shutil.rmtree(self.root / name)
        shutil.rmtree(os.environ["STATE_DIRECTORY"])


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Site:
    made = Site(tmp_path, capsys)
    (tmp_path / "app" / "files").mkdir(parents=True)
    (tmp_path / "app" / "files" / "a.txt").write_text("first")
    with sqlite3.connect(tmp_path / "app" / "shop.db") as connection:
        connection.execute("create table orders (id integer primary key, what text)")
        connection.execute("insert into orders (what) values ('a boat')")
    connection.close()
    (tmp_path / "disk").mkdir()
    made.configure()
    return made


def test_every_backup_gets_a_copy_and_the_manifest_says_where(site: Site) -> None:
    code, document = site.backup()
    assert code == 0
    assert document["backups"][0]["status"] == "completed"
    assert [row["state"] for row in document["uploads"]] == ["done"]
    (manifest,) = site.manifests()
    (copy,) = manifest.destinations
    (there,) = site.there()
    assert (copy.destination, copy.digest) == ("disk", manifest.archives[0].sha256)
    assert there.manifest is not None
    assert copy.id == there.manifest.id
    assert copy.when is not None
    assert len(there.objects) == 3
    assert {found.properties.host for found in there.objects if found.properties} == {manifest.host}


def test_volumes_are_several_files_and_the_manifest_comes_last(site: Site) -> None:
    (site.root / "app" / "files" / "large").write_bytes(bytes(range(256)) * 40_000)
    assert site.backup("--format", "zip", "--level", "0", "--split", "4MB")[0] == 0
    (there,) = site.there()
    assert len(there.volumes) == 3
    assert there.manifest is not None
    arrived = {found.name: (site.disk / found.id).stat().st_mtime_ns for found in there.objects}
    assert max(arrived, key=lambda name: arrived[name]) == there.manifest.name


def test_a_failed_copy_leaves_a_good_backup_a_queue_entry_a_line_in_status_and_exit_code_3(site: Site) -> None:
    site.pull()
    code, document = site.backup()
    assert code == 3
    assert document["outcome"] == "warn"
    assert [warning["code"] for warning in document["warnings"]] == ["upload-queued"]
    (manifest,) = site.manifests()
    assert manifest.good
    assert manifest.status == "uploading"
    assert "folder is not there" in manifest.error
    code, status = site.lifeboat("status")
    assert [(row["backup"], row["destination"], row["state"], row["tries"]) for row in status["queue"]] == [
        (manifest.id, "disk", "queued", 1)
    ]
    assert code == 0
    assert site.lifeboat("verify", "latest")[0] == 0
    assert site.manifests()[0].status == "uploading"


def test_sync_makes_the_copy_when_the_destination_is_back_and_its_time_has_come(site: Site) -> None:
    site.pull()
    site.backup()
    assert site.lifeboat("sync", "--now")[0] == 3
    site.push()
    code, document = site.lifeboat("sync")
    assert code == 3
    assert [(row["state"], row["tries"]) for row in document["items"]] == [("queued", 2)]
    assert site.there() == []
    code, document = site.lifeboat("sync", "--now")
    assert (code, [row["state"] for row in document["items"]]) == (0, ["done"])
    (manifest,) = site.manifests()
    assert (manifest.status, manifest.error, len(manifest.copies)) == ("completed", "", 1)
    assert len(site.there()) == 1
    code, document = site.lifeboat("sync")
    assert (code, document["items"]) == (0, [])


def job() -> Job:
    return Job(Journal.unwritten(new_spec("sync")), pulse=None)


def test_pauses_grow_and_sync_says_when_it_gives_up(site: Site) -> None:
    site.pull()
    site.backup()
    now = [datetime.now(UTC)]
    session = open_session(config=site.root / "config.yaml", now=lambda: now[0])
    pauses = []
    reports = []
    for _ in range(TRIES - 1):
        upload = Queue(session.state, site.vault, "disk").load(site.manifests()[0].id)
        assert upload.next is not None
        pauses.append(upload.next - now[0])
        now[0] = upload.next + timedelta(seconds=1)
        with job() as running:
            reports.append(uploads.sync(session, uploads.SyncRequest(), running))
    assert pauses[1] > pauses[0] * 1.5
    assert max(pauses) <= timedelta(hours=12)
    assert [row.state for report in reports[:-1] for row in report.items] == ["queued"] * (TRIES - 2)
    assert [warning.code for warning in reports[-1].warnings] == ["upload-gave-up"]
    assert f"gave up after {TRIES} tries" in site.manifests()[0].error
    site.push()
    now[0] += timedelta(days=365)
    with job() as running:
        assert [row.state for row in uploads.sync(session, uploads.SyncRequest(now=True), running).items] == ["gave-up"]
    assert site.there() == []
    assert site.lifeboat("sync", "--retry")[0] == 0
    assert len(site.there()) == 1


def test_a_copy_that_was_given_up_can_be_forgotten(site: Site) -> None:
    site.pull()
    site.backup()
    session = open_session(config=site.root / "config.yaml")
    queue = Queue(session.state, site.vault, "disk")
    backup_id = site.manifests()[0].id
    queue.save(backup_id, uploads.Upload(tries=TRIES, gave_up=True, error="full"))
    assert site.lifeboat("sync")[0] == 3
    code, document = site.lifeboat("sync", "--forget")
    assert (code, [row["state"] for row in document["items"]]) == (0, ["dropped"])
    assert site.manifests()[0].status == "completed"
    assert queue.known() == ()


def test_what_had_arrived_of_a_copy_goes_with_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise DestinationDeniedError("somebody took the rights away")

    with monkeypatch.context() as patched:
        patched.setattr(LocalDestination, "_compare", denied)
        assert site.backup()[0] == 3
    assert len(list(site.disk.rglob("*.partial"))) == 1
    queue = Queue(open_session(config=site.root / "config.yaml").state, site.vault, "disk")
    (backup_id,) = queue.known()
    queue.save(backup_id, uploads.Upload(tries=TRIES, gave_up=True))
    site.pull()
    assert site.lifeboat("sync", "--forget")[0] == 0
    assert queue.known() == (backup_id,)
    site.push()
    assert site.lifeboat("sync")[0] == 0
    assert (list(site.disk.rglob("*.partial")), queue.known()) == ([], ())


def test_a_copy_to_a_place_that_is_no_longer_configured_can_be_forgotten(site: Site) -> None:
    site.pull()
    site.backup()
    queue = Queue(open_session(config=site.root / "config.yaml").state, site.vault, "disk")
    queue.save(queue.known()[0], uploads.Upload(tries=TRIES, gave_up=True))
    config = site.root / "config.yaml"
    config.write_text(config.read_text().replace("{disk:", "{other:").replace("[disk]", "[other]"))
    code, document = site.lifeboat("sync", "--forget")
    assert (code, [row["state"] for row in document["items"]]) == (0, ["dropped"])
    assert queue.known() == ()


def test_a_lost_queue_record_loses_nothing(site: Site) -> None:
    site.pull()
    site.backup()
    session = open_session(config=site.root / "config.yaml")
    shutil.rmtree(session.state / "uploads")
    site.push()
    assert site.lifeboat("sync")[0] == 0
    assert len(site.there()) == 1


def test_a_copy_that_arrived_and_was_not_recorded_is_found_there(site: Site) -> None:
    site.backup()
    (before,) = site.there()
    (manifest,) = site.manifests()
    vault = layout.open_vault(site.vault)

    def unknown(old: Manifest) -> Manifest:
        return msgspec.structs.replace(old, status="uploading", destinations=(uploads.Copy("disk"),))

    store.update(vault, manifest.id, unknown)
    assert site.lifeboat("sync")[0] == 0
    assert site.there() == [before]
    assert site.manifests()[0].copies[0].id == manifest.copies[0].id


def test_to_and_no_upload(site: Site) -> None:
    assert site.backup("--no-upload")[0] == 0
    assert site.there() == []
    assert site.backup("--to", "disk")[0] == 0
    assert len(site.there()) == 1
    code, document = site.backup("--to", "nowhere")
    assert (code, document["error"]["code"]) == (2, "config")
    assert site.backup("--to", "disk", "--no-upload")[0] == 2
    assert len(site.manifests()) == 2


def test_a_backup_that_is_deleted_before_it_was_copied_is_dropped_from_the_queue(site: Site) -> None:
    site.backup("--no-upload")
    site.pull()
    site.backup()
    assert site.lifeboat("delete", site.manifests()[1].id, "--yes")[0] == 0
    site.push()
    code, document = site.lifeboat("sync", "--now")
    assert (code, document["items"]) == (0, [])
    assert site.there() == []


def test_keep_counts_by_host_and_profile_and_leaves_others_alone(site: Site) -> None:
    site.configure(destination=", keep: 2")
    foreign = site.disk / "other-host" / "app" / "manual"
    foreign.mkdir(parents=True)
    (foreign / "app_manual_20200101T000000Z_aaaaaaaa.tar.zst").write_bytes(b"by hand")
    for _ in range(4):
        assert site.backup()[0] == 0
    ours = {one.id for one in site.there() if not one.by_hand}
    assert ours == {one.id for one in site.manifests()[2:]}
    assert [len(one.copies) for one in site.manifests()] == [0, 0, 1, 1]
    assert len(list(foreign.iterdir())) == 1


def test_retention_never_removes_the_last_good_copy_there(site: Site) -> None:
    site.configure(destination=", keep: 1")
    site.backup()
    good = site.manifests()[0].id
    with (site.root / "app" / "shop.db").open("r+b") as file:
        file.seek(20)
        file.write(b"\xff" * 3000)
    for _ in range(2):
        assert site.backup()[0] == 4
    assert good in {one.id for one in site.there()}
    assert site.manifests()[0].id == good


def test_a_pinned_backup_stays_there(site: Site) -> None:
    site.configure(destination=", keep: 1")
    site.backup()
    site.lifeboat("pin", "latest")
    pinned = site.manifests()[0].id
    site.backup()
    site.backup()
    assert {one.id for one in site.there()} == {pinned, site.manifests()[-1].id}


def test_a_copy_that_somebody_removed_is_missed(site: Site) -> None:
    site.backup()
    for path in site.disk.rglob("*app_manual*"):
        path.unlink()
    code, document = site.backup()
    assert (code, [warning["code"] for warning in document["warnings"]]) == (0, ["copy-gone"])
    assert [len(one.copies) for one in site.manifests()] == [0, 1]


def test_from_an_empty_machine(site: Site) -> None:
    site.backup()
    (site.root / "app" / "files" / "a.txt").write_text("second")
    site.backup("--note", "the second")
    backup_ids = [one.id for one in site.manifests()]
    site.lose_everything()
    code, document = site.lifeboat("restore", "--from", "disk")
    assert code == 0
    assert [(row["id"], row["profile"], row["here"]) for row in document["backups"]] == [
        (backup_ids[1], "app", False),
        (backup_ids[0], "app", False),
    ]
    code, document = site.lifeboat("restore", "--from", "disk", "app@latest", "--yes")
    assert code == 0, document
    assert (site.root / "app" / "files" / "a.txt").read_text() == "second"
    connection = sqlite3.connect(site.root / "app" / "shop.db")
    assert connection.execute("select what from orders").fetchall() == [("a boat",)]
    connection.close()
    (fetched,) = [one for one in site.manifests() if one.kind == "manual"]
    assert (fetched.id, fetched.note, fetched.copies[0].destination) == (backup_ids[1], "the second", "disk")
    assert not (site.vault / ".incoming").exists()
    code, document = site.lifeboat("restore", "--from", "disk", "latest~1", "--to", str(site.root / "look"))
    assert code == 0
    assert [path.read_text() for path in (site.root / "look").rglob("a.txt")] == ["first"]


def test_from_a_directory_without_any_configuration(site: Site) -> None:
    site.backup()
    site.lose_everything()
    (site.root / "config.yaml").write_text(f"vault: {site.vault}\n")
    assert site.lifeboat("restore", "--from", str(site.disk), "latest", "--to", str(site.root / "look"))[0] == 0
    assert [path.read_text() for path in (site.root / "look").rglob("a.txt")] == ["first"]
    assert site.manifests()[0].destinations == ()


def test_a_damaged_copy_is_found_before_anything_is_restored(site: Site) -> None:
    site.backup()
    archive = next(site.disk.rglob("app*.tar.zst"))
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 1
    archive.write_bytes(data)
    site.lose_everything()
    code, document = site.lifeboat("restore", "--from", "disk", "latest", "--yes")
    assert (code, document["error"]["code"]) == (13, "transfer-damaged")
    assert not (site.root / "app").exists()
    assert not list(site.vault.rglob("*.zst"))


@pytest.mark.parametrize("with_manifest", [True, False])
def test_a_backup_put_there_by_hand_is_adopted(site: Site, *, with_manifest: bool) -> None:
    site.backup("--no-upload")
    (manifest,) = site.manifests()
    for path in (site.vault / "app" / "manual").iterdir():
        if with_manifest or path.name.endswith(".tar.zst"):
            shutil.copy(path, site.disk)
    site.lose_everything()
    code, document = site.lifeboat("list", "--remote")
    assert code == 0
    assert [(row["id"], row["by_hand"], row["complete"]) for row in document["backups"]] == [(manifest.id, True, True)]
    assert site.lifeboat("restore", "--from", "disk", "latest", "--yes")[0] == 0
    assert (site.root / "app" / "files" / "a.txt").read_text() == "first"
    fetched = next(one for one in site.manifests() if one.id == manifest.id)
    assert fetched.evidence.level == ("verified" if with_manifest else "written")
    assert fetched.archives == manifest.archives


def test_an_upload_that_is_not_complete_is_listed_and_not_fetched(site: Site) -> None:
    site.backup()
    next(site.disk.rglob("app*.manifest.json")).unlink()
    site.lose_everything()
    assert [row["complete"] for row in site.lifeboat("list", "--remote")[1]["backups"]] == [False]
    assert site.lifeboat("restore", "--from", "disk", "latest")[0] == 10


def test_catalog_rebuild_brings_back_manifests_and_says_what_is_only_there(site: Site) -> None:
    site.backup("--note", "kept", "--tag", "one")
    site.backup()
    first, second = site.manifests()
    vault = layout.open_vault(site.vault)
    vault.manifest_path(first).unlink()
    for path in (site.vault / "app" / "manual").glob(f"*{second.id}*"):
        path.unlink()
    code, document = site.lifeboat("catalog", "rebuild", "--from", "disk")
    assert code == 0
    assert (document["fetched"], document["remote"]) == ([first.id], [second.id])
    (back,) = site.manifests()
    assert (back.note, back.tags, back.evidence, back.copies[0].id) == (
        "kept",
        ("one",),
        first.evidence,
        first.copies[0].id,
    )


def test_destination_list_and_check(site: Site) -> None:
    code, document = site.lifeboat("destination", "check", "disk")
    assert code == 0
    assert len(document["items"]) >= 14
    assert [row for row in document["items"] if not row["ok"]] == []
    assert site.there() == []
    code, document = site.lifeboat("destination", "list", "--ask")
    assert [(one["name"], one["type"], one["reached"]) for one in document["destinations"]] == [
        ("disk", "directory", True)
    ]
    site.pull()
    assert site.lifeboat("destination", "check", "disk")[0] == 13
    assert site.lifeboat("destination", "list", "--ask")[0] == 3
    assert site.lifeboat("destination", "check", "nowhere")[0] == 2
    assert site.lifeboat("list", "--remote")[0] == 13


def encrypted(site: Site, passphrase: str = "correct horse") -> None:
    secret = site.root / "passphrase"
    secret.write_text(passphrase)
    secret.chmod(0o600)
    text = (
        (site.root / "config.yaml")
        .read_text()
        .replace("destinations: [disk]", f"destinations: [disk], archive: {{encrypt: {{passphrase_file: {secret}}}}}")
    )
    (site.root / "config.yaml").write_text(text)


def test_an_encrypted_backup_shows_nothing_there_and_comes_back_with_its_passphrase(site: Site) -> None:
    encrypted(site)
    assert site.backup("--note", "secret note")[0] == 0
    (there,) = site.there()
    assert there.file_lists == ()
    words = b"".join(path.read_bytes() for path in site.disk.rglob("*") if path.is_file())
    for secret in (b"secret note", b"shop.db", b"orders", b"a.txt", str(site.root).encode()):
        assert secret not in words
    assert site.lifeboat("verify", "latest")[0] == 0
    assert site.lifeboat("verify", "latest", "--rehearse")[0] == 0
    site.lose_everything()
    code, document = site.lifeboat("restore", "--from", "disk", "latest", "--yes")
    assert code == 0, document
    assert (site.root / "app" / "files" / "a.txt").read_text() == "first"
    assert next(one for one in site.manifests() if one.kind == "manual").note == "secret note"


def test_a_wrong_passphrase_is_said_before_anything_is_downloaded(site: Site) -> None:
    encrypted(site)
    site.backup()
    site.lose_everything()
    (site.root / "passphrase").write_text("wrong")
    code, document = site.lifeboat("restore", "--from", "disk", "latest", "--yes")
    assert (code, document["error"]["code"]) == (12, "passphrase")
    assert not list(site.vault.rglob("*.7z*"))
    assert site.lifeboat("list", "--remote")[0] == 0


def test_an_encrypted_backup_that_is_copied_to_a_folder_is_sealed_and_opens_there(site: Site) -> None:
    encrypted(site)
    site.backup("--note", "secret note")
    folder = site.root / "stick"
    assert site.lifeboat("copy", "latest", str(folder))[0] == 0
    assert b"secret note" not in b"".join(path.read_bytes() for path in folder.iterdir())
    archive = next(folder.glob("*.7z"))
    assert site.lifeboat("verify", str(archive))[0] == 0
    assert site.lifeboat("restore", str(archive), "--to", str(site.root / "look"))[0] == 0
    assert [path.read_text() for path in (site.root / "look").rglob("a.txt")] == ["first"]


def test_a_sealed_manifest_protects_what_nobody_can_read(site: Site) -> None:
    encrypted(site)
    site.configure(destination=", keep: 1")
    encrypted(site)
    site.backup()
    shutil.rmtree(site.vault)
    site.backup()
    assert len(site.there()) >= 1
    assert site.manifests()[-1].id in {one.id for one in site.there()}
