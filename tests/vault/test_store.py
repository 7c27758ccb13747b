from __future__ import annotations

import os
from datetime import timedelta

import msgspec
import pytest

from tests.vault import made
from toolkit.archive import manifest as format_
from toolkit.archive.manifest import Evidence, Manifest, Status
from toolkit.errors import ArchiveDamagedError, BackupNotFoundError, ForbiddenError, FormatError, UsageError
from toolkit.retention import Kind
from toolkit.vault import catalog, store
from toolkit.vault.layout import Vault


def test_a_backup_is_recorded_step_by_step(vault: Vault) -> None:
    one = made.manifest("oneaaaaa", status=Status.CREATING, finished=None)
    path = store.save(vault, one)
    assert path.name == "shop_daily_20261120T020000Z_oneaaaaa.manifest.json"
    assert [row.status for row in catalog.rows(vault)] == [Status.CREATING]
    failed = store.fail(vault, "oneaaaaa", "no space left", now=made.NOW)
    assert (failed.status, failed.error, failed.finished) == (Status.FAILED, "no space left", made.NOW)
    assert store.load(vault, "oneaaaaa") == failed
    assert [(row.status, row.error) for row in catalog.rows(vault)] == [(Status.FAILED, "no space left")]


def test_an_update_changes_manifest_and_catalog(vault: Vault) -> None:
    one = made.put(vault, made.manifest("oneaaaaa"))
    proof = Evidence("rehearsed", made.NOW, "verify")

    def change(old: Manifest) -> Manifest:
        return msgspec.structs.replace(old, rating=4, note="before\x1b[31m the move", tags=("a", "b"), evidence=proof)

    new = store.update(vault, "oneaaaaa", change)
    assert store.load(vault, "oneaaaaa") == new == change(one)
    row = catalog.row(vault, "oneaaaaa")
    assert row is not None
    assert (row.rating, row.note, row.tags, row.evidence) == (4, new.note, ("a", "b"), 3)
    store.update(vault, "oneaaaaa", lambda old: msgspec.structs.replace(old, tags=("b",)))
    assert [row.tags for row in catalog.rows(vault)] == [("b",)]


def test_what_a_newer_lifeboat_wrote_is_kept(vault: Vault) -> None:
    made.put(vault, made.manifest("oneaaaaa", extra={"increments": ["x"]}))
    assert store.update(vault, "oneaaaaa", lambda old: msgspec.structs.replace(old, pin=True)).extra == {
        "increments": ["x"]
    }
    assert b'"increments"' in store.locate(vault, "oneaaaaa").read_bytes()


def test_an_update_that_changes_nothing_writes_nothing(vault: Vault) -> None:
    made.put(vault, made.manifest("oneaaaaa"))
    before = os.stat(store.locate(vault, "oneaaaaa"))
    store.update(vault, "oneaaaaa", lambda old: old)
    assert os.stat(store.locate(vault, "oneaaaaa")) == before


@pytest.mark.parametrize(
    "field", [{"id": "otheraaa"}, {"profile": "crm"}, {"kind": Kind.MANUAL}, {"started": made.NOW}]
)
def test_what_decides_the_name_never_changes(vault: Vault, field: dict[str, object]) -> None:
    one = made.put(vault, made.manifest("oneaaaaa"))
    with pytest.raises(UsageError):
        store.update(vault, "oneaaaaa", lambda old: msgspec.structs.replace(old, **field))
    assert store.load(vault, "oneaaaaa") == one


def test_what_is_not_there(vault: Vault) -> None:
    with pytest.raises(BackupNotFoundError) as caught:
        store.load(vault, "oneaaaaa")
    assert caught.value.hint


def test_manifests_that_cannot_be_believed(vault: Vault) -> None:
    made.put(vault, made.manifest("oneaaaaa"))
    path = store.locate(vault, "oneaaaaa")
    for data, kind in (
        (b"", ArchiveDamagedError),
        (b"[]", ArchiveDamagedError),
        (format_.encode(made.manifest("otheraaa")), ArchiveDamagedError),
        (format_.encode(made.manifest("oneaaaaa", profile="../../etc")), ArchiveDamagedError),
        (path.read_bytes().replace(b'"manifest": 1', b'"manifest": 2', 1), FormatError),
    ):
        path.write_bytes(data)
        with pytest.raises(kind) as caught:
            store.load(vault, "oneaaaaa")
        assert caught.value.subject == str(path)
    assert list(store.load_all(vault)) == []


def test_hostile_names_survive(vault: Vault) -> None:
    database = msgspec.structs.replace(made.manifest().databases[0], path="/srv/\udcff\n[/b].db", tables={"a\x1b": 1})
    one = made.put(vault, made.manifest("oneaaaaa", databases=(database,), note="caf\udce9", user="\udcff"))
    assert store.load(vault, "oneaaaaa") == one
    assert catalog.rows(vault)[0].note == "caf\udce9"
    assert [count.table for count in catalog.row_counts(vault, "/srv/\udcff\n[/b].db")] == ["a\x1b"]
    assert catalog.differences(vault) == ()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into a folder without write permission")
def test_a_manifest_that_cannot_be_written_leaves_the_old_one(vault: Vault) -> None:
    one = made.put(vault, made.manifest("oneaaaaa"))
    vault.home(one).chmod(0o500)
    with pytest.raises(ForbiddenError):
        store.update(vault, "oneaaaaa", lambda old: msgspec.structs.replace(old, pin=True))
    vault.home(one).chmod(0o700)
    assert store.load(vault, "oneaaaaa") == one


def test_a_catalog_that_cannot_be_written_does_not_fail_the_backup(vault: Vault) -> None:
    vault.catalog.unlink(missing_ok=True)
    vault.catalog.mkdir()
    said: list[str] = []
    one = made.manifest("oneaaaaa", finished=made.NOW + timedelta(hours=1))
    store.save(vault, one, say=said.append)
    assert store.load(vault, "oneaaaaa") == one
    assert any("catalog" in line for line in said)
    assert [row.id for row in catalog.rows(vault)] == ["oneaaaaa"]
