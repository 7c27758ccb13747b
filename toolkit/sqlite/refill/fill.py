"""A refill from beginning to end: one transaction, so that the database is filled or as it was."""

# ruff: noqa: S608 -- names are quoted, values are bound

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from toolkit.errors import CancelledError
from toolkit.events import ShouldStop, never_stop
from toolkit.sqlite import collations, header, probe, virtual
from toolkit.sqlite.account import TableAccount, Unproven
from toolkit.sqlite.connect import connect, quoted, uri
from toolkit.sqlite.refill import match, proof, remains, shape, unstable, wanted, witnesses
from toolkit.sqlite.refill.fulltext import FullText
from toolkit.sqlite.refill.match import Say
from toolkit.sqlite.refill.rtree import RTree
from toolkit.sqlite.refill.shape import OURS, THEIRS, Pair
from toolkit.sqlite.refill.wanted import Fate
from toolkit.sqlite.translate import is_damage, primary_code, translated

CACHE_KIB = 32 * 1024
DEFENSIVE = 1010
"""SQLITE_DBCONFIG_DEFENSIVE (`sqlite3.h`), which Python names from 3.12 on only."""
STEPS = 100_000


def _silent(_sentence: str) -> None:
    """Take a sentence and say nothing."""


def refill(
    output: Path,
    reference: Path,
    tables: Mapping[str, TableAccount],
    *,
    scratch: Path,
    unproven: Unproven = "in",
    say: Say = _silent,
    should_stop: ShouldStop = never_stop,
) -> dict[str, TableAccount]:
    """Put the rows of `reference` that lie in the gaps of `tables` into the private, repaired database `output`.

    Only keys in a gap (of an account with `named`, just these), never one that is there already, never one
    that a witness says was deleted since: such rows are counted as doubtful, those that an index does not name not
    at all. Triggers do not fire, foreign keys are not made worse, sequences not lowered. Full-text and R-tree
    indexes are rebuilt as a whole. Returns all accounts, with `refilled`, `lost` and `doubtful` brought up to date, and
    without gaps where every row that an index names is there again (`refilled` of them as the backup had them).
    Rows that no witness speaks for or against are put and counted as `unproven`; with `unproven` "apart" they go to a
    table of their own instead, so that no row comes back that was deleted since. `say` gets a sentence for everything
    that could not be matched. `scratch` is an existing private folder; nothing stays in it.

    Raises `DatabaseDamagedError` when either database cannot be read, `SpaceError`, `SourceError`,
    `SourceMissingError`, `NotADatabaseError`, `CancelledError`; then `output` is as it was.
    """
    _, ours = probe.read_header(output)
    probe.read_header(reference)
    unreadable: set[str] = set()
    try:
        with translated(output):
            while True:
                with tempfile.TemporaryDirectory(prefix="refill-", dir=scratch) as folder:
                    work = Path(folder) / "work.db"
                    with contextlib.closing(_open(output, reference, work, should_stop)) as connection:
                        said: list[str] = []
                        try:
                            work_on = _Refill(
                                connection,
                                dict(tables),
                                unreadable,
                                said.append,
                                should_stop,
                                apart=unproven == "apart",
                            )
                            filled = _transact(connection, work_on)
                        except _UnreadableTableError as error:
                            unreadable.add(error.table)
                            continue
                break
    finally:
        if ours.wal:
            header.mark_wal(output)
    for sentence in said:
        say(sentence)
    return filled


class _UnreadableTableError(Exception):
    """A page of a table, or of one it refers to, cannot be read: all is begun again without it."""

    def __init__(self, table: str) -> None:
        super().__init__(table)
        self.table = table


