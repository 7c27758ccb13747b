"""What a file is that is no database: named by its first bytes, or by having no order at all."""

from __future__ import annotations

import math

_MAGICS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x1f\x8b", "a gzip file"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"PK\x05\x06", "an empty zip archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd file"),
    (0, b"BZh", "a bzip2 file"),
    (0, b"\xfd7zXZ\0", "an xz file"),
    (0, b"\x04\x22\x4d\x18", "an lz4 file"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"\x7fELF", "a program (ELF)"),
    (0, b"MZ", "a program (Windows)"),
    (0, b"#!", "a script"),
    (0, b"%PDF-", "a PDF document"),
    (0, b"\x89PNG\r\n", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"GIF8", "a GIF picture"),
    (0, b"<?xml", "an XML document"),
    (0, b"\0\x01\0\0Standard Jet DB", "an Access database"),
    (0, b"\0\x01\0\0Standard ACE DB", "an Access database"),
    (0, b"** This file contains an SQLite 2.1 database **", "an SQLite 2 database"),
    (0, b"age-encryption.org/", "a file encrypted with age"),
    (0, b"-----BEGIN ", "a key or message in PEM form"),
    (0, b"Salted__", "a file encrypted by openssl"),
    (0, b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7", "a rollback journal, not its database"),
    (0, b"\x37\x7f\x06\x82", "a -wal, not its database"),
    (0, b"\x37\x7f\x06\x83", "a -wal, not its database"),
    (4, b"ftyp", "a video"),
    (0, b"OggS", "an Ogg file"),
    (0, b"fLaC", "a FLAC file"),
    (0, b"RIFF", "a RIFF file (sound or picture)"),
    (0, b"PGDMP", "a dump of PostgreSQL"),
    (0, b"DUCK", "a DuckDB database"),
)
_TEXTS: tuple[tuple[bytes, str], ...] = (
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"pragma ", "an SQL script"),
    (b"begin transaction", "an SQL script"),
    (b"create ", "an SQL script"),
    (b"insert ", "an SQL script"),
    (b"--", "an SQL script"),
    (b"/*", "an SQL script"),
    (b"{", "a JSON text"),
    (b"[", "a JSON text"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself"),
)
_LEAST_SAMPLE = 4096
_RANDOM = 0.985


def name_of(head: bytes) -> str | None:
    """Return what a file that begins with `head` (512 bytes or more) is, None when it tells nothing."""
    for at, magic, name in _MAGICS:
        if head[at : at + len(magic)] == magic:
            return name
    begin = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:64].lower()
    for word, name in _TEXTS:
        if begin.startswith(word) and _is_text(head):
            return name
    if head and not any(head):
        return None
    return "a text" if _is_text(head) else None


def _is_text(head: bytes) -> bool:
    if not head or b"\0" in head:
        return False
    return sum(byte < 32 and byte not in (9, 10, 13, 27) for byte in head) * 50 < len(head)


def is_random(sample: bytes) -> bool:
    """Answer whether `sample` has no order, as encrypted and compressed bytes: its entropy is nearly all it could be.

    Too small a sample (under 4096 bytes) is never called random.
    """
    if len(sample) < _LEAST_SAMPLE:
        return False
    total = len(sample)
    counts = [sample.count(bytes([byte])) for byte in range(256)]
    entropy = -sum(count / total * math.log2(count / total) for count in counts if count)
    best = 8 - 255 / (2 * total * math.log(2))  # what a random sample of this size has on average
    return entropy >= best * _RANDOM
