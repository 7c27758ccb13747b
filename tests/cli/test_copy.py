"""copy: all of a backup in another folder, compared, never over another file, nothing left of a failure."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.makers import faults
from tests.makers.commands import application, backed_up, lifeboat


@pytest.fixture
def ident(tmp_path: Path, vault: Path) -> str:
    app = application(tmp_path / "shop")
    (app / "uploads" / "noise").write_bytes(os.urandom(300_000))
    return backed_up(app, vault, "--split", "100kB")


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def in_vault(vault: Path, ident: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in vault.rglob(f"*_{ident}.*")}


def test_every_volume_the_list_and_the_manifest_come_and_restore_works_from_there(
    vault: Path, ident: str, tmp_path: Path
) -> None:
    target = tmp_path / "usb" / "new"
    ran = lifeboat("copy", "latest", target, "--vault", vault, "--json")
    assert ran.code == 0, ran.stderr
    assert files(target) == in_vault(vault, ident)
    assert len(ran.document["copied"]) == len(files(target)) >= 5
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in target.iterdir())
    shutil.rmtree(vault)
    first = next(path for path in target.iterdir() if path.name.endswith(".001"))
    assert lifeboat("verify", first, "--vault", tmp_path / "none").code == 0
    ran = lifeboat("restore", first, "--to", tmp_path / "back", "--vault", tmp_path / "none", "--yes")
    assert ran.code == 0, ran.stderr
    restored = next((tmp_path / "back").rglob("noise"))
    assert restored.read_bytes() == (tmp_path / "shop/uploads/noise").read_bytes()


def test_the_same_again_changes_nothing_and_a_missing_piece_is_added(vault: Path, ident: str, tmp_path: Path) -> None:
    target = tmp_path / "usb"
    lifeboat("copy", ident, target, "--vault", vault)
    ran = lifeboat("copy", ident, target, "--vault", vault, "--json")
    assert (ran.code, ran.document["changed"], ran.document["copied"]) == (0, False, [])
    next(target.glob("*.002")).unlink()
    ran = lifeboat("copy", ident, target, "--vault", vault, "--json")
    assert [Path(path).suffix for path in ran.document["copied"]] == [".002"]
    assert files(target) == in_vault(vault, ident)


def test_another_file_is_never_overwritten(vault: Path, ident: str, tmp_path: Path) -> None:
    target = tmp_path / "usb"
    target.mkdir()
    name = next(vault.rglob("*.003")).name
    (target / name).write_bytes(b"mine")
    ran = lifeboat("copy", ident, target, "--vault", vault)
    assert ran.code == 5
    assert name in ran.stderr
    assert files(target) == {name: b"mine"}


def test_a_damaged_archive_leaves_nothing(vault: Path, ident: str, tmp_path: Path) -> None:
    volume = next(vault.rglob("*.003"))
    data = bytearray(volume.read_bytes())
    data[100] ^= 1
    volume.write_bytes(data)
    target = tmp_path / "usb"
    ran = lifeboat("copy", ident, target, "--vault", vault, "--json")
    assert (ran.code, ran.document["error"]["code"]) == (4, "archive-damaged")
    assert not target.exists()


def test_places_that_are_refused(vault: Path, ident: str, tmp_path: Path) -> None:
    assert lifeboat("copy", ident, vault / "shop", "--vault", vault).code == 2
    (tmp_path / "file").write_text("")
    assert lifeboat("copy", ident, tmp_path / "file", "--vault", vault).code == 2
    assert lifeboat("copy", "zzzzzzzz", tmp_path / "usb", "--vault", vault).code == 10
    assert not (tmp_path / "usb").exists()


def test_a_kill_at_any_step_leaves_whole_files_and_the_next_run_finishes(
    vault: Path, ident: str, tmp_path: Path
) -> None:
    target = tmp_path / "usb"
    whole = in_vault(vault, ident)
    command = ["lifeboat", "copy", ident, str(target), "--vault", str(vault)]
    steps = faults.run(command).steps
    numbers = [number for number, step in enumerate(steps, 1) if str(target) in step.path]
    for number in numbers[::3]:
        shutil.rmtree(target)
        assert faults.run(command, kill_before=number).killed
        for path in target.iterdir() if target.exists() else ():
            assert path.name.endswith(".partial") or path.read_bytes() == whole[path.name]
        if number in numbers[::9]:
            assert lifeboat("copy", ident, target, "--vault", vault).code == 0
            assert files(target) == whole
        target.mkdir(exist_ok=True)
