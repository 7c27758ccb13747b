"""The first 100 bytes of a database (SQLite file format, section 1.3), read without SQLite."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

from toolkit.errors import NotADatabaseError

MAGIC = b"SQLite format 3\0"
SIZE = 100
ENCODINGS = {0: "UTF-8", 1: "UTF-8", 2: "UTF-16le", 3: "UTF-16be"}
_LAYOUT = struct.Struct(">16sH6B12I20xII")


@dataclass(frozen=True, slots=True)
class Header:
    """What a database says of itself.

    `page_size` and sizes are bytes. `page_count` is None where the header does not say it for certain: it
    counts only when the change counter equals "version valid for" (section 1.3.7), since old libraries leave it.
    """

    page_size: int
    write_version: int
    read_version: int
    reserved: int
    change_counter: int
    page_count: int | None
    freelist_count: int
    schema_cookie: int
    schema_format: int
    encoding: str
    user_version: int
    application_id: int
    library_version: int

    @property
    def wal(self) -> bool:
        """Whether the database is in WAL mode (section 1.3.3)."""
        return self.write_version == 2 or self.read_version == 2

    @property
    def journal_mode(self) -> str:
        """`wal` or `delete`: all that a file tells of its journal mode."""
        return "wal" if self.wal else "delete"

    @property
    def expected_size(self) -> int | None:
        """The size in bytes that the file should have, None where the header does not say."""
        return None if self.page_count is None else self.page_count * self.page_size


def is_database(prefix: bytes) -> bool:
    """Answer whether a file that begins with `prefix` (16 bytes at least) is an SQLite database."""
    return prefix.startswith(MAGIC)


def stated_page_size(head: bytes) -> int:
    """Return the page size that a header states, possible or not: 1 stands for 65536 (file format, section 1.3.2)."""
    size = int.from_bytes(head[16:18], "big")
    return 65536 if size == 1 else size


def parse(data: bytes) -> Header:
    """Return what the header `data` says.

    Raises `NotADatabaseError` for an empty file, a shorter one than a header, a wrong magic or page size.
    """
    if not data:
        raise NotADatabaseError("the file is empty", hint="a mistyped path or a failed restore leaves such a file")
    if not is_database(data) or len(data) < SIZE:
        raise NotADatabaseError("the file is no SQLite database")
    fields = _LAYOUT.unpack_from(data)
    page_size = 65536 if fields[1] == 1 else fields[1]
    if page_size < 512 or page_size & (page_size - 1):
        raise NotADatabaseError(f"the header names an impossible page size of {page_size} bytes")
    change_counter, page_count, version_valid_for = fields[8], fields[9], fields[-2]
    return Header(
        page_size=page_size,
        write_version=fields[2],
        read_version=fields[3],
        reserved=fields[4],
        change_counter=change_counter,
        page_count=page_count if page_count and change_counter == version_valid_for else None,
        freelist_count=fields[11],
        schema_cookie=fields[12],
        schema_format=fields[13],
        encoding=ENCODINGS.get(fields[16], f"unknown ({fields[16]})"),
        user_version=struct.unpack_from(">i", data, 60)[0],
        application_id=struct.unpack_from(">i", data, 68)[0],
        library_version=fields[-1],
    )


def mark_wal(path: str | os.PathLike[str]) -> None:
    """Put the private database `path` into WAL mode, as its original was: two bytes of its header.

    A database keeps its journal mode in the file (SQLite file format, section 1.3.3), and a copy is made in
    rollback mode so that it needs no sidecars. Its times stay. Raises `OSError`.
    """
    _mark(path, b"\x02\x02")


def mark_rollback(path: str | os.PathLike[str]) -> None:
    """Put the private database `path`, which has no -wal, into rollback mode. Its times stay. Raises `OSError`."""
    _mark(path, b"\x01\x01")


def _mark(path: str | os.PathLike[str], versions: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        times = os.fstat(descriptor)
        os.pwrite(descriptor, versions, 18)
        os.utime(descriptor, ns=(times.st_atime_ns, times.st_mtime_ns))
    finally:
        os.close(descriptor)
