"""The repair of one database: what is tried, in which order, and what is said of it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from toolkit import durable
from toolkit.errors import CancelledError, UnrepairableError
from toolkit.events import Progress, ShouldStop, never_stop, no_progress
from toolkit.sqlite import blocks, header
from toolkit.sqlite.account import Account, Candidate, Gap, Strategy, TableAccount
from toolkit.sqlite.connect import connect
from toolkit.sqlite.pages import sectors
from toolkit.sqlite.pages.geometry import Geometry
from toolkit.sqlite.pages.walk import geometry_of, lost_sectors
from toolkit.sqlite.salvage import counters, leftover, owners, spans, texts
from toolkit.sqlite.salvage.carve import LEAST, MOST
from toolkit.sqlite.salvage.contain import contained, of_all
from toolkit.sqlite.salvage.finish import Finish
from toolkit.sqlite.salvage.image import Image
from toolkit.sqlite.salvage.indexing import Rebuilt, rebuild_virtual
from toolkit.sqlite.salvage.measure import Measure, measure
from toolkit.sqlite.salvage.mend import SMALL, Mended, Mender
from toolkit.sqlite.salvage.settle import Settled, settle
from toolkit.sqlite.translate import primary_code, translate


def repair(
    source: Path,
    output: Path,
    *,
    scratch: Path,
    reference: Path | None = None,
    again: Callable[[], bool] | None = None,
    on_progress: Progress = no_progress,
    should_stop: ShouldStop = never_stop,
) -> Account:
    """Write what can be got back of the database `source` as the new, sound, single file `output`.

    `source` is a private copy with its sidecars beside it, and is not changed. `scratch` is a private folder on the
    file system of `output`; the caller removes what is left in it. `reference` is a sound database, the newest
    good backup: for its schema, and to tell tables apart; no row is taken from it. With `again`, which puts the same
    bytes at `source` once more and answers whether it could, a large file is worked on itself instead of a copy of it:
    it has gone then, whatever happens. Progress counts pages read.

    Raises `UnrepairableError` when nothing at all can be got back, `SpaceError`, `StorageError`, `CancelledError`;
    then nothing is left of `output`.
    """
    try:
        return _Repair(
            source, output, scratch, reference, again=again, on_progress=on_progress, should_stop=should_stop
        ).run()
    except sqlite3.Error as error:
        _discard(output)
        if primary_code(error) == sqlite3.SQLITE_INTERRUPT:
            raise CancelledError("cancelled while repairing a database", subject=source) from error
        ours = translate(error, subject=source)
        if primary_code(error) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            raise ours from error
        raise UnrepairableError(f"SQLite could not write what was found ({error})", subject=source) from error
    except UnicodeError as error:
        _discard(output)
        raise UnrepairableError("its schema holds names that are no text", subject=source) from error
    except OSError as error:
        _discard(output)
        raise durable.translate(error, subject=output) from error
    except BaseException:
        _discard(output)
        raise


def _swapped(path: Path) -> bool:
    """Answer whether tables of a database that SQLite calls sound have the trees of each other."""
    answers: list[bool] = []
    with contained(lambda _: None):
        answers.append(owners.swapped(path, _geometry(path)))
    return any(answers)


def _geometry(path: Path) -> Geometry:
    size = os.stat(path).st_size
    with open(path, "rb") as file:
        head = file.read(100)
    return geometry_of(head[:28] + bytes(4) + head[32:], size)


def _discard(output: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.fspath(output) + suffix)


class _Way:
    """One finished candidate."""

    def __init__(self, settled: Settled, path: Path, mended: Mended | None, found: Measure) -> None:
        self.settled, self.path, self.mended, self.found = settled, path, mended, found
        self.strategy: Strategy = settled.strategy
        self.said = list(settled.said)
        self.apart, self.apart_in = 0, ""
        self.broken: list[str] = []
        self.doubts: list[str] = []
        self.doubtful: list[tuple[str, int]] = []
        self.boxes: dict[str, Rebuilt] = {}
        self.lost: list[str] = []
        self.checked = False

    @property
    def worth(self) -> tuple[int, int, int]:
        """What candidates are compared by: rows, then checks that pass, then objects."""
        return self.found.total - self.apart, -len(self.found.failed), len(self.found.objects)


class _Repair:
    def __init__(
        self,
        source: Path,
        output: Path,
        scratch: Path,
        reference: Path | None,
        *,
        again: Callable[[], bool] | None,
        on_progress: Progress,
        should_stop: ShouldStop,
    ) -> None:
        self.source, self.output, self.scratch, self.reference = source, output, scratch, reference
        self.again = again
        self.on_progress, self.should_stop = on_progress, should_stop

    def run(self) -> Account:
        """Try what there is to try, keep the best."""
        size = os.stat(self.source).st_size
        if size == 0:
            raise UnrepairableError("the file is empty", subject=self.source)
        settling = settle(self.source, self.scratch, self.reference, move=self.again is not None and size > SMALL)
        self.remains, self.alone = settling.remains, len(settling.files) == 1
        ways: list[_Way] = []
        failure: Exception | None = None
        for number, one in enumerate(settling.files):
            if self.should_stop():
                raise CancelledError("cancelled while repairing a database", subject=self.source)
            found = measure(one.path)
            if one.uncommitted and any(way.found.total for way in ways):
                few = max(way.found.total for way in ways) * 10 < found.total * 9
                if found.sound and few and not ways[0].settled.doubts:  # a whole journal that breaks a sound database
                    one.uncommitted = False
                    one.said.append("the -journal belongs to another database and was left aside")
                    one.doubts.append("a -journal of another database lies beside it; its own may be lost")
                    ways = [_Way(one, one.path, None, found)]
                continue
            self._lost_sectors(one, found)
            as_it_is = found.sound and not one.suspects and (found.objects or self._is_empty(one))
            if as_it_is and not _swapped(one.path):
                ways.append(_Way(one, one.path, None, found))
                if number == 0:
                    break
                continue
            try:
                ways.append(self._mend(one, number))
                if one.enough and ways[-1].found.total:
                    break
            except Exception as error:
                if of_all(error):
                    raise
                failure = error
        ways = [way for way in ways if way.found.objects or way.mended is None]
        if not ways:
            raise UnrepairableError(
                "nothing could be got back" + (f" ({failure})" if failure else ""),
                subject=self.source,
                hint="restore the newest good backup",
            )
        return self._keep(_best(ways), ways)

    def _lost_sectors(self, one: Settled, found: Measure) -> None:
        """Look for lost sectors in the midst of values of a file that SQLite calls sound.

        Rows of which texts prove it are looked at one by one then, as those of a damaged page; others are only said.
        """
        if not found.sound or one.suspects:
            return
        with contained(lambda _: None):
            for table, blank in lost_sectors(one.path, self.should_stop):
                if blank.text and blank.rowid:
                    one.suspects |= {blank.page}
                else:
                    one.doubts.append(f"{table}: {sectors.described(blank)}")

    def _mend(self, settled: Settled, number: int) -> _Way:
        """Mend one file and write it anew; once more, row by row, when SQLite still trips over something."""
        way = self._mend_once(settled, number, frozenset())
        if way.broken:
            if not settled.path.exists():
                if not self.source.exists() and not (self.again is not None and self.again()):
                    return way
                more = self.scratch / "again"
                more.mkdir()
                settled = settle(self.source, more, self.reference).files[0]
            again = self._mend_once(settled, number + 100, frozenset(way.broken))
            return max(way, again, key=lambda one: one.worth)
        return way

    def _mend_once(self, settled: Settled, number: int, doubted: frozenset[str]) -> _Way:
        copy, written = self.scratch / f"mended-{number}.db", self.scratch / f"written-{number}.db"
        if self.alone and os.stat(settled.path).st_size > SMALL:
            os.rename(settled.path, copy)  # a copy of a large file takes as long as all the rest
        else:
            blocks.copy_file(os.fspath(settled.path), os.fspath(copy))
        geometry = _geometry(copy)
        with Image(copy, geometry) as image:
            incremental = any(image.header[64:68])
            mended = Mender(
                image,
                reference=self.reference,
                thorough=bool(doubted),
                doubted=doubted,
                cut=settled.cut,
                suspects=settled.suspects,
                remains=self.remains,
                on_progress=self.on_progress,
                should_stop=self.should_stop,
            ).run()
            finish = Finish(copy, mended, (2 if incremental else 1) if geometry.auto_vacuum else 0, self.should_stop)
            try:
                finish.write(written)
            finally:
                finish.close()
            way = self._written(settled, written, mended, finish, image)
        copy.unlink(missing_ok=True)
        return way

    def _written(self, settled: Settled, written: Path, mended: Mended, finish: Finish, image: Image) -> _Way:
        said = []
        with contextlib.closing(connect(written, "mode=rw")) as connection:
            connection.execute("PRAGMA journal_mode=MEMORY")
            connection.execute("PRAGMA synchronous=OFF")
            doubts: list[str] = []
            rebuilt: list[Rebuilt] = []
            with contained(doubts.append):
                rebuilt += rebuild_virtual(connection)
            said += [one.text for one in rebuilt]
            with contained(doubts.append):
                said += counters.settle(connection)
            apart, kept_apart = [*mended.apart, *finish.apart], ("", 0)
            with contained(doubts.append):
                lone = leftover.lone_rows(image, mended.unplaced) if mended.lone is None else mended.lone
                kept_apart = leftover.keep(connection, apart, lone)
        small = image.size <= SMALL
        checked = finish.checked and not (small or finish.broken or finish.unfilled or rebuilt)
        way = _Way(settled, written, mended, measure(written, full=small, checked=checked, count=True))
        way.checked = checked and finish.as_it_is
        (way.apart_in, way.apart), way.broken = kept_apart, finish.broken
        way.doubtful = [(table, row.rowid) for table, row in apart]
        way.said += [*said, *mended.moved.values(), *mended.said]
        marred = [f"the statement of {label} held bytes that are no text" for label in mended.schema.marred]
        marred += [
            f"the statement of table {name} is broken: it was told again by what is left of it and by its rows"
            for name in mended.schema.retold
        ]
        unfilled = [f"table {name} could not be written to the end ({why})" for name, why in finish.unfilled.items()]
        for name in finish.unfilled:
            mended.gaps[name] = [(None, None)]
            mended.key_gaps.pop(name, None)
        failed = [f"the result does not pass every check ({line})" for line in way.found.failed[:1]]
        way.doubts = [*doubts, *mended.doubts, *finish.doubts, *marred, *unfilled, *failed]
        way.boxes = {one.table: one for one in rebuilt if one.lost}
        for name in {name for one in rebuilt for name in one.inner}:
            mended.gaps.pop(name, None)
            mended.key_gaps.pop(name, None)
            mended.named.pop(name, None)
        for one in rebuilt:
            if one.inner and one.missing:
                content = f"{one.table}_content"
                mended.named[content] = mended.named.get(content, frozenset()) | one.missing
                mended.gaps.setdefault(content, []).extend((rowid - 1, rowid + 1) for rowid in sorted(one.missing))
        way.lost = [*mended.schema.lost, *finish.lost]
        way.strategy = _strategy(settled, mended, rebuilt)
        return way

    def _is_empty(self, one: Settled) -> bool:
        """Say whether a sound file without a single object is as it should be: nothing tells of another state."""
        return one.strategy == "none" and self.alone and self.reference is None

    def _keep(self, way: _Way, ways: list[_Way]) -> Account:
        os.rename(way.path, self.output)
        small = os.stat(self.output).st_size <= SMALL
        faults = texts.faults(self.output) if small or way.mended is None else []
        if way.settled.wal:
            header.mark_wal(self.output)
        return Account(
            strategy=way.strategy,
            reason=_reason(way, ways, faults),
            tables=_tables(way),
            kept_objects=tuple(label for label in way.found.objects if label != f"table {way.apart_in}"),
            lost_objects=tuple(way.lost),
            unplaced=way.apart,
            unplaced_in=way.apart_in,
            candidates=tuple(
                Candidate(
                    other.strategy, other.found.rows, len(other.found.failed), "kept" if other is way else "fewer rows"
                )
                for other in ways
            ),
            said=tuple(dict.fromkeys(way.said)),
            doubts=tuple(dict.fromkeys([*way.settled.doubts, *way.doubts])),
            faults=tuple(faults),
            checked=way.checked,
        )


def _best(ways: list[_Way]) -> _Way:
    """Return the likeliest way, unless another holds far more: fewer rows can be rows that were deleted since."""
    ways = [way for way in ways if not way.settled.uncommitted] or ways
    if any(way.mended is None for way in ways):  # sound as it was
        ways = [way for way in ways if way.mended is None or not way.settled.unsure]
    richest = max(ways, key=lambda way: way.worth)
    return next(way for way in ways if way is richest or way.worth[0] * 2 >= richest.worth[0])


def _strategy(settled: Settled, mended: Mended, rebuilt: list[Rebuilt]) -> Strategy:
    if any(mended.carved.values()):
        return "carve"
    if mended.tables or mended.moved or mended.schema.damaged:
        return "mend"
    if mended.indexes:
        return "indexes"
    if rebuilt:
        return "virtual"
    return "header" if settled.strategy == "header" else "vacuum"


def _reason(way: _Way, ways: list[_Way], faults: list[str]) -> str:
    if way.mended is None and way.strategy == "none":
        return "no page is damaged, but texts are" if faults else "nothing was wrong"
    if way.mended is None:
        return "; ".join(way.said)
    tables = ", ".join(way.mended.tables[:5])
    moved = ", ".join(list(way.mended.moved)[:5])
    said = f"the schema named wrong roots for {moved}" if moved else "no table was damaged"
    if tables:
        said = f"the pages of {tables} were damaged"
    return said + (f"; the best of {len(ways)} ways, with {way.found.total} rows" if len(ways) > 1 else "")


def _tables(way: _Way) -> dict[str, TableAccount]:
    accounts = {}
    for name, rows in way.found.rows.items():
        if name == way.apart_in:
            continue
        if way.mended is None:
            accounts[name] = TableAccount(read=rows)
            continue
        carved = min(way.mended.carved.get(name, 0), rows)
        named, lost = way.mended.named.get(name), 0
        if name in way.boxes:
            lost = way.boxes[name].lost
            if not way.mended.gaps.get(f"{name}_rowid"):  # then this shadow table has the ids of all entries
                named = way.boxes[name].missing
        accounts[name] = TableAccount(
            read=rows - carved,
            carved=carved,
            lost=max(lost, len(named or ())),
            doubtful=sum(table == name for table, _ in way.doubtful),
            gaps=_gaps(way, way.mended, name),
            named=named,
            remains=tuple(way.mended.remains.get(name, ())),
        )
    return accounts


def _gaps(way: _Way, mended: Mended, name: str) -> tuple[Gap, ...]:
    """Return the gaps of a table, among them the places of the rows that were kept apart: a backup may have these."""
    gaps = mended.key_gaps.get(name) or tuple(Gap(*gap) for gap in mended.gaps.get(name, ()))
    shape = mended.schema.shapes.get(name)
    if shape is None or shape.without_rowid or not all(isinstance(gap.after, int | None) for gap in gaps):
        return gaps
    inside = spans.edges(mended.gaps.get(name, ()))
    alone = sorted({rowid for table, rowid in way.doubtful if table == name})
    lone = (rowid for rowid in alone if LEAST < rowid < MOST and not spans.between(rowid, inside))
    return (*gaps, *(Gap(rowid - 1, rowid + 1, 1) for rowid in lone))
