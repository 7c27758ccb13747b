"""The damaged file with its sidecars becomes one or more single files to work on, the likeliest first.

Everything is done on copies: the outline of the file is mended, and the page images of a -wal or -journal that
belong to the database are played into it, as far as each can be believed and further than SQLite would.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.errors import UnrepairableError
from toolkit.sqlite import blocks, envelope, header, rollback, wal, walfit
from toolkit.sqlite.account import Strategy
from toolkit.sqlite.connect import connect_private
from toolkit.sqlite.headerfields import Fault
from toolkit.sqlite.pages import node as nodes
from toolkit.sqlite.pages.geometry import Geometry
from toolkit.sqlite.rollbackfit import Judgement, Standing, judge
from toolkit.sqlite.salvage import beheaded
from toolkit.sqlite.salvage.shift import LARGE, realign, worth_a_look

MOST_REMAINS = 4000

_HEADED = "headed.db"


@dataclass(slots=True)
class Settled:
    """A single private file in rollback mode, how it came to be, and whether the original was in WAL mode.

    `uncommitted`: it holds half of a transaction that never ended, so any other is better. `unsure`: a sidecar
    was played in that may be another database's, so one that is sound without it is better. `suspects`: pages whose
    rows have to be looked at even if SQLite finds nothing wrong. `cut`: its header counts more pages than there are.
    `enough`: where it can be mended, the others, large files that they are, need not be tried.
    """

    path: Path
    strategy: Strategy
    said: list[str] = field(default_factory=list)
    wal: bool = False
    uncommitted: bool = False
    unsure: bool = False
    cut: bool = False
    enough: bool = False
    suspects: frozenset[int] = frozenset()
    doubts: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Settling:
    """All files to try. `remains` are old images (page, content) in the sidecars that may hold parts of the schema."""

    files: list[Settled] = field(default_factory=list)
    remains: list[tuple[int, bytes]] = field(default_factory=list)


def settle(source: Path, scratch: Path, reference: Path | None, *, move: bool = False) -> Settling:
    """Return the files to try. `source` is not changed; it is moved where it may be and has no sidecars beside it.

    Raises `OSError`, and `UnrepairableError` for what is certainly no database.
    """
    return _Work(source, scratch, reference, move=move).run()


class _Work:
    def __init__(self, source: Path, scratch: Path, reference: Path | None, *, move: bool) -> None:
        self.source, self.scratch, self.move = source, scratch, move
        self.reference = b""
        if reference is not None:
            with open(reference, "rb") as file:
                self.reference = file.read(100)
        self.result = Settling()

    def run(self) -> Settling:
        frames = self._wal()
        journal = self._journal()
        page_size = (frames.page_size if frames else 0) or (journal.page_size if journal else 0)
        found = envelope.examine(
            self.source, wal=bool(frames), settled=journal is None, reference=self.reference, page_size=page_size
        )
        beside, said = self.source, list[str]()
        if frames is None and journal is None:
            found, said = self._headed(found)
        if found.kind in ("empty", "other", "encrypted"):
            raise UnrepairableError(found.faults[0].text, subject=self.source, hint="restore the newest good backup")
        base, cut = self.scratch / "base.db", any(fault.code == "cut" for fault in found.faults)
        mended: tuple[Fault, ...] = ()
        if found.sound and self.move and frames is None and journal is None:
            os.rename(self.source, base)
        elif found.sound:
            blocks.copy_file(os.fspath(self.source), os.fspath(base))
        else:
            mended = envelope.mend(
                self.source,
                base,
                wal=bool(frames),
                settled=journal is None,
                reference=self.reference,
                page_size=page_size,
            ).mended
        said += [fault.text for fault in mended if fault.code != "page-1"]
        alone = Settled(base, "header" if said else "none", said, cut=cut)
        if any(fault.code == "page-count" for fault in found.faults):
            stated = int.from_bytes(_head(self.source)[28:32], "big")
            if stated < found.pages <= stated * 5 // 4:
                alone.doubts.append("it has more pages than its header counts: a transaction may be half written")
        if rollback.wiped(os.fspath(beside) + "-journal"):
            alone.doubts.append(
                "the -journal holds nothing but zeros: a transaction that was cut off stays half written"
            )
        self.result.files = [alone]
        whole = not found.sound and frames is None and journal is None and not found.begin
        if whole and not any(fault.code == "line-ends" for fault in mended):
            self._realign(found)
        (self.scratch / _HEADED).unlink(missing_ok=True)
        if frames is not None:
            self._play_wal(frames, alone)
        if journal is not None:
            self._play_journal(journal, alone)
        for settled in self.result.files:
            settled.wal = _leave_wal_mode(settled.path)
        return self.result

    def _headed(self, found: envelope.Envelope) -> tuple[envelope.Envelope, list[str]]:
        """Work on a copy with room for the first pages where these are missing; say so."""
        lost = beheaded.missing(self.source, found)
        if not lost:
            return found, []
        headed = self.scratch / _HEADED
        beheaded.restore(self.source, headed, lost)
        self.source = headed
        said = f"{lost} bytes are missing before the first page"
        return envelope.examine(headed, reference=self.reference), [said]

    def _realign(self, found: envelope.Envelope) -> None:
        """Try the file with its pages moved back behind bytes that were put in or taken out."""
        head = found.header
        if not head:
            return
        stated = _head(self.source)[24:40]
        if not worth_a_look(self.source, head[:24] + stated + head[40:]):
            return
        whole, moved = self.scratch / "whole.db", self.scratch / "realigned.db"
        blocks.copy_file(os.fspath(self.source), os.fspath(whole))
        with open(whole, "r+b") as file:
            file.write(head[:24] + stated + head[40:])
            file.seek(found.end)
            if header.is_database(file.read(100)):  # its pages name each other too
                file.truncate(found.end)
        done = realign(whole, moved)
        os.unlink(whole)
        if done is not None:
            settled = Settled(moved, "header", done.said, suspects=done.given_up, doubts=done.doubts)
            settled.enough = found.size > LARGE
            self.result.files.insert(0, settled)

    def _wal(self) -> wal.Wal | None:
        path = os.fspath(self.source) + "-wal"
        if not os.path.exists(path):
            return None
        size, pages = _sizes(self.source)
        read = wal.read(path, page_size=size, database_pages=pages)
        return read if len(read) else None

    def _journal(self) -> rollback.Journal | None:
        path = os.fspath(self.source) + "-journal"
        if not os.path.exists(path):
            return None
        size, pages = _sizes(self.source)
        read = rollback.read(path, page_size=size, database_pages=pages)
        return read if len(read) or (read.state == "hot" and read.original_pages) else None

    def _play_wal(self, frames: wal.Wal, alone: Settled) -> None:
        with open(frames.path, "rb") as beside, open(self.source, "rb") as main:
            misfits = walfit.misfits(main.fileno(), beside.fileno(), frames)
            self._remember_wal(frames, beside.fileno())
            if any(misfit.certain for misfit in misfits):
                alone.said.append(f"the -wal belongs to another database and was left aside: {misfits[0].text}")
                return
            newest = frames.newest()
            if not newest:
                return
            played = Settled(self.scratch / "with-wal.db", "sidecars", list(alone.said))
            _overlay(
                alone.path,
                played.path,
                {page: frame.offset for page, frame in newest.items()},
                beside.fileno(),
                frames.page_size,
                frames.database_pages,
            )
            played.said.append(f"{len(newest)} pages of the -wal were played into the database")
            if frames.torn:
                played.doubts.append("the -wal ends in the middle of a frame: later transactions may be lost")
            if frames.lost():
                played.doubts.append(f"the newest image of {len(frames.lost())} pages in the -wal is broken")
            if frames.hidden:
                played.said.append(f"{frames.hidden} of its frames lie behind damage, where SQLite does not get to")
            played.unsure = bool(misfits)
            foreign = played.unsure and not _same_objects(alone.path, played.path)
            self.result.files.insert(1 if foreign else 0, played)

    def _remember_wal(self, frames: wal.Wal, beside: int) -> None:
        for number, frame in enumerate(frames.frames(wal.Trust.STALE)):
            if number >= MOST_REMAINS:
                break
            page = wal.image(beside, frames, frame)
            if page[100 if frame.page == 1 else 0 :][:1] == b"\x0d":
                self.result.remains.append((frame.page, page))

    def _play_journal(self, journal: rollback.Journal, alone: Settled) -> None:
        with open(journal.path, "rb") as beside, open(alone.path, "rb") as main:
            judged = judge(main.fileno(), beside.fileno(), journal)
            originals = _originals(journal, beside.fileno()) if len(journal) else _reread(journal, beside.fileno())
            if judged.standing == Standing.NONE and originals and journal.state == "hot":
                judged = _again(main.fileno(), beside.fileno(), journal, originals)
            if not originals and not len(
                journal
            ):  # cut off before its first record: what was behind the end then is not of it
                judged = Judgement(Standing.HOT, "its pages are lost, but not the size of the database")
            for page, record in list(originals.items())[:MOST_REMAINS]:
                self.result.remains.append((page, rollback.image(beside.fileno(), journal, record)))
            if judged.standing not in (Standing.HOT, Standing.HALF, Standing.UNSURE):
                if judged.standing == Standing.STALE:
                    alone.said.append(f"the -journal belongs to another state and was left aside: {judged.text}")
                    alone.doubts.append("a -journal of another state lies beside it; its own may be lost")
                return
            played = Settled(self.scratch / "rolled-back.db", "sidecars", list(alone.said))
            places = {page: record.offset for page, record in originals.items()}
            _overlay(alone.path, played.path, places, beside.fileno(), journal.page_size, journal.original_pages)
            broken = sum(not record.sound and record.page not in places for record in journal.records())
            step = journal.page_size + 8
            read = journal.offsets[-1] - 4 + step if len(journal) else 0
            if journal.segments and journal.segments[-1].said is None:  # then all of the file counts
                broken += -(-max(0, journal.size - read) // step) if judged.standing == Standing.HOT else 0
            if broken or journal.missing or not originals:
                played.doubts.append(f"{broken + journal.missing} pages of the -journal are broken or missing")
            guessed = sum(not record.sound for record in originals.values()) if any(journal.sound) else 0
            if guessed:
                played.doubts.append(f"{guessed} pages of the -journal have a wrong checksum: a value may be wrong")
            if judged.standing == Standing.HOT:
                alone.uncommitted = True
            played.said.append(f"{len(places)} pages of the -journal were put back: {judged.text}")
            self.result.files.insert(1 if judged.standing == Standing.UNSURE else 0, played)


def _reread(journal: rollback.Journal, beside: int) -> dict[int, rollback.Record]:
    """Return the records of a hot journal of which none has the nonce of its header, but which share another."""
    found: dict[int, list[rollback.Record]] = {}
    step, limit = journal.page_size + 8, journal.original_pages or 0
    for number, offset in enumerate(range(journal.sector, journal.size - step + 1, step), 1):
        data = os.pread(beside, step, offset)
        page = int.from_bytes(data[:4], "big")
        if not 0 < page <= limit:
            break
        nonce = (int.from_bytes(data[-4:], "big") - rollback.checksum(data[4:-4], 0)) & 0xFFFFFFFF
        found.setdefault(nonce, []).append(rollback.Record(number, offset + 4, page, sound=True))
    shared = max(found.values(), key=len, default=[])
    originals: dict[int, rollback.Record] = {}
    for record in shared if len(shared) > 1 else []:
        originals.setdefault(record.page, record)
    return originals


def _again(main: int, beside: int, journal: rollback.Journal, originals: dict[int, rollback.Record]) -> Judgement:
    """Judge a hot journal none of whose checksums is right, by the change counters of page 1."""
    record = originals.get(1)
    if record is not None:
        then, now = (
            int.from_bytes(os.pread(*place), "big") for place in ((beside, 4, record.offset + 24), (main, 4, 24))
        )
        if now - then not in (0, 1):
            return Judgement(
                Standing.STALE, f"the change counter of the database is {now}, in the journal it is {then}"
            )
    return Judgement(Standing.HOT, f"a transaction was cut off, and all {len(journal)} checksums are wrong")


def _originals(journal: rollback.Journal, beside: int) -> dict[int, rollback.Record]:
    """Return the oldest image of each page that can be believed: also where the nonce is shared, but not the header's.

    A record alone with a wrong checksum is taken when its image is a sound page of a tree, or goes on at a real page.
    """
    found = journal.originals()
    geometry = Geometry(journal.page_size)
    limit = journal.original_pages or 0
    unsure: dict[int, list[tuple[int, rollback.Record, bytes]]] = {}
    for segment in journal.segments:
        for number in range(segment.first, segment.first + segment.count):
            record = journal.record(number)
            if not record.sound and record.page not in found and 0 < record.page <= (journal.original_pages or 1 << 31):
                data = os.pread(beside, journal.page_size + 4, record.offset)
                if len(data) == journal.page_size + 4:
                    nonce = (int.from_bytes(data[-4:], "big") - rollback.checksum(data[:-4], 0)) & 0xFFFFFFFF
                    unsure.setdefault(segment.first, []).append((nonce, record, data[:-4]))
    for records in unsure.values():
        nonces = [nonce for nonce, _, _ in records]
        for nonce, record, page in records:
            node = nodes.parse(page, record.page, geometry)
            chained = not node.kind and any(page) and int.from_bytes(page[:4], "big") <= limit
            if nonces.count(nonce) > 1 or (node.count and not node.faults) or chained:
                found.setdefault(record.page, record)
    return found


def _head(source: Path) -> bytes:
    with open(source, "rb") as file:
        return file.read(100)


def _sizes(source: Path) -> tuple[int, int]:
    """Return page size and page count that the file's own header states, 0 where it states nonsense."""
    size = header.stated_page_size(_head(source))
    if size < 512 or size & (size - 1):
        return 0, 0
    return size, os.stat(source).st_size // size


