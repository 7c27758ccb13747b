"""Hard links come back as links, also where only one of their names was lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.makers.commands import lifeboat


@pytest.mark.parametrize("lost", ["first", "second"])
def test_hard_links_are_one_file_again_whichever_name_was_lost(tmp_path: Path, lost: str) -> None:
    folder, vault = tmp_path / "app", tmp_path / "vault"
    folder.mkdir()
    (folder / "first").write_text("content")
    (folder / "second").hardlink_to(folder / "first")
    assert lifeboat("backup", folder, "--vault", vault).code == 0
    (folder / lost).unlink()
    assert lifeboat("restore", "latest", "--yes", "--vault", vault).code == 0
    assert (folder / "first").samefile(folder / "second")
    assert (folder / lost).read_text() == "content"
    assert lifeboat("undo", "--yes", "--vault", vault).code == 0
    assert [path.name for path in folder.iterdir()] == [{"first": "second", "second": "first"}[lost]]
