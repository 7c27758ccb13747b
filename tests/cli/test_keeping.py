"""rate, note, tag, pin, unpin: what a person says of a backup stays with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.makers.commands import application, backed_up, lifeboat
from toolkit.errors import UsageError
from toolkit.operations.keeping import rating_of


@pytest.fixture
def ident(tmp_path: Path, vault: Path) -> str:
    return backed_up(application(tmp_path / "shop"), vault)


def manifest(vault: Path, ident: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(next(vault.rglob(f"*_{ident}.manifest.json")).read_bytes())
    return found


@pytest.mark.parametrize(
    ("word", "number", "tag"),
    [
        ("1", 1, ""),
        ("5", 5, ""),
        ("excellent", 5, "excellent"),
        ("Excellent!", 5, "Excellent!"),
        ("🏆 מצוין", 5, "🏆 מצוין"),
        ("🏆", 5, "🏆"),
        ("⭐⭐⭐", 3, "⭐⭐⭐"),
        ("плохо", 2, "плохо"),
        ("sangat baik", 5, "sangat baik"),
        ("meh", None, "meh"),
    ],
)
def test_what_a_rating_means(word: str, number: int | None, tag: str) -> None:
    assert rating_of(word) == (number, tag)


@pytest.mark.parametrize("word", ["0", "6", "-1", "+3", "", " ", "a\nb", "x" * 101])
def test_what_is_no_rating(word: str) -> None:
    with pytest.raises(UsageError):
        rating_of(word)


def test_rating_with_a_word_keeps_it_as_a_tag_until_the_next_rating(vault: Path, ident: str) -> None:
    lifeboat("tag", ident, "release", "--vault", vault)
    ran = lifeboat("rate", "latest", "🏆 מצוין", "--vault", vault, "--json")
    assert ran.code == 0
    assert ran.document["changed"] is True
    assert ran.document["backups"][0]["rating"] == 5
    assert ran.document["backups"][0]["tags"] == ["release", "🏆 מצוין"]
    assert manifest(vault, ident)["rating"] == 5
    row = lifeboat("rate", ident, "2", "--vault", vault, "--json").document["backups"][0]
    assert (row["rating"], row["tags"]) == (2, ["release"])
    row = lifeboat("rate", ident, "none", "--vault", vault, "--json").document["backups"][0]
    assert row["rating"] is None


def test_a_word_without_a_number_is_only_a_tag(vault: Path, ident: str) -> None:
    ran = lifeboat("rate", ident, "meh", "--vault", vault)
    assert ran.code == 0
    assert "not rated  tags meh" in ran.stdout
    assert "kept as a tag" in ran.stderr


def test_the_note_is_replaced_read_from_stdin_and_removed(vault: Path, ident: str) -> None:
    assert "note: before 2.4" in lifeboat("note", ident, "before 2.4", "--vault", vault).stdout
    assert lifeboat("note", ident, "-", "--vault", vault, stdin="two\nlines\n").code == 0
    assert manifest(vault, ident)["note"] == "two\nlines"
    again = lifeboat("note", ident, "two\nlines", "--vault", vault, "--json")
    assert again.document["changed"] is False
    lifeboat("note", ident, "", "--vault", vault)
    assert "note" not in manifest(vault, ident)


def test_tags_are_added_once_and_removed(vault: Path, ident: str) -> None:
    ran = lifeboat("tag", ident, "+one", "two", "one", "--vault", vault, "--json")
    assert ran.document["backups"][0]["tags"] == ["one", "two"]
    ran = lifeboat("tag", ident, "three", "--remove", "one", "--remove", "nine", "--vault", vault, "--json")
    assert ran.document["backups"][0]["tags"] == ["two", "three"]
    assert [(one["code"], one["subject"]) for one in ran.document["warnings"]] == [("no-such-tag", "nine")]
    assert lifeboat("tag", ident, "--vault", vault).code == 2


def test_a_pinned_backup_survives_delete_and_prune(vault: Path, ident: str, tmp_path: Path) -> None:
    newer = backed_up(tmp_path / "shop", vault)
    assert lifeboat("pin", ident, "--vault", vault).code == 0
    refused = lifeboat("delete", ident, "--yes", "--vault", vault, "--json")
    assert (refused.code, refused.document["error"]["code"]) == (5, "refused")
    pruned = lifeboat("prune", "--keep-last", 1, "--yes", "--vault", vault, "--json")
    assert pruned.document["removed"] == []
    assert lifeboat("unpin", ident, "--vault", vault).code == 0
    pruned = lifeboat("prune", "--keep-last", 1, "--yes", "--vault", vault, "--json")
    assert [row["id"] for row in pruned.document["removed"]] == [ident]
    assert lifeboat("pin", newer, ident, "--vault", vault).code == 10


def test_each_of_them_is_an_audited_job(vault: Path, ident: str, machine: Path) -> None:
    ran = lifeboat("pin", ident, "--vault", vault, "--json")
    jobs = machine / "var/lib/lifeboat/jobs"
    assert (jobs / ran.document["job"] / "events.jsonl").exists()
    audit = "".join(path.read_text() for path in (machine / "var/log/lifeboat").iterdir())
    assert '"operation":"pin"' in audit.replace(" ", "")


def test_nothing_there_says_where_to_look(vault: Path, ident: str) -> None:
    ran = lifeboat("rate", "zzzzzzzz", "5", "--vault", vault)
    assert ran.code == 10
    assert ident in ran.stderr