def _transact(connection: sqlite3.Connection, work: _Refill) -> dict[str, TableAccount]:
    """Refill in one transaction; SQLite refuses to go on with one in which it met a broken page."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        filled = work.run()
        connection.execute("COMMIT")
    except BaseException as error:
        if connection.in_transaction:
            connection.set_progress_handler(None, 0)
            connection.execute("ROLLBACK")
        if isinstance(error, sqlite3.Error) and primary_code(error) == sqlite3.SQLITE_INTERRUPT:
            raise CancelledError("cancelled while refilling a database") from error
        raise
    return filled


def _open(output: Path, reference: Path, work: Path, should_stop: ShouldStop) -> sqlite3.Connection:
    connection = connect(output, "mode=rw")
    try:
        if hasattr(connection, "setconfig"):  # a library can be built so that shadow tables are read-only
            connection.setconfig(DEFENSIVE, False)  # noqa: FBT003
        connection.execute("PRAGMA locking_mode=EXCLUSIVE").fetchone()
        connection.execute("PRAGMA journal_mode=DELETE").fetchone()
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute("ATTACH ? AS reference", (uri(reference, "mode=ro&immutable=1"),))
        connection.execute("ATTACH ? AS work", (uri(work, "mode=rwc"),))
        connection.execute("PRAGMA work.journal_mode=MEMORY").fetchone()
        for name in (OURS, THEIRS, "work"):
            connection.execute(f"PRAGMA {name}.synchronous=OFF")
            connection.execute(f"PRAGMA {name}.cache_size=-{CACHE_KIB}")
        foreign = {one for name in (OURS, THEIRS) for one in collations.foreign(connection, name)}
        collations.stand_in(connection, foreign)
        connection.set_progress_handler(should_stop, STEPS)
    except BaseException:
        connection.close()
        raise
    return connection


class _Refill:
    """The tables of one refill: those that are filled (`pairs`), and those that they refer to."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        accounts: dict[str, TableAccount],
        unreadable: set[str],
        say: Say,
        should_stop: ShouldStop,
        *,
        apart: bool,
    ) -> None:
        self.apart = apart
        self.connection = connection
        self.unreadable = unreadable
        self.accounts = accounts
        self.say = say
        self.should_stop = should_stop
        self.pairs: dict[str, Pair] = {}
        self.others: dict[str, Pair | None] = {}
        self.unmatched: set[str] = set()
        self.begun_anew: set[str] = set()
        self.named: dict[str, frozenset[int]] = {}
        self.virtuals = virtual.virtual_tables(connection)
        self.foreign = collations.ordered(connection, collations.named(connection))

    def run(self) -> dict[str, TableAccount]:
        """Fill everything and return the accounts."""
        texts, trees = self._units()
        with _without_triggers(self.connection):
            self._prepare(
                {*(name for one in texts for name in one.shadows), *(n for one in trees for n in one.shadows)}
            )
            for name in list(self.pairs):
                with self._readable(name):
                    self._judge(self.pairs[name])
            self._prove()
            self._leave_orphans_out()
            for name in self._parents_first():
                with self._readable(name):
                    self._put(self.pairs[name])
            for name in self.pairs:
                self.accounts[name] = self._account(name)
            filled = {name.lower() for name in self.pairs if self.accounts[name].refilled}
            for text in texts:
                self.accounts |= text.rebuild(filled)
            for tree in trees:
                self.accounts |= tree.rebuild()
            self._raise_sequences()
        return self.accounts

    def _units(self) -> tuple[list[FullText], list[RTree]]:
        texts = [one for one in self.virtuals if one.module in virtual.FTS]
        trees = [one for one in self.virtuals if one.module in virtual.RTREE]
        return (
            [FullText(self.connection, one, self.accounts, self.say) for one in texts],
            [RTree(self.connection, one, self.accounts, self.say, apart=self.apart) for one in trees],
        )

    def _prepare(self, shadows: set[str]) -> None:
        """Match the tables that have gaps, and enter which of the reference's rows lie in these."""
        there = shape.tables(self.connection, OURS)
        for number, (name, account) in enumerate(self.accounts.items()):
            if not account.gaps or name in shadows or shape.is_virtual(there.get(name, "")):
                continue
            if name.lower().startswith("sqlite_"):
                continue
            if name in self.unreadable:
                self.say(f"{name} was not refilled: SQLite cannot read it")
                continue
            if name not in there:
                self.say(f"{name} was not refilled: the repaired database has no such table")
                continue
            foreign = {one for tree, one in self.foreign.items() if tree in collations.trees_of(self.connection, name)}
            if foreign:
                self.say(f"{name} was not refilled: only its application has the collation {min(foreign)}")
                continue
            with self._readable(name):
                pair = match.pair(self.connection, name, number, self.say)
                if pair is not None:
                    self.pairs[name] = pair
                    self._collect(name, pair, account)

    @contextlib.contextmanager
    def _readable(self, name: str) -> Iterator[None]:
        """Have all begun again without a table when a page of it or of one it refers to cannot be read."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if not is_damage(error) or name in self.unreadable:
                raise
            raise _UnreadableTableError(name) from error

    def _collect(self, name: str, pair: Pair, account: TableAccount) -> None:
        if self.should_stop():
            raise CancelledError("cancelled while refilling a database")
        wanted.create(self.connection, pair)
        for number, gap in enumerate(account.gaps):
            if unstable.is_stable(self.connection, pair, gap):
                wanted.collect(self.connection, pair, number, gap)
                continue
            self.unmatched.add(name)
            if not unstable.collect(self.connection, pair, number, gap, account.named):
                self.say(f"{name}: its rows were numbered anew (VACUUM) since the backup, and could not be matched")
        named = account.named if account.named is not None else self._named_elsewhere(name, pair)
        if named is not None:
            self.named[name] = named
            wanted.name(self.connection, pair, named)

    def _named_elsewhere(self, name: str, pair: Pair) -> frozenset[int] | None:
        if name in self.unmatched or not pair.ours.rowid:
            return None
        return witnesses.named_by_modules(self.connection, pair, self.virtuals, self.accounts)

    def _judge(self, pair: Pair) -> None:
        """Ask every witness about the rows of one table."""
        name = pair.ours.table
        if name in self.named:
            witnesses.taken_values(self.connection, pair, Fate.FAILED)
            proof.by_name(self.connection, pair)
            return
        proven: list[int] = []
        if name not in self.unmatched:
            proven = remains.judge(self.connection, pair, self.accounts[name].remains)
            doubted = wanted.doubt_where_much_was_deleted(self.connection, pair, self.accounts[name])
            if doubted:
                self.say(f"{name}: around {doubted} of its gaps many rows were deleted since the backup; left out")
            wanted.doubt_single_rows(self.connection, pair, self.accounts[name])
            wanted.doubt_too_many(self.connection, pair, self.accounts[name])
            witnesses.moved(self.connection, pair)
            if witnesses.sequence(self.connection, pair, self.accounts):
                self.begun_anew.add(name)
        family = witnesses.Family(self.connection, pair)
        for link in self._links(to=pair):
            family.listen(link, lost=link.child.ours.table in self.pairs)
        family.judge()
        remains.believe(self.connection, pair, proven)
        witnesses.taken_values(self.connection, pair, Fate.DOUBTFUL)
        if name not in self.unmatched:
            proof.by_number(self.connection, pair, self.accounts[name])

    def _prove(self) -> None:
        """Hear the rows that are put of their parents, then keep apart what nothing proves where that is wanted."""
        links = [
            link
            for pair in self.pairs.values()
            for link in self._links(of=pair)
            if link.parent.ours.table in self.pairs and link.kept(self.connection)
        ]
        while sum(self._proven(link) for link in links):
            continue
        for pair in self.pairs.values() if self.apart else ():
            wanted.mark(self.connection, pair, Fate.APART, "NOT w.proven")

    def _proven(self, link: witnesses.Link) -> int:
        with self._readable(link.child.ours.table):
            return proof.by_children(self.connection, link)

    def _links(self, *, to: Pair | None = None, of: Pair | None = None) -> Iterator[witnesses.Link]:
        """Yield the usable foreign keys to a table or of a table."""
        names = shape.tables(self.connection, OURS) if to is not None else [of.ours.table] if of is not None else []
        for name in names:
            child = self._pair(name)
            for reference in child.ours.references if child is not None else ():
                parent = self._pair(reference.parent)
                if child is None or parent is None or (to is not None and parent is not to):
                    continue
                link = witnesses.Link(child, parent, reference)
                if link.usable(self.connection):
                    yield link

    def _pair(self, name: str) -> Pair | None:
        """Return the pair of any table, filled or not."""
        low = name.lower()
        if low not in self.others:
            own = next((pair for other, pair in self.pairs.items() if other.lower() == low), None)
            if own is None:
                there = shape.tables(self.connection, OURS)
                real = next(
                    (other for other, sql in there.items() if other.lower() == low and not shape.is_virtual(sql)), None
                )
                real = real if real not in self.unreadable else None
                own = None if real is None else match.pair(self.connection, real, len(self.others) + 100_000, _silent)
            self.others[low] = own
        return self.others[low]

    def _leave_orphans_out(self) -> None:
        """Doubt the rows whose parents are gone, and in turn those that refer to them."""
        links = [link for pair in self.pairs.values() for link in self._links(of=pair)]
        while sum(self._orphans(link) for link in links):
            continue

    def _orphans(self, link: witnesses.Link) -> int:
        with self._readable(link.child.ours.table):
            return witnesses.orphans(self.connection, link, parents_wanted=link.parent.ours.table in self.pairs)

    def _parents_first(self) -> list[str]:
        """Return the tables in an order in which parents come before their children, where there is one."""
        parents = {name: {link.parent.ours.table for link in self._links(of=pair)} for name, pair in self.pairs.items()}
        order: list[str] = []

        def visit(name: str, path: tuple[str, ...]) -> None:
            for parent in sorted(parents[name]):
                if parent in parents and parent not in path and parent not in order:
                    visit(parent, (*path, parent))
            if name not in order:
                order.append(name)

        for name in parents:
            visit(name, (name,))
        return order

    def _put(self, pair: Pair) -> None:
        """Put the rows of one table that nothing speaks against."""
        for link in self._links(of=pair):
            self._orphans(link)
        statement, row = _inserts(pair)
        self.connection.execute("SAVEPOINT one_table")
        try:
            try:
                self.connection.execute(statement)
            except sqlite3.IntegrityError:
                self.connection.execute("ROLLBACK TO one_table")
                self._put_singly(pair, row)
        except sqlite3.DatabaseError as error:
            if primary_code(error) != sqlite3.SQLITE_ERROR and not is_damage(error):
                raise
            self.connection.execute("ROLLBACK TO one_table")
            self.say(f"{pair.ours.table} was not refilled: SQLite cannot write it here ({error})")
        self.connection.execute("RELEASE one_table")
        there = f"EXISTS (SELECT 1 FROM {pair.ours.where} o WHERE {pair.is_placed('o')})"
        wanted.mark(self.connection, pair, Fate.DONE, there)
        wanted.mark(self.connection, pair, Fate.FAILED, "1")

    def _put_singly(self, pair: Pair, row: str) -> None:
        keys = ", ".join(f"w.k{number}" for number in range(len(pair.ours.key)))
        rows = self.connection.cursor().execute(f"SELECT {keys} FROM {pair.wanted} w WHERE w.fate = {Fate.PUT:d}")
        for key in rows:
            with contextlib.suppress(sqlite3.IntegrityError):
                self.connection.execute(row, key)

    def _account(self, name: str) -> TableAccount:
        pair, account = self.pairs[name], self.accounts[name]
        done, doubtful, failed, kept = (
            wanted.count(self.connection, pair, fate) for fate in (Fate.DONE, Fate.DOUBTFUL, Fate.FAILED, Fate.APART)
        )
        unproven, doubted = proof.unproven(self.connection, pair, account)
        apart = proof.keep_apart(self.connection, pair) or account.apart
        lost, gaps = max(0, account.lost - done) + failed, account.gaps
        if name in self.named:
            absent = self.connection.execute(
                f"SELECT count(*) FROM {pair.named} n WHERE NOT EXISTS "
                f"(SELECT 1 FROM {pair.ours.where} o WHERE o.{pair.ours.key[0]} = n.k0)"
            ).fetchone()[0]
            lost = max(0, absent - doubtful)
            gaps = gaps if absent else ()
        gaps = tuple(one for number, one in enumerate(gaps) if not wanted.filled(self.connection, pair, number, one))
        return replace(
            account,
            refilled=account.refilled + done,
            doubtful=account.doubtful + doubtful + kept,
            unproven=unproven,
            doubted=doubted,
            apart=apart,
            lost=lost,
            gaps=gaps,
            named=self.named.get(name),
            aged=account.aged + (done if done and witnesses.changes(self.connection, pair) else 0),
        )

    def _raise_sequences(self) -> None:
        """Bring sequences that were lost, or whose tables had gaps, back to those of the reference; never lower one."""
        sequences = self.accounts.get(witnesses.SEQUENCES)
        lost = sequences is not None and bool(sequences.gaps)
        restored = 0
        for name, sql in shape.tables(self.connection, OURS).items():
            filled = name in self.pairs and name not in self.begun_anew
            if "AUTOINCREMENT" not in sql.upper() or not (lost or filled):
                continue
            pair = self._pair(name)
            theirs = None if pair is None else witnesses.sequence_of(self.connection, THEIRS, pair.theirs.table)
            ours = witnesses.sequence_of(self.connection, OURS, name)
            if theirs is None or (ours is not None and ours >= theirs):
                continue
            if ours is None:
                self.connection.execute(f"INSERT INTO {OURS}.{witnesses.SEQUENCES} VALUES (?, ?)", (name, theirs))
                restored += 1
            else:
                raised = f"UPDATE {OURS}.{witnesses.SEQUENCES} SET seq = ? WHERE name = ? COLLATE NOCASE"
                self.connection.execute(raised, (theirs, name))
        if sequences is not None and lost:
            self.accounts[witnesses.SEQUENCES] = replace(
                sequences, refilled=sequences.refilled + restored, lost=max(0, sequences.lost - restored)
            )


def _inserts(pair: Pair) -> tuple[str, str]:
    """Return the statement that puts all rows, and the one that puts the row of one key."""
    ours = [quoted(mine) for mine, _ in pair.columns]
    theirs = [f"r.{quoted(other)}" for _, other in pair.columns]
    if pair.ours.rowid and not pair.ours.declared:
        ours.insert(0, pair.ours.key[0])
        theirs.insert(0, "coalesce(w.place, w.k0)")
    into = (
        f"INTO {pair.ours.where}({', '.join(ours)}) SELECT {', '.join(theirs)} FROM {pair.wanted} w "
        f"CROSS JOIN {pair.theirs.where} r ON {pair.is_wanted('r')} WHERE w.fate = {Fate.PUT:d}"
    )
    keys = " AND ".join(f"w.k{number} = ?" for number in range(len(pair.ours.key)))
    return f"INSERT OR IGNORE {into}", f"INSERT {into} AND {keys}"


@contextlib.contextmanager
def _without_triggers(connection: sqlite3.Connection) -> Iterator[None]:
    """Take all triggers of our database away, and put them back in the order they were in."""
    rows = connection.execute(
        f"SELECT name, sql FROM {OURS}.sqlite_master WHERE type = 'trigger' ORDER BY rowid"
    ).fetchall()
    for name, _ in rows:
        connection.execute(f"DROP TRIGGER {OURS}.{quoted(name)}")
    yield
    for _, sql in rows:
        connection.execute(sql)
