"""The forms in which a database lies on disk: alone, with a WAL, with a journal; each with bytes that a seed decides.

SQLite salts its WALs and journals at random. The salts are replaced here and all checksums made anew (SQLite
file format, sections 3 and 4), so that the same seed makes the same bytes.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.makers.corpus_application import quoted

JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
FRAME = 24
WAL_HEADER = 32


def wal_sum(data: bytes, seed: tuple[int, int] = (0, 0), *, big: bool) -> tuple[int, int]:
    """Return the checksum of a WAL (section 4.2) over `data`, continued from `seed`."""
    first, second = seed
    words = struct.unpack(f"{'>' if big else '<'}{len(data) // 4}I", data)
    for x, y in zip(words[::2], words[1::2], strict=True):
        first = (first + x + second) & 0xFFFFFFFF
        second = (second + y + first) & 0xFFFFFFFF
    return first, second


def frames(wal: bytes) -> Iterator[int]:
    """Yield where each frame of a WAL begins."""
    size = struct.unpack_from(">I", wal, 8)[0]
    yield from range(WAL_HEADER, len(wal) - FRAME - size + 1, FRAME + size)


def sign_wal(wal: bytearray) -> tuple[int, int]:
    """Make the checksums of the header and of all frames valid, as a chain; return that of the last current frame."""
    big = bool(struct.unpack_from(">I", wal, 0)[0] & 1)
    size = struct.unpack_from(">I", wal, 8)[0]
    chain = wal_sum(bytes(wal[:24]), big=big)
    struct.pack_into(">II", wal, 24, *chain)
    last, salts = chain, bytes(wal[16:24])
    for start in frames(bytes(wal)):
        chain = wal_sum(bytes(wal[start : start + 8]), chain, big=big)
        chain = wal_sum(bytes(wal[start + FRAME : start + FRAME + size]), chain, big=big)
        struct.pack_into(">II", wal, start + 16, *chain)
        if wal[start + 8 : start + 16] == salts:
            last = chain
    return last


def resalt_wal(wal: bytearray, rng: random.Random) -> tuple[int, int]:
    """Give a WAL, and what an earlier round left behind its end, the salts of `rng`."""
    old = bytes(wal[16:24])
    salts = struct.pack(">II", rng.randrange(1, 2**32), rng.randrange(2**32))
    before = struct.pack(">II", (struct.unpack_from(">I", salts)[0] - 1) & 0xFFFFFFFF, rng.randrange(2**32))
    for start in frames(bytes(wal)):
        wal[start + 8 : start + 16] = salts if wal[start + 8 : start + 16] == old else before
    wal[16:24] = salts
    return sign_wal(wal)


def _resalt_shm(shm: bytearray, wal: bytes, last: tuple[int, int]) -> None:
    """Make the two copies of the header of a wal-index agree with the WAL (WAL-index format, native byte order)."""
    header = bytearray(shm[:48])
    header[32:40] = wal[16:24]
    struct.pack_into("=II", header, 24, *last)
    struct.pack_into("=II", header, 40, *wal_sum(bytes(header[:40]), big=struct.pack("=H", 1) == b"\0\1"))
    shm[:48] = shm[48:96] = header


def journal_sum(page: bytes | bytearray, nonce: int) -> int:
    """Return the checksum of a page in a rollback journal (section 3, step 3)."""
    return (nonce + sum(page[at] for at in range(len(page) - 200, 0, -200))) & 0xFFFFFFFF


def journal_header(journal: bytes | bytearray, position: int, page_size: int) -> bool:
    """Whether a header of a journal begins at `position`; its magic is written only when its records are synced."""
    sizes = bytes(journal[position + 20 : position + 28])
    magic = bytes(journal[position : position + 8])
    return sizes == struct.pack(">II", 512, page_size) and magic in (JOURNAL_MAGIC, bytes(8))


def resalt_journal(journal: bytearray, page_size: int, rng: random.Random) -> None:
    """Give a rollback journal the nonce of `rng`; its header may be zeroed, as journal_mode=PERSIST leaves it."""
    sector, step = 512, page_size + 8
    nonce, position = rng.randrange(2**32), 0
    while position + sector <= len(journal):
        header = journal_header(journal, position, page_size)
        if header:
            struct.pack_into(">I", journal, position + 12, nonce)
        if header or not position:
            position += sector
            continue
        end = position + 4 + page_size
        if end + 4 > len(journal):
            break
        struct.pack_into(">I", journal, end, journal_sum(journal[position + 4 : end], nonce))
        position += step
        following = -(-position // sector) * sector
        if journal_header(journal, following, page_size):
            position = following


def page_size_of(path: Path) -> int:
    """Return the page size that the header of `path` names."""
    with path.open("rb") as file:
        size = struct.unpack_from(">H", file.read(18), 16)[0]
    return 65536 if size == 1 else int(size)


def take(made: Path, target: Path, *suffixes: str) -> None:
    """Copy a database that is in use as a stopped machine would leave it: the file and the sidecars `suffixes`."""
    for suffix in ("", *suffixes):
        shutil.copyfile(f"{os.fspath(made)}{suffix}", f"{os.fspath(target)}{suffix}")


def settle_salts(path: Path, rng: random.Random) -> None:
    """Make the sidecars of `path` depend on `rng` alone."""
    wal, journal, shm = (path.with_name(path.name + suffix) for suffix in ("-wal", "-journal", "-shm"))
    if wal.exists() and wal.stat().st_size > WAL_HEADER:
        data = bytearray(wal.read_bytes())
        last = resalt_wal(data, rng)
        wal.write_bytes(data)
        if shm.exists():
            index = bytearray(shm.read_bytes())
            _resalt_shm(index, bytes(data), last)
            shm.write_bytes(index)
    if journal.exists():
        data = bytearray(journal.read_bytes())
        resalt_journal(data, page_size_of(path), rng)
        journal.write_bytes(data)


Change = Callable[[sqlite3.Connection], None]


def _rollback(db: sqlite3.Connection, change: Change, made: Path, target: Path) -> None:
    change(db)
    take(made, target)


def _persist(db: sqlite3.Connection, change: Change, made: Path, target: Path) -> None:
    db.execute("PRAGMA journal_mode=persist")
    change(db)
    take(made, target, "-journal")


def _hot(db: sqlite3.Connection, change: Change, made: Path, target: Path) -> None:
    """The changes are committed; the machine stopped in the middle of a big transaction after them."""
    change(db)
    db.execute("PRAGMA foreign_keys=OFF")
    db.execute("PRAGMA synchronous=" + ("OFF" if len(made.read_bytes()) % 3 == 0 else "FULL"))
    db.execute("PRAGMA cache_size=4")
    db.execute("PRAGMA cache_spill=4")
    db.execute("BEGIN")
    names = db.execute(
        "SELECT name FROM sqlite_master WHERE type='table' AND sql NOT LIKE 'CREATE VIRTUAL%' "
        "AND name NOT LIKE 'sqlite%' ORDER BY name"
    ).fetchall()
    for (name,) in names:
        with contextlib.suppress(sqlite3.Error):  # shadow tables, and what a trigger refuses
            db.execute(f"DELETE FROM {quoted(name)} WHERE rowid % 10 = 0")
    db.execute("CREATE TABLE half_done(x)")
    db.execute("WITH n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 900) "
               "INSERT INTO half_done SELECT printf('%.300c', 'x') || i FROM n")  # fmt: skip
    take(made, target, "-journal")
    db.execute("ROLLBACK")


def _wal(db: sqlite3.Connection, change: Change, made: Path, target: Path) -> None:
    db.execute("PRAGMA journal_mode=wal")
    db.execute("PRAGMA wal_autocheckpoint=0")
    change(db)
    take(made, target, "-wal", "-shm")


def _wal_without_shm(db: sqlite3.Connection, change: Change, made: Path, target: Path) -> None:
    db.execute("PRAGMA journal_mode=wal")
    db.execute("PRAGMA wal_autocheckpoint=0")
    change(db)
    take(made, target, "-wal")


def _wal_restarted(db: sqlite3.Connection, change: Change, made: Path, target: Path) -> None:
    """A WAL that began again at its start: behind its end lie frames of the round before, which are nothing."""
    db.execute("PRAGMA journal_mode=wal")
    db.execute("PRAGMA wal_autocheckpoint=0")
    change(db)
    db.execute("PRAGMA wal_checkpoint(RESTART)")
    db.execute("PRAGMA user_version = 77")
    take(made, target, "-wal", "-shm")


def _wal_at_rest(db: sqlite3.Connection, change: Change, made: Path, target: Path) -> None:
    """WAL mode in the header and nothing beside it, as after a clean end."""
    db.execute("PRAGMA journal_mode=wal")
    change(db)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    take(made, target)


FORMS: dict[str, Callable[[sqlite3.Connection, Change, Path, Path], None]] = {
    "rollback": _rollback,
    "persist": _persist,
    "hot": _hot,
    "wal": _wal,
    "wal-no-shm": _wal_without_shm,
    "wal-restarted": _wal_restarted,
    "wal-at-rest": _wal_at_rest,
}
"""How the changes since yesterday are made and what then lies on disk."""
