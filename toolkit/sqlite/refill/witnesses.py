"""What tells that a row of the reference was deleted or changed since, or that it was still there.

The strongest witness is an index that names every row (`TableAccount.named`). Others speak of single rows: a UNIQUE
value that belongs to another row now, the same content under a new key, children that are all gone, a
sequence that begins before it. A child that still refers to a row proves it.
"""

# ruff: noqa: S608 -- names are quoted, values are bound

from __future__ import annotations

import sqlite3

from toolkit.sqlite.account import Gap, TableAccount
from toolkit.sqlite.connect import quoted
from toolkit.sqlite.refill import shape as shapes
from toolkit.sqlite.refill.shape import OURS, THEIRS, Pair, Reference
from toolkit.sqlite.refill.wanted import Fate, mark
from toolkit.sqlite.virtual import FTS, RTREE, VirtualTable, content_of

SEQUENCES = "sqlite_sequence"

TELLING = 24
"""Characters that a row must hold at least so that the same content elsewhere can be called the same row."""

SAMPLE = 1000
"""Children at each end of their table that are looked at to see how often one is deleted alone."""

MOST_ALONE = 0.05
"""Where more children than this share are gone whose parents are still there, a missing child says nothing."""


def taken_values(connection: sqlite3.Connection, pair: Pair, fate: Fate) -> None:
    """Give `fate` to the rows one of whose UNIQUE values belongs to another row now."""
    keys = [
        one for one in shapes.unique_keys(connection, OURS, pair.ours.table) if tuple(map(quoted, one)) != pair.ours.key
    ]
    for columns in keys:
        theirs = [pair.theirs_of(column) for column in columns]
        if None in theirs:
            continue
        same = " AND ".join(f"o.{quoted(mine)} = r.{other}" for mine, other in zip(columns, theirs, strict=True))
        mark(
            connection,
            pair,
            fate,
            f"EXISTS (SELECT 1 FROM {pair.theirs.where} r CROSS JOIN {pair.ours.where} o ON {same} "
            f"WHERE {pair.is_wanted('r')})",
        )


def moved(connection: sqlite3.Connection, pair: Pair) -> None:
    """Doubt the rows whose content stands under a key that the reference does not have: they were moved."""
    contents = pair.contents
    if len(contents) < 2:
        return
    names = ", ".join(f"o.{mine} AS c{number}" for number, (mine, _) in enumerate(contents))
    length = " + ".join(f"coalesce(length(o.{mine}), 0)" for mine, _ in contents[:20])
    connection.execute("DROP TABLE IF EXISTS work.newcomers")
    connection.execute(
        f"CREATE TABLE work.newcomers AS SELECT {names} FROM {pair.ours.where} o WHERE {length} >= {TELLING} "
        f"AND NOT EXISTS (SELECT 1 FROM {pair.theirs.where} r WHERE {pair.same_key('o', 'r')})"
    )
    if connection.execute("SELECT EXISTS (SELECT 1 FROM work.newcomers)").fetchone()[0]:
        indexed = ", ".join(f"c{number}" for number in range(min(len(contents), 10)))
        connection.execute(f"CREATE INDEX work.newcomers_by_content ON newcomers({indexed})")
        same = " AND ".join(f"n.c{number} IS r.{other} COLLATE BINARY" for number, (_, other) in enumerate(contents))
        mark(
            connection,
            pair,
            Fate.DOUBTFUL,
            f"EXISTS (SELECT 1 FROM {pair.theirs.where} r CROSS JOIN work.newcomers n ON {same} "
            f"WHERE {pair.is_wanted('r')})",
        )
    connection.execute("DROP TABLE work.newcomers")


def sequence(connection: sqlite3.Connection, pair: Pair, accounts: dict[str, TableAccount]) -> int:
    """Doubt the rows beyond the table's sequence, and return how many: it was emptied and began anew since.

    A sequence that was lost, and made again from the rows that are there, says nothing.
    """
    account = accounts.get(SEQUENCES)
    value = sequence_of(connection, OURS, pair.ours.table)
    if not pair.ours.declared or value is None or (account is not None and account.gaps):
        return 0
    highest = connection.execute(f"SELECT max({pair.ours.key[0]}) FROM {pair.ours.where}").fetchone()[0]
    if account is None and (highest or 0) >= value:
        return 0
    return mark(connection, pair, Fate.DOUBTFUL, f"w.k0 > {value:d}")


