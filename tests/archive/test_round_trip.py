"""Each format, written from a tree with one of everything, opened by the stock tools and by our reader."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.archive.making import ALL_FORMATS, IDENT, STEM, file_item, items_of, run, unpack, write
from tests.makers.trees import Print, fingerprint, kept
from toolkit.archive.filelists import read_file_list
from toolkit.archive.formats import ArchiveSpec
from toolkit.archive.key import Key
from toolkit.archive.member import fill_holes
from toolkit.archive.names import escape
from toolkit.archive.reader import open_archive
from toolkit.archive.verify import verify
from toolkit.archive.writer import Written
from toolkit.filelist import FileType, Section

SECOND = 1_000_000_000
NESTED = ("tar.zst", "tar.gz", "tar.bz2", "tar.xz")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of everything."""
    return kept(tmp_path_factory.mktemp("tree") / "src")


def made(tree: Path, folder: Path, spec: ArchiveSpec) -> tuple[Path, Written]:
    """Write the tree and return the archive's path."""
    out = folder / "vault"
    out.mkdir()
    written = write(out, items_of(tree), spec)
    return out / written.archive.file, written


def plain(prints: dict[bytes, Print]) -> dict[bytes, tuple[object, ...]]:
    """Return what every format keeps of files and directories."""
    return {name: (one.type, one.size, one.digest) for name, one in prints.items() if one.type != "symlink"}


