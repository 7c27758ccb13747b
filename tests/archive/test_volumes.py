"""Split archives: plain pieces that `cat` joins, in order, none missing."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from tests.archive.making import file_item, run, unpack, write
from toolkit.archive.filelists import read_file_list
from toolkit.archive.formats import ArchiveSpec
from toolkit.archive.reader import open_archive
from toolkit.archive.verify import verify
from toolkit.archive.volumes import volumes_of
from toolkit.archive.writer import Written
from toolkit.errors import ArchiveDamagedError, NotFoundError

SPLIT = 70_000
NOISE = random.Random(4).randbytes(500_000)


def split(folder: Path, spec: ArchiveSpec) -> Written:
    """Write an archive of some volumes."""
    return write(folder, [file_item("/srv/noise", NOISE), file_item("/srv/text", b"text " * 1000)], spec)


@pytest.mark.parametrize(
    "spec",
    [
        ArchiveSpec(split=SPLIT),
        ArchiveSpec("zip", split=SPLIT),
        ArchiveSpec("7z", level=0, split=SPLIT),
        ArchiveSpec("7z", split=SPLIT, passphrase="secret"),
    ],
    ids=["tar.zst", "zip", "7z", "encrypted"],
)
def test_cat_joins_the_pieces_and_stock_tools_open_them(tmp_path: Path, spec: ArchiveSpec) -> None:
    out = tmp_path / "vault"
    out.mkdir()
    written = split(out, spec)
    archive = written.archive
    assert len(archive.volumes) > 5
    assert [volume.file for volume in archive.volumes] == [
        f"{archive.file}.{n:03d}" for n in range(1, len(archive.volumes) + 1)
    ]
    assert all(volume.size == SPLIT for volume in archive.volumes[:-1])
    pieces = [(out / volume.file).read_bytes() for volume in archive.volumes]
    assert [hashlib.sha256(piece).hexdigest() for piece in pieces] == [volume.sha256 for volume in archive.volumes]
    joined = tmp_path / archive.file
    joined.write_bytes(b"".join(pieces))
    assert hashlib.sha256(joined.read_bytes()).hexdigest() == archive.sha256
    assert joined.stat().st_size == archive.size
    opened = unpack(joined, tmp_path / "out", passphrase=spec.passphrase or "")
    assert (opened / "files/srv/noise").read_bytes() == NOISE
    listed = read_file_list(written.file_list) if written.file_list else None
    assert verify(archive, out / archive.file, listed, key=spec.key).errors == ()


def test_7z_opens_the_volumes_itself(tmp_path: Path) -> None:
    written = split(tmp_path, ArchiveSpec("7z", level=0, split=SPLIT))
    assert b"files/srv/noise" in run("7z", "l", tmp_path / written.archive.volumes[0].file)


def test_restore_text_joins_the_volumes(tmp_path: Path) -> None:
    written = split(tmp_path, ArchiveSpec(split=SPLIT))
    with open_archive(tmp_path / written.archive.file) as reader:
        text = reader.read("RESTORE.txt", 10_000).decode()
    commands = [line.strip() for line in text.splitlines() if line.startswith("    ")][:3]
    run("sh", "-ec", "\n".join(commands), cwd=tmp_path)
    assert (tmp_path / "files/srv/noise").read_bytes() == NOISE


def test_one_volume_is_no_volume(tmp_path: Path) -> None:
    written = write(tmp_path, [], ArchiveSpec(split=10_000_000))
    assert written.archive.volumes == ()
    assert volumes_of(tmp_path / written.archive.file) == (tmp_path / written.archive.file,)


def test_volumes_are_found_from_any_of_them(tmp_path: Path) -> None:
    written = split(tmp_path, ArchiveSpec(split=SPLIT))
    paths = tuple(tmp_path / volume.file for volume in written.archive.volumes)
    for name in (written.archive.file, paths[0].name, paths[3].name):
        assert volumes_of(tmp_path / name) == paths


def test_a_missing_volume_is_named(tmp_path: Path) -> None:
    written = split(tmp_path, ArchiveSpec(split=SPLIT))
    (tmp_path / written.archive.volumes[2].file).unlink()
    with pytest.raises(ArchiveDamagedError, match="volume 003"):
        volumes_of(tmp_path / written.archive.file)
    with pytest.raises(NotFoundError):
        volumes_of(tmp_path / "nothing.tar.zst")


def test_swapped_volumes_are_found(tmp_path: Path) -> None:
    written = split(tmp_path, ArchiveSpec(split=SPLIT))
    one, two = (tmp_path / volume.file for volume in written.archive.volumes[1:3])
    first = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(first)
    report = verify(written.archive, tmp_path / written.archive.file, read_file_list(written.file_list))
    assert not report.ok
