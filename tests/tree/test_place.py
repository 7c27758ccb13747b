from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.makers import trees
from tests.makers.restores import add, stage, walk
from toolkit.errors import (
    ArchiveDamagedError,
    LifeboatError,
    NotFoundError,
    RefusedError,
    StorageError,
    UnsafeArchiveError,
)
from toolkit.filelist import FileEntry, FileType, Section
from toolkit.tree.folders import mount_points
from toolkit.tree.place import Stage
from toolkit.tree.staging import Staging

OWNERS = os.geteuid() == 0


def made(path: str = "/x", **fields: object) -> FileEntry:
    given_ = {"type": FileType.FILE, "mode": 0o644, "uid": os.geteuid(), "gid": os.getegid(), **fields}
    return msgspec.convert({"section": Section.FILES, "path": path, "mtime_ns": 10**18, **given_}, FileEntry)


def restore(source: Path, target: Path) -> None:
    staged = stage(walk(source), source, target)
    staged.finish()
    assert staged.merge().failed == ()
    assert (staged.unowned, staged.bare) == (0, 0)


def test_a_tree_comes_back_exactly(tmp_path: Path) -> None:
    source = trees.kept(tmp_path / "source")
    restore(source, tmp_path / "far" / "below" / "target")

    assert trees.fingerprint(tmp_path / "far" / "below" / "target") == trees.fingerprint(source)
    assert sorted(os.listdir(tmp_path)) == ["far", "source"]


def test_a_tree_comes_back_exactly_over_what_became_of_it(tmp_path: Path) -> None:
    source, target = trees.kept(tmp_path / "source"), tmp_path / "target"
    before = trees.fingerprint(source)
    restore(source, target)
    (target / "plain.txt").write_bytes(b"changed")
    (target / "empty").unlink()
    (target / "empty").mkdir()
    (target / "empty" / "deep").mkdir()
    shutil.rmtree(target / "twins-a")
    (target / "twins-a").write_bytes(b"a file where a folder was")
    (target / "links" / "dangling").unlink()
    (target / "links" / "dangling").mkdir()
    os.setxattr(target / "links", "user.new", b"1")
    (target / "modes").chmod(0o700)
    shutil.rmtree(target / "deep-00" / "deep-01")
    (target / "deep-00" / "deep-01").symlink_to("/etc")
    restore(source, target)

    assert trees.fingerprint(target) == before


def test_what_the_backup_does_not_have_stays(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "a").write_bytes(b"a")
    (target / "sub").mkdir(parents=True)
    (target / "sub" / "mine").write_bytes(b"mine")
    restore(source, target)

    assert sorted(os.listdir(target / "sub")) == ["a", "mine"]


def test_an_ordinary_user_gets_everything_but_the_owners(open_folder: Path) -> None:
    def work() -> None:
        source, target = open_folder / "source", open_folder / "target"
        trees.kept(source)
        for _ in range(2):
            restore(source, target)
            assert trees.fingerprint(target) == trees.fingerprint(source)
        foreign = made(uid=12345, mode=0o4755)
        with Stage(open_folder / "other", "other", owners=False) as staged:
            staged.file(foreign, f"{open_folder}/other/x", [])
            staged.finish()
            assert staged.unowned == 1
            staged.merge()
        assert (open_folder / "other" / "x").stat().st_mode & 0o7777 == 0o755

    assert trees.as_user(work) == 0


def test_the_digest_is_of_the_logical_content(tmp_path: Path) -> None:
    content = {0: b"a" * 4096, 3 * trees.MIB: b"b" * 5000}
    trees.sparse(tmp_path / "sparse", content, 8 * trees.MIB)
    entry = walk(tmp_path / "sparse")[0]
    with Stage(tmp_path / "target", "t", owners=OWNERS) as staged:
        digest = add(staged, entry, tmp_path, tmp_path / "target")
        there = staged.staged(tmp_path / "target" / "sparse")
        assert there.stat().st_blocks == (tmp_path / "sparse").stat().st_blocks
        assert hashlib.sha256(there.read_bytes()).hexdigest() == digest
        staged.discard()


def test_until_the_merge_nothing_is_touched_and_discard_leaves_nothing(tmp_path: Path) -> None:
    source, target = trees.kept(tmp_path / "source"), trees.kept(tmp_path / "target")
    before = trees.fingerprint(target)
    staged = stage(walk(source), source, target)
    with pytest.raises(RefusedError):
        staged.merge()
    staged.finish()
    staged.discard()

    assert trees.fingerprint(target) == before
    assert staged.phase == "gone"


