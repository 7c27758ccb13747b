"""Paths as people give them: an empty one is an unset variable, never the folder that one happens to be in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.makers.commands import application, backed_up, lifeboat


@pytest.mark.parametrize(
    "command",
    [
        ("restore", "latest", "--to", ""),
        ("copy", "latest", ""),
        ("import", ""),
        ("config", "init", ""),
        ("--vault", "", "list"),
        ("--config", "", "list"),
        ("list", "--vault", ""),
        ("backup", ""),
    ],
    ids=" ".join,
)
def test_an_empty_path_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    backed_up(application(tmp_path / "shop"), tmp_path / "vault")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("LIFEBOAT_VAULT", str(tmp_path / "vault"))
    ran = lifeboat(*command, "--json")
    assert (ran.code, "empty" in ran.document["error"]["message"]) == (2, True), ran.stdout
    assert list((tmp_path / "here").iterdir()) == []


def test_a_target_that_is_a_file_is_refused(tmp_path: Path) -> None:
    backed_up(application(tmp_path / "shop"), tmp_path / "vault")
    target = tmp_path / "file"
    target.write_text("mine")
    ran = lifeboat("restore", "latest", "--to", target, "--vault", tmp_path / "vault", "--json")
    assert (ran.code, ran.document["error"]["subject"]) == (2, str(target))
    assert target.read_text() == "mine"