def _same_objects(one: Path, other: Path) -> bool:
    """Answer whether two databases have most of their tables and indexes in common: a VACUUM changes all but these."""
    found = []
    for path in (one, other):
        try:
            with contextlib.closing(connect_private(path)) as connection:
                found.append(set(connection.execute("SELECT type, name, sql FROM sqlite_master")))
        except (sqlite3.Error, UnicodeError):
            return False
    return len(found[0] & found[1]) * 2 > len(found[0] | found[1])


def _overlay(base: Path, target: Path, places: dict[int, int], beside: int, page_size: int, pages: int | None) -> None:
    """Copy `base` to `target` with the images at `places` (page: offset in the sidecar), and as many `pages`."""
    blocks.copy_file(os.fspath(base), os.fspath(target))
    descriptor = os.open(target, os.O_WRONLY | os.O_CLOEXEC)
    try:
        for page, offset in places.items():
            os.pwrite(descriptor, os.pread(beside, page_size, offset), (page - 1) * page_size)
        if pages:
            os.ftruncate(descriptor, pages * page_size)
    finally:
        os.close(descriptor)


def _leave_wal_mode(path: Path) -> bool:
    """Put a private file into rollback mode so that it is read without sidecars; answer whether it was in WAL mode."""
    with open(path, "r+b") as file:
        file.seek(18)
        versions = file.read(2)
        if versions != b"\1\1":
            file.seek(18)
            file.write(b"\1\1")
        return 2 in versions