@pytest.mark.parametrize("name", NESTED)
def test_tar_keeps_everything(tree: Path, tmp_path: Path, name: str) -> None:
    archive, _ = made(tree, tmp_path, ArchiveSpec(name, level=1))
    out = unpack(archive, tmp_path / "out")
    root = os.geteuid() == 0
    source = fingerprint(tree, owners=root)
    seconds = {key: replace(one, mtime_ns=one.mtime_ns // SECOND * SECOND) for key, one in source.items()}
    assert fingerprint(Path(f"{out}/files{tree}"), owners=root) == seconds


def test_zip_keeps_contents_and_links(tree: Path, tmp_path: Path) -> None:
    archive, _ = made(tree, tmp_path, ArchiveSpec("zip"))
    out = fingerprint(Path(f"{unpack(archive, tmp_path / 'out')}/files{tree}"))
    source = fingerprint(tree)
    assert plain(out) == {os.fsencode(escape(name)): one for name, one in plain(source).items()}
    links = {os.fsencode(escape(name)): one.target for name, one in source.items() if one.type == "symlink"}
    assert links == {name: one.target for name, one in out.items() if one.type == "symlink"}


def test_sevenzip_keeps_contents(tree: Path, tmp_path: Path) -> None:
    archive, _ = made(tree, tmp_path, ArchiveSpec("7z", level=0))
    out = fingerprint(Path(f"{unpack(archive, tmp_path / 'out')}/files{tree}"))
    source = fingerprint(tree)
    expected = {os.fsencode(escape(name)): one for name, one in plain(source).items()}
    assert {name: one for name, one in plain(out).items() if name in expected} == expected
    links = {os.fsencode(escape(name)): one.target for name, one in source.items() if one.type == "symlink"}
    assert out.keys() == expected.keys() | links.keys()
    for name, target in links.items():
        safe = not target.startswith(b"/") and b".." not in target and target.isascii()
        assert out[name].type == ("symlink" if safe else "file")
        assert out[name].target == (target if safe else b"")


@pytest.mark.parametrize("name", [*ALL_FORMATS, "7z with passphrase", "zip stored"])
def test_our_reader_gives_back_every_name_and_content(tree: Path, tmp_path: Path, name: str) -> None:
    passphrase = "correct horse" if "passphrase" in name else None
    level = 0 if name in ("zip stored", "7z", "tar.xz") else 1
    spec = ArchiveSpec(name.split(maxsplit=1)[0], level=level, passphrase=passphrase)
    archive, written = made(tree, tmp_path, spec)
    entries = {}
    with open_archive(archive, key=Key(passphrase) if passphrase else None) as reader:
        listed = list(reader.file_list())
        names = []
        for member in reader.members():
            names.append(member.name)
            if member.type is FileType.FILE and member.link_to is None and member.name.startswith(b"files/"):
                entries[member.name] = b"".join(fill_holes(member.pieces, member.size, member.holes))
        inside = reader.manifest()
    assert names[0] == b"RESTORE.txt"
    assert names[-2:] == [b"files.jsonl", b"manifest.json"]
    assert names[1:-2] == [os.fsencode(entry.layers[0].member) for entry in listed]
    assert inside.files == written.files
    assert inside.archives == ()
    for entry in listed:
        assert entry.layers[0].archive == IDENT
        assert os.fsencode(entry.layers[0].member) == b"files" + entry.raw_path
        if entry.type is FileType.FILE and not entry.link_to:
            assert entries[os.fsencode(entry.layers[0].member)] == Path(os.fsdecode(entry.raw_path)).read_bytes()
    assert verify(written.archive, archive, None, key=spec.key).errors == ()


def test_the_list_beside_is_the_list_inside(tree: Path, tmp_path: Path) -> None:
    archive, written = made(tree, tmp_path, ArchiveSpec())
    assert written.file_list is not None
    assert written.file_list.name == f"{STEM}.files.jsonl.zst"
    with open_archive(archive) as reader:
        assert list(reader.file_list()) == list(read_file_list(written.file_list, digest=written.files.digest))
    assert run("zstd", "-dc", written.file_list).count(b"\n") == written.files.entries


@pytest.mark.parametrize("name", ALL_FORMATS)
def test_an_empty_backup_is_an_archive(tmp_path: Path, name: str) -> None:
    written = write(tmp_path, [], ArchiveSpec(name))
    out = unpack(tmp_path / written.archive.file, tmp_path / "out")
    assert sorted(path.name for path in out.iterdir()) == ["RESTORE.txt", "files.jsonl", "manifest.json"]
    assert (written.files.entries, written.files.bytes) == (0, 0)
    assert verify(written.archive, tmp_path / written.archive.file, iter(())).ok


@pytest.mark.parametrize("name", ["tar.zst", "zip", "7z"])
def test_names_of_four_thousand_bytes(tmp_path: Path, name: str) -> None:
    path = "/" + "/".join(["d" * 199] * 19 + ["x" * 150])
    written = write(tmp_path, [file_item(path, b"deep\n")], ArchiveSpec(name, level=1))
    with open_archive(tmp_path / written.archive.file) as reader:
        found = {member.name: b"".join(member.pieces) for member in reader.members()}
    assert found[b"files" + path.encode()] == b"deep\n"
    assert verify(written.archive, tmp_path / written.archive.file, read_file_list(written.file_list)).ok
    if name != "7z":
        return
    assert run("7z", "l", "-slt", tmp_path / written.archive.file).count(b"Path = files/") == 1


def test_stock_tar_opens_names_of_four_thousand_bytes(tmp_path: Path) -> None:
    path = "/" + "/".join(["d" * 199] * 19 + ["x" * 150])
    written = write(tmp_path, [file_item(path, b"deep\n")])
    run("tar", "-xf", tmp_path / written.archive.file, cwd=tmp_path)
    assert run("find", ".", "-name", "x" * 150, "-size", "-2", cwd=tmp_path).strip()


def test_sections_lie_apart(tmp_path: Path) -> None:
    sections = list(Section)
    written = write(tmp_path, [file_item("/srv/shop.db", section.encode(), section) for section in sections])
    with open_archive(tmp_path / written.archive.file) as reader:
        for section in sections:
            assert reader.read(f"{section}/srv/shop.db", 100) == section.encode()


def test_zstd_itself_finds_the_archive_sound(tree: Path, tmp_path: Path) -> None:
    archive, _ = made(tree, tmp_path, ArchiveSpec(level=1))
    run("zstd", "-t", "-q", archive)
    assert run("zstd", "-lv", archive).count(b"Check: XXH64") == 1


@pytest.mark.parametrize(("name", "check"), [("tar.gz", "gzip"), ("tar.bz2", "bzip2"), ("tar.xz", "xz")])
def test_the_stock_compressors_find_the_archive_sound(tree: Path, tmp_path: Path, name: str, check: str) -> None:
    archive, _ = made(tree, tmp_path, ArchiveSpec(name, level=1))
    assert run(check, "-t", archive) == b""


def test_the_files_are_private(tmp_path: Path) -> None:
    os.umask(0)
    written = write(tmp_path, [])
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}
    assert modes.keys() == {written.archive.file, f"{STEM}.files.jsonl.zst"}
