"""One tar header, both ways: POSIX ustar and PAX (POSIX.1-2008, pax), GNU base-256 numbers and long names.

Own code because the standard `tarfile` takes three times the CPU for many small files, and Python 3.11's
can be led outside its target. Times are whole seconds here; the exact ones are in the file list.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from toolkit.errors import ArchiveDamagedError

BLOCK = 512
END = bytes(2 * BLOCK)

REGULAR = b"0"
HARD_LINK = b"1"
SYMLINK = b"2"
DIRECTORY = b"5"
PAX = b"x"
PAX_GLOBAL = b"g"
GNU_LONG_NAME = b"L"
GNU_LONG_LINK = b"K"
GNU_SPARSE = b"S"

_MAX_OCTAL_7 = 8**7
_MAX_OCTAL_11 = 8**11


@dataclass(slots=True)
class Header:
    """The fields of a header block after extensions are applied; `size` counts the bytes that follow it."""

    name: bytes
    kind: bytes = REGULAR
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime: int = 0
    link: bytes = b""
    user: bytes = b""
    group: bytes = b""
    pax: dict[bytes, bytes] = field(default_factory=dict)


def pax_record(key: bytes, value: bytes) -> bytes:
    """Return one record of an extended header: its own length, key and value."""
    body = len(key) + len(value) + 3
    length = body + len(str(body))
    length = body + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def pad(size: int) -> bytes:
    """Return the zeros that follow `size` bytes up to the next block."""
    return bytes(-size % BLOCK)


def _block(parts: tuple[bytes, bytes], head: Header, numbers: tuple[int, int, int, int], link: bytes) -> bytes:
    prefix, name = parts
    first = b"%b%07o\0%07o\0%07o\0%011o\0%011o\0" % (name.ljust(100, b"\0"), head.mode, *numbers)
    last = b"%b%bustar\00000%b%b0000000\x000000000\0%b" % (
        head.kind,
        link.ljust(100, b"\0"),
        head.user[:31].ljust(32, b"\0"),
        head.group[:31].ljust(32, b"\0"),
        prefix.ljust(155, b"\0"),
    )
    checksum = sum(first) + sum(last) + 256
    return b"%b%06o\0 %b" % (first, checksum, last.ljust(356, b"\0"))


@functools.lru_cache(maxsize=256)
def _file_tail(user: str, group: str) -> tuple[bytes, int] | None:
    """Return the second half of a plain file's header and the sum of its bytes, or None when it needs more."""
    owners = user + group
    if not owners.isascii() or len(user) > 31 or len(group) > 31:
        return None
    tail = b"0%bustar\00000%b%b0000000\x000000000\0" % (
        bytes(100),
        user.encode().ljust(32, b"\0"),
        group.encode().ljust(32, b"\0"),
    )
    return tail.ljust(356, b"\0"), sum(tail) + 256


def encode_short(name: bytes, numbers: tuple[int, int, int, int, int], user: str, group: str) -> bytes | None:
    """Return the header of a plain file, or None when ustar with a short name can't hold it.

    `numbers` are mode, uid, gid, size and mtime. The same bytes as `encode`, at a third of its cost.
    """
    tail = _file_tail(user, group)
    _, uid, gid, size, mtime = numbers
    if tail is None or len(name) > 100 or not name.isascii() or max(uid, gid) >= _MAX_OCTAL_7:
        return None
    if max(size, mtime) >= _MAX_OCTAL_11 or min(uid, gid, mtime) < 0:
        return None
    first = b"%b%07o\0%07o\0%07o\0%011o\0%011o\0" % (name.ljust(100, b"\0"), *numbers)
    return b"%b%06o\0 %b" % (first, sum(first) + tail[1], tail[0])


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """Return (prefix, name) as ustar holds them, or None when it can't."""
    if len(name) <= 100:
        return b"", name
    if len(name) > 256:
        return None
    cut = name.find(b"/", len(name) - 101)
    if cut <= 0 or cut > 155 or cut == len(name) - 1:
        return None
    return name[:cut], name[cut + 1 :]


def _number(value: int, limit: int, key: bytes, pax: dict[bytes, bytes]) -> int:
    if 0 <= value < limit:
        return value
    pax[key] = b"%d" % value
    return 0


def encode(head: Header, pax: Mapping[bytes, bytes] | None = None) -> bytes:
    """Return the header blocks of `head`; `pax` are records that it needs besides (sparse map, xattrs).

    An extended header is written only for what ustar can't hold: long names, names that are not ASCII,
    numbers that are too big or negative.
    """
    records: dict[bytes, bytes] = dict(pax) if pax else {}
    names = (head.name, head.link, head.user, head.group)
    ascii_only = head.name.isascii() and head.link.isascii() and head.user.isascii() and head.group.isascii()
    parts = _split(head.name)
    if parts is None or not head.name.isascii():
        records[b"path"] = head.name
        parts = b"", head.name[-100:]
    link = head.link
    if len(link) > 100 or not link.isascii():
        records[b"linkpath"] = link
        link = link[:100]
    owners = ((b"uname", head.user), (b"gname", head.group))
    records |= {key: value for key, value in owners if len(value) > 31 or not value.isascii()}
    uid = _number(head.uid, _MAX_OCTAL_7, b"uid", records)
    gid = _number(head.gid, _MAX_OCTAL_7, b"gid", records)
    size = _number(head.size, _MAX_OCTAL_11, b"size", records)
    mtime = _number(head.mtime, _MAX_OCTAL_11, b"mtime", records)
    block = _block(parts, head, (uid, gid, size, mtime), link)
    if not records:
        return block
    charset = b"" if ascii_only or _are_utf8(names) else pax_record(b"hdrcharset", b"BINARY")
    body = charset + b"".join(pax_record(key, value) for key, value in records.items())
    extended = Header(b"./PaxHeaders/" + os.path.basename(head.name)[-80:], PAX, size=len(body))
    front = _block((b"", extended.name), extended, (0, 0, len(body), mtime), b"")
    return front + body + pad(len(body)) + block


