from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.makers import trees
from tests.makers.restores import walk
from toolkit.errors import SourceChangedError, SourceError, SourceMissingError
from toolkit.filelist import Content, FileEntry, FileType
from toolkit.tree import read

MIB = 1024 * 1024


def entry_of(path: Path) -> FileEntry:
    return walk(path)[0]


def whole(content: Content) -> bytes:
    """The logical content: holes as zeros."""
    data = content.data if content.data is not None else b"".join(content.pieces or ())
    assert len(data) == content.entry.data_size
    result, taken = bytearray(content.entry.size), 0
    for offset, length in read.segments(content.entry):
        result[offset : offset + length] = data[taken : taken + length]
        taken += length
    return bytes(result)


def test_every_file_comes_as_it_is(tmp_path: Path) -> None:
    root = trees.kept(tmp_path / "tree")
    prints = trees.fingerprint(root)
    checked = 0
    for entry in walk(root):
        if entry.type is FileType.FILE:
            content = read.load(entry)
            there = prints[entry.raw_path[len(os.fsencode(root)) + 1 :]]
            with open(entry.raw_path, "rb") as file:
                assert whole(content) == file.read()
            assert content.entry.holes == there.holes
            assert tuple(sorted(content.entry.xattrs)) == tuple(name for name, _ in there.xattrs)
            assert not content.changed
            checked += 1
    assert checked > 30


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], None]], None]:
    def install(work: Callable[[int], None]) -> None:
        calls: list[str] = []

        def called(path: str) -> None:
            calls.append(path)
            work(len(calls))

        monkeypatch.setattr(read, "on_read", called)

    return install


def test_a_small_file_that_changes_once_is_read_again(
    tmp_path: Path, hook: Callable[[Callable[[int], None]], None]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    hook(lambda call: None if call > 1 else path.write_bytes(b"newer") and None)

    content = read.load(entry_of(path))
    assert (content.data, content.changed, content.entry.changed, content.entry.size) == (b"newer", False, False, 5)


def test_a_small_file_that_never_rests_is_taken_and_marked(
    tmp_path: Path, hook: Callable[[Callable[[int], None]], None]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    hook(lambda call: path.write_bytes(b"x" * call) and None)

    content = read.load(entry_of(path))
    assert (content.data, content.changed, content.entry.changed, content.entry.size) == (b"xx", True, True, 2)


def test_a_small_file_that_grows_large_comes_in_pieces(
    tmp_path: Path, hook: Callable[[Callable[[int], None]], None]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"small")
    hook(lambda call: path.write_bytes(b"y" * (MIB + 1)) and None)

    content = read.load(entry_of(path))
    assert whole(content) == b"y" * (MIB + 1)
    assert not content.changed


@pytest.mark.parametrize("size", [0, MIB, 2 * MIB + 5, 5 * MIB])
def test_a_large_file_keeps_its_promised_size_whatever_happens(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a" * (3 * MIB))
    content = read.load(entry_of(path))
    assert content.pieces is not None
    pieces = [next(content.pieces)]
    os.truncate(path, size)
    pieces += content.pieces

    promised = b"a" * min(max(size, MIB), 3 * MIB)
    assert b"".join(pieces) == promised + bytes(3 * MIB - len(promised))
    assert content.changed
    assert max(map(len, pieces)) <= MIB


def test_the_entry_is_what_was_opened_not_what_was_scanned(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    entry = entry_of(path)
    path.write_bytes(b"other")
    path.chmod(0o600)
    os.setxattr(path, "user.note", b"x")

    content = read.load(entry)
    assert (content.data, content.entry.size, content.entry.mode) == (b"other", 5, 0o600)
    assert content.entry.xattrs == {"user.note": "eA=="}
    assert not content.changed


def test_what_is_no_file_any_more_is_never_read_or_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    entry = entry_of(path)
    path.unlink()
    for call in (lambda: read.load(entry), lambda: read.prefix(entry, 1)):
        with pytest.raises(SourceMissingError):
            call()
    makers = (
        lambda: path.symlink_to("/etc/passwd"),
        lambda: os.mkfifo(path),
        path.mkdir,
        lambda: trees.left_out(tmp_path / "other") and (tmp_path / "other" / "socket").rename(path),
    )
    for make in makers:
        make()
        for call in (lambda: read.load(entry), lambda: read.prefix(entry, 1)):
            with pytest.raises(SourceChangedError):
                call()
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def test_a_file_that_may_not_be_read_is_an_error(open_folder: Path) -> None:
    path = open_folder / "file"
    path.write_bytes(b"secret")
    path.chmod(0)

    def look() -> None:
        with pytest.raises(SourceError, match="permission denied"):
            read.load(entry_of(path))

    assert trees.as_user(look) == 0


def test_pieces_that_are_thrown_away_close_their_file(tmp_path: Path) -> None:
    import gc

    path = tmp_path / "file"
    path.write_bytes(bytes(2 * MIB))
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        content = read.load(entry_of(path))
        assert content.pieces is not None
        next(content.pieces)
    del content
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_prefix_is_the_first_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"SQLite format 3\0rest")
    assert read.prefix(entry_of(path), 16) == b"SQLite format 3\0"
    assert read.prefix(entry_of(path), 100) == b"SQLite format 3\0rest"


def test_every_name_of_a_file_can_be_loaded_and_nothing_else(tmp_path: Path) -> None:
    entries = walk(trees.kept(tmp_path / "tree"))
    loaded = [entry for entry in entries if read.item(entry).load is not None]
    assert loaded == [entry for entry in entries if entry.type is FileType.FILE]
    assert any(entry.link_to for entry in loaded)
