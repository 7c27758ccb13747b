"""The tar codec against those of others: GNU tar and the standard library read ours, ours reads theirs."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from tests.archive.making import run
from tests.makers.trees import fingerprint, kept, sparse
from toolkit.archive import tarheader
from toolkit.archive.member import HoleDigest, Member, fill_holes
from toolkit.archive.reader import open_archive
from toolkit.archive.stream import ByteStream
from toolkit.archive.tarfmt import TarReader, data_segments, encode_member, holes_between
from toolkit.archive.tarheader import Header
from toolkit.errors import ArchiveDamagedError, UnsafeArchiveError
from toolkit.filelist import FileEntry, FileType, Section


def entry(**fields: object) -> FileEntry:
    """Return an entry with these fields."""
    known = {"section": Section.FILES, "path": "/a", "type": FileType.FILE, "mode": 0o640, "uid": 1, "gid": 2}
    return FileEntry(**({**known, "mtime_ns": 3_999_999_999} | fields))


def members(data: bytes, step: int = 1000) -> list[tuple[Member, bytes]]:
    """Return every member of a tar with its logical content."""
    stream = ByteStream(iter([data[start : start + step] for start in range(0, len(data), step)]))
    return [(member, b"".join(fill_holes(member.pieces, member.size, member.holes))) for member in TarReader(stream)]


LONG = "/".join(["deep"] * 60)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"uid": 2**31, "gid": 8**7},
        {"mtime_ns": -5_500_000_000},
        {"mtime_ns": 2**36 * 10**9},
        {"user": "root", "group": "x" * 40},
        {"user": "пользователь"},
        {"xattrs": {"user.one": "AAH/Cj0="}},
        {"type": FileType.SYMLINK, "target": "../" * 50 + "x"},
        {"type": FileType.SYMLINK, "target": "o\udcffd\n"},
        {"type": FileType.DIRECTORY, "mode": 0o6755},
    ],
)
@pytest.mark.parametrize("name", ["files/a", "files/" + "n" * 94, "files/" + LONG, "files/снег", "files/\udcff\nx"])
def test_headers_come_back_and_the_library_agrees(name: str, fields: dict[str, object]) -> None:
    one = entry(**fields)
    content = b"12345" if one.type is FileType.FILE else b""
    one = entry(**fields, size=len(content))
    data = encode_member(one, name) + content + tarheader.pad(len(content)) + tarheader.END
    [(member, found)] = members(data)
    assert member.name.removesuffix(b"/") == os.fsencode(name)
    assert (member.type, member.mode, member.uid, member.gid) == (one.type, one.mode, one.uid, one.gid)
    assert member.mtime_ns // 10**9 == one.mtime_ns // 10**9
    assert (member.target, member.user, member.group) == tuple(map(os.fsencode, (one.target, one.user, one.group)))
    assert found == content
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        info = tar.getmembers()[0]
    assert os.fsencode(info.name) == os.fsencode(name)
    assert (info.uid, info.gid, int(info.mtime), info.size) == (one.uid, one.gid, one.mtime_ns // 10**9, len(content))
    assert os.fsencode(info.linkname) == os.fsencode(one.target)


def test_short_names_take_one_block() -> None:
    assert len(encode_member(entry(), "files/srv/shop/a.png")) == 512
    assert len(encode_member(entry(), "files/" + "d" * 90 + "/" + "n" * 90)) == 512


def test_a_size_beyond_octal_is_written_and_read() -> None:
    head = encode_member(entry(size=2**40), "files/huge")
    stream = ByteStream(iter([head]))
    assert next(iter(TarReader(stream))).size == 2**40


def test_base_256_numbers() -> None:
    assert tarheader.decode_number(b"\x80" + (2**40).to_bytes(11, "big")) == 2**40
    assert tarheader.decode_number((-5).to_bytes(12, "big", signed=True)) == -5
    with pytest.raises(ArchiveDamagedError):
        tarheader.decode_number(b"12x4567\0")


@pytest.mark.parametrize("layout", ["gnu", "pax", "ustar"])
def test_what_gnu_tar_writes_is_read(tmp_path: Path, layout: str) -> None:
    tree = tmp_path / "src"
    if layout == "ustar":
        tree.mkdir()
        (tree / ("n" * 99)).write_bytes(b"x" * 5000)
        (tree / "link").symlink_to("n" * 99)
    else:
        kept(tree)
    run("tar", f"--format={layout}", "-cf", tmp_path / "it.tar", "-C", tree, ".")
    found = {}
    with open_archive(tmp_path / "it.tar") as reader:
        for member in reader.members():
            sha = HoleDigest(member.holes)
            for piece in member.pieces:
                sha.update(piece)
            found[member.name] = (member.type.value, sha.hexdigest(), member.target, member.mode, member.link_to)
    expected = fingerprint(tree)
    assert found.keys() == expected.keys() - {b""}
    for name, (kind, digest, target, mode, link_to) in found.items():
        one = expected[name]
        assert (kind, target, mode) == (one.type, one.target, one.mode)
        assert link_to is not None or kind != "file" or digest == one.digest
        assert link_to is None or link_to in one.links


@pytest.mark.parametrize("version", ["0.0", "0.1", "1.0", "gnu"])
def test_every_way_to_write_holes_is_read(tmp_path: Path, version: str) -> None:
    parts = {place * 65536: bytes([place + 1]) * 4096 for place in range(40)}
    sparse(tmp_path / "holes", parts, 4_000_000)
    how = ["--format=gnu"] if version == "gnu" else ["--format=pax", f"--sparse-version={version}"]
    run("tar", *how, "-S", "-cf", "it.tar", "holes", cwd=tmp_path)
    [(member, content)] = members((tmp_path / "it.tar").read_bytes())
    assert member.name == b"holes"
    assert content == (tmp_path / "holes").read_bytes()
    assert len(member.holes) == 40


def test_holes_stay_holes_through_stock_tar(tmp_path: Path) -> None:
    size, holes = 1_000_000, ((0, 65536), (131072, 65536), (262144, 737856))
    one = entry(path="/sparse", size=size, holes=holes)
    data = encode_member(one, "files/sparse") + b"d" * one.data_size + tarheader.pad(one.data_size) + tarheader.END
    run("tar", "-xf", "-", cwd=tmp_path, stdin=data)
    [(member, content)] = members(data)
    assert (tmp_path / "files" / "sparse").read_bytes() == content
    assert member.holes == holes
    assert (tmp_path / "files" / "sparse").stat().st_blocks * 512 < size / 2


def test_global_headers_and_labels_are_understood() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"uname": "everyone"}) as tar:
        tar.addfile(tarfile.TarInfo("a"))
    label = tarheader.encode(Header(b"volume", b"V"))
    [(member, _)] = members(label + buffer.getvalue())
    assert (member.name, member.user) == (b"a", b"everyone")


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_and_fifos_are_refused(kind: bytes) -> None:
    info = tarfile.TarInfo("dev")
    info.type = kind
    with pytest.raises(UnsafeArchiveError):
        members(info.tobuf() + tarheader.END)


def test_every_flipped_bit_of_a_header_is_seen() -> None:
    good = encode_member(entry(size=3), "files/a")
    data = bytearray(good + b"abc" + bytes(509) + tarheader.END)
    for place in (*range(148), *range(156, 300)):
        data[place] ^= 4
        with pytest.raises(ArchiveDamagedError):
            members(bytes(data))
        data[place] ^= 4
    assert members(bytes(data))[0][1] == b"abc"


@pytest.mark.parametrize("cut", [1, 300, 512, 700, 1024, 1500])
def test_a_truncated_tar_is_damaged(cut: int) -> None:
    data = encode_member(entry(size=1200, xattrs={"user.a": "QQ=="}), "files/a") + b"x" * 1200
    with pytest.raises(ArchiveDamagedError):
        members(data[:cut])


@pytest.mark.parametrize(
    "records",
    [b"9 path=", b"99 path=x\n", b"5 a=b\n", b"xx a=b\n", b"0 a=b\n", b"9 size=x\n"],
)
def test_nonsense_in_extended_headers_is_damage(records: bytes) -> None:
    head = tarheader.encode(Header(b"h", tarheader.PAX, size=len(records)))
    data = head + records + tarheader.pad(len(records)) + encode_member(entry(), "a") + tarheader.END
    with pytest.raises(ArchiveDamagedError):
        members(data)


def test_an_absurd_extended_header_is_refused_before_it_is_read() -> None:
    with pytest.raises(UnsafeArchiveError):
        members(tarheader.encode(Header(b"h", tarheader.PAX, size=2**32)))


@pytest.mark.parametrize("numbers", ["2\n0\n5\n3\n5\n", "1\n0\n99\n", "9\n0\n5\n", "x\n", "1\n-1\n5\n"])
def test_a_sparse_map_that_lies_is_damage(numbers: str) -> None:
    body = numbers.encode().ljust(512, b"\0") + b"12345" + bytes(507)
    pax = {b"GNU.sparse.major": b"1", b"GNU.sparse.realsize": b"10"}
    data = tarheader.encode(Header(b"h", size=517), pax) + body + tarheader.END
    with pytest.raises(ArchiveDamagedError):
        members(data)


def test_segments_and_holes_are_two_sides() -> None:
    holes = ((0, 3), (5, 2), (9, 1))
    assert data_segments(10, holes) == [(3, 2), (7, 2)]
    assert holes_between(10, data_segments(10, holes)) == holes
    with pytest.raises(ArchiveDamagedError):
        holes_between(10, [(0, 5), (3, 2)])
