"""What the writer promises beside the format: order, left out, links, nothing left behind, flat memory."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import py7zr
import pytest

from tests.archive import write_driver
from tests.archive.making import IDENT, STEM, file_item, items_of, manifest, run, unpack, unreadable, write
from tests.makers import faults
from tests.makers.mounts import small_filesystem
from toolkit.archive import tarheader
from toolkit.archive.filelists import read_file_list
from toolkit.archive.formats import ArchiveSpec
from toolkit.archive.reader import open_archive
from toolkit.archive.verify import verify
from toolkit.archive.writer import ArchiveWriter, Written
from toolkit.errors import CancelledError, SourceError, SourceMissingError, SpaceError, StorageError
from toolkit.filelist import Content, FileEntry, FileType, Item, Section

SPECS = [ArchiveSpec(), ArchiveSpec("zip"), ArchiveSpec("7z", passphrase="x"), ArchiveSpec("7z")]
DRIVER = str(Path(write_driver.__file__))


def listed(written: Written) -> dict[str, FileEntry]:
    """Return the entries of the list by path."""
    assert written.file_list is not None
    return {entry.path: entry for entry in read_file_list(written.file_list, digest=written.files.digest)}


def stream(path: str, promised: int, pieces: Iterator[bytes], **fields: object) -> Item:
    """Return a file that comes in pieces."""
    entry = msgspec.structs.replace(file_item(path, b"", **fields).entry, size=promised)
    return Item(entry, lambda: Content(entry, pieces=pieces))


@pytest.mark.parametrize("name", ["tar.zst", "zip", "7z"])
def test_what_cannot_be_read_is_left_out_and_told(tmp_path: Path, name: str) -> None:
    told: list[tuple[str, str]] = []
    items = [file_item("/a", b"a"), unreadable("/b"), file_item("/c", b"c"), file_item("/d/../e", b"x")]
    written = write(
        tmp_path,
        items,
        ArchiveSpec(name, level=1),
        on_left_out=lambda entry, error: told.append((entry.path, str(error))),
    )
    assert list(listed(written)) == ["/a", "/c"]
    assert [path for path, _ in told] == ["/b", "/d/../e"]
    assert verify(written.archive, tmp_path / written.archive.file, None).ok


def test_an_operating_system_error_of_a_loader_is_told_too(tmp_path: Path) -> None:
    def fail() -> Content:
        raise FileNotFoundError(errno.ENOENT, "gone")

    told: list[Exception] = []
    write(tmp_path, [Item(file_item("/a", b"a").entry, fail)], on_left_out=lambda _, error: told.append(error))
    assert isinstance(told[0], SourceMissingError)


@pytest.mark.parametrize("name", ["tar.zst", "zip", "7z"])
@pytest.mark.parametrize(("given", "kept"), [(b"short", b"short" + bytes(5)), (b"much too long", b"much too l")])
def test_content_is_padded_or_cut_to_the_promise(tmp_path: Path, name: str, given: bytes, kept: bytes) -> None:
    written = write(tmp_path, [stream("/a", 10, iter([given])), file_item("/b", b"b")], ArchiveSpec(name, level=1))
    entry = listed(written)["/a"]
    with open_archive(tmp_path / written.archive.file) as reader:
        assert reader.read("files/a", 100) == kept
    assert (entry.changed or given == b"much too long") is True
    assert verify(written.archive, tmp_path / written.archive.file, None).ok


def test_reading_that_fails_half_way_is_padded_and_told(tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"first"
        raise SourceError("input/output error", subject="/a")

    told: list[str] = []
    written = write(tmp_path, [stream("/a", 9, pieces())], on_left_out=lambda entry, _: told.append(entry.path))
    assert told == ["/a"]
    assert written.changed == ("/a",)
    with open_archive(tmp_path / written.archive.file) as reader:
        assert reader.read("files/a", 100) == b"first" + bytes(4)


def hard_links(first: Item) -> list[Item]:
    """Return three names of one inode, of which only the first has a loader."""
    fields = {"link_group": 1}
    entry = msgspec.structs.replace(first.entry, **fields)
    others = [msgspec.structs.replace(entry, path=path, link_to=entry.path) for path in ("/2", "/3")]
    return [Item(entry, first.load), *(Item(other) for other in others)]


def relinked(first: Item) -> Item:
    """Return the item so that its content has the link group too."""
    load = first.load
    assert load is not None

    def again() -> Content:
        content = load()
        content.entry = msgspec.structs.replace(content.entry, link_group=1)
        return content

    return Item(first.entry, again)


@pytest.mark.parametrize(("name", "links"), [("tar.zst", 3), ("zip", 1), ("7z", 1)])
def test_hard_links_are_links_or_copies(tmp_path: Path, name: str, links: int) -> None:
    written = write(tmp_path, hard_links(relinked(file_item("/1", b"one inode"))), ArchiveSpec(name, level=1))
    assert [entry.link_to for entry in listed(written).values()] == ["", "/1", "/1"]
    assert written.files.bytes == len(b"one inode")
    out = unpack(tmp_path / written.archive.file, tmp_path / "out")
    for path in ("1", "2", "3"):
        assert (out / "files" / path).read_bytes() == b"one inode"
        assert (out / "files" / path).stat().st_nlink == links
    assert verify(written.archive, tmp_path / written.archive.file, None).ok


def test_hard_links_to_what_was_left_out_dangle_nowhere(tmp_path: Path) -> None:
    told: list[str] = []
    items = hard_links(unreadable("/1"))
    written = write(tmp_path, items, on_left_out=lambda entry, _: told.append(entry.path))
    assert (told, written.files.entries) == (["/1", "/2", "/3"], 0)


def test_the_next_name_of_an_inode_takes_the_place_of_the_first(tmp_path: Path) -> None:
    items = hard_links(unreadable("/1"))
    second = items[1].entry
    items[1] = Item(second, lambda: Content(second, data=b"never seen"[: second.size]))
    written = write(tmp_path, items)
    entries = listed(written)
    assert [(path, entry.link_to) for path, entry in entries.items()] == [("/2", ""), ("/3", "/2")]
    assert verify(written.archive, tmp_path / written.archive.file, None).ok
    out = unpack(tmp_path / written.archive.file, tmp_path / "out")
    assert (out / "files/3").read_bytes() == b"never seen"


def test_what_is_in_already_is_passed_over(tmp_path: Path) -> None:
    told: list[str] = []
    items = [file_item("/a", b"1"), file_item("/a", b"2"), file_item("/a", b"3", Section.CONFIG)]
    written = write(tmp_path, items, on_left_out=lambda entry, _: told.append(entry.path))
    assert (written.files.entries, told) == (2, [])


def test_nothing_lies_below_a_link(tmp_path: Path) -> None:
    told: list[str] = []
    link = FileEntry(
        section=Section.FILES, path="/up", type=FileType.SYMLINK, mode=0o777, uid=0, gid=0, mtime_ns=0, target="/data"
    )
    items = [Item(link), file_item("/up/a", b"1")]
    written = write(tmp_path, items, on_left_out=lambda entry, _: told.append(entry.path))
    assert (written.files.entries, told) == (1, ["/up/a"])


def test_order_is_kept_and_each_entry_is_told(tmp_path: Path) -> None:
    names = [f"/{number:05d}" for number in range(1000)]
    told: list[FileEntry] = []
    with ArchiveWriter(tmp_path, STEM, IDENT, ArchiveSpec()) as writer:
        writer.add((file_item(name, name.encode() * 50) for name in names), on_added=told.append)
        written = writer.finish(manifest)
    assert [entry.path for entry in told] == names
    assert told == list(listed(written).values())
    assert all(len(entry.digest) == 64 and entry.layers[0].archive == IDENT for entry in told)


@pytest.mark.parametrize(
    "spec", [ArchiveSpec(), ArchiveSpec("zip"), ArchiveSpec("7z", passphrase="x"), ArchiveSpec("7z")]
)
@pytest.mark.parametrize("how", ["cancelled", "error", "left", "manifest"])
def test_what_ends_early_leaves_nothing(tmp_path: Path, spec: ArchiveSpec, how: str) -> None:
    def items() -> Iterator[Item]:
        yield file_item("/a", os.urandom(100_000))
        yield stream("/b", 5_000_000, iter([os.urandom(1_000_000)] * 5))
        if how == "error":
            raise ZeroDivisionError

    def no_manifest(_counts: object) -> object:
        raise ZeroDivisionError

    asked = iter(range(10_000))
    stop = (lambda: next(asked) > 3) if how == "cancelled" else (lambda: False)
    threads = threading.active_count()
    writer = ArchiveWriter(tmp_path, STEM, IDENT, spec, should_stop=stop)
    expected: dict[str, type[BaseException]] = {"cancelled": CancelledError}
    if how == "left":
        with writer:
            writer.add(items())
    elif how == "manifest":
        writer.add(items())
        with pytest.raises(ZeroDivisionError):
            writer.finish(no_manifest)
    else:
        with pytest.raises(expected.get(how, ZeroDivisionError)):
            writer.add(items())
    assert list(tmp_path.iterdir()) == []
    assert threading.active_count() == threads


@pytest.mark.parametrize("name", ["tar.zst", "zip", "7z", "encrypted"])
@pytest.mark.parametrize("size", [64 * 1024, 2 * 1024 * 1024])
def test_a_full_disk_leaves_nothing(tmp_path: Path, name: str, size: int) -> None:
    spec = (
        ArchiveSpec("7z", passphrase="x") if name == "encrypted" else ArchiveSpec(name, level=1 if name != "7z" else 0)
    )
    with small_filesystem(tmp_path / "small", size=size) as folder:
        noise = [os.urandom(1_000_000) for _ in range(6)]
        with pytest.raises(SpaceError):
            write(folder, [stream("/noise", 6_000_000, iter(noise))], spec)
        assert list(folder.iterdir()) == []


def test_a_folder_that_is_not_there_is_our_error(tmp_path: Path) -> None:
    with pytest.raises((StorageError, SourceMissingError)):
        ArchiveWriter(tmp_path / "absent", STEM, IDENT, ArchiveSpec())


@pytest.mark.parametrize(
    "options", [{"format": "tar.zst", "split": 150_000}, {"format": "zip"}], ids=["tar.zst", "zip"]
)
def test_a_kill_leaves_everything_or_nothing_final(tmp_path: Path, options: dict[str, object]) -> None:
    folder = tmp_path / "vault"
    folder.mkdir()

    def prepare() -> None:
        for path in folder.iterdir():
            path.unlink()

    whole: set[str] = set()
    seen = []
    for number, ended in faults.walk([DRIVER, folder, json.dumps(options)], prepare=prepare):
        left = {path.name for path in folder.iterdir()}
        final = {name for name in left if not name.startswith(".")}
        assert all(name.endswith(f".{IDENT}.partial") for name in left - final)
        if number == 0:
            assert ended.code == 0, ended.stderr
            whole = final
        seen.append(final)
    last = max(name for name in whole if not name.endswith(".zst") or ".files." not in name)
    assert len(seen) > 8
    assert seen[0] == set()
    assert all(final == whole for final in seen if last in final)
    assert all(final <= whole for final in seen)
    paths = sorted(folder / name for name in whole if ".files." not in name)
    assert verify(None, paths, None).ok


@pytest.mark.parametrize(
    "options",
    [
        {"format": "tar.zst", "mebibytes": 500, "files": 5000},
        {"format": "tar.zst", "mebibytes": 30, "level": 19},
        {"format": "zip", "mebibytes": 80, "level": 1},
    ],
    ids=lambda options: f"{options['format']}-{options['mebibytes']}",
)
def test_memory_is_flat(tmp_path: Path, options: dict[str, object]) -> None:
    environment = {**os.environ, "PYTHONPATH": str(faults.ROOT)}
    command = [sys.executable, DRIVER, str(tmp_path), json.dumps(options)]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["peak"] < (170 if options.get("level") == 19 else 80)


@pytest.mark.parametrize("how", ["7z", "zst"])
def test_reading_what_others_packed_tightly_is_flat_too(tmp_path: Path, how: str) -> None:
    path, size = tmp_path / f"it.{how}", 120 * 1024 * 1024
    if how == "7z":
        with py7zr.SevenZipFile(path, "w", filters=[{"id": py7zr.FILTER_LZMA2, "preset": 0}]) as archive:
            archive.writestr(bytes(size), "zeros")
    else:
        head = tarheader.encode(tarheader.Header(b"zeros", size=size))
        path.write_bytes(run("zstd", "-1c", stdin=head + bytes(size) + tarheader.END))
    environment = {**os.environ, "PYTHONPATH": str(faults.ROOT)}
    command = [sys.executable, DRIVER, str(path), '{"read": true}']
    ran = json.loads(subprocess.run(command, capture_output=True, env=environment, check=True).stdout)
    assert ran["size"] == size
    assert ran["peak"] < 90


def test_progress_counts_logical_bytes(tmp_path: Path) -> None:
    told: list[int] = []
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a").write_bytes(bytes(200_000))
    (tmp_path / "src" / "b").write_bytes(b"b")
    out = tmp_path / "out"
    out.mkdir()
    with ArchiveWriter(out, STEM, IDENT, ArchiveSpec(), on_progress=lambda done, _: told.append(done)) as writer:
        writer.add(items_of(tmp_path / "src", xattrs=False))
        written = writer.finish(manifest)
    assert told == sorted(told)
    assert told[-1] == written.files.bytes == 200_001
