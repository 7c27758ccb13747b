"""Archives that others made to do harm: each is refused before anything of it could be written."""

from __future__ import annotations

import io
import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import py7zr
import pytest

from toolkit.archive.foreign import recognise
from toolkit.archive.key import Key
from toolkit.archive.names import Limits
from toolkit.archive.reader import open_archive
from toolkit.errors import ArchiveDamagedError, FormatError, LifeboatError, PassphraseError, UnsafeArchiveError

Build = Callable[[tarfile.TarFile], None]


def add(tar: tarfile.TarFile, name: str, data: bytes = b"x", **fields: object) -> None:
    """Add a member by hand."""
    info = tarfile.TarInfo(name)
    info.size = len(data) if fields.get("type", tarfile.REGTYPE) == tarfile.REGTYPE else 0
    for field, value in fields.items():
        setattr(info, field, value)
    tar.addfile(info, io.BytesIO(data))


def _link_then_through(tar: tarfile.TarFile) -> None:
    add(tar, "a", type=tarfile.SYMTYPE, linkname="/tmp")
    add(tar, "a/evil")


def _chain(tar: tarfile.TarFile) -> None:
    long = "d" * 247
    for step in "abcdefghijklmnop":
        add(tar, f"{long}{step}"[:250], type=tarfile.DIRTYPE)
        add(tar, step, type=tarfile.SYMTYPE, linkname=f"{long}{step}")
    add(tar, "a/b/c/escape", type=tarfile.SYMTYPE, linkname="../" * 20)
    add(tar, "a/b/c/escape/evil")


def _twice(tar: tarfile.TarFile) -> None:
    for name in ("a", "b", "./a"):
        add(tar, name)


def _below_a_file(tar: tarfile.TarFile) -> None:
    add(tar, "a")
    add(tar, "a/b")


def _link_over_a_folder(tar: tarfile.TarFile) -> None:
    add(tar, "a/b")
    add(tar, "a", type=tarfile.SYMTYPE, linkname="/etc")


HOSTILE_TARS: dict[str, Build] = {
    "absolute": lambda tar: add(tar, "/tmp/evil"),
    "dotdot": lambda tar: add(tar, "../evil"),
    "inner dotdot": lambda tar: add(tar, "a/../../evil"),
    "write through a link": _link_then_through,
    "link chain": _chain,
    "hard link outside": lambda tar: add(tar, "passwd", type=tarfile.LNKTYPE, linkname="/etc/passwd"),
    "hard link upwards": lambda tar: add(tar, "passwd", type=tarfile.LNKTYPE, linkname="../../etc/passwd"),
    "device": lambda tar: add(tar, "sda", type=tarfile.BLKTYPE, devmajor=8),
    "fifo": lambda tar: add(tar, "pipe", type=tarfile.FIFOTYPE),
    "duplicate": _twice,
    "absurd name": lambda tar: add(tar, "d/" * 2500 + "x"),
    "absurd part": lambda tar: add(tar, "n" * 300),
    "below a file": _below_a_file,
    "link over a folder": _link_over_a_folder,
}


@pytest.mark.parametrize("name", HOSTILE_TARS)
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_hostile_tars_are_refused(tmp_path: Path, name: str, mode: str) -> None:
    path = tmp_path / "evil.tar"
    with tarfile.open(path, mode, format=tarfile.PAX_FORMAT) as tar:
        add(tar, "honest")
        HOSTILE_TARS[name](tar)
    with open_archive(path) as reader, pytest.raises(UnsafeArchiveError):
        reader.check()
    with pytest.raises(UnsafeArchiveError):
        recognise(path)


def test_a_link_that_leads_out_is_data(tmp_path: Path) -> None:
    path = tmp_path / "it.tar"
    with tarfile.open(path, "w") as tar:
        add(tar, "uploads", type=tarfile.SYMTYPE, linkname="/data/uploads")
        add(tar, "up", type=tarfile.SYMTYPE, linkname="../../..")
    with open_archive(path) as reader:
        assert [member.target for member in reader.members()] == [b"/data/uploads", b"../../.."]


def zipped(path: Path, members: list[tuple[zipfile.ZipInfo, bytes]]) -> Path:
    """Write a zip by hand."""
    with zipfile.ZipFile(path, "w") as archive:
        for info, data in members:
            archive.writestr(info, data)
    return path


