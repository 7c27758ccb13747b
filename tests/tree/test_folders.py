from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.makers import trees
from toolkit.tree.folders import OPEN_FOLDER, Folders, mount_points, remove_tree


@pytest.fixture
def top(tmp_path: Path) -> int:
    (tmp_path / "top" / "real" / "inside").mkdir(parents=True)
    (tmp_path / "victim" / "inside").mkdir(parents=True)
    (tmp_path / "victim" / "inside" / "file").touch()
    return os.open(tmp_path / "top", OPEN_FOLDER)


@pytest.mark.parametrize("path", ["link", "link/inside", "real/link", "real/link/inside"])
def test_a_link_among_the_folders_is_never_followed(tmp_path: Path, top: int, path: str) -> None:
    (tmp_path / "top" / "link").symlink_to(tmp_path / "victim")
    (tmp_path / "top" / "real" / "link").symlink_to(tmp_path / "victim")
    folders = Folders(top, create=lambda parent, name, _: os.mkdir(name, dir_fd=parent))
    with pytest.raises(NotADirectoryError):
        folders.open(path)
    folders.close()
    os.close(top)


def test_the_newest_folders_stay_open_and_the_others_are_reached_again(tmp_path: Path, top: int) -> None:
    folders = Folders(top, create=lambda parent, name, _: os.mkdir(name, dir_fd=parent))
    deep = "/".join(f"{level}" for level in range(200))
    folders.open(deep)
    assert len(folders._open) <= 64
    inode = os.stat(tmp_path / "top" / "0" / "1").st_ino
    assert os.fstat(folders.open("0/1")).st_ino == inode
    folders.forget("0")
    assert folders._open == {}
    folders.close()
    os.close(top)


def test_removing_takes_trees_of_any_depth_and_no_target_of_a_link(tmp_path: Path, top: int) -> None:
    before = trees.fingerprint(tmp_path / "victim")
    folders = Folders(top, create=lambda parent, name, _: os.mkdir(name, dir_fd=parent))
    deepest = folders.open("/".join(["real", *(["d" * 100] * 1500)]))
    os.symlink(tmp_path / "victim", "link", dir_fd=deepest)
    os.mkfifo("fifo", dir_fd=deepest)
    folders.close()
    (tmp_path / "top" / "link").symlink_to(tmp_path / "victim")

    for name in ("real", "link", "absent"):
        remove_tree(top, name)
    assert os.listdir(top) == []
    assert trees.fingerprint(tmp_path / "victim") == before
    os.close(top)


def test_mount_points_are_known() -> None:
    assert "/" in mount_points()
