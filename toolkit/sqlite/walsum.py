"""The checksums of a WAL (SQLite file format, section 4.2): computed, and solved for what was lost.

Each pair of words turns the two sums (s, t) into (s + first + t, t + second + s'), modulo 2^32. Each step can be taken
back, so that from two known states the one pair between them follows: a lost page number, or a lost header.
"""

from __future__ import annotations

import functools
import struct

State = tuple[int, int]
"""The two running sums."""

MAGIC = 0x377F0682
"""The first word of a WAL; its lowest bit tells that the words are summed as big-endian numbers."""

VERSION = 3_007_000
_MASK = 0xFFFFFFFF
_BEFORE_MASK = 16
"""Pairs after which the sums, which Python does not cut, are cut to 32 bits."""


@functools.cache
def _layout(words: int, big: bool) -> struct.Struct:  # noqa: FBT001
    return struct.Struct(f"{'>' if big else '<'}{words}I")


def forward(data: bytes | memoryview, start: State, *, big: bool) -> State:
    """Return the sums after `data` (a multiple of 8 bytes), from those before it."""
    words = _layout(len(data) // 4, big).unpack(data)
    first, second = start
    for begin in range(0, len(words), 2 * _BEFORE_MASK):
        part = iter(words[begin : begin + 2 * _BEFORE_MASK])
        for even in part:
            first += even + second
            second += next(part) + first
        first &= _MASK
        second &= _MASK
    return first, second


def backward(data: bytes | memoryview, end: State, *, big: bool) -> State:
    """Return the sums before `data`, from those after it."""
    words = _layout(len(data) // 4, big).unpack(data)
    first, second = end
    for index in range(len(words) - 2, -1, -2):
        second = (second - words[index + 1] - first) & _MASK
        first = (first - words[index] - second) & _MASK
    return first, second


def between(start: State, end: State) -> tuple[int, int]:
    """Return the one pair of words that leads from `start` to `end`, as numbers in the order of the sums."""
    first = (end[0] - start[0] - start[1]) & _MASK
    return first, (end[1] - start[1] - end[0]) & _MASK


def as_stored(word: int, *, big: bool) -> int:
    """Return the big-endian number that a summed word is stored as: fields of frames are big-endian always."""
    return word if big else int.from_bytes(word.to_bytes(4, "little"), "big")


def header_end(end: State, page_size: int, salt: tuple[int, int], *, big: bool) -> int | None:
    """Return the checkpoint number of a lost WAL header whose sums are `end`, None when there is no such header.

    All other words of a header are known, and one word has to fit: chance passes once in 2^32.
    """
    after = backward(struct.pack(">2I", *salt), end, big=big)
    before = forward(struct.pack(">2I", MAGIC | big, VERSION), (0, 0), big=big)
    size, checkpoint = between(before, after)
    return as_stored(checkpoint, big=big) if as_stored(size, big=big) == page_size else None
