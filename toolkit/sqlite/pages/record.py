"""Records (SQLite file format, section 2.1): a header of serial types, then the values."""

from __future__ import annotations

import struct

from toolkit.sqlite.pages import varint

CODECS = {"UTF-8": "utf-8", "UTF-16le": "utf-16-le", "UTF-16be": "utf-16-be"}
_SIZES = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)
_SHORTER = (0, 0, 0x80, 0x8000, 0x800000, 0x80000000, 0x800000000000)
"""From which number on an integer needs each serial type; its negative took one more in older versions of SQLite."""

_MOST_COLUMNS = 32767

Value = None | int | float | bytes | str


class OddInt(int):
    """An integer that takes more bytes than it needs: SQLite writes none so, what overwrites bytes of one does."""

    __slots__ = ()


class RawText(bytes):
    """A text as its bytes in the encoding of the database, told apart from a blob."""

    __slots__ = ()


def serial_size(serial: int) -> int:
    """Return the bytes of a value of this serial type. Raises `ValueError` for the two that no file may hold."""
    if serial >= 12:
        return (serial - 12) >> 1
    if serial > 9:
        raise ValueError("a serial type that no record has")
    return _SIZES[serial]


def serials(payload: bytes) -> tuple[list[int], int]:
    """Return the serial types of a record and the size of its header.

    `payload` may be only its beginning, if it holds the whole header. Raises `ValueError` for what is no record.
    """
    try:
        size, at = varint.read(payload, 0)
        if size < at or size > len(payload):
            raise ValueError("the header of a record ends outside of it")
        found = []
        while at < size:
            serial, at = varint.read(payload, at)
            found.append(serial)
    except IndexError:
        raise ValueError("the header of a record is cut") from None
    if at != size or len(found) > _MOST_COLUMNS:
        raise ValueError("the header of a record does not end where it says")
    return found, size


def record_size(payload: bytes) -> int:
    """Return how long the record that begins with `payload` is by its own header. Raises `ValueError`."""
    found, size = serials(payload)
    return size + sum(map(serial_size, found))


def decode(payload: bytes) -> list[Value]:
    """Return the values of a record: None, int (`OddInt`), float, `RawText`, bytes.

    Raises `ValueError` for what is no record, also when its values do not fill the payload exactly.
    """
    found, at = serials(payload)
    values: list[Value] = []
    for serial in found:
        end = at + serial_size(serial)
        if serial >= 12:
            piece = payload[at:end]
            values.append(RawText(piece) if serial & 1 else piece)
        elif serial == 0:
            values.append(None)
        elif serial == 7:
            if end > len(payload):
                raise ValueError("the values of a record are cut")
            values.append(struct.unpack_from(">d", payload, at)[0])
        elif serial >= 8:
            values.append(serial - 8)
        else:
            number = int.from_bytes(payload[at:end], "big", signed=True)
            values.append(OddInt(number) if -_SHORTER[serial] < number < _SHORTER[serial] else number)
        at = end
    if at != len(payload):
        raise ValueError("the values of a record do not fill it")
    return values


def encode(values: list[Value], encoding: str = "UTF-8") -> bytes:
    """Return `values` as a record; texts are `str` (surrogate escapes are raw UTF-8 bytes) or `RawText`."""
    header, body = [], []
    for value in values:
        serial, piece = _encode_value(value, encoding)
        header.append(varint.write(serial))
        body.append(piece)
    types = b"".join(header)
    size = len(types) + 1
    if size > 0x7F:
        size += len(varint.write(size)) - 1
        if len(varint.write(size)) + len(types) != size:
            size += 1
    return varint.write(size) + types + b"".join(body)


def _encode_value(value: Value, encoding: str) -> tuple[int, bytes]:
    if value is None:
        return 0, b""
    if isinstance(value, str):
        raw = value.encode("utf-8", "surrogateescape")
        if encoding != "UTF-8":
            raw = raw.decode("utf-8", "replace").encode(CODECS[encoding])
        return len(raw) * 2 + 13, raw
    if isinstance(value, RawText):
        return len(value) * 2 + 13, bytes(value)
    if isinstance(value, bytes):
        return len(value) * 2 + 12, value
    if isinstance(value, float):
        return 7, struct.pack(">d", value)
    if value in (0, 1):
        return 8 + value, b""
    for serial, size in ((1, 1), (2, 2), (3, 3), (4, 4), (5, 6), (6, 8)):
        if -(1 << size * 8 - 1) <= value < 1 << size * 8 - 1:
            return serial, value.to_bytes(size, "big", signed=True)
    raise ValueError("an integer of more than 64 bits")


def text(value: Value, encoding: str) -> str:
    """Return a `RawText` as Python's text without ever failing; what is no text as an empty one."""
    if not isinstance(value, RawText):
        return ""
    if encoding == "UTF-8":
        return value.decode("utf-8", "surrogateescape")
    return value.decode(CODECS.get(encoding, "utf-8"), "replace")
