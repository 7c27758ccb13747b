"""A database and what lies beside it, judged as bytes: no SQLite opens them, so nothing is created, locked or replayed.

The files are opened and closed here, which would drop the locks of a process that has them open through SQLite
(DESIGN.md, promise 9): a process that looks holds no such connection.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from toolkit.sqlite import blocks, envelope, header, rollback, rollbackfit, wal, walfit, walsum
from toolkit.sqlite.envelope import Envelope
from toolkit.sqlite.headerfields import Fault
from toolkit.sqlite.rollback import Journal
from toolkit.sqlite.rollbackfit import Judgement
from toolkit.sqlite.wal import Wal
from toolkit.sqlite.walfit import Misfit

ATTEMPTS = 3
QUIET = 0.05
"""Seconds in which nothing may have been written: file systems count time in steps, and miss what is nearer."""

_SHM = struct.Struct("=IIIBBHII")


@dataclass(frozen=True, slots=True)
class Outline:
    """What was seen. `steady` is False when the files went on changing: then the rest says nothing for certain.

    `promised` is how many frames of the -wal are committed and not yet in the database by the -shm, 0 where that tells
    nothing; `unsaved` is how many pages were committed to the -wal that SQLite would not get, and the file lacks.
    """

    envelope: Envelope
    wal: Wal | None = None
    misfits: tuple[Misfit, ...] = ()
    promised: int = 0
    unsaved: int = 0
    journal: Journal | None = None
    judgement: Judgement | None = None
    steady: bool = True


def look(path: str | os.PathLike[str], *, reference: bytes = b"") -> Outline:
    """Return the outline of the database `path`, looked at again while it changes. Raises `OSError`.

    `reference` is the header of a backup, where there is one.
    """
    where = os.path.realpath(path)
    for attempt in range(ATTEMPTS):
        before = blocks.state(where)
        found = _look(where, reference)
        newest = max((part[3] for part in before if part), default=0)
        if blocks.state(where) == before and not 0 <= time.time_ns() - newest < QUIET * 1e9:
            return found
        if attempt + 1 < ATTEMPTS:
            time.sleep(QUIET)
    return replace(found, steady=False)


def _look(where: str, reference: bytes) -> Outline:
    main = os.open(where, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        mode = os.fstat(main).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            fault = Fault("not-a-database", "this is not a regular file")
            return Outline(Envelope(size=0, kind="other", what="not a regular file", faults=(fault,)))
        head = os.pread(main, header.SIZE, 0)
        page_size = header.stated_page_size(head)
        pages = os.fstat(main).st_size // page_size if page_size in wal.PAGE_SIZES else 0
        page_size = page_size if pages else 0
        read, misfits, promised, unsaved = _wal(where, main, page_size, pages)
        journal, judgement = _journal(where, main, page_size, pages)
        frames = read is not None and bool(read.replayed)
        hot = judgement is not None and judgement.standing is rollbackfit.Standing.HOT
        seen = envelope.examine_open(
            main,
            wal=frames,
            settled=not (frames or hot),
            reference=reference,
            page_size=read.page_size if read is not None and frames else 0,
        )
    finally:
        os.close(main)
    return Outline(seen, read, misfits, promised, unsaved, journal, judgement)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _wal(where: str, main: int, page_size: int, pages: int) -> tuple[Wal | None, tuple[Misfit, ...], int, int]:
    path = f"{where}-wal"
    try:
        read = wal.read(path, page_size=page_size, database_pages=pages)
        if not len(read):
            return read, (), 0, 0
        with _opened(path) as beside:
            promised, copied = _promised(where, read)
            if copied >= max(1, promised, read.committed):  # all is in the database, and the WAL begins anew next
                return read, (), 0, 0
            return read, walfit.misfits(main, beside, read), promised, walfit.unsaved(main, beside, read)
    except FileNotFoundError:
        return None, (), 0, 0


def _promised(where: str, read: Wal) -> tuple[int, int]:
    """Return how many frames the -shm calls committed, and copied into the database by a checkpoint.

    Its header is written twice and carries the salt of this WAL (WAL-index format, section 2); else (0, 0).
    """
    try:
        with _opened(f"{where}-shm") as beside:
            data = os.pread(beside, 100, 0)
    except OSError:
        return 0, 0
    if len(data) < 100 or data[:48] != data[48:96] or read.header != "valid":
        return 0, 0
    version, _, _, ready, _, _, frames, _ = _SHM.unpack_from(data)
    if version != walsum.VERSION or not ready or data[32:40] != struct.pack(">2I", *read.salt):
        return 0, 0
    return frames, int.from_bytes(data[96:100], sys.byteorder)


def _journal(where: str, main: int, page_size: int, pages: int) -> tuple[Journal | None, Judgement | None]:
    path = f"{where}-journal"
    try:
        journal = rollback.read(path, page_size=page_size, database_pages=pages)
        with _opened(path) as beside:
            return journal, rollbackfit.judge(main, beside, journal)
    except FileNotFoundError:
        return None, None