@pytest.mark.parametrize("holes", [(), ((0, 4096),)])
@pytest.mark.parametrize("pieces", [[], [b"x" * 4095], [b"x" * 4096, b"y"]])
def test_too_little_or_too_much_data_is_damage_and_is_not_staged(
    tmp_path: Path, pieces: list[bytes], holes: tuple[tuple[int, int], ...]
) -> None:
    size = 4096 + sum(length for _, length in holes)
    with Stage(tmp_path / "target", "t", owners=OWNERS) as staged:
        with pytest.raises(ArchiveDamagedError):
            staged.file(made(size=size, holes=holes), f"{tmp_path}/target/x", pieces)
        staged.file(made(size=size, holes=holes), f"{tmp_path}/target/x", [b"x" * 4096])
        staged.discard()


@pytest.mark.parametrize(
    "path",
    ["../x", "a/../../x", "a//x", "a/./x", "", "a/", "nul\0", "/../target2/x", ".lifeboat-t/x", "file/x", "link/x"],
)
def test_paths_that_lead_outside_are_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "target").mkdir()
    with Stage(tmp_path / "target", "t", owners=OWNERS) as staged:
        staged.file(made(), f"{tmp_path}/target/file", [])
        staged.symlink(made(type="symlink", target="/etc"), f"{tmp_path}/target/link")
        for outside in (f"{tmp_path}/target/{path}", f"{tmp_path}/target2/x", "/etc/x", "x"):
            with pytest.raises(UnsafeArchiveError):
                staged.file(made(), outside, [])
        staged.discard()
    assert os.listdir(tmp_path / "target") == []


@pytest.mark.parametrize("path", ["n" * 256, "ä" * 128, "/".join(["d" * 200] * 21)])
def test_names_that_are_too_long_fail_alone(tmp_path: Path, path: str) -> None:
    with Stage(tmp_path / "target", "t", owners=OWNERS) as staged:
        with pytest.raises(StorageError, match="longer than the system takes"):
            staged.file(made(), f"{tmp_path}/target/{path}", [])
        staged.file(made(), f"{tmp_path}/target/{'n' * 255}", [])
        staged.finish()
        assert staged.merge().failed == ()
    assert os.listdir(tmp_path / "target") == ["n" * 255]


def test_the_same_name_twice_is_refused(tmp_path: Path) -> None:
    with Stage(tmp_path / "target", "t", owners=OWNERS) as staged:
        staged.file(made(), f"{tmp_path}/target/x", [])
        for again in (
            lambda: staged.file(made(), f"{tmp_path}/target/x", []),
            lambda: staged.directory(made(type="directory"), f"{tmp_path}/target/x"),
            lambda: staged.symlink(made(type="symlink", target="y"), f"{tmp_path}/target/x"),
        ):
            with pytest.raises(UnsafeArchiveError):
                again()
        staged.discard()


def test_a_hard_link_needs_its_first_name(tmp_path: Path) -> None:
    with Stage(tmp_path / "target", "t", owners=OWNERS) as staged:
        with pytest.raises(NotFoundError):
            staged.hardlink(made(), f"{tmp_path}/target/b", f"{tmp_path}/target/a")
        for number in range(80):  # more folders than descriptors are held
            staged.file(made(), f"{tmp_path}/target/{number}/a", [])
            staged.hardlink(made(), f"{tmp_path}/target/{number}/b", f"{tmp_path}/target/0/a")
        staged.finish()
        staged.merge()
    assert (tmp_path / "target" / "0" / "a").stat().st_nlink == 81


def test_a_link_planted_in_the_target_leads_nowhere(tmp_path: Path) -> None:
    victim, target = tmp_path / "victim", tmp_path / "target"
    victim.mkdir()
    (victim / "passwd").write_bytes(b"root")
    before = trees.fingerprint(victim)
    (target / "theirs").mkdir(parents=True)
    with Stage(target, "t", owners=OWNERS) as staged:
        staged.directory(made(type="directory", mode=0o755), f"{target}/theirs")
        staged.file(made(size=3), f"{target}/theirs/passwd", [b"new"])
        staged.file(made(size=3), f"{target}/parent-only/passwd", [b"new"])
        staged.finish()
        (target / "theirs").rmdir()
        (target / "theirs").symlink_to(victim)
        (target / "parent-only").symlink_to(victim)
        merged = staged.merge()

    assert trees.fingerprint(victim) == before
    assert [failure.path for failure in merged.failed] == [f"{target}/parent-only"]
    assert (target / "parent-only").is_symlink()
    assert not (target / "theirs").is_symlink()
    assert (target / "theirs" / "passwd").read_bytes() == b"new"


def test_a_folder_swapped_for_a_link_during_the_merge_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from toolkit import durable

    victim, target = tmp_path / "victim", tmp_path / "target"
    for path in (victim / "b", target / "a" / "b"):
        path.mkdir(parents=True)
    (victim / "b" / "f").write_bytes(b"old")
    before = trees.fingerprint(victim)
    with Stage(target, "t", owners=OWNERS) as staged:
        staged.file(made(size=3), f"{target}/a/b/f", [b"new"])
        staged.file(made(size=3), f"{target}/a/first", [b"new"])
        staged.finish()

        def swap(_step: str, path: str) -> None:
            if path == f"{target}/a/first":
                (target / "a").rename(target / "moved")
                (target / "a").symlink_to(victim)

        monkeypatch.setattr(durable, "on_step", swap)
        staged.merge()
    assert trees.fingerprint(victim) == before


