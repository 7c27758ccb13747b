"""What each scope holds: databases that lie in a folder belong to `database` whether the profile names them or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.makers import databases
from tests.makers.applications import Shop, shop
from tests.makers.commands import lifeboat
from toolkit.retention import Scope


@pytest.fixture
def made(tmp_path: Path) -> Shop:
    found = shop(tmp_path, orders=5)
    (found.uploads / "deep").mkdir()
    databases.shop(found.uploads / "deep" / "noname", orders=3)
    return found


@pytest.mark.parametrize(("scope", "files"), [(Scope.FULL, 2), (Scope.FILES, 2), (Scope.DATABASE, 0)])
def test_every_scope_of_a_path_has_its_databases(made: Shop, scope: Scope, files: int) -> None:
    row = made.back_up(scope=scope)
    assert sorted(one.name for one in row.databases) == ["noname", "shop.db"]
    assert row.files - len(row.databases) == files
    manifest = lifeboat("show", row.id, "--vault", made.vault, "--json").document["backup"]
    sections = {one["section"] for one in manifest["sources"]}
    assert sections == ({"databases"} if scope is Scope.DATABASE else {"files"})


def test_a_path_without_a_database(made: Shop, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "file").write_text("x")
    ran = lifeboat("backup", tmp_path / "plain", "--scope", "database", "--vault", made.vault, "--json")
    assert ran.code == 0
    assert ran.document["notes"] == ["plain has no database: the archive holds only its manifest"]


def test_what_is_excluded_or_gone_is_no_database_of_the_profile(made: Shop, tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(
        f"profiles:\n  shop:\n    files: [{{path: {made.root}, exclude: ['deep/']}}, {{path: {tmp_path}/gone}}]\n"
        f"    databases: [{made.database}]\n"
    )
    ran = lifeboat("-c", config, "backup", "--scope", "database", "--vault", made.vault, "--json")
    assert ran.code == 0, ran.stdout
    assert [one["name"] for one in ran.document["backups"][0]["databases"]] == ["shop.db"]
