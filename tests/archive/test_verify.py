"""Every damage that changes content is found; a sound archive is called sound."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.archive.making import file_item, manifest, write
from toolkit.archive import verify as verifying
from toolkit.archive.filelists import read_file_list
from toolkit.archive.formats import ArchiveSpec
from toolkit.archive.key import Key
from toolkit.archive.manifest import FileCounts, encode
from toolkit.archive.output import open_sink
from toolkit.archive.reader import open_archive
from toolkit.archive.sink import text_entry
from toolkit.archive.verify import VerifyReport, verify
from toolkit.archive.writer import Written
from toolkit.errors import ArchiveDamagedError, CancelledError, NotFoundError, PassphraseError
from toolkit.filelist import FileEntry, FileType, Item, Layer, Section, encode_entry

SPECS = {
    "tar.zst": ArchiveSpec(),
    "tar.gz": ArchiveSpec("tar.gz", level=1),
    "tar.bz2": ArchiveSpec("tar.bz2", level=1),
    "tar.xz": ArchiveSpec("tar.xz", level=0),
    "zip": ArchiveSpec("zip", level=1),
    "stored": ArchiveSpec("zip", level=0),
    "7z": ArchiveSpec("7z", level=0),
    "encrypted": ArchiveSpec("7z", passphrase="secret"),
}
FLIPS = {"encrypted": 4, "tar.xz": 12, "7z": 12}


def some_items() -> Iterator[Item]:
    """Yield files, an empty one, a folder and links."""
    chooser = random.Random(9)
    base = {"section": Section.FILES, "mode": 0o755, "uid": 0, "gid": 0, "mtime_ns": 10**18}
    yield Item(FileEntry(path="/srv", type=FileType.DIRECTORY, **base))
    for number in range(30):
        yield file_item(f"/srv/{number}.bin", chooser.randbytes(number * 200))
    yield file_item("/srv/text", b"the same line\n" * 5000)
    yield Item(FileEntry(path="/srv/link", type=FileType.SYMLINK, target="text", **base))
    yield Item(FileEntry(path="/srv/out", type=FileType.SYMLINK, target="/etc", **base))


def check(written: Written, archive: Path, *, listed: bool = True, digests: bool = True) -> VerifyReport:
    """Verify with the list beside the archive."""
    entries = None
    if listed and written.file_list is not None:
        entries = read_file_list(written.file_list, digest=written.files.digest)
    passphrase = "secret" if written.file_list is None else None
    return verify(written.archive if digests else None, archive, entries, key=Key(passphrase) if passphrase else None)


@pytest.mark.parametrize("name", SPECS)
def test_sound_archives_are_sound(tmp_path: Path, name: str) -> None:
    written = write(tmp_path, some_items(), SPECS[name])
    for listed in (True, False):
        for digests in (True, False):
            report = check(written, tmp_path / written.archive.file, listed=listed, digests=digests)
            assert (report.ok, report.errors) == (True, ())
            assert report.files == written.files.files
            assert report.bytes == written.files.bytes


@pytest.mark.parametrize("name", SPECS)
def test_every_flipped_byte_is_found(tmp_path: Path, name: str) -> None:
    written = write(tmp_path, some_items(), SPECS[name])
    path = tmp_path / written.archive.file
    good = path.read_bytes()
    chooser = random.Random(name)
    for _ in range(FLIPS.get(name, 40)):
        broken = bytearray(good)
        broken[chooser.randrange(len(good))] ^= 1 << chooser.randrange(8)
        path.write_bytes(broken)
        report = check(written, path)
        assert not report.ok
        assert report.errors


@pytest.mark.parametrize("name", SPECS)
def test_without_a_manifest_content_is_still_proven(tmp_path: Path, name: str) -> None:
    written = write(tmp_path, some_items(), SPECS[name])
    path = tmp_path / written.archive.file
    good = path.read_bytes()
    with open_archive(path, key=Key("secret") if name == "encrypted" else None) as reader:
        before = {member.name: b"".join(map(bytes, member.pieces)) for member in reader.members()}
    chooser = random.Random(name)
    for _ in range(FLIPS.get(name, 30)):
        broken = bytearray(good)
        broken[chooser.randrange(len(good))] ^= 1 << chooser.randrange(8)
        path.write_bytes(broken)
        try:
            if not check(written, path, digests=False).ok:
                continue
        except PassphraseError:
            continue
        with open_archive(path, key=Key("secret") if name == "encrypted" else None) as reader:
            assert {member.name: b"".join(map(bytes, member.pieces)) for member in reader.members()} == before


@pytest.mark.parametrize("name", SPECS)
def test_truncated_archives_are_found(tmp_path: Path, name: str) -> None:
    written = write(tmp_path, some_items(), SPECS[name])
    path = tmp_path / written.archive.file
    good = path.read_bytes()
    for length in (0, 20, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:length])
        for digests in (True, False):
            if not digests and name in ("zip", "stored") and length == len(good) - 1:
                continue  # the last byte of a zip is one of its comment
            try:
                assert not check(written, path, digests=digests).ok
            except PassphraseError:
                assert (name, digests) == ("encrypted", False)


def test_a_byte_that_changes_no_content_is_found_by_the_digest(tmp_path: Path) -> None:
    written = write(tmp_path, some_items(), SPECS["zip"])
    path = tmp_path / written.archive.file
    broken = bytearray(path.read_bytes())
    broken[10] ^= 1  # the time of the first member in its local header
    path.write_bytes(broken)
    assert check(written, path, digests=False).ok
    assert check(written, path).errors == ("the SHA-256 of the archive is not the one in the manifest",)


def rebuilt(folder: Path, entries: list[FileEntry], contents: dict[str, bytes], digest: str = "") -> Path:
    """Write an archive by hand whose list inside says `entries` but which holds `contents`."""
    folder.mkdir()
    lines = b"".join(map(encode_entry, entries))
    output = open_sink(folder, "it.tar.zst", "hand0000", ArchiveSpec(), inner="")
    counts = FileCounts(len(entries), len(entries), 0, digest or hashlib.sha256(lines).hexdigest())
    own = {"files.jsonl": lines, "manifest.json": encode(manifest(counts), inside=True)}
    for name, data in ({"RESTORE.txt": b"how"} | contents | own).items():
        output.sink.put(text_entry(name, len(data), 0), name, data)
    output.finish()
    output.volumes.publish()
    return folder / "it.tar.zst"


def test_missing_surplus_and_changed_members_are_found(tmp_path: Path) -> None:
    written = write(tmp_path, [file_item("/a", b"one"), file_item("/b", b"two")])
    assert written.file_list is not None
    entries = list(read_file_list(written.file_list))
    right = {"files/a": b"one", "files/b": b"two"}
    wrong = {
        "missing": {"files/a": b"one"},
        "missing first": {"files/b": b"two"},
        "surplus": right | {"files/c": b"three"},
        "surplus first": {"files/0": b"three"} | right,
        "renamed": {"files/a": b"one", "files/c": b"two"},
        "changed": {"files/a": b"one", "files/b": b"TWO"},
        "longer": {"files/a": b"one", "files/b": b"two!"},
    }
    assert verify(None, rebuilt(tmp_path / "right", entries, right), entries).ok
    for name, contents in wrong.items():
        path = rebuilt(tmp_path / name, entries, contents)
        assert not verify(None, path, entries).ok, name
        assert not verify(None, path, None).ok, name


def test_a_list_inside_that_the_manifest_inside_does_not_name_is_found(tmp_path: Path) -> None:
    written = write(tmp_path, [file_item("/a", b"one")])
    assert written.file_list is not None
    entries = list(read_file_list(written.file_list))
    path = rebuilt(tmp_path / "it", entries, {"files/a": b"one"}, digest="0" * 64)
    assert [error for error in verify(None, path, entries).errors if "file list" in error]


def test_a_duplicate_member_is_found(tmp_path: Path) -> None:
    written = write(tmp_path, [file_item("/a", b"one")])
    assert written.file_list is not None
    [entry] = read_file_list(written.file_list)
    twice = msgspec.structs.replace(entry, layers=(Layer("hand0000", "files/./a"),))
    path = rebuilt(tmp_path / "twice", [entry, twice], {"files/a": b"one", "./files/a": b"one"})
    report = verify(None, path, None)
    assert any("same name" in error for error in report.errors)


def test_a_link_that_leads_elsewhere_is_found(tmp_path: Path) -> None:
    written = write(tmp_path, some_items())
    assert written.file_list is not None
    entries = list(read_file_list(written.file_list))
    for type_, fields in ((FileType.SYMLINK, {"target": "elsewhere"}), (FileType.FILE, {"digest": "0" * 64})):
        changed = [msgspec.structs.replace(entry, **fields) if entry.type is type_ else entry for entry in entries]
        assert not verify(written.archive, tmp_path / written.archive.file, changed).ok


def test_a_list_that_is_not_the_manifests_is_found(tmp_path: Path) -> None:
    written = write(tmp_path, some_items())
    assert written.file_list is not None
    report = verify(
        written.archive, tmp_path / written.archive.file, read_file_list(written.file_list, digest="0" * 64)
    )
    assert any("file list" in error for error in report.errors)
    with pytest.raises(ArchiveDamagedError):
        list(read_file_list(written.file_list, digest="0" * 64))


def test_a_flipped_byte_in_the_list_is_found(tmp_path: Path) -> None:
    written = write(tmp_path, some_items())
    assert written.file_list is not None
    good = written.file_list.read_bytes()
    chooser = random.Random(1)
    for _ in range(40):
        broken = bytearray(good)
        broken[chooser.randrange(len(good))] ^= 1 << chooser.randrange(8)
        written.file_list.write_bytes(broken)
        with pytest.raises(ArchiveDamagedError):
            list(read_file_list(written.file_list, digest=written.files.digest))


def test_verifying_can_be_stopped_and_tells_how_far_it_is(tmp_path: Path) -> None:
    written = write(tmp_path, some_items())
    path = tmp_path / written.archive.file
    told: list[tuple[int, int | None]] = []
    verify(written.archive, path, None, on_progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (written.archive.size, written.archive.size)
    with pytest.raises(CancelledError):
        verify(written.archive, path, None, should_stop=lambda: True)
    with pytest.raises(NotFoundError):
        verify(written.archive, tmp_path / "absent.tar.zst", None)


def test_errors_are_not_without_end(tmp_path: Path) -> None:
    written = write(tmp_path, (file_item(f"/{number:04d}", b"x") for number in range(300)))
    assert written.file_list is not None
    entries = [msgspec.structs.replace(entry, digest="0") for entry in read_file_list(written.file_list)]
    report = verify(written.archive, tmp_path / written.archive.file, entries)
    assert len(report.errors) == verifying.MOST_ERRORS
