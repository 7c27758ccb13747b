"""catalog rebuild: the index, lost manifests and lost file lists come back from what is on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.makers.commands import application, backed_up, lifeboat


@pytest.fixture
def ids(tmp_path: Path, vault: Path) -> list[str]:
    app = application(tmp_path / "shop")
    return [backed_up(app, vault), backed_up(app, vault, "--format", "zip")]


def test_a_lost_catalog_is_made_again_with_every_pin(vault: Path, ids: list[str]) -> None:
    lifeboat("pin", ids[0], "--vault", vault)
    (vault / "catalog.db").write_bytes(b"nonsense")
    ran = lifeboat("catalog", "rebuild", "--vault", vault, "--json")
    assert ran.code == 0
    assert (ran.document["backups"], ran.document["restored"], ran.document["orphans"]) == (2, [], [])
    listed = lifeboat("list", "--vault", vault, "--json").document["backups"]
    assert {row["id"]: row["pin"] for row in listed} == {ids[0]: True, ids[1]: False}


def test_lost_manifests_and_lists_come_back_from_the_archives(vault: Path, ids: list[str]) -> None:
    for path in [*vault.rglob("*.manifest.json"), *vault.rglob("*.files.jsonl.zst")]:
        path.unlink()
    ran = lifeboat("catalog", "rebuild", "--vault", vault, "--json")
    assert ran.code == 0, ran.stderr
    assert sorted(ran.document["restored"]) == sorted(ran.document["lists"]) == sorted(ids)
    assert lifeboat("verify", "--all", "--vault", vault).code == 0


def test_what_lost_its_other_half_is_named_and_left_alone(vault: Path, ids: list[str]) -> None:
    archive = next(vault.rglob(f"*_{ids[0]}.tar.zst"))
    archive.unlink()
    manifest = next(vault.rglob(f"*_{ids[1]}.manifest.json"))
    manifest.unlink()
    broken = next(vault.rglob(f"*_{ids[1]}.zip"))
    broken.write_bytes(b"PK\x03\x04 no more")
    ran = lifeboat("catalog", "rebuild", "--vault", vault, "--json")
    assert ran.code == 3
    assert {Path(orphan["path"]).name.split("_")[3][:8] for orphan in ran.document["orphans"]} == set(ids)
    assert broken.read_bytes() == b"PK\x03\x04 no more"
    text = lifeboat("catalog", "rebuild", "--vault", vault).stdout
    assert "left alone: shop/manual/" in text


def test_a_manifest_that_cannot_be_read_has_a_way_back(vault: Path, ids: list[str]) -> None:
    manifest = next(vault.rglob(f"*_{ids[0]}.manifest.json"))
    manifest.write_bytes(b"{" + manifest.read_bytes())
    ran = lifeboat("catalog", "rebuild", "--vault", vault, "--json")
    assert (ran.code, len(ran.document["orphans"]), len(ran.document["notes"])) == (3, 1, 1)
    assert "moved it away" in ran.document["notes"][0]
    manifest.rename(vault.parent / "away")
    ran = lifeboat("catalog", "rebuild", "--vault", vault, "--json")
    assert (ran.code, ran.document["restored"], ran.document["notes"]) == (0, [ids[0]], [])


def test_there_are_no_destinations_yet(vault: Path, ids: list[str]) -> None:
    ran = lifeboat("catalog", "rebuild", "--from", "drive", "--vault", vault, "--json")
    assert ran.code == 2
    assert ran.document["error"]["subject"] == "drive"
    assert lifeboat("catalog", "rebuild", "--vault", vault.parent / "none").code == 10
    assert json.loads(ran.stdout)["changed"] is False
