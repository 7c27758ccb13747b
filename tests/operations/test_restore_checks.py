"""How deep a restore checks a database: as deep as what it replaces is worth (docs/decisions/0009)."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.makers.commands import application, backed_up, lifeboat
from toolkit.sqlite import check as checks


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return application(tmp_path / "shop", orders=5)


def restored(vault: Path, target: Path, *more: str) -> str:
    ran = lifeboat("restore", "latest", "--to", target, "--yes", "--vault", vault, "--json", *more)
    assert ran.code == 0, ran.stderr
    checked: str = ran.document["databases"][0]["checked"]
    return checked


def test_elsewhere_the_digest_stands_for_the_checks_of_the_copy(vault: Path, app: Path, tmp_path: Path) -> None:
    backed_up(app, vault)
    assert restored(vault, tmp_path / "look").startswith("digest of the copy that was checked when it was made")


def test_a_database_that_is_replaced_is_always_checked_in_full(vault: Path, app: Path, tmp_path: Path) -> None:
    backed_up(app, vault)
    restored(vault, tmp_path / "look")
    again = restored(vault, tmp_path / "look", "--on-conflict", "replace")
    assert again.startswith("digest, integrity_check")


def test_the_counts_are_compared_everywhere(vault: Path, app: Path, tmp_path: Path) -> None:
    backed_up(app, vault)
    sidecar = next(vault.rglob("*.manifest.json"))
    document = json.loads(sidecar.read_bytes())
    tables = document["databases"][0]["tables"]
    tables[next(iter(tables))] += 1
    sidecar.write_text(json.dumps(document))
    ran = lifeboat("restore", sidecar, "--to", tmp_path / "look", "--yes", "--vault", vault, "--json")
    assert ran.code == 4
    assert "rows" in ran.document["error"]["message"]
    assert not (tmp_path / "look").exists()


def test_foreign_keys_are_checked_beside_the_pages_of_a_large_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as base, base:
        base.execute("create table parent (id integer primary key)")
        base.execute("create table child (parent integer references parent)")
        base.execute("insert into child values (7)")
    alone = checks.check(path, level="quick")
    monkeypatch.setattr(checks, "LARGE", 1)
    beside = checks.check(path, level="quick")
    assert [one.name for one in beside.checks] == [one.name for one in alone.checks]
    assert beside.foreign_key_violations == alone.foreign_key_violations == 1
    counted = checks.check(path, level="counts")
    assert [one.name for one in counted.checks] == ["size", "rows"]
    assert (counted.tables, counted.foreign_key_violations) == ({"child": 1, "parent": 0}, None)
