"""Tar streams, both ways: headers with their contents, holes included.

Holes are written as GNU sparse format 1.0 in a PAX archive, which GNU tar and bsdtar open; read are that,
0.0, 0.1 and the old GNU headers. Everything streams; a member's content is skipped when nobody takes it.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Iterator

from toolkit.archive import tarheader
from toolkit.archive.member import Member
from toolkit.archive.stream import ByteStream
from toolkit.archive.tarheader import BLOCK, Header, pad
from toolkit.errors import ArchiveDamagedError, UnsafeArchiveError
from toolkit.filelist import FileEntry, FileType

LONGEST_EXTENSION = 16 * 1024 * 1024
"""Bytes of an extended header or long name that are taken into memory; more is an attack."""

Holes = tuple[tuple[int, int], ...]

_KINDS = {
    FileType.FILE: tarheader.REGULAR,
    FileType.DIRECTORY: tarheader.DIRECTORY,
    FileType.SYMLINK: tarheader.SYMLINK,
}
_TYPES = {
    tarheader.REGULAR: FileType.FILE,
    tarheader.GNU_SPARSE: FileType.FILE,
    tarheader.DIRECTORY: FileType.DIRECTORY,
    b"D": FileType.DIRECTORY,
    tarheader.SYMLINK: FileType.SYMLINK,
    tarheader.HARD_LINK: FileType.FILE,
}


def data_segments(size: int, holes: Holes) -> list[tuple[int, int]]:
    """Return the (offset, length) pairs of `size` bytes that are not in `holes`."""
    segments = []
    position = 0
    for offset, length in holes:
        if offset > position:
            segments.append((position, offset - position))
        position = offset + length
    if position < size:
        segments.append((position, size - position))
    return segments


def holes_between(size: int, segments: Iterable[tuple[int, int]]) -> Holes:
    """Return the holes that `segments` leave in `size` bytes.

    Raises `ArchiveDamagedError` when the segments overlap or leave the file.
    """
    holes = []
    position = 0
    for offset, length in segments:
        if offset < position or length < 0 or offset + length > size:
            raise ArchiveDamagedError("the map of a sparse file contradicts itself")
        if offset > position:
            holes.append((position, offset - position))
        position = offset + length
    if position < size:
        holes.append((position, size - position))
    return tuple(holes)


def encode_member(entry: FileEntry, member: str, *, link_to: str | None = None) -> bytes:
    """Return all that stands before the content of `entry`: headers, and the sparse map where it has holes.

    `link_to` is the member that it is a hard link to. Then `entry.data_size` bytes and padding follow,
    or nothing for what has no content.
    """
    name = os.fsencode(member)
    seconds = entry.mtime_ns // 1_000_000_000
    if entry.type is FileType.FILE and link_to is None and not entry.xattrs and not entry.holes:
        numbers = (entry.mode & 0o7777, entry.uid, entry.gid, entry.size, seconds)
        short = tarheader.encode_short(name, numbers, entry.user, entry.group)
        if short is not None:
            return short
    head = Header(
        name=name,
        kind=_KINDS[entry.type],
        mode=entry.mode & 0o7777,
        uid=entry.uid,
        gid=entry.gid,
        mtime=seconds,
        user=os.fsencode(entry.user),
        group=os.fsencode(entry.group),
    )
    pax: dict[bytes, bytes] = {}
    if link_to is not None:
        head.kind = tarheader.HARD_LINK
        head.link = os.fsencode(link_to)
        return tarheader.encode(head)
    for key, value in entry.xattrs.items():
        pax[b"SCHILY.xattr." + os.fsencode(key)] = base64.b64decode(value)
    sparse = b""
    if entry.type is FileType.FILE:
        head.size = entry.data_size
        if entry.holes:
            sparse = _sparse_map(entry)
            head.size += len(sparse)
            pax |= {
                b"GNU.sparse.major": b"1",
                b"GNU.sparse.minor": b"0",
                b"GNU.sparse.name": name,
                b"GNU.sparse.realsize": b"%d" % entry.size,
            }
            folder, _, base = name.rpartition(b"/")
            head.name = b"%b/GNUSparseFile.0/%b" % (folder, base)
    elif entry.type is FileType.DIRECTORY:
        head.name += b"/"
    else:
        head.link = os.fsencode(entry.target)
    return tarheader.encode(head, pax) + sparse


def _sparse_map(entry: FileEntry) -> bytes:
    segments = data_segments(entry.size, entry.holes)
    if not segments or sum(segments[-1]) < entry.size:
        segments.append((entry.size, 0))
    lines = b"%d\n" % len(segments) + b"".join(b"%d\n%d\n" % pair for pair in segments)
    return lines + pad(len(lines))


_EMPTY = bytes(BLOCK)
_EXTENDING = (tarheader.PAX, b"X", tarheader.GNU_LONG_NAME, tarheader.GNU_LONG_LINK)


class _Extensions:
    """What stands before a header and changes it."""

    def __init__(self) -> None:
        self._records: dict[bytes, bytes] = {}
        self._pairs: list[bytes] = []
        self._long: dict[bytes, bytes] = {}

    def take(self, kind: bytes, body: bytes) -> None:
        """Take the body of an extending header."""
        if kind in (tarheader.GNU_LONG_NAME, tarheader.GNU_LONG_LINK):
            self._long[kind] = body.split(b"\0", 1)[0]
            return
        for key, value in tarheader.decode_pax(body):
            if key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
                self._pairs.append(value)
            self._records[key] = value

    def apply(self, head: Header, everywhere: dict[bytes, bytes]) -> None:
        """Let them change `head`; `everywhere` are the records of global headers."""
        head.name = self._long.get(tarheader.GNU_LONG_NAME, head.name)
        head.link = self._long.get(tarheader.GNU_LONG_LINK, head.link)
        if self._pairs:
            self._records[b"GNU.sparse.map"] = b",".join(self._pairs)
        if self._records or everywhere:
            tarheader.apply_pax(head, everywhere | self._records)


def _checked(head: Header) -> Header:
    if head.size < 0:
        raise ArchiveDamagedError("a member has a negative size", subject=head.name)
    return head


def _whole(head: Header, data: memoryview) -> Member:
    """Return the plain file of which all of the content is at hand."""
    return Member(
        name=head.name,
        type=FileType.FILE,
        size=head.size,
        pieces=iter((data,) if data else ()),
        mode=head.mode,
        uid=head.uid,
        gid=head.gid,
        mtime_ns=head.mtime * 1_000_000_000,
        user=head.user,
        group=head.group,
        data=data,
    )


class TarReader:
    """The members of a tar stream, one after the other."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._global: dict[bytes, bytes] = {}

    def __iter__(self) -> Iterator[Member]:
        """Yield each member; what is not taken of its `pieces` is skipped.

        Raises `ArchiveDamagedError` when a header is wrong or the stream ends early, and
        `UnsafeArchiveError` for device nodes and FIFOs.
        """
        while (head := self._next_header()) is not None:
            if head.kind not in _TYPES:
                self._refuse(head)
                continue
            if head.kind == tarheader.REGULAR and not head.pax and not head.name.endswith(b"/"):
                data = self._stream.at_hand(head.size, -head.size % BLOCK)
                if data is not None:
                    yield _whole(head, data)
                    continue
            yield from self._member(head)

    def _refuse(self, head: Header) -> None:
        if head.kind == b"V":
            self._stream.skip(head.size + -head.size % BLOCK)
            return
        if head.kind in (b"3", b"4", b"6"):
            raise UnsafeArchiveError("a member is a device node or a FIFO", subject=head.name)
        raise ArchiveDamagedError("a member has a type that this Lifeboat does not know", subject=head.name)

    def _member(self, head: Header) -> Iterator[Member]:
        holes: Holes = ()
        size = stored = head.size
        sparse = self._sparse(head)
        if sparse is not None:
            size, holes, stored = sparse
        kind = _TYPES[head.kind]
        if head.kind == tarheader.REGULAR and head.name.endswith(b"/"):
            kind = FileType.DIRECTORY
        hard = head.kind == tarheader.HARD_LINK
        has_content = kind is FileType.FILE and not hard
        if not has_content and head.kind in (tarheader.SYMLINK, tarheader.DIRECTORY, tarheader.HARD_LINK):
            stored = 0
        remaining = [stored]
        yield Member(
            name=head.name,
            type=kind,
            size=size if has_content else 0,
            target=head.link if kind is FileType.SYMLINK else b"",
            link_to=head.link if hard else None,
            holes=holes,
            pieces=self._pieces(remaining),
            mode=head.mode,
            uid=head.uid,
            gid=head.gid,
            mtime_ns=head.mtime * 1_000_000_000,
            user=head.user,
            group=head.group,
        )
        self._stream.skip(remaining[0] + -stored % BLOCK)

    def _pieces(self, remaining: list[int]) -> Iterator[memoryview]:
        while remaining[0]:
            piece = self._stream.some(remaining[0])
            remaining[0] -= len(piece)
            yield piece

    def _next_header(self) -> Header | None:
        """Return the next header with all that extends it, or None at the end of the archive."""
        extensions = None
        while True:
            block = self._stream.exactly_or_end(BLOCK)
            if block is None or block == _EMPTY:
                if extensions is not None:
                    raise ArchiveDamagedError("the tar stream ends in the middle of a member")
                return None
            head = _checked(tarheader.decode(block))
            if head.kind == tarheader.PAX_GLOBAL:
                self._global |= dict(tarheader.decode_pax(self._extension(head)))
            elif head.kind in _EXTENDING:
                extensions = extensions or _Extensions()
                extensions.take(head.kind, self._extension(head))
            else:
                break
        if extensions is not None or self._global:
            (extensions or _Extensions()).apply(head, self._global)
        if head.kind == tarheader.GNU_SPARSE:
            self._old_sparse(head, block)
        return _checked(head)

    def _extension(self, head: Header) -> bytes:
        if head.size > LONGEST_EXTENSION:
            raise UnsafeArchiveError(f"an extended header has {head.size:,} bytes")
        body = self._stream.exactly(head.size)
        self._stream.skip(-head.size % BLOCK)
        return body

    def _old_sparse(self, head: Header, block: bytes) -> None:
        """Put the map of an old GNU sparse header into the form of PAX 0.1."""
        pairs = _octal_pairs(block[386:482])
        head.pax[b"GNU.sparse.size"] = b"%d" % tarheader.decode_number(block[483:495])
        more = block[482]
        while more:
            extension = self._stream.exactly(BLOCK)
            pairs += _octal_pairs(extension[:504])
            more = extension[504]
            if len(pairs) > LONGEST_EXTENSION // 8:
                raise UnsafeArchiveError("the map of a sparse file is absurdly long", subject=head.name)
        head.pax[b"GNU.sparse.map"] = b",".join(b"%d" % number for number in pairs)

    def _sparse(self, head: Header) -> tuple[int, Holes, int] | None:
        """Return (logical size, holes, bytes of data that follow) of a sparse member."""
        pax = head.pax
        if pax.get(b"GNU.sparse.major") == b"1":
            logical = _decimal(pax.get(b"GNU.sparse.realsize", b""))
            numbers, used = self._map_lines(head)
            segments = list(zip(numbers[::2], numbers[1::2], strict=True))
            stored = head.size - used
        elif b"GNU.sparse.map" in pax:
            numbers = [_decimal(number) for number in pax[b"GNU.sparse.map"].split(b",") if number]
            if len(numbers) % 2:
                raise ArchiveDamagedError("the map of a sparse file contradicts itself", subject=head.name)
            segments = list(zip(numbers[::2], numbers[1::2], strict=True))
            logical = _decimal(pax.get(b"GNU.sparse.size") or pax.get(b"GNU.sparse.realsize", b""))
            stored = head.size
        else:
            return None
        if sum(length for _, length in segments) != stored:
            raise ArchiveDamagedError("the map of a sparse file contradicts its size", subject=head.name)
        return logical, holes_between(logical, segments), stored

    def _map_lines(self, head: Header) -> tuple[list[int], int]:
        """Read the decimal lines of a sparse 1.0 map; return its numbers and the bytes it took."""
        buffer = bytearray()
        used = position = 0
        numbers: list[int] = []
        wanted = 1
        while len(numbers) < wanted:
            end = buffer.find(b"\n", position)
            if end < 0:
                if used >= head.size or used > LONGEST_EXTENSION or len(buffer) - position > BLOCK:
                    raise ArchiveDamagedError("the map of a sparse file cannot be read", subject=head.name)
                buffer += self._stream.exactly(BLOCK)
                used += BLOCK
                continue
            numbers.append(_decimal(bytes(buffer[position:end])))
            position = end + 1
            if len(numbers) == 1:
                wanted = 1 + 2 * numbers[0]
        return numbers[1:], used


def _decimal(value: bytes) -> int:
    if not value.isdigit() or len(value) > 20:
        raise ArchiveDamagedError("the map of a sparse file cannot be read")
    return int(value)


def _octal_pairs(raw: bytes) -> list[int]:
    numbers = []
    for start in range(0, len(raw) - 23, 24):
        if raw[start] == 0:
            break
        numbers.append(tarheader.decode_number(raw[start : start + 12]))
        numbers.append(tarheader.decode_number(raw[start + 12 : start + 24]))
    return numbers
