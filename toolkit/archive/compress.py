"""Compressing a stream in two threads: independent frames of some MiB, written in their order.

Each of zstd, gzip, bzip2 and xz defines that frames (members, streams) one after the other are the
concatenation of their contents (RFC 8878 section 3, RFC 1952 section 2.2), so the stock tools read the
result, and none of them needs an index. Compressors release the GIL, so that two threads use two cores.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from toolkit.archive import memory
from toolkit.archive.formats import Compression

FRAME_LOG = 22
"""Logarithm of `FRAME`: the window that lets a match reach back to the beginning of its frame."""

FRAME = 1 << FRAME_LOG
"""Bytes of a frame before compression: small enough for flat memory, large enough to cost no ratio."""

THREADS = 2
_AHEAD = 2

Encode = Callable[[memoryview], bytes]


def _zstd(level: int) -> Encode:
    from toolkit.archive.zstdlib import zstd

    options: dict[int, int] = {
        zstd.CompressionParameter.compression_level: level,
        zstd.CompressionParameter.checksum_flag: 1,
        zstd.CompressionParameter.content_size_flag: 1,
    }
    if level == 3:
        options |= _level_three(zstd.CompressionParameter, zstd.Strategy)
    local = threading.local()

    def encode(data: memoryview) -> bytes:
        compressor: Any = getattr(local, "compressor", None)
        if compressor is None:
            compressor = local.compressor = zstd.ZstdCompressor(options=options)
        compressor.set_pledged_input_size(len(data))
        return bytes(compressor.compress(data, zstd.ZstdCompressor.FLUSH_FRAME))

    return encode


def _level_three(parameter: Any, strategy: Any) -> dict[int, int]:
    """Return what level 3 means here: one table that fits a core's cache, and a window over all of the frame.

    The library's own level 3 keeps two tables and looks back 2 MiB. This takes about three quarters of its
    processor time: databases come out about 1 % larger, files that resemble each other smaller.
    """
    return {
        parameter.strategy: strategy.fast,
        parameter.window_log: FRAME_LOG,
        parameter.hash_log: 16,
        parameter.min_match: 5,
        parameter.target_length: 0,
    }


def _gzip(level: int) -> Encode:
    import zlib

    def encode(data: memoryview) -> bytes:
        compressor = zlib.compressobj(level, zlib.DEFLATED, 31)
        return compressor.compress(data) + compressor.flush()

    return encode


def _bzip2(level: int) -> Encode:
    import bz2

    return lambda data: bz2.compress(data, level)


def _xz(level: int) -> Encode:
    import lzma

    filters = [{"id": lzma.FILTER_LZMA2, "preset": level, "dict_size": FRAME}]
    return lambda data: lzma.compress(data, format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC64, filters=filters)


def encoder(compression: Compression, level: int) -> Encode:
    """Return the function that makes one frame of the given kind."""
    makers = {Compression.ZSTD: _zstd, Compression.GZIP: _gzip, Compression.BZIP2: _bzip2, Compression.XZ: _xz}
    return makers[compression](level)


class FrameWriter:
    """Takes bytes in any portions and gives compressed frames to `sink`, in order, in the caller's thread.

    Memory: at most `THREADS + _AHEAD + 1` frames, whose buffers are used again, and their results. After an error
    only `cancel` may be called.
    """

    def __init__(self, sink: Callable[[bytes], object], encode: Encode) -> None:
        self._sink = sink
        self._encode = encode
        self._waiting: deque[tuple[Future[bytes], memoryview]] = deque()
        self._spare: list[memoryview] = []
        self._frame = memoryview(bytearray(FRAME))
        self._filled = 0
        self._pool = ThreadPoolExecutor(THREADS, "compress")
        memory.reuse()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take `data`, whose memory may be used again afterwards."""
        start, end = self._filled, self._filled + len(data)
        if end < FRAME:
            self._frame[start:end] = data
            self._filled = end
            return
        view = memoryview(data)
        while view:
            part = view[: FRAME - self._filled]
            end = self._filled + len(part)
            self._frame[self._filled : end] = part
            self._filled = end
            view = view[len(part) :]
            if end == FRAME:
                self._submit()

    def _submit(self) -> None:
        self._waiting.append((self._pool.submit(self._encode, self._frame[: self._filled]), self._frame))
        while self._waiting and (len(self._waiting) >= THREADS + _AHEAD or self._waiting[0][0].done()):
            self._take()
        self._frame = self._spare.pop() if self._spare else memoryview(bytearray(FRAME))
        self._filled = 0

    def _take(self) -> None:
        """Write the frame that was given away first, and keep its buffer."""
        encoded, frame = self._waiting.popleft()
        self._sink(encoded.result())
        self._spare.append(frame)

    def finish(self) -> None:
        """Write what is left and end the threads."""
        if self._filled:
            self._submit()
        while self._waiting:
            self._take()
        self._pool.shutdown()

    def cancel(self) -> None:
        """End the threads and forget what is left."""
        self._pool.shutdown(cancel_futures=True)
        self._waiting.clear()
