from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from tests.vault import made
from toolkit.archive.manifest import Evidence, FileCounts, Manifest, Status, Tombstone
from toolkit.errors import ArchiveDamagedError, FormatError, SourceMissingError
from toolkit.retention import Kind
from toolkit.vault import health
from toolkit.vault.health import Alarms, Health, LastCheck, Observation, Target

FILES = f"files:{made.UPLOADS}"
WANTED = (("database", made.DB), ("files", FILES))


def assess(*manifests: Manifest, alarms: Alarms | None = None, **seen: Observation) -> dict[str, Target]:
    observations = {made.DB: seen["db"]} if seen else None
    found = health.assess("shop", WANTED, manifests, alarms or Alarms(), now=made.NOW, observations=observations)
    return {target.kind: target for target in found}


def codes(target: Target) -> list[str]:
    return [reason.code for reason in target.reasons]


def test_well_looked_after() -> None:
    good = made.manifest("aaaaaaaa", hours_ago=2)
    tested = msgspec.structs.replace(good, evidence=Evidence("rehearsed", made.NOW, "verify"))
    for one, tested_at in ((good, None), (tested, made.NOW)):
        target = assess(one, alarms=Alarms(timedelta(hours=26), 0.5))["database"]
        assert (target.state, target.reasons, target.failed_since_good) == ("ok", (), 0)
        assert target.last_good == health.LastGood(good.finished or made.NOW, "aaaaaaaa", tested_at)


def test_no_backup_yet() -> None:
    found = assess()
    assert [(one.state, codes(one)) for one in found.values()] == [("unknown", ["no-backup"])] * 2


def test_none_is_good() -> None:
    bad = made.manifest(damaged=True)
    gone = made.manifest(hours_ago=3, tombstone=Tombstone(made.NOW, "deleted", trash=True))
    other = made.manifest(profile="crm")
    safety = made.manifest(kind=Kind.SAFETY)
    target = assess(bad, gone, other, safety)["database"]
    assert (target.state, target.last_good) == ("bad", None)
    assert codes(target) == ["no-good-backup", "backup-damaged"]


def test_stale_and_each_target_for_itself() -> None:
    full = made.manifest("aaaaaaaa", hours_ago=30)
    found = assess(full, made.database_only("bbbbbbbb", hours_ago=1), alarms=Alarms(max_age=timedelta(hours=26)))
    assert (found["database"].state, found["files"].state) == ("ok", "warn")
    assert codes(found["files"]) == ["stale"]
    assert full.finished is not None
    assert found["files"].reasons[0].since == full.finished + timedelta(hours=26)


def test_failures_since_the_last_good_one() -> None:
    runs = [made.manifest(hours_ago=hours, status=Status.FAILED, error="disk full") for hours in (1, 2, 9)]
    target = assess(*runs, made.manifest("aaaaaaaa", hours_ago=5))["database"]
    assert (target.state, target.failed_since_good) == ("warn", 2)
    assert target.reasons[0].text == "2 runs failed: disk full"
    assert target.reasons[0].since == runs[1].finished


@pytest.mark.parametrize(("size", "found"), [(2000, ["shrunk"]), (2048, []), (4096, [])])
def test_a_database_that_shrank(size: int, found: list[str]) -> None:
    database = msgspec.structs.replace(made.manifest().databases[0], size=size)
    new = made.manifest(databases=(database,))
    assert codes(assess(new, made.manifest(hours_ago=9), alarms=Alarms(shrink=0.5))["database"]) == found


def test_files_that_shrank_are_compared_between_like_backups() -> None:
    new = made.manifest(files=FileCounts(3, 2, 10))
    assert codes(assess(new, made.manifest(hours_ago=9), alarms=Alarms(shrink=0.5))["files"]) == ["shrunk"]
    other = made.manifest(hours_ago=9, sources=(*new.sources, msgspec.structs.replace(new.sources[1], path="/srv/b")))
    assert codes(assess(new, other, alarms=Alarms(shrink=0.5))["files"]) == []


def test_damage_that_a_check_found_is_worst() -> None:
    check = LastCheck(made.NOW, "quick", "damaged")
    seen = Observation(last_check=check, open_by=("gunicorn 4121",), free_bytes=5, next_run=made.NOW)
    target = assess(made.manifest(), db=seen)["database"]
    assert (target.state, codes(target)) == ("bad", ["damaged"])
    assert (target.last_check, target.open_by, target.free_bytes, target.next_run) == (
        check,
        ("gunicorn 4121",),
        5,
        made.NOW,
    )


def test_a_backup_from_the_future() -> None:
    assert codes(assess(made.manifest(hours_ago=-50))["database"]) == ["clock"]


def test_databases_that_only_the_backups_know_are_added() -> None:
    database = msgspec.structs.replace(made.manifest().databases[0], path="/srv/shop/cache.db")
    found = health.assess("shop", (), [made.manifest(databases=(database,))], Alarms(), now=made.NOW)
    assert [(one.kind, one.path) for one in found] == [("database", "/srv/shop/cache.db")]


def test_the_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "state" / "health.json"
    check = LastCheck(made.NOW, "full", "ok")
    hostile = Target("shop", "database", "/srv/\udcff\x1b[31m.db", "ok", last_check=check, open_by=("caf\udce9 1",))
    health.write(path, Health(1, made.NOW, (hostile,)))
    assert health.read(path) == Health(1, made.NOW, (hostile,))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"\x1b" not in path.read_bytes()
    other = assess(made.manifest(profile="crm"))["files"]
    whole = health.replace(path, "crm", [msgspec.structs.replace(other, profile="crm")], now=made.NOW)
    assert [target.profile for target in health.read(path).targets] == ["crm", "shop"]
    assert health.read(path) == whole


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "health.json"
    with pytest.raises(SourceMissingError):
        health.read(path)
    for data, kind in ((b"{", ArchiveDamagedError), (b"[]", ArchiveDamagedError), (b'{"health": 2}', FormatError)):
        path.write_bytes(data)
        with pytest.raises(kind):
            health.read(path)
    assert health.replace(path, "shop", [], now=made.NOW) == Health(1, made.NOW)


def test_a_kill_leaves_the_old_file_or_the_new(tmp_path: Path) -> None:
    path = tmp_path / "health.json"
    old, new = Health(1, made.NOW), Health(1, made.NOW + timedelta(hours=1))
    seen = set()
    number = 0
    killed = True
    while killed:
        number += 1
        health.write(path, old)
        killed = made.stopped_before(number, lambda: health.write(path, new))
        seen.add(health.read(path).at)
    assert seen == {old.at, new.at}
    assert number == 5
