"""delete and prune: shown exactly, confirmed by a word, never the last good copy, and undo brings all of it back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.makers.commands import application, backed_up, lifeboat


@pytest.fixture
def ids(tmp_path: Path, vault: Path) -> list[str]:
    """Three backups of one application, oldest first."""
    app = application(tmp_path / "shop")
    return [backed_up(app, vault, "--note", f"number {number}") for number in range(3)]


def there(vault: Path) -> set[str]:
    """Return the ids that have an archive outside the trash."""
    return {path.name.split("_")[3][:8] for path in vault.glob("*/manual/*.tar.zst")}


def test_without_a_confirmation_nothing_goes_and_the_hint_names_the_word(vault: Path, ids: list[str]) -> None:
    ran = lifeboat("delete", ids[0], "--vault", vault)
    assert ran.code == 5
    assert ids[0] in ran.stderr
    assert f"--confirm {ids[0]}" in ran.stderr
    ran = lifeboat("delete", ids[0], ids[1], "--vault", vault, "--confirm", ids[0])
    assert ran.code == 5
    assert "number 0" in ran.stderr
    assert there(vault) == set(ids)


def test_one_is_confirmed_by_its_id_and_many_by_their_number(vault: Path, ids: list[str]) -> None:
    ran = lifeboat("delete", ids[0], "--vault", vault, "--confirm", ids[0], "--json")
    assert ran.code == 0
    assert [row["id"] for row in ran.document["removed"]] == [ids[0]]
    newest = lifeboat("backup", vault.parent / "shop", "--vault", vault, "--json").document["backups"][0]["id"]
    ran = lifeboat("delete", ids[1], ids[2], "--vault", vault, "--confirm", "2")
    assert ran.code == 0
    assert "deleted 2 backups" in ran.stdout
    assert there(vault) == {newest}


def test_dry_run_is_the_plan_and_changes_nothing(vault: Path, ids: list[str]) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in vault.rglob("*_manual_*"))
    ran = lifeboat("delete", ids[0], ids[1], "--vault", vault, "--dry-run", "--json")
    assert ran.code == 0
    assert ran.document["changed"] is False
    assert ran.document["plan"]["confirm_word"] == "2"
    assert sorted(row["id"] for row in ran.document["removed"]) == sorted(ids[:2])
    assert ran.document["plan"]["digest"]
    assert sorted((path, path.stat().st_mtime_ns) for path in vault.rglob("*_manual_*")) == before


def test_the_last_good_copy_needs_an_extra_word(vault: Path, ids: list[str]) -> None:
    dry = lifeboat("delete", *ids, "--vault", vault, "--dry-run", "--json")
    assert dry.code == 5
    assert "last good copy" in dry.document["warnings"][0]["message"]
    ran = lifeboat("delete", *ids, "--vault", vault, "--yes", "--json")
    assert (ran.code, ran.document["error"]["code"]) == (5, "last-good-copy")
    assert there(vault) == set(ids)
    ran = lifeboat("delete", *ids, "--vault", vault, "--yes", "--allow-last-good")
    assert ran.code == 0
    assert there(vault) == set()


def test_one_undo_brings_back_all_of_one_command(vault: Path, ids: list[str]) -> None:
    lifeboat("delete", ids[0], "--vault", vault, "--yes")
    ran = lifeboat("delete", ids[1], ids[2], "--vault", vault, "--yes", "--allow-last-good", "--json")
    assert ran.code == 0
    tombs = [
        json.loads(path.read_bytes())["tombstone"]["when"]
        for path in vault.glob("shop/trash/*.manifest.json")
        if path.name.split("_")[3][:8] in ids[1:]
    ]
    assert len(tombs) == 2
    assert len(set(tombs)) == 1
    assert lifeboat("undo", "--vault", vault, "--yes").code == 0
    assert there(vault) == set(ids[1:])
    assert lifeboat("undo", "--vault", vault, "--yes").code == 0
    assert there(vault) == set(ids)


def test_the_event_has_the_count(vault: Path, ids: list[str], machine: Path) -> None:
    ran = lifeboat("delete", *ids[:2], "--vault", vault, "--yes", "--json")
    journal = machine / "var/lib/lifeboat/jobs" / ran.document["job"] / "events.jsonl"
    events = [json.loads(line) for line in journal.read_bytes().splitlines()]
    assert [event["params"]["count"] for event in events if event.get("code") == "deleted"] == [2]


def test_purge_is_for_good_from_the_trash_too(vault: Path, ids: list[str]) -> None:
    lifeboat("delete", ids[0], "--vault", vault, "--yes")
    assert lifeboat("delete", ids[0], "--vault", vault, "--yes").code == 10
    ran = lifeboat("delete", ids[0], ids[1], "--vault", vault, "--yes", "--purge", "--json")
    assert ran.code == 0
    assert {row["id"]: row["trashed"] for row in ran.document["removed"]} == {ids[0]: True, ids[1]: False}
    assert ran.document["freed"] > 0
    assert [path for path in vault.rglob("*") if ids[0] in path.name or ids[1] in path.name] == []
    assert lifeboat("undo", "--vault", vault, "--yes").code == 10


def test_filters_choose_and_pinned_ones_stay(vault: Path, ids: list[str]) -> None:
    lifeboat("pin", ids[0], "--vault", vault)
    daily = backed_up(vault.parent / "shop", vault, "--kind", "daily")
    ran = lifeboat("delete", "--profile", "shop", "--kind", "manual", "--vault", vault, "--confirm", "2", "--json")
    assert ran.code == 0
    assert sorted(row["id"] for row in ran.document["removed"]) == sorted(ids[1:])
    assert [(row["id"], row["reason"]) for row in ran.document["kept"]] == [(ids[0], "it is pinned")]
    assert lifeboat("delete", "--before", "30d", "--vault", vault, "--yes").code == 10
    assert lifeboat("delete", daily, "--kind", "daily", "--vault", vault, "--yes").code == 2
    assert lifeboat("delete", "--vault", vault, "--yes").code == 2
    assert lifeboat("delete", "--before", "soon", "--vault", vault, "--yes").code == 2


def test_records_of_failed_runs_can_go(vault: Path, ids: list[str]) -> None:
    path = next(vault.rglob(f"*_{ids[0]}.manifest.json"))
    fields = json.loads(path.read_bytes())
    fields.update(status="failed", error="no space left on the file system")
    path.write_text(json.dumps(fields))
    lifeboat("catalog", "rebuild", "--vault", vault)
    ran = lifeboat("delete", "--failed", "--vault", vault, "--dry-run")
    assert ran.code == 0
    assert "failed: no space left" in ran.stdout
    ran = lifeboat("delete", "--failed", "--vault", vault, "--yes", "--json")
    assert [row["id"] for row in ran.document["removed"]] == [ids[0]]


def test_an_interrupted_record_can_go(vault: Path, ids: list[str]) -> None:
    path = next(vault.rglob(f"*_{ids[0]}.manifest.json"))
    fields = json.loads(path.read_bytes())
    fields.update(status="creating", job="00000000")
    path.write_text(json.dumps(fields))
    ran = lifeboat("delete", ids[0], "--vault", vault, "--yes", "--json")
    assert ran.code == 0, ran.stdout
    assert ids[0] not in there(vault)


def test_prune_says_the_reason_for_each_and_asks_for_the_number(vault: Path, ids: list[str]) -> None:
    ran = lifeboat("prune", "shop", "--keep-last", 1, "--vault", vault, "--dry-run", "--json")
    assert ran.code == 0
    assert [row["id"] for row in ran.document["kept"]] == [ids[2]]
    assert sorted(row["id"] for row in ran.document["removed"]) == sorted(ids[:2])
    assert all(row["reason"] for row in ran.document["kept"] + ran.document["removed"])
    assert ran.document["plan"]["confirm_word"] == "2"
    text = lifeboat("prune", "--keep-last", 1, "--vault", vault, "--dry-run").stdout
    assert text.splitlines()[0].split() == ["verdict", "id", "profile", "kind", "started", "size", "reason"]
    assert [line.split()[1] for line in text.splitlines()[1:4]] == ids[::-1]
    assert lifeboat("prune", "--keep-last", 1, "--vault", vault).code == 5
    assert lifeboat("prune", "--keep-last", 1, "--vault", vault, "--confirm", 3).code == 5
    assert there(vault) == set(ids)
    ran = lifeboat("prune", "--keep-last", 1, "--vault", vault, "--confirm", 2)
    assert ran.code == 0
    assert "removed 2 backups" in ran.stdout
    assert there(vault) == {ids[2]}


def test_prune_by_age_and_size_keeps_the_last_good_copy(vault: Path, ids: list[str]) -> None:
    """Promise 5, with the units of the configuration."""
    limits = ("--max-age", "0s", "--max-size", "1KiB")
    ran = lifeboat("prune", "shop", *limits, "--vault", vault, "--dry-run", "--json")
    assert ran.code == 0
    assert [row["id"] for row in ran.document["kept"]] == [ids[2]]
    assert "last good copy" in ran.document["kept"][0]["reason"]
    assert all("(max_age)" in row["reason"] for row in ran.document["removed"])
    assert ran.document["plan"]["cli"] == "lifeboat prune shop --max-age 0s --max-size 1KiB"
    ran = lifeboat("prune", "--max-size", "1", "--vault", vault, "--dry-run", "--json")
    assert all("(max_size)" in row["reason"] for row in ran.document["removed"])
    assert lifeboat("prune", "--max-age", "90d", "--max-size", "200 GB", "--vault", vault).code == 0
    assert there(vault) == set(ids)
    ran = lifeboat("prune", "shop", *limits, "--vault", vault, "--yes")
    assert ran.code == 0
    assert there(vault) == {ids[2]}


@pytest.mark.parametrize(("option", "value"), [("--max-age", "soon"), ("--max-size", "much"), ("--max-size", "-1")])
def test_limits_that_are_none(vault: Path, ids: list[str], option: str, value: str) -> None:
    ran = lifeboat("prune", option, value, "--vault", vault, "--json")
    assert ran.code == 2
    assert option in ran.document["error"]["message"]


def test_prune_with_nothing_to_remove_asks_nothing(vault: Path, ids: list[str]) -> None:
    ran = lifeboat("prune", "--vault", vault, "--json")
    assert (ran.code, ran.document["removed"], ran.document["changed"]) == (0, [], False)
    assert lifeboat("prune", "nobody", "--vault", vault).code == 10
    assert lifeboat("prune", "--keep-last", 0, "--vault", vault).code == 2