def zip_info(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    """Return a member's description with a Unix mode."""
    info = zipfile.ZipInfo("x")
    info.filename = name
    info.create_system = 3
    info.external_attr = mode << 16
    return info


LINK = stat.S_IFLNK | 0o777


@pytest.mark.parametrize(
    "members",
    [
        [("/etc/evil", 0, b"x")],
        [("../evil", 0, b"x")],
        [("a/../../evil", 0, b"x")],
        [("link", LINK, b"/tmp"), ("link/evil", 0, b"x")],
        [("dir/evil", 0, b"x"), ("dir", LINK, b"/tmp")],
        [("dev", stat.S_IFBLK | 0o600, b"")],
        [("pipe", stat.S_IFIFO | 0o600, b"")],
        [("d/" * 2500 + "x", 0, b"x")],
        [("link", LINK, b"x" * 100_000)],
    ],
)
def test_hostile_zips_are_refused(tmp_path: Path, members: list[tuple[str, int, bytes]]) -> None:
    path = zipped(
        tmp_path / "evil.zip", [(zip_info(name, mode or stat.S_IFREG | 0o644), data) for name, mode, data in members]
    )
    with open_archive(path) as reader, pytest.raises(UnsafeArchiveError):
        reader.check()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_with_two_members_of_one_name_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "evil.zip", [(zip_info("a"), b"one"), (zip_info("a"), b"two")])
    with open_archive(path) as reader, pytest.raises(UnsafeArchiveError):
        reader.check()


def test_a_zip_that_lies_about_a_size_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "lie.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(1_000_000))
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02") + 24
    struct.pack_into("<I", data, at, 10)
    path.write_bytes(data)
    with open_archive(path) as reader, pytest.raises(ArchiveDamagedError):
        b"".join(next(reader.members()).pieces)


class _Named(py7zr.SevenZipFile):
    """Writes names and kinds that py7zr itself would not."""

    def put(self, name: str, data: bytes, mode: int = stat.S_IFREG | 0o644) -> None:
        self.writestr(data, "x")
        self.header.files_info.files[-1]["filename"] = name
        self.header.files_info.files[-1]["attributes"] = mode << 16 | 0x8000


@pytest.mark.parametrize(
    "members",
    [
        [("/etc/evil", 0, b"x")],
        [("../evil", 0, b"x")],
        [("a\\..\\..\\evil", 0, b"x")],
        [("link", LINK, b"/tmp"), ("link/evil", 0, b"x")],
        [("dir/evil", 0, b"x"), ("dir", LINK, b"/tmp")],
        [("dev", stat.S_IFBLK | 0o600, b"x")],
        [("pipe", stat.S_IFIFO | 0o600, b"x")],
        [("a", 0, b"x"), ("a", 0, b"y")],
        [("d/" * 2500 + "x", 0, b"x")],
    ],
)
def test_hostile_7zs_are_refused(tmp_path: Path, members: list[tuple[str, int, bytes]]) -> None:
    path = tmp_path / "evil.7z"
    with _Named(path, "w") as archive:
        for name, mode, data in members:
            archive.put(name, data, mode or stat.S_IFREG | 0o644)
    with open_archive(path) as reader, pytest.raises(UnsafeArchiveError):
        reader.check()


def bomb_tar(path: Path, size: int) -> None:
    """Write a compressed tar of zeros."""
    with tarfile.open(path, "w:xz", preset=0) as tar:
        info = tarfile.TarInfo("zeros")
        info.size = size
        with open("/dev/zero", "rb") as zeros:
            tar.addfile(info, zeros)


