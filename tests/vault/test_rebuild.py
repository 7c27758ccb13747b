from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from tests.vault import made
from toolkit.archive.manifest import Manifest
from toolkit.errors import ArchiveDamagedError, CancelledError
from toolkit.vault import catalog, layout, rebuild, recover, remove, store
from toolkit.vault.catalog import Filter
from toolkit.vault.layout import Vault


@pytest.mark.parametrize("pieces", [1, 3])
def test_a_lost_manifest_is_made_again_from_the_archive(vault: Vault, pieces: int) -> None:
    one = made.put(vault, made.manifest("aaaaaaaa", note="good", pin=True), pieces=pieces)
    kept = made.put(vault, made.manifest("bbbbbbbb", hours_ago=5, pin=True))
    store.locate(vault, "aaaaaaaa").unlink()
    vault.catalog.unlink()
    steps: list[int] = []
    done = rebuild.rebuild(
        vault, made.read_archive, now=made.NOW, on_progress=lambda count, _total: steps.append(count)
    )
    assert done == rebuild.Rebuilt(2, ("aaaaaaaa",), ())
    again = store.load(vault, "aaaaaaaa")
    assert again.archives == one.archives
    assert made.is_whole(vault, again)
    assert (again.evidence.level, again.evidence.when, again.good) == ("written", made.NOW, False)
    assert "rebuilt from the archive" in again.evidence.by
    assert store.load(vault, "bbbbbbbb") == kept
    assert [row.id for row in catalog.rows(vault, Filter(pin=True))] == ["aaaaaaaa", "bbbbbbbb"]
    assert steps == [one.size]
    assert catalog.differences(vault) == ()
    assert rebuild.rebuild(vault, made.read_archive, now=made.NOW) == rebuild.Rebuilt(2)


def test_no_pin_is_lost_when_only_the_catalog_is(vault: Vault) -> None:
    for letter in "abcd":
        made.put(vault, made.manifest(letter * 8, pin=letter in "bd", rating=3, note=letter, tags=(letter,)))
    before = catalog.rows(vault)
    vault.catalog.unlink()
    assert rebuild.rebuild(vault, now=made.NOW).backups == 4
    assert catalog.rows(vault) == before


def damaged_archive(_volumes: Sequence[Path]) -> Manifest:
    raise ArchiveDamagedError("the archive is cut short")


def test_archives_that_tell_nothing_are_named(vault: Vault) -> None:
    made.put(vault, made.manifest("aaaaaaaa"))
    other = made.put(vault, made.manifest("bbbbbbbb", hours_ago=2))
    store.locate(vault, "aaaaaaaa").unlink()
    path = vault.home(other) / "shop_daily_20261120T020000Z_aaaaaaaa.tar"
    for source, reason in ((None, "without manifest"), (damaged_archive, "cut short")):
        done = rebuild.rebuild(vault, source, now=made.NOW)
        assert done.restored == ()
        assert [Path(orphan.path).name[:43] for orphan in done.orphans] == [path.name[:43]]
        assert reason in done.orphans[0].reason
    path.unlink()
    assert "file list without archive" in rebuild.rebuild(vault, made.read_archive, now=made.NOW).orphans[0].reason


def test_an_archive_under_a_false_name_is_refused(vault: Vault) -> None:
    one = made.put(vault, made.manifest("aaaaaaaa"))
    archive = vault.home(one) / one.archives[0].file
    archive.rename(archive.with_name(archive.name.replace("aaaaaaaa", "cccccccc")))
    done = rebuild.rebuild(vault, made.read_archive, now=made.NOW)
    assert done.restored == ()
    assert sorted(orphan.reason.partition(":")[0] for orphan in done.orphans) == [
        "its archive is missing",
        "the manifest in the archive describes another backup than its name says",
    ]


def test_manifests_whose_archive_is_not_what_they_say_are_named(vault: Vault) -> None:
    one = made.put(vault, made.manifest("aaaaaaaa"), pieces=2)
    made.put(vault, made.manifest("bbbbbbbb", hours_ago=2))
    volume = vault.home(one) / one.archives[0].volumes[1].file
    volume.write_bytes(volume.read_bytes()[:-1])
    store.locate(vault, "bbbbbbbb").write_text("nonsense")
    reasons = {orphan.path.split("_")[3][:8]: orphan.reason for orphan in rebuild.rebuild(vault, now=made.NOW).orphans}
    assert reasons.keys() == {"aaaaaaaa", "bbbbbbbb"}
    assert "instead of" in reasons["aaaaaaaa"]
    assert "not JSON" in reasons["bbbbbbbb"]


def test_a_half_moved_backup_gets_no_second_manifest(vault: Vault) -> None:
    made.put(vault, made.manifest("bbbbbbbb", hours_ago=9))
    made.put(vault, made.manifest("aaaaaaaa"))
    assert made.stopped_before(12, lambda: remove.to_trash(vault, "aaaaaaaa", now=made.NOW))
    assert rebuild.rebuild(vault, made.read_archive, now=made.NOW).restored == ()
    assert len([path for path in layout.manifests(vault) if "aaaaaaaa" in path.name]) == 1


def test_what_lost_its_manifest_in_the_trash_stays_there(vault: Vault) -> None:
    made.put(vault, made.manifest("bbbbbbbb", hours_ago=9))
    made.put(vault, made.manifest("aaaaaaaa"))
    remove.to_trash(vault, "aaaaaaaa", now=made.NOW)
    store.locate(vault, "aaaaaaaa").unlink()
    assert rebuild.rebuild(vault, made.read_archive, now=made.NOW).restored == ("aaaaaaaa",)
    assert recover.recover(vault, now=made.NOW, alive=lambda _job: False) == recover.Recovery()
    assert [row.id for row in catalog.rows(vault, Filter(removed="trash"))] == ["aaaaaaaa"]
    assert remove.untrash(vault, "aaaaaaaa").tombstone is None


def test_a_rebuild_can_be_cancelled(vault: Vault) -> None:
    made.put(vault, made.manifest("aaaaaaaa"))
    store.locate(vault, "aaaaaaaa").unlink()
    with pytest.raises(CancelledError):
        rebuild.rebuild(vault, made.read_archive, now=made.NOW, should_stop=lambda: True)
    assert rebuild.rebuild(vault, made.read_archive, now=made.NOW).restored == ("aaaaaaaa",)


def test_the_measure_of_an_archive(tmp_path: Path) -> None:
    (tmp_path / "x.tar.001").write_bytes(b"ab")
    (tmp_path / "x.tar.002").write_bytes(b"c")
    measured = rebuild.measure("aaaaaaaa", [tmp_path / "x.tar.001", tmp_path / "x.tar.002"])
    assert (measured.file, measured.size) == ("x.tar", 3)
    assert measured.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert [volume.size for volume in measured.volumes] == [2, 1]
    alone = rebuild.measure("aaaaaaaa", [tmp_path / "x.tar.001"])
    assert msgspec.structs.asdict(alone)["file"] == "x.tar"
