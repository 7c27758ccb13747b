"""kill -9 before every durable step: what is on disk is the old state or the new, and the catalog says which."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.vault import made
from toolkit.archive.manifest import Manifest, Status
from toolkit.errors import BackupNotFoundError
from toolkit.vault import catalog, layout, recover, remove, store
from toolkit.vault.layout import Vault

ONE, OTHER = "oneaaaaa", "otheraaa"


def recovered(vault: Vault) -> recover.Recovery:
    """Recover, and assert what holds after every recovery: nothing half-done, a true catalog, nothing left to do."""
    done = recover.recover(vault, now=made.NOW, alive=lambda _job: False)
    assert done.unreadable == ()
    assert list(layout.partials(vault)) == []
    assert catalog.differences(vault) == ()
    for found in store.load_all(vault):
        assert found.in_trash == (found.manifest.tombstone is not None)
        if found.manifest.status is Status.COMPLETED:
            assert made.is_whole(vault, found.manifest)
    assert recover.recover(vault, now=made.NOW, alive=lambda _job: False) == recover.Recovery()
    return done


def walk(
    prepared: Vault, tmp_path: Path, action: Callable[[Vault], object], judge: Callable[[Vault, bool], object]
) -> int:
    """Kill `action` before each of its steps, each time on a copy of `prepared`; return how many steps it has."""
    number = 0
    while True:
        number += 1
        vault = Vault(tmp_path / f"copy-{number}")
        shutil.copytree(prepared.path, vault.path)
        killed = made.stopped_before(number, lambda copy=vault: action(copy))  # type: ignore[misc]
        recovered(vault)
        judge(vault, killed)
        if not killed:
            return number - 1


@pytest.fixture
def two(vault: Vault) -> Vault:
    """A vault with two good backups of the shop, the newer in two volumes."""
    made.put(vault, made.manifest(OTHER, hours_ago=30))
    made.put(vault, made.manifest(ONE), pieces=2)
    return vault


def one_of(vault: Vault, backup_id: str = ONE) -> Manifest | None:
    try:
        return store.load(vault, backup_id)
    except BackupNotFoundError:
        return None


@pytest.mark.parametrize("first", [True, False])
def test_taking_a_backup(vault: Vault, tmp_path: Path, first: bool) -> None:
    if not first:
        made.put(vault, made.manifest(OTHER, hours_ago=30))
    whole = made.manifest(ONE)
    states = []

    def judge(copy: Vault, killed: bool) -> None:
        now = one_of(copy)
        states.append(now.status if now else None)
        if now is None or now.status is Status.FAILED:
            assert killed
            assert made.names_of(copy, ONE) == ([] if now is None else [str(copy_name(copy, now))])
            assert now is None or now.error == "interrupted"
        else:
            assert now.status is Status.COMPLETED

    assert walk(vault, tmp_path, lambda copy: made.put(copy, whole), judge) >= 18
    assert set(states) == {None, Status.FAILED, Status.COMPLETED}


def copy_name(vault: Vault, one: Manifest) -> Path:
    return vault.manifest_path(one).relative_to(vault.path)


def test_updating_a_manifest(two: Vault, tmp_path: Path) -> None:
    seen = set()

    def judge(copy: Vault, killed: bool) -> None:
        now = store.load(copy, ONE)
        assert now.rating == 5 or (killed and now.rating is None)
        seen.add(now.rating)

    def action(copy: Vault) -> None:
        store.update(copy, ONE, lambda one: msgspec.structs.replace(one, rating=5))

    assert walk(two, tmp_path, action, judge) == 5
    assert seen == {None, 5}


def test_deleting(two: Vault, tmp_path: Path) -> None:
    seen = set()

    def judge(copy: Vault, killed: bool) -> None:
        now = store.load(copy, ONE)
        seen.add(now.tombstone is not None)
        assert killed or now.tombstone is not None
        shown = [row.id for row in catalog.rows(copy)]
        assert shown == ([OTHER] if now.tombstone else [ONE, OTHER])
        assert len(made.names_of(copy, ONE)) == 4

    assert walk(two, tmp_path, lambda copy: remove.to_trash(copy, ONE, now=made.NOW), judge) >= 15
    assert seen == {False, True}


def test_undeleting(two: Vault, tmp_path: Path) -> None:
    remove.to_trash(two, ONE, now=made.NOW)
    seen = set()

    def judge(copy: Vault, killed: bool) -> None:
        now = store.load(copy, ONE)
        seen.add(now.tombstone is not None)
        assert killed or now.tombstone is None
        assert len(made.names_of(copy, ONE)) == 4

    assert walk(two, tmp_path, lambda copy: remove.untrash(copy, ONE), judge) >= 15
    assert seen == {False, True}


@pytest.mark.parametrize("trashed", [False, True])
def test_purging(two: Vault, tmp_path: Path, trashed: bool) -> None:
    if trashed:
        remove.to_trash(two, ONE, now=made.NOW)
    seen = set()

    def judge(copy: Vault, killed: bool) -> None:
        now = one_of(copy)
        seen.add(now is None)
        assert killed or now is None
        assert len(made.names_of(copy, ONE)) == (0 if now is None else 4)
        assert store.load(copy, OTHER).good

    assert walk(two, tmp_path, lambda copy: remove.purge(copy, ONE, now=made.NOW, reason="pruned"), judge) >= 10
    assert seen == {False, True}


def test_recovery_itself_can_be_killed(two: Vault, tmp_path: Path) -> None:
    made.put(two, made.manifest("makingaa", status=Status.CREATING))
    (two.home(store.load(two, "makingaa")) / ".shop_daily_20261120T020000Z_makingaa.tar.1f.partial").write_bytes(
        b"half"
    )
    assert made.stopped_before(8, lambda: remove.to_trash(two, ONE, now=made.NOW))
    assert made.stopped_before(6, lambda: remove.purge(two, OTHER, now=made.NOW, reason="x", allow_last_good=True))

    def judge(copy: Vault, _killed: bool) -> None:
        trashed = store.load(copy, ONE)
        assert trashed.tombstone is not None
        assert one_of(copy, OTHER) is None
        assert made.names_of(copy, OTHER) == []
        assert store.load(copy, "makingaa").error == "interrupted"

    def action(copy: Vault) -> None:
        recover.recover(copy, now=made.NOW, alive=lambda _job: False)

    assert walk(two, tmp_path, action, judge) >= 15