def bomb_zip(path: Path, size: int) -> None:
    """Write a zip of zeros whose packed data is shared by name only: 1,000 to 1 in each member."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive, archive.open("zeros", "w") as member:
        for _ in range(size // 1_000_000):
            member.write(bytes(1_000_000))


def bomb_7z(path: Path, size: int) -> None:
    """Write a 7z of zeros."""
    with py7zr.SevenZipFile(path, "w", filters=[{"id": py7zr.FILTER_LZMA2, "preset": 0}]) as archive:
        archive.writestr(bytes(size), "zeros")


@pytest.mark.parametrize("build", [bomb_tar, bomb_zip, bomb_7z])
def test_bombs_are_refused_before_their_data_is_read(tmp_path: Path, build: Callable[[Path, int], None]) -> None:
    path = tmp_path / "bomb"
    build(path, 20_000_000)
    assert path.stat().st_size * 1000 < 20_000_000
    with open_archive(path) as reader, pytest.raises(UnsafeArchiveError, match="times its size"):
        next(reader.members(Limits(free=10_000_000)))
    with open_archive(path) as reader:
        assert next(reader.members(Limits(ratio=100_000_000))).size == 20_000_000


def test_a_compressed_bomb_without_members_is_refused(tmp_path: Path) -> None:
    import lzma

    path = tmp_path / "dump.sql.xz"
    with lzma.open(path, "wb", preset=0) as file:
        for _ in range(110):
            file.write(b" " * 1_000_000)
    with pytest.raises(UnsafeArchiveError):
        recognise(path)


def test_a_sparse_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        pax = {"GNU.sparse.size": str(2**62), "GNU.sparse.map": "0,1", "GNU.sparse.numblocks": "1"}
        add(tar, "huge", b"x", pax_headers=pax)
    with open_archive(path) as reader, pytest.raises(UnsafeArchiveError):
        reader.check()


def test_what_is_no_archive_is_named_so(tmp_path: Path) -> None:
    for data in (b"", b"hello", os.urandom(2000), bytes(2000)):
        path = tmp_path / "it"
        path.write_bytes(data)
        with pytest.raises(FormatError):
            open_archive(path)


@pytest.mark.parametrize(
    "head", [b"PK\x03\x04", b"7z\xbc\xaf\x27\x1c", b"\x28\xb5\x2f\xfd", b"\x1f\x8b", b"BZh9", b"\xfd7zXZ\0"]
)
def test_nonsense_with_the_right_magic_is_damage(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "it"
    for tail in (b"", b"\0" * 40, b"\xff" * 600, bytes(range(256)) * 9):
        path.write_bytes(head + tail)
        with open_archive(path) as reader, pytest.raises(ArchiveDamagedError):
            list(reader.members())


def test_wrong_passphrases_say_so(tmp_path: Path) -> None:
    for encrypted_header in (True, False):
        path = tmp_path / f"secret-{encrypted_header}.7z"
        with py7zr.SevenZipFile(path, "w", password="right", header_encryption=encrypted_header) as archive:
            archive.writestr(b"hidden" * 1000, "a")
        for passphrase in (None, "wrong"):
            with (
                open_archive(path, key=Key(passphrase) if passphrase else None) as reader,
                pytest.raises(PassphraseError),
            ):
                reader.read("a", 10_000)
        with open_archive(path, key=Key("right")) as reader:
            assert reader.read("a", 10_000) == b"hidden" * 1000


def test_nothing_but_our_errors_comes_out_of_damaged_archives(tmp_path: Path) -> None:
    import random

    chooser = random.Random(11)
    source = tmp_path / "source"
    source.mkdir()
    with tarfile.open(source / "a.tar", "w:gz") as tar:
        add(tar, "a", b"x" * 3000)
        add(tar, "b/" + "n" * 200, b"y")
    zipped(source / "a.zip", [(zip_info("a"), b"x" * 3000), (zip_info("b", LINK), b"a")])
    with py7zr.SevenZipFile(source / "a.7z", "w", filters=[{"id": py7zr.FILTER_LZMA2, "preset": 0}]) as archive:
        archive.writestr(b"x" * 3000, "a")
    for path in sorted(source.iterdir()):
        good = path.read_bytes()
        for _ in range(60):
            broken = bytearray(good)
            for _ in range(chooser.randrange(1, 4)):
                broken[chooser.randrange(len(good))] = chooser.randrange(256)
            (tmp_path / "broken").write_bytes(broken[: chooser.choice([len(good), chooser.randrange(len(good))])])
            try:
                with open_archive(tmp_path / "broken") as reader:
                    for member in reader.members():
                        b"".join(member.pieces)
            except LifeboatError as error:
                assert error.message  # noqa: PT017 - any of ours will do
