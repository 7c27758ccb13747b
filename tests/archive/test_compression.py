"""Frames in two threads, and streams of others: what comes out, what is refused, what stays small."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import random
from collections.abc import Iterator

import pytest

from tests.archive.making import run
from toolkit.archive import decompress
from toolkit.archive.compress import FRAME, FrameWriter, encoder
from toolkit.archive.decompress import decompressed
from toolkit.archive.formats import Compression
from toolkit.archive.zstdlib import zstd
from toolkit.errors import ArchiveDamagedError

DATA = random.Random(2).randbytes(600_000) + b"text " * 1_000_000 + random.Random(3).randbytes(100_000)
PACKED = [Compression.ZSTD, Compression.GZIP, Compression.BZIP2, Compression.XZ]
TOOLS = {Compression.ZSTD: "zstd", Compression.GZIP: "gzip", Compression.BZIP2: "bzip2", Compression.XZ: "xz"}


def packed(kind: Compression, data: bytes, portion: int = 1_000_003) -> bytes:
    """Return `data` in frames."""
    out: list[bytes] = []
    writer = FrameWriter(out.append, encoder(kind, 1))
    for start in range(0, len(data), portion):
        writer.write(data[start : start + portion])
    writer.finish()
    return b"".join(out)


def unpacked(kind: Compression, data: bytes, portion: int = 65_521) -> bytes:
    """Return what is in `data`."""
    return b"".join(decompressed(kind, (data[start : start + portion] for start in range(0, len(data), portion))))


@pytest.fixture(scope="module", params=PACKED)
def frames(request: pytest.FixtureRequest) -> tuple[Compression, bytes]:
    """The data, in frames of each kind."""
    return request.param, packed(request.param, DATA)


def test_frames_come_back_and_stock_tools_read_them(frames: tuple[Compression, bytes]) -> None:
    kind, data = frames
    assert unpacked(kind, data) == DATA
    assert run(TOOLS[kind], "-dc", stdin=data) == DATA


def test_truncated_streams_are_damaged(frames: tuple[Compression, bytes]) -> None:
    kind, data = frames
    for cut in (3, len(data) // 2, len(data) - 1):
        with pytest.raises(ArchiveDamagedError):
            unpacked(kind, data[:cut])


def test_flipped_bytes_are_found(frames: tuple[Compression, bytes]) -> None:
    kind, data = frames
    chooser = random.Random(5)
    for _ in range(12):
        broken = bytearray(data)
        broken[chooser.randrange(20, len(data))] ^= 1 << chooser.randrange(8)
        try:
            same = unpacked(kind, bytes(broken)) == DATA
        except ArchiveDamagedError:
            same = False
        assert not same or kind in (Compression.GZIP, Compression.XZ)  # header bytes that mean nothing


def test_what_stock_tools_write_is_read(frames: tuple[Compression, bytes]) -> None:
    kind, _ = frames
    once = run(TOOLS[kind], "-1c", stdin=DATA)
    assert unpacked(kind, once) == DATA
    assert unpacked(kind, once + once) == DATA + DATA


def test_zstd_frames_without_a_size_and_skippable_ones_are_read() -> None:
    streamed = run("zstd", "-3", "-c", stdin=DATA)
    assert zstd.get_frame_info(streamed).decompressed_size is None
    skippable = (0x184D2A53).to_bytes(4, "little") + (70_000).to_bytes(4, "little") + os.urandom(70_000)
    ours = packed(Compression.ZSTD, DATA)
    assert unpacked(Compression.ZSTD, skippable + ours + skippable + streamed + ours) == DATA + DATA + DATA


def test_each_frame_has_its_size_and_checksum() -> None:
    data = packed(Compression.ZSTD, DATA)
    size = zstd.get_frame_size(data)
    assert zstd.get_frame_info(data).decompressed_size == FRAME
    assert data[4] & 4
    assert len(zstd.decompress(data[:size])) == FRAME


@pytest.mark.parametrize("portion", [100, FRAME // 8, FRAME // 8 + 1, FRAME, 3 * FRAME])
def test_portions_of_any_size_are_taken(portion: int) -> None:
    assert unpacked(Compression.ZSTD, packed(Compression.ZSTD, DATA, portion), 10_000_000) == DATA


def test_garbage_behind_the_last_frame_is_damage() -> None:
    data = packed(Compression.ZSTD, b"short")
    for rest in (b"x", b"garbage that is longer than a header"):
        with pytest.raises(ArchiveDamagedError):
            unpacked(Compression.ZSTD, data + rest)


@pytest.mark.parametrize(
    ("kind", "bomb"),
    [
        (
            Compression.ZSTD,
            lambda zeros: run("zstd", "-3", "-c", stdin=zeros),
        ),
        (Compression.GZIP, gzip.compress),
        (Compression.BZIP2, bz2.compress),
        (Compression.XZ, lambda zeros: lzma.compress(zeros, preset=0)),
    ],
)
def test_a_bomb_comes_in_small_pieces(kind: Compression, bomb: object) -> None:
    packed_zeros = bomb(bytes(50_000_000))
    largest = total = 0
    for piece in decompressed(kind, iter([packed_zeros])):
        largest = max(largest, len(piece))
        total += len(piece)
    assert total == 50_000_000
    assert largest <= decompress.LARGEST_FRAME


def test_a_frame_that_lies_about_its_size_is_damage() -> None:
    data = bytearray(zstd.compress(bytes(1_000_000), options={zstd.CompressionParameter.content_size_flag: 1}))
    at = data.index((1_000_000).to_bytes(4, "little"), 4)
    data[at : at + 4] = (1000).to_bytes(4, "little")
    with pytest.raises(ArchiveDamagedError):
        unpacked(Compression.ZSTD, bytes(data))


def test_an_error_of_the_source_reaches_the_reader() -> None:
    def chunks() -> Iterator[bytes]:
        yield packed(Compression.ZSTD, DATA)[:100_000]
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        list(decompressed(Compression.ZSTD, chunks()))