def sequence_of(connection: sqlite3.Connection, schema: str, table: str) -> int | None:
    """Return the last rowid that AUTOINCREMENT gave in a table, None where nothing says."""
    there = connection.execute(f"SELECT 1 FROM {schema}.sqlite_master WHERE name = '{SEQUENCES}'").fetchone()
    if there is None:
        return None
    sql = f"SELECT max(seq) FROM {schema}.{SEQUENCES} WHERE name = ? COLLATE NOCASE AND typeof(seq) = 'integer'"
    found = connection.execute(sql, (table,)).fetchone()[0]
    return None if found is None else int(found)


def changes(connection: sqlite3.Connection, pair: Pair) -> bool:
    """Answer whether rows of the table were changed since: one that both have is another now."""
    both = f"{pair.theirs.where} r CROSS JOIN {pair.ours.where} o ON {pair.same_key('o', 'r')}"
    sql = f"SELECT EXISTS (SELECT 1 FROM {both} WHERE NOT ({pair.same_content('o', 'r')}))"
    return bool(connection.execute(sql).fetchone()[0])


class Link:
    """A foreign key between two tables that both databases have, in the words of both."""

    def __init__(self, child: Pair, parent: Pair, reference: Reference) -> None:
        parents = reference.parents or tuple(name[1:-1].replace('""', '"') for name in parent.ours.key)
        self.child, self.parent = child, parent
        self.ours = [(quoted(mine), quoted(other)) for mine, other in zip(reference.columns, parents, strict=False)]
        theirs = [
            (child.theirs_of(mine), parent.theirs_of(other))
            for mine, other in zip(reference.columns, parents, strict=False)
        ]
        self.theirs = [(mine, other) for mine, other in theirs if mine is not None and other is not None]
        self.parents = tuple(parents)

    def usable(self, connection: sqlite3.Connection) -> bool:
        """Answer whether the parents can be looked up in both databases, as the foreign key requires."""
        if not self.ours or len(self.theirs) != len(self.ours):
            return False
        columns = {other.lower() for _, other in self.ours}
        if columns == {name.lower() for name in self.parent.ours.key}:
            return True
        return all(
            any({quoted(one).lower() for one in key} == wanted for key in shapes.unique_keys(connection, side, table))
            for side, table, wanted in (
                (OURS, self.parent.ours.table, columns),
                (THEIRS, self.parent.theirs.table, {other.lower() for _, other in self.theirs}),
            )
        )

    def kept(self, connection: sqlite3.Connection) -> bool:
        """Answer whether nothing shows that children stay behind when their parent is deleted, now or in the backup."""
        child, parent = self.child, self.parent
        filled = " AND ".join(f"c.{name} IS NOT NULL" for name, _ in self.theirs)
        before = (
            f"SELECT 1 FROM {child.theirs.where} c WHERE {filled} AND NOT EXISTS "
            f"(SELECT 1 FROM {parent.theirs.where} r WHERE {self.joined('c', 'r', ours=(False, False))})"
        )
        since = (
            f"SELECT 1 FROM {child.ours.where} c CROSS JOIN {parent.theirs.where} r "
            f"ON {self.joined('c', 'r', ours=(True, False))} WHERE NOT EXISTS "
            f"(SELECT 1 FROM {parent.ours.where} p WHERE {self.joined('c', 'p', ours=(True, True))}) "
            f"AND NOT EXISTS (SELECT 1 FROM {parent.wanted} w WHERE {parent.is_wanted('r')})"
        )
        found = connection.execute(f"SELECT EXISTS ({before}), EXISTS ({since})").fetchone()
        return not any(found)

    def joined(self, child: str, parent: str, *, ours: tuple[bool, bool]) -> str:
        """Return the condition that the row `child` refers to the row `parent`; `ours` says which are of our side."""
        mine = [(self.ours if ours[0] else self.theirs)[n][0] for n in range(len(self.ours))]
        other = [(self.ours if ours[1] else self.theirs)[n][1] for n in range(len(self.ours))]
        return " AND ".join(f"{parent}.{b} = {child}.{a}" for a, b in zip(mine, other, strict=True))


