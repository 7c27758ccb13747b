"""Variable-length integers (SQLite file format, section 1.6): 1 to 9 bytes, big-endian, seven bits in each."""

from __future__ import annotations


def read(data: bytes, at: int) -> tuple[int, int]:
    """Return the unsigned varint of `data` at `at`, and the offset behind it. Raises `IndexError` at the end."""
    value = data[at]
    if value < 0x80:
        return value, at + 1
    value &= 0x7F
    for offset in range(at + 1, at + 8):
        byte = data[offset]
        if byte < 0x80:
            return value << 7 | byte, offset + 1
        value = value << 7 | byte & 0x7F
    return value << 8 | data[at + 8], at + 9


def signed(value: int) -> int:
    """Return the two's complement of a 64-bit varint: rowids are signed."""
    return value - (1 << 64) if value >= 1 << 63 else value


def write(value: int) -> bytes:
    """Return `value` (a signed or unsigned 64-bit integer) as a varint."""
    value &= (1 << 64) - 1
    if value < 0x80:
        return bytes((value,))
    if value < 0x4000:
        return bytes((value >> 7 | 0x80, value & 0x7F))
    if value < 0x200000:
        return bytes((value >> 14 | 0x80, value >> 7 & 0x7F | 0x80, value & 0x7F))
    if value >> 56:
        last = value & 0xFF
        value >>= 8
        return bytes([value >> shift & 0x7F | 0x80 for shift in range(49, -1, -7)]) + bytes((last,))
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(value & 0x7F | 0x80)
    return bytes(reversed(out))
