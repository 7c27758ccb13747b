from __future__ import annotations

import os
import subprocess
import tracemalloc
from pathlib import Path

import pytest

from tests.makers import trees
from tests.makers.restores import walk
from toolkit.errors import SourceMissingError
from toolkit.filelist import FileType, Section, decode_entry, encode_entry
from toolkit.tree.filters import Filters
from toolkit.tree.scan import LeftOut, Scanner


def scan(root: Path | bytes, filters: Filters | None = None) -> tuple[list[str], list[LeftOut]]:
    said: list[LeftOut] = []
    return [entry.path for entry in Scanner(said.append).walk(Section.FILES, root, filters)], said


def test_every_name_is_there_once_a_folder_before_its_content_siblings_by_bytes(tmp_path: Path) -> None:
    root = trees.kept(tmp_path / "tree")
    raw = os.fsencode(root)
    expected = [raw + b"/" + name if name else raw for name in trees.fingerprint(root)]

    assert [os.fsencode(path) for path in scan(root)[0]] == expected


def test_an_entry_survives_its_line_in_the_list(tmp_path: Path) -> None:
    entries = walk(trees.kept(tmp_path / "tree"))

    assert [decode_entry(encode_entry(entry)) for entry in entries] == entries


def test_what_cannot_be_kept_is_reported_and_never_opened(tmp_path: Path) -> None:
    paths, said = scan(trees.left_out(tmp_path / "tree"))

    assert paths == [str(tmp_path / "tree")]
    assert {os.path.basename(left.path) for left in said} >= {"fifo", "socket"}
    assert not any(left.error for left in said)


def test_hard_links_are_recognised_over_all_roots_and_then_forgotten(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "x").write_bytes(b"1")
    os.link(tmp_path / "a" / "x", tmp_path / "b" / "y")
    scanner = Scanner(lambda left: None)
    entries = [entry for name in ("a", "b") for entry in scanner.walk(Section.FILES, tmp_path / name)]

    first, second = (entry for entry in entries if entry.type is FileType.FILE)
    assert (first.link_to, second.link_to) == ("", first.path)
    assert first.link_group == second.link_group > 0
    assert scanner._inodes == {}


def test_a_link_as_root_is_recorded_and_what_it_points_to_is_walked_under_its_own_path(tmp_path: Path) -> None:
    (tmp_path / "data" / "app").mkdir(parents=True)
    (tmp_path / "data" / "app" / "file").touch()
    (tmp_path / "middle").symlink_to("data")
    (tmp_path / "app").symlink_to("middle/app")

    assert scan(tmp_path / "app")[0] == [str(tmp_path / name) for name in ("app", "data/app", "data/app/file")]


def test_roots_that_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()

    for name in ("dangling", "loop"):
        paths, said = scan(tmp_path / name)
        assert paths == [str(tmp_path / name)]
        assert [left.error for left in said] == [True]
    for name in ("absent", "file/below"):
        with pytest.raises(SourceMissingError):
            Scanner(lambda left: None).walk(Section.FILES, tmp_path / name)


def test_a_root_can_be_a_single_file(tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text("x")
    assert scan(tmp_path / "shop.toml") == ([str(tmp_path / "shop.toml")], [])


def test_names_that_vanish_or_turn_into_links_meanwhile_are_reported_without_error(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "inside").touch()
    said: list[LeftOut] = []
    paths = []
    for entry in Scanner(said.append).walk(Section.FILES, tmp_path):
        paths.append(os.path.relpath(entry.path, tmp_path))
        if entry.path == str(tmp_path / "a"):
            (tmp_path / "c" / "inside").unlink()
            (tmp_path / "c").rmdir()
        if entry.path == str(tmp_path / "b"):
            (tmp_path / "b" / "inside").unlink()
            (tmp_path / "b").rmdir()
            (tmp_path / "b").symlink_to("/etc")

    assert paths == [".", "a", "a/inside", "b"]
    assert [(os.path.basename(left.path), left.error) for left in said] == [("b", False), ("c", False)]


def test_a_folder_that_may_not_be_read_is_an_error(open_folder: Path) -> None:
    (open_folder / "closed").mkdir()
    (open_folder / "open").touch()
    (open_folder / "closed").chmod(0)

    def look() -> None:
        paths, said = scan(open_folder)
        assert [os.path.basename(path) for path in paths[1:]] == ["closed", "open"]
        assert said == [LeftOut(str(open_folder / "closed"), "permission denied", error=True)]

    assert trees.as_user(look) == 0
    (open_folder / "closed").chmod(0o700)


def test_filters_leave_out_below_the_root(tmp_path: Path) -> None:
    for name in ("keep.txt", "a.tmp", "cache/x", "sub/cache/y", "big", "old", "vault/secret"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"12345678" if name == "big" else b"1")
    os.utime(tmp_path / "old", ns=(10**9, 10**9))
    filters = Filters.compile(exclude=["*.tmp", "cache/"], max_size=7, skip=[str(tmp_path / "vault")])
    filters = Filters(filters.exclude, 7, 2 * 10**9, skip=filters.skip)
    paths, said = scan(tmp_path, filters)

    assert [os.path.relpath(path, tmp_path) for path in paths] == [".", "keep.txt", "sub"]
    assert [(os.path.basename(left.path), left.error) for left in said] == [("big", False)]


def test_the_staging_folder_of_a_restore_is_never_walked(tmp_path: Path) -> None:
    (tmp_path / ".lifeboat-abc").mkdir()
    (tmp_path / ".lifeboat-abc" / "x").touch()

    paths, said = scan(tmp_path)
    assert (paths, len(said)) == ([str(tmp_path)], 1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_other_file_systems_are_entered_unless_told_otherwise(tmp_path: Path) -> None:
    (tmp_path / "mounted").mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "none", tmp_path / "mounted"], check=False).returncode:
        pytest.skip("this container may not mount")
    try:
        (tmp_path / "mounted" / "file").touch()
        assert len(scan(tmp_path)[0]) == 3
        paths, said = scan(tmp_path, Filters(cross_mounts=False))
        assert paths == [str(tmp_path), str(tmp_path / "mounted")]
        assert [left.path for left in said] == [str(tmp_path / "mounted")]
    finally:
        subprocess.run(["umount", tmp_path / "mounted"], check=True)


def test_a_walk_holds_no_entries(tmp_path: Path) -> None:
    trees.small_files(tmp_path / "tree", 3000, size=10, per_folder=100)
    walked = Scanner(lambda left: None).walk(Section.FILES, tmp_path / "tree")
    tracemalloc.start()
    try:
        count = sum(1 for _ in walked)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 3031
    assert peak < 200_000


def test_a_walk_opens_no_file(tmp_path: Path) -> None:
    root = trees.kept(tmp_path / "tree")
    opened: list[str] = []
    import sys

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and watching:
            opened.append(os.fsdecode(arguments[0]) if isinstance(arguments[0], str | bytes) else "")

    watching = True
    sys.addaudithook(watch)
    entries = walk(root)
    watching = False
    files = {os.path.basename(entry.path) for entry in entries if entry.type is not FileType.DIRECTORY}
    assert opened
    assert not files & {os.path.basename(path) for path in opened}