def test_a_staging_folder_that_was_swapped_is_refused(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    with Stage(tmp_path / "target", "t", owners=OWNERS) as staged:
        staged.finish()
        staged.save(tmp_path / "journal")
    staged.folder.rename(tmp_path / "kept")
    staged.folder.mkdir(mode=0o700)
    with pytest.raises(RefusedError):
        Staging.resume(tmp_path / "journal")


def test_what_a_folder_hands_down_does_not_reach_what_is_restored(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    (source / "file").write_bytes(b"1")
    target.mkdir()
    os.setxattr(target, "system.posix_acl_default", trees.acl((12345, 7)))
    target.chmod(0o2775)
    restore(source, target)

    assert trees.fingerprint(target) == trees.fingerprint(source)


def test_a_journal_that_cannot_be_read_is_damage(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b"{")
    with pytest.raises(ArchiveDamagedError):
        Staging.resume(tmp_path / "journal")


def test_a_target_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LifeboatError):
        Stage(tmp_path / "file", "t", owners=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_file_system_mounted_inside_the_target_is_filled_and_never_moved(tmp_path: Path) -> None:
    source, target = trees.kept(tmp_path / "source"), tmp_path / "target"
    restore(source, target)
    mounted, guarded = target / "twins-b", target / "guarded"
    try:
        for path in (mounted, guarded / "inside"):
            path.mkdir(parents=True, exist_ok=True)
            if subprocess.run(["mount", "-t", "tmpfs", "none", path], check=False).returncode:
                pytest.skip("this container may not mount")
        (guarded / "inside" / "precious").write_bytes(b"1")
        (source / "guarded").write_bytes(b"a file now")
        (source / "twins-b" / "new folder").mkdir()
        (source / "twins-b" / "new folder" / "link").symlink_to("x")
        trees.sparse(source / "twins-b" / "sparse", {4096: b"x" * 4096}, 65536)
        staged = stage(walk(source), source, target)
        staged.finish()
        merged = staged.merge()

        assert [failure.path for failure in merged.failed] == [str(guarded)]
        assert (guarded / "inside" / "precious").read_bytes() == b"1"
        wanted, found = trees.fingerprint(source / "twins-b"), trees.fingerprint(mounted)
        assert wanted.keys() == found.keys()
        for name, one in wanted.items():
            assert (found[name].digest, found[name].mtime_ns, found[name].mode) == (one.digest, one.mtime_ns, one.mode)
            assert found[name].holes == one.holes
        assert found[b"first"].links == (b"first", b"third")
    finally:
        for point in [point for point in mount_points() if point.startswith(f"{tmp_path}/")]:
            subprocess.run(["umount", point], check=True)


NAMES = st.binary(min_size=1, max_size=12).filter(lambda name: name not in (b".", b"..") and not set(name) & {0, 47})
LEAVES = st.one_of(
    st.tuples(st.just("file"), st.binary(max_size=40), st.integers(0o400, 0o7777).filter(lambda mode: mode & 0o400)),
    st.tuples(st.just("link"), st.binary(min_size=1, max_size=20).filter(lambda target: 0 not in target), st.just(0)),
    st.tuples(st.just("sparse"), st.binary(max_size=9), st.integers(1, 50_000)),
    st.tuples(st.just("twin"), st.just(b""), st.just(0)),
)
TREES = st.recursive(LEAVES, lambda inside: st.dictionaries(NAMES, inside, max_size=5), max_leaves=15)


def build(path: bytes, shape: object, files: list[bytes]) -> None:
    if isinstance(shape, dict):
        os.mkdir(path)
        for name, inside in shape.items():
            build(path + b"/" + name, inside, files)
        return
    kind, data, number = shape  # type: ignore[misc]
    if kind == "twin" and files:
        os.link(files[0], path)
    elif kind == "link":
        os.symlink(data, path)
    else:
        trees.sparse(
            path, {number: data} if kind == "sparse" else {0: data}, len(data) + (number if kind == "sparse" else 0)
        )
        os.chmod(path, number if kind == "file" else 0o644)
        files.append(path)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(first=st.dictionaries(NAMES, TREES, max_size=6), second=st.dictionaries(NAMES, TREES, max_size=6))
def test_any_tree_comes_back_over_any_other(first: dict[bytes, object], second: dict[bytes, object]) -> None:
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name) / "source", Path(name) / "target"
        build(os.fsencode(source), first, [])
        build(os.fsencode(target), second, [])
        os.utime(source, ns=(5, 7))
        restore(source, target)
        wanted, found = trees.fingerprint(source), trees.fingerprint(target)
        assert {path: found[path] for path in wanted} == wanted
