"""Decompressing streams that others may have made: bounded memory, and damage is `ArchiveDamagedError`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from toolkit.archive import memory
from toolkit.archive.formats import Compression
from toolkit.errors import ArchiveDamagedError, FormatError

CHUNK = 1024 * 1024
LARGEST_FRAME = 32 * 1024 * 1024
"""Bytes, packed or not: larger zstd frames are decompressed in one stream instead of in parallel."""

WINDOW_LOG_MAX = 27
"""128 MiB, what `zstd -d` itself allows without a switch."""

THREADS = 2
_AHEAD = 3

_SKIPPABLE = range(0x184D2A50, 0x184D2A60)


class _Packed:
    """The compressed bytes, of which more is read as it is needed."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self.data = bytearray()
        self.ended = False

    def more(self) -> bool:
        chunk = next(self._chunks, b"")
        self.data += chunk
        self.ended = not chunk
        return bool(chunk)

    def at_least(self, size: int) -> bool:
        while len(self.data) < size:
            if not self.more():
                return False
        return True

    def take(self, size: int) -> bytes:
        piece = bytes(memoryview(self.data)[:size])
        del self.data[:size]
        return piece


def _frame_size(packed: _Packed) -> int | None:
    """Return the packed size of the zstd frame at the front, or None when it is too big to hold in memory.

    RFC 8878 section 3.1.1: a frame header, then blocks of a 3-byte header and its size, then a checksum.
    """
    if not packed.at_least(18) and len(packed.data) < 6:
        raise ArchiveDamagedError("the archive ends in the middle of a zstd frame")
    descriptor = packed.data[4]
    single = descriptor >> 5 & 1
    content = (single, 2, 4, 8)[descriptor >> 6]
    position = 5 + (not single) + (0, 1, 2, 4)[descriptor & 3] + content
    last = False
    while not last:
        if not packed.at_least(position + 3):
            raise ArchiveDamagedError("the archive ends in the middle of a zstd frame")
        header = int.from_bytes(packed.data[position : position + 3], "little")
        last = bool(header & 1)
        position += 3 + (1 if header >> 1 & 3 == 1 else header >> 3)
        if position > LARGEST_FRAME:
            return None
    position += 4 * (descriptor >> 2 & 1)
    if not packed.at_least(position):
        raise ArchiveDamagedError("the archive ends in the middle of a zstd frame")
    return position


def _damaged(error: Exception) -> ArchiveDamagedError:
    failure = ArchiveDamagedError("the compressed data is damaged")
    failure.__cause__ = error
    return failure


def _decode_frame(frame: bytes, size: int) -> bytes:
    from toolkit.archive.zstdlib import zstd

    decompressor = zstd.ZstdDecompressor()
    try:
        data = decompressor.decompress(frame, max_length=size + 1)
    except zstd.ZstdError as error:
        raise _damaged(error) from error
    if not decompressor.eof or len(data) != size:
        raise ArchiveDamagedError("a zstd frame does not hold what it promises")
    return data


def _zstd(chunks: Iterator[bytes]) -> Iterator[bytes]:
    from toolkit.archive.zstdlib import zstd

    memory.reuse()
    packed = _Packed(chunks)
    waiting: deque[Future[bytes]] = deque()
    pool = ThreadPoolExecutor(THREADS, "decompress")
    try:
        while packed.at_least(5):
            magic = int.from_bytes(packed.data[:4], "little")
            if magic in _SKIPPABLE:
                if not packed.at_least(8):
                    raise ArchiveDamagedError("the archive ends in the middle of a zstd frame")
                _skip(packed, 8 + int.from_bytes(packed.data[4:8], "little"))
                continue
            packed.at_least(18)
            try:
                info: Any = zstd.get_frame_info(bytes(packed.data[:18]))
                size: int | None = info.decompressed_size
            except zstd.ZstdError as error:
                raise _damaged(error) from error
            length = None if size is None or size > LARGEST_FRAME else _frame_size(packed)
            if size is None or length is None:
                break
            waiting.append(pool.submit(_decode_frame, packed.take(length), size))
            while waiting and (len(waiting) >= THREADS + _AHEAD or waiting[0].done()):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
    if packed.data or not packed.ended:
        options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: WINDOW_LOG_MAX}
        yield from _streamed(_rest(packed, chunks), lambda: zstd.ZstdDecompressor(options=options), zstd.ZstdError)


def _skip(packed: _Packed, size: int) -> None:
    while size:
        if not packed.data and not packed.more():
            raise ArchiveDamagedError("the archive ends in the middle of a zstd frame")
        step = min(size, len(packed.data))
        del packed.data[:step]
        size -= step


def _rest(packed: _Packed, chunks: Iterator[bytes]) -> Iterator[bytes]:
    if packed.data:
        yield bytes(packed.data)
    yield from chunks


def _streamed(
    chunks: Iterator[bytes], make: Callable[[], Any], failure: type[Exception] | tuple[type[Exception], ...]
) -> Iterator[bytes]:
    """Decompress one stream after the other with the decompressors that `make` returns."""
    decompressor = None
    for chunk in chunks:
        data = chunk
        while data or (decompressor is not None and not decompressor.needs_input and not decompressor.eof):
            if decompressor is None:
                data = data.lstrip(b"\0")  # xz and gzip allow zeros between and after streams
                if not data:
                    break
                decompressor = make()
            try:
                piece = decompressor.decompress(data, CHUNK)
            except failure as error:
                raise _damaged(error) from error
            data = b""
            if piece:
                yield piece
            if decompressor.eof:
                data = decompressor.unused_data
                decompressor = None
    if decompressor is not None:
        raise ArchiveDamagedError("the archive ends in the middle of the compressed data")


class _Inflate:
    """A gzip member (RFC 1952) with the interface of the other decompressors."""

    def __init__(self) -> None:
        import zlib

        self._inner = zlib.decompressobj(31)

    def decompress(self, data: bytes, limit: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, limit)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail


def _gzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    import zlib

    return _streamed(chunks, _Inflate, zlib.error)


def _bzip2(chunks: Iterator[bytes]) -> Iterator[bytes]:
    import bz2

    return _streamed(chunks, bz2.BZ2Decompressor, (OSError, ValueError))


def _xz(chunks: Iterator[bytes]) -> Iterator[bytes]:
    import lzma

    memory = 192 * 1024 * 1024
    return _streamed(chunks, lambda: lzma.LZMADecompressor(memlimit=memory), lzma.LZMAError)


def decompressed(compression: Compression, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the content of the compressed `chunks`, a few MiB at a time at most.

    Raises `ArchiveDamagedError` when the data is damaged or ends early.
    """
    source = iter(chunks)
    if compression is Compression.NONE:
        return source
    readers = {Compression.ZSTD: _zstd, Compression.GZIP: _gzip, Compression.BZIP2: _bzip2, Compression.XZ: _xz}
    if compression not in readers:
        raise FormatError("the compression is not known", subject=compression)
    return readers[compression](source)
