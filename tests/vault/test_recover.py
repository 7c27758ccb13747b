from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from tests.vault import made
from toolkit.archive.manifest import Status, Tombstone
from toolkit.vault import catalog, layout, recover, remove, store
from toolkit.vault.layout import Vault


def run(vault: Vault, alive: str = "", **given: object) -> recover.Recovery:
    return recover.recover(vault, now=made.NOW, alive=lambda job: job == alive, **given)  # type: ignore[arg-type]


def half_made(vault: Vault, backup_id: str, job: str) -> Path:
    one = made.put(vault, made.manifest(backup_id, status=Status.CREATING, job=job))
    stem = layout.stem_of(one)
    (vault.home(one) / f"{stem}.tar.001").write_bytes(b"first volume")
    partial = vault.home(one) / f".{stem}.tar.002.1f2e.partial"
    partial.write_bytes(b"half")
    return partial


def test_an_interrupted_backup_becomes_a_failed_record(vault: Vault) -> None:
    partial = half_made(vault, "aaaaaaaa", "gone")
    done = run(vault)
    assert done.interrupted == ("aaaaaaaa",)
    assert done.actions == (
        "backup aaaaaaaa of shop was interrupted: recorded as failed, 1 of its files removed",
        "removed 1 unfinished files of runs that are gone",
    )
    one = store.load(vault, "aaaaaaaa")
    assert (one.status, one.error, one.finished) == (Status.FAILED, "interrupted", made.NOW)
    assert made.names_of(vault, "aaaaaaaa") == [str(vault.manifest_path(one).relative_to(vault.path))]
    assert not partial.exists()
    assert [row.status for row in catalog.rows(vault)] == [Status.FAILED]
    assert run(vault) == recover.Recovery()


def test_a_running_backup_is_left_alone(vault: Vault) -> None:
    partial = half_made(vault, "aaaaaaaa", "alive")
    gone = half_made(vault, "bbbbbbbb", "gone")
    assert run(vault, alive="alive").interrupted == ("bbbbbbbb",)
    assert store.load(vault, "aaaaaaaa").status is Status.CREATING
    assert (partial.exists(), gone.exists()) == (True, False)
    assert len(made.names_of(vault, "aaaaaaaa")) == 3


def test_only_the_given_profile_is_touched(vault: Vault) -> None:
    partial = half_made(vault, "aaaaaaaa", "gone")
    assert run(vault, profile="crm") == recover.Recovery()
    assert partial.exists()
    assert run(vault, profile="shop").interrupted == ("aaaaaaaa",)


def test_an_interrupted_upload_leaves_a_complete_backup(vault: Vault) -> None:
    made.put(vault, made.manifest("aaaaaaaa", status=Status.UPLOADING, job="gone"))
    made.put(vault, made.manifest("bbbbbbbb", status=Status.UPLOADING, job="alive"))
    assert len(run(vault, alive="alive").actions) == 1
    assert store.load(vault, "aaaaaaaa").status is Status.COMPLETED
    assert store.load(vault, "bbbbbbbb").status is Status.UPLOADING


def test_old_trash_goes(vault: Vault) -> None:
    for letter in "ab":
        made.put(vault, made.manifest(letter * 8, hours_ago=50))
    remove.to_trash(vault, "aaaaaaaa", now=made.NOW - timedelta(hours=25))
    assert run(vault, keep_trash=timedelta(hours=26)) == recover.Recovery()
    assert len(run(vault).actions) == 1
    assert made.names_of(vault, "aaaaaaaa") == []
    assert store.load(vault, "bbbbbbbb").good


def test_removals_are_finished(vault: Vault) -> None:
    for letter, tombstone in (("a", Tombstone(made.NOW, "pruned")), ("b", Tombstone(made.NOW, "deleted", trash=True))):
        one = made.put(vault, made.manifest(letter * 8))
        marked = msgspec.structs.replace(one, tombstone=tombstone)
        store.write(vault, marked, vault.manifest_path(one))
    done = run(vault)
    assert sorted(done.actions) == [
        "finished moving backup bbbbbbbb to the trash",
        "finished the removal of backup aaaaaaaa",
    ]
    assert made.names_of(vault, "aaaaaaaa") == []
    assert {Path(name).parent.name for name in made.names_of(vault, "bbbbbbbb")} == {"trash"}


def test_the_clock_that_went_back_does_not_finish_before_the_start(vault: Vault) -> None:
    made.put(vault, made.manifest("aaaaaaaa", hours_ago=-500, status=Status.CREATING))
    run(vault)
    one = store.load(vault, "aaaaaaaa")
    assert one.finished == one.started > made.NOW


def test_strays_in_the_vault_itself_go_only_when_they_are_old(vault: Vault) -> None:
    new, old = vault.path / ".vault.json.1f.partial", vault.path / ".README.txt.2e.partial"
    for path, hours in ((new, 1), (old, 30)):
        path.write_bytes(b"")
        moment = (made.NOW - timedelta(hours=hours)).timestamp()
        os.utime(path, (moment, moment))
    run(vault)
    assert (new.exists(), old.exists()) == (True, False)


@pytest.mark.parametrize("data", [b"", b"nonsense", b'{"manifest": 99}'])
def test_a_manifest_that_nobody_can_read_is_named_and_left(vault: Vault, data: bytes) -> None:
    made.put(vault, made.manifest("aaaaaaaa"))
    path = store.locate(vault, "aaaaaaaa")
    path.write_bytes(data)
    done = run(vault)
    assert len(done.unreadable) == 1
    assert str(path) in done.unreadable[0]
    assert path.read_bytes() == data
    assert len(made.names_of(vault, "aaaaaaaa")) == 3