class Family:
    """What the children of a table say of its rows: collected over all foreign keys, then applied at once."""

    def __init__(self, connection: sqlite3.Connection, parent: Pair) -> None:
        self.connection = connection
        self.parent = parent
        self.keys = ", ".join(f"k{number}" for number in range(len(parent.ours.key)))
        for name in ("proven", "sure", "maybe", "left"):
            connection.execute(f"DROP TABLE IF EXISTS work.{name}")
            connection.execute(f"CREATE TABLE work.{name} AS SELECT {self.keys} FROM {parent.wanted} WHERE 0")

    def listen(self, link: Link, *, lost: bool) -> None:
        """Ask the children of one foreign key; `lost` says that some of them lie in gaps themselves."""
        listed = ", ".join(f"w.k{number}" for number in range(len(self.parent.ours.key)))
        found = (
            f"CROSS JOIN {self.parent.theirs.where} r ON {{}} "
            f"CROSS JOIN {self.parent.wanted} w ON {self.parent.is_wanted('r')}"
        )
        before = self.connection.execute("SELECT coalesce(max(rowid), 0) FROM work.proven").fetchone()[0]
        self.connection.execute(
            f"INSERT INTO work.proven SELECT {listed} FROM {link.child.ours.where} c "
            + found.format(link.joined("c", "r", ours=(True, False)))
        )
        if link.kept(self.connection):
            self.connection.execute("INSERT INTO work.sure SELECT * FROM work.proven WHERE rowid > ?", (before,))
        if lost and not (link.child.ours.declared or not link.child.ours.rowid):
            return
        if lost:
            self.connection.execute(
                f"INSERT INTO work.maybe SELECT {listed} FROM {link.child.wanted} v "
                f"CROSS JOIN {link.child.theirs.where} c ON {link.child.is_wanted('c', 'v')} "
                + found.format(link.joined("c", "r", ours=(False, False)))
                + f" WHERE v.fate <> {Fate.DELETED:d}"
            )
        if not self._often_alone(link, lost=lost):
            self.connection.execute(
                f"INSERT INTO work.left SELECT {listed} FROM {link.child.theirs.where} c "
                + found.format(link.joined("c", "r", ours=(False, False)))
            )

    def _often_alone(self, link: Link, *, lost: bool) -> bool:
        """Answer whether children are often deleted, or given to others, while their parents stay."""
        child = link.child
        in_gap = f"EXISTS (SELECT 1 FROM {child.wanted} w WHERE {child.is_wanted('c')})" if lost else "0"
        still = (
            f"EXISTS (SELECT 1 FROM {child.ours.where} o WHERE {child.same_key('o', 'c')} AND "
            + " AND ".join(f"o.{a} IS c.{b}" for (a, _), (b, _) in zip(link.ours, link.theirs, strict=True))
            + ")"
        )
        parent = f"EXISTS (SELECT 1 FROM {link.parent.ours.where} p WHERE {link.joined('c', 'p', ours=(False, True))})"
        seen = gone = 0.0
        for order in ("ASC", "DESC"):
            ordered = ", ".join(f"{name} {order}" for name in child.theirs.key)
            row = self.connection.execute(
                f"SELECT count(*), total(NOT {still}) FROM (SELECT *, {', '.join(child.theirs.key)} "
                f"FROM {child.theirs.where} ORDER BY {ordered} LIMIT {SAMPLE}) c WHERE {parent} AND NOT {in_gap}"
            ).fetchone()
            seen, gone = seen + row[0], gone + row[1]
        return gone > seen * MOST_ALONE

    def judge(self) -> None:
        """Doubt the rows all of whose children are gone, believe those that a child still refers to."""
        same = " AND ".join(f"x.k{number} = w.k{number}" for number in range(len(self.parent.ours.key)))
        said = {}
        for name in ("proven", "sure", "maybe", "left"):
            self.connection.execute(f"CREATE INDEX work.{name}_by_key ON {name}({self.keys})")
            said[name] = f"EXISTS (SELECT 1 FROM work.{name} x WHERE {same})"
        gone = f"{said['left']} AND NOT {said['proven']} AND NOT {said['maybe']}"
        mark(self.connection, self.parent, Fate.DOUBTFUL, gone)
        mark(self.connection, self.parent, Fate.PUT, said["proven"], instead_of=Fate.DOUBTFUL)
        self.connection.execute(f"UPDATE {self.parent.wanted} AS w SET proven = 1 WHERE {said['sure']}")
        for name in said:
            self.connection.execute(f"DROP TABLE work.{name}")


