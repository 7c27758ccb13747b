"""What a repair or rescue says and keeps: in a dry run as when it is done, in files of nobody else's, by one line."""

from __future__ import annotations

import json
import shlex
import stat
from pathlib import Path

import pytest

from tests.makers import damaged, databases
from tests.makers.commands import VOUCH, backed_up, lifeboat
from toolkit.sqlite import raw
from toolkit.sqlite.blocks import copy_set


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    return databases.shop(tmp_path / "shop" / "shop.db", orders=900)


def without_schema(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(bytes(4096))


def test_rows_without_a_table_go_to_a_file_too(shop: Path, vault: Path, tmp_path: Path) -> None:
    without_schema(shop)
    ran = lifeboat("repair", shop, "--output", tmp_path / "out.db", "--vault", vault, "--json")
    assert ran.code == 3, ran.stdout
    path = Path(ran.document["lost_and_found"])
    assert path.parent == vault / "recovery"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(rows) >= ran.document["unplaced"] >= 900
    assert "(in lost_and_found)" in ran.document["lost"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_export_says_which_rows_have_no_table(shop: Path, vault: Path) -> None:
    without_schema(shop)
    ran = lifeboat("export", shop, "--format", "json", "--vault", vault, "--json")
    assert ran.code == 3, ran.stdout
    assert {"database-damaged", "rows-unplaced"} <= {one["code"] for one in ran.document["warnings"]}


def test_what_was_mended_is_private(shop: Path, vault: Path, tmp_path: Path) -> None:
    damaged.lose_leaf(shop)
    shop.chmod(0o644)
    assert lifeboat("repair", shop, "--output", tmp_path / "out.db", "--vault", vault).code == 3
    assert stat.S_IMODE((tmp_path / "out.db").stat().st_mode) == 0o600


def test_an_output_that_came_meanwhile_is_never_replaced(
    shop: Path, vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged.lose_leaf(shop)
    output = tmp_path / "out.db"

    def then(*arguments: object, **options: object) -> object:
        output.write_bytes(b"mine")
        return copy_set(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(raw, "copy_set", then)
    ran = lifeboat("repair", shop, "--output", output, "--vault", vault, "--json")
    assert (ran.code, ran.document["error"]["code"]) == (5, "refused"), ran.stdout
    assert output.read_bytes() == b"mine"
    assert sorted(path.name for path in tmp_path.iterdir() if "out" in path.name) == ["out.db"]


@pytest.mark.parametrize("word", ["repair", "rescue"])
def test_a_plan_that_is_only_shown_ends_as_it_would(shop: Path, vault: Path, word: str) -> None:
    damaged.lose_leaf(shop)
    how = ("--in-place",) if word == "repair" else ()
    shown = lifeboat(word, shop, *how, "--dry-run", "--vault", vault, "--json")
    done = lifeboat(word, shop, *how, "--yes", "--vault", vault, "--json", *VOUCH)
    assert shown.code == done.code == 3, shown.stdout
    assert shown.document["tables"] == done.document["tables"]
    assert shown.document["tables"]["orders"]["read"] > 0


@pytest.mark.parametrize(
    ("word", "options"),
    [
        ("repair", "--in-place --refill none"),
        ("repair", "--in-place --refill-unproven apart"),
        ("rescue", "--way mend --refill-unproven apart --no-services --stop-holders"),
        ("rescue", "--from {ident}"),
    ],
)
def test_the_line_of_a_plan_makes_the_same_plan(shop: Path, vault: Path, word: str, options: str) -> None:
    ident = backed_up(shop, vault)
    damaged.lose_leaf(shop)
    words = options.format(ident=ident).split()
    shown = lifeboat(word, shop, *words, "--dry-run", "--vault", vault, "--json").document["plan"]
    program, *line = shlex.split(shown["cli"])
    assert program == "lifeboat"
    assert {*words} <= {*line}
    again = lifeboat(*line, "--dry-run", "--vault", vault, "--json").document["plan"]
    assert (again["digest"], again["cli"]) == (shown["digest"], shown["cli"])


def test_a_database_that_is_written_to_is_not_judged(
    shop: Path, vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An application writes whenever a copy is being made: of a torn copy nothing can be said."""

    def busy(*arguments: object, **options: object) -> object:
        copied = copy_set(*arguments, **options)  # type: ignore[arg-type]
        with databases.opened(shop) as connection:
            connection.execute("INSERT INTO orders(user_id, note) VALUES (1, 'meanwhile')")
        return copied

    monkeypatch.setattr(raw, "copy_set", busy)
    ran = lifeboat("repair", shop, "--output", tmp_path / "out.db", "--vault", vault, "--json")
    assert ran.document["error"]["code"] == "source-changed", ran.stdout
    assert "rescue" in ran.document["error"]["hint"]
    assert not (tmp_path / "out.db").exists()


def test_a_rescue_that_is_put_back_says_so_and_is_not_reported_as_done(shop: Path, tmp_path: Path, vault: Path) -> None:
    damaged.lose_leaf(shop)
    before = damaged.content(shop)
    config = tmp_path / "config.yaml"
    config.write_text(f"vault: {vault}\nprofiles:\n  shop:\n    databases: [{shop}]\n    smoke: [['false']]\n")
    ran = lifeboat("rescue", "shop", "--yes", "--config", config, "--json", *VOUCH)
    assert ran.code == 1, ran.stdout
    assert damaged.content(shop) == before
    assert not list((vault / "recovery").glob("rescued*"))
    status = lifeboat("status", "--config", config, "--json").document
    assert [one["state"] for one in status["targets"]] != ["ok"]
    text = lifeboat("rescue", "shop", "--yes", "--config", config, *VOUCH)
    assert "everything is as it was before the rescue" in text.stdout + text.stderr
    events = lifeboat("rescue", "shop", "--yes", "--config", config, "--events", *VOUCH).stderr.splitlines()
    assert json.loads(events[-1])["status"] == "failed"
    assert not json.loads(events[-1]).get("undo")  # there is nothing to undo


@pytest.mark.parametrize("word", ["repair", "rescue"])
def test_the_undo_that_is_offered_works(shop: Path, vault: Path, word: str) -> None:
    damaged.break_index(shop)
    before = damaged.content(shop)
    how = ("--in-place",) if word == "repair" else ()
    events = lifeboat(word, shop, *how, "--yes", "--vault", vault, "--events", *VOUCH).stderr.splitlines()
    program, *line = shlex.split(json.loads(events[-1])["undo"]["cli"])
    assert program == "lifeboat"
    assert damaged.content(shop) != before
    assert lifeboat(*line, "--yes", "--vault", vault, *VOUCH).code == 0
    assert damaged.content(shop) == before