def _are_utf8(names: tuple[bytes, ...]) -> bool:
    try:
        for name in names:
            name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _text(raw: bytes) -> bytes:
    end = raw.find(b"\0")
    return raw if end < 0 else raw[:end]


def decode_number(raw: bytes) -> int:
    """Return the number of a header field: octal digits, or GNU base-256 (highest bit set).

    Raises `ArchiveDamagedError` when it is neither.
    """
    if raw[0] & 0x80:
        value = int.from_bytes(raw, "big")
        if raw[0] == 0xFF:
            return value - (1 << (8 * len(raw)))
        return value & ~(0x80 << (8 * (len(raw) - 1)))
    digits = raw.strip(b"\0 ")
    try:
        return int(digits, 8) if digits else 0
    except ValueError as error:
        raise ArchiveDamagedError("a number in a tar header cannot be read") from error


_PLAIN = re.compile(rb"([0-7]{11})[\0 ]([0-7]{11})[\0 ]([0-7]{6,7})[\0 ]")
_PLAIN_RIGHTS = re.compile(rb"([0-7]{7})\0([0-7]{7})\0([0-7]{7})\0")
_FIELDS = ((100, 108), (108, 116), (116, 124), (124, 136), (136, 148), (148, 156))


@functools.lru_cache(maxsize=1024)
def _decode_tail(tail: bytes) -> tuple[bytes, bytes, bytes, bytes, bytes, int]:
    """Return kind, link, user, group, prefix and sum of the second half of a header: few differ in it."""
    kind = tail[:1]
    prefix = _text(tail[189:344]) + b"/" if tail[101:107] == b"ustar\0" and tail[189] else b""
    kind = REGULAR if kind in b"\0007" else kind
    return kind, _text(tail[1:101]), _text(tail[109:141]), _text(tail[141:173]), prefix, sum(tail)


@functools.lru_cache(maxsize=1024)
def _decode_rights(field: bytes) -> tuple[int, int, int] | None:
    """Return mode, uid and gid where they are plain octal numbers: few files differ in them."""
    plain = _PLAIN_RIGHTS.match(field)
    return (int(plain[1], 8), int(plain[2], 8), int(plain[3], 8)) if plain is not None else None


def decode(block: bytes) -> Header:
    """Return the fields of the 512 bytes `block`, without what extended headers say.

    Raises `ArchiveDamagedError` when the checksum is wrong (unsigned and signed sums are both in use).
    """
    plain, rights = _PLAIN.match(block, 124), _decode_rights(block[100:124])
    if plain is not None and rights is not None:
        mode, uid, gid = rights
        size, mtime, stored = int(plain[1], 8), int(plain[2], 8), int(plain[3], 8)
    else:
        mode, uid, gid, size, mtime, stored = [decode_number(block[start:end]) for start, end in _FIELDS]
    kind, link, user, group, prefix, tail_sum = _decode_tail(block[156:])
    checksum = sum(block[:148]) + tail_sum + 256
    if stored != checksum and stored != checksum - 256 * sum(byte > 127 for byte in block[:148] + block[156:]):
        raise ArchiveDamagedError("a tar header has a wrong checksum")
    name = prefix + _text(block[:100])
    return Header(name, kind, mode & 0o7777, uid, gid, size, mtime, link, user, group)


_RECORD = re.compile(rb"(\d{1,9}) ([^=]{1,4096})=")


def decode_pax(body: bytes) -> list[tuple[bytes, bytes]]:
    """Return the records of an extended header in their order (sparse 0.0 repeats keys).

    Raises `ArchiveDamagedError` when a record has a wrong length.
    """
    records = []
    position = 0
    while position < len(body) and body[position] != 0:
        match = _RECORD.match(body, position)
        end = position + int(match[1]) if match else 0
        if match is None or end > len(body) or end <= match.end() or body[end - 1 : end] != b"\n":
            raise ArchiveDamagedError("an extended tar header cannot be read")
        records.append((match[2], body[match.end() : end - 1]))
        position = end
    return records


def _integer(value: bytes) -> int:
    try:
        return int(value.split(b".", 1)[0] or b"0")
    except ValueError as error:
        raise ArchiveDamagedError("a number in an extended tar header cannot be read") from error


def apply_pax(head: Header, records: Mapping[bytes, bytes]) -> None:
    """Let `records` replace the fields of `head`; the records stay in `head.pax`."""
    head.pax = dict(records)
    for key, value in records.items():
        if key == b"path":
            head.name = value
        elif key == b"linkpath":
            head.link = value
        elif key == b"uname":
            head.user = value
        elif key == b"gname":
            head.group = value
        elif key == b"size":
            head.size = _integer(value)
        elif key == b"uid":
            head.uid = _integer(value)
        elif key == b"gid":
            head.gid = _integer(value)
        elif key == b"mtime":
            head.mtime = _integer(value)
    if b"GNU.sparse.name" in records:
        head.name = records[b"GNU.sparse.name"]