def orphans(connection: sqlite3.Connection, link: Link, *, parents_wanted: bool) -> int:
    """Doubt the rows whose parent is neither there nor put, though the reference had it; return how many."""
    r_to_p = link.joined("r", "p", ours=(False, True))
    r_to_q = link.joined("r", "q", ours=(False, False))
    filled = " AND ".join(f"r.{name} IS NOT NULL" for name, _ in link.theirs)
    coming = (
        f"AND NOT EXISTS (SELECT 1 FROM {link.parent.theirs.where} q CROSS JOIN {link.parent.wanted} v "
        f"ON {link.parent.is_wanted('q', 'v')} WHERE {r_to_q} AND v.fate IN ({Fate.PUT:d}, {Fate.DONE:d}))"
        if parents_wanted
        else ""
    )
    return mark(
        connection,
        link.child,
        Fate.DOUBTFUL,
        f"EXISTS (SELECT 1 FROM {link.child.theirs.where} r WHERE {link.child.is_wanted('r')} AND {filled} "
        f"AND NOT EXISTS (SELECT 1 FROM {link.parent.ours.where} p WHERE {r_to_p}) "
        f"AND EXISTS (SELECT 1 FROM {link.parent.theirs.where} q WHERE {r_to_q}) {coming})",
    )


def named_by_modules(
    connection: sqlite3.Connection, pair: Pair, virtuals: list[VirtualTable], accounts: dict[str, TableAccount]
) -> frozenset[int] | None:
    """Return the rowids in the gaps that a full-text index or R-tree of the whole table names; None where none does.

    The shadow table must be whole and name every row that is there; one that names nothing else was
    rebuilt from what was left, and tells nothing.
    """
    for shadow, column in _naming_shadows(connection, pair, virtuals):
        account = accounts.get(shadow)
        if account is not None and not account.whole:
            continue
        where, key = f"{OURS}.{quoted(shadow)}", pair.ours.key[0]
        unnamed = f"SELECT 1 FROM {pair.ours.where} o WHERE o.{key} NOT IN (SELECT {column} FROM {where})"
        absent = f"SELECT {column} FROM {where} WHERE {column} NOT IN (SELECT {key} FROM {pair.ours.where})"
        if connection.execute(f"SELECT EXISTS ({unnamed})").fetchone()[0]:
            continue
        named = frozenset(row[0] for row in connection.execute(absent))
        if named and all(any(_lies_in(one, gap) for gap in accounts[pair.ours.table].gaps) for one in named):
            return named
    return None


def _lies_in(key: int, gap: Gap) -> bool:
    after, before = gap.after, gap.before
    return (not isinstance(after, int) or key > after) and (not isinstance(before, int) or key < before)


def _naming_shadows(connection: sqlite3.Connection, pair: Pair, virtuals: list[VirtualTable]) -> list[tuple[str, str]]:
    there = shapes.tables(connection, OURS)
    found = []
    for one in virtuals:
        sql = there.get(one.name, "")
        if one.module in FTS and (content_of(sql, one.name) or "").lower() == pair.ours.table.lower():
            found.append((f"{one.name}_docsize", "id" if one.module == "fts5" else "docid"))
        if one.module in RTREE and one.name.lower().startswith(f"rtree_{pair.ours.table.lower()}_"):
            found.append((f"{one.name}_rowid", "rowid"))
    return [(shadow, column) for shadow, column in found if shadow in there]
