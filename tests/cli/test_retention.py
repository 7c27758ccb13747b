"""config set-retention: other rules in a drop-in, after what they would delete was shown and its number given."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.makers.applications import Clock, Shop, configured, shop
from tests.makers.commands import Ran, lifeboat
from toolkit.operations.session import open_session
from toolkit.retention import Kind, Rules


@pytest.fixture
def made(tmp_path: Path) -> Shop:
    """A shop with three daily backups, of which its rules keep all."""
    made = shop(tmp_path, orders=5)
    made.clock = Clock(made.session().now() - timedelta(days=3))
    configured(made, f"databases: [{made.database}]\nretention: {{daily: 3, max_size: 5GB}}")
    for _ in range(3):
        made.back_up("shop", kind=Kind.DAILY)
        made.clock.move(hours=20)
    return made


def run(made: Shop, *words: object) -> Ran:
    return lifeboat("-c", made.config, "config", "set-retention", "shop", *words)


def rules(made: Shop) -> Rules:
    return open_session(config=made.config).config.profile("shop").retention


def test_what_would_go_is_shown_and_its_number_asked_for(made: Shop) -> None:
    before = rules(made)
    looked = run(made, "daily=1", "--dry-run", "--json").document
    assert len(looked["removed"]), len(looked["kept"]) == (2, 1)
    assert (looked["plan"]["confirm"], looked["plan"]["confirm_word"]) == ("word", "2")
    assert "lifeboat config set-retention shop daily=3" in looked["plan"]["keeps"]
    assert run(made, "daily=1").code == 5
    assert run(made, "daily=1", "--confirm", "1").code == 5
    assert run(made, "daily=1", "--confirm", "2", "--digest", "000000000000").code == 5
    assert rules(made) == before
    done = run(made, "daily=1", "--confirm", "2", "--digest", looked["plan"]["digest"])
    assert (done.code, rules(made).daily, rules(made).max_size) == (0, 1, before.max_size)
    assert len(list((made.vault / "shop" / "daily").glob("*.manifest.json"))) == 3, "nothing is deleted by setting them"
    assert run(made, "daily=1", "--yes", "--json").document["changed"] is False


def test_rules_that_delete_nothing_are_set_at_once_and_taken_away_again(made: Shop) -> None:
    assert run(made, "weekly=9", "max-age=36500d").code == 0
    assert (rules(made).weekly, rules(made).max_age) == (9, timedelta(days=36500))
    assert run(made, "max-age=none", "max-size=none").code == 0
    assert (rules(made).weekly, rules(made).max_age, rules(made).max_size) == (9, None, None)


@pytest.mark.parametrize("words", [("hours=3",), ("daily",), ("daily=",), ("daily=-1",), ("max-age=soon",), ("=3",)])
def test_what_is_no_rule_changes_nothing(made: Shop, words: tuple[str, ...]) -> None:
    before = rules(made)
    ran = run(made, *words)
    assert ran.code == 2
    assert rules(made) == before


def test_nobody_elses_file_is_written_over(made: Shop) -> None:
    assert made.config is not None
    other = made.config.parent / f"{made.config.stem}.d" / "90-retention-shop.yaml"
    other.parent.mkdir()
    other.write_text("profiles: {shop: {retention: {daily: 5}}}\n")
    assert run(made, "weekly=9").code == 5
    assert other.read_text() == "profiles: {shop: {retention: {daily: 5}}}\n"
