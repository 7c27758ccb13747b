"""R-trees as whole units: their entries from the nodes that are left and from the reference, the tree built anew.

A node is two bytes of depth (in the root), two of the number of cells, then the cells: the id of an entry (or the
number of a node below) and two coordinates of four bytes for each dimension; "R-Tree", section 5.1 of SQLite's
documentation, and `ext/rtree/rtree.c`.
"""

# ruff: noqa: S608 -- names are quoted, values are bound

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from dataclasses import replace

from toolkit.sqlite.account import TableAccount
from toolkit.sqlite.connect import quoted
from toolkit.sqlite.refill import shape
from toolkit.sqlite.refill.match import Say
from toolkit.sqlite.refill.shape import OURS, THEIRS
from toolkit.sqlite.virtual import VirtualTable

SHADOWS = ("node", "rowid", "parent")

SPARE = 0.2
"""How many more entries of the reference than are known to be lost may be missing, as a share: so many were deleted."""


class RTree:
    """One R-tree, and the accounts of its shadow tables; `apart` leaves entries out that nothing proves."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        table: VirtualTable,
        accounts: dict[str, TableAccount],
        say: Say,
        *,
        apart: bool = False,
    ) -> None:
        self.apart = apart
        self.connection = connection
        self.name = table.name
        self.whole_numbers = table.module == "rtree_i32"
        self.accounts = accounts
        self.say = say
        there = shape.tables(connection, OURS)
        self.shadows = [name for word in SHADOWS if (name := f"{table.name}_{word}") in there]

    def rebuild(self) -> dict[str, TableAccount]:
        """Build the tree anew when one of its shadow tables was hurt; return their accounts."""
        hurt = [name for name in (self.name, *self.shadows) if name in self.accounts and not self.accounts[name].whole]
        if not hurt:
            return self._complete()
        there = shape.tables(self.connection, THEIRS)
        if len(self.shadows) != 3 or not {self.name, *self.shadows} <= set(there):
            self.say(f"the R-tree {self.name} was not refilled: the backup does not have it")
            return {}
        shadow = self._columns(f"{self.name}_rowid")[2:]
        names = self._columns(self.name)[1:]
        coordinates, extra = names[: len(names) - len(shadow)], names[len(names) - len(shadow) :]
        self._collect(coordinates, extra, shadow)
        lost = self._judge(hurt)
        refilled = self._write(coordinates, extra)
        changed = {name: replace(self.accounts[name], lost=0, doubtful=0, gaps=(), named=None) for name in hurt}
        told = self.name if self.name in self.accounts else f"{self.name}_rowid"
        base = changed.get(told, self.accounts.get(told, TableAccount()))
        changed[told] = replace(base, refilled=base.refilled + refilled, lost=lost)
        return changed

    def _complete(self) -> dict[str, TableAccount]:
        """Put entries that are missing beside rows of the indexed table that are there: the tree was rebuilt without.

        A tree of which nobody says that it was hurt is left alone when its table cannot be told.
        """
        base = self.indexed_table()
        there = shape.tables(self.connection, THEIRS)
        if base is None or self.name not in there or base.table not in there:
            return {}
        names = [*map(quoted, self._columns(self.name))]
        indexed = self._indexed_column(base)
        if indexed is None:
            return {}
        values = ", ".join(f"t.{one}" for one in names)
        done = self.connection.execute(
            f"INSERT INTO {OURS}.{quoted(self.name)}({', '.join(names)}) SELECT {values} "
            f"FROM {THEIRS}.{quoted(self.name)} t CROSS JOIN {base.where} o ON o.{base.key[0]} = t.{names[0]} "
            f"WHERE o.{indexed} IS NOT NULL AND t.{names[0]} NOT IN (SELECT rowid FROM {self._shadow('rowid')})"
        ).rowcount
        told = f"{self.name}_rowid"
        if not done or told not in self.accounts:
            return {}
        return {told: replace(self.accounts[told], refilled=self.accounts[told].refilled + done)}

    def _columns(self, table: str) -> list[str]:
        return [row[1] for row in self.connection.execute(f"PRAGMA {THEIRS}.table_xinfo({quoted(table)})")]

    def _shadow(self, word: str, schema: str = OURS) -> str:
        return f"{schema}.{quoted(f'{self.name}_{word}')}"

    def _collect(self, coordinates: list[str], extra: list[str], shadow: list[str]) -> None:
        """Enter into the work table what the leaves that are left hold, then what only the reference has."""
        names = [f"c{n}" for n in range(len(coordinates))]
        more = [f"x{n}" for n in range(len(extra))]
        columns = "".join(f", {name}" for name in (*names, *more))
        self.connection.execute("DROP TABLE IF EXISTS work.entries")
        self.connection.execute(f"CREATE TABLE work.entries(id INTEGER PRIMARY KEY, theirs{columns})")
        places = ", ".join("?" * len(names))
        self.connection.executemany(
            f"INSERT OR IGNORE INTO work.entries(id, theirs, {', '.join(names)}) VALUES (?, 0, {places})",
            self._survivors(len(coordinates)),
        )
        for number, name in enumerate(shadow):
            self.connection.execute(
                f"UPDATE work.entries SET x{number} = (SELECT s.{quoted(name)} FROM {self._shadow('rowid')} s "
                "WHERE s.rowid = entries.id)"
            )
        listed = ", ".join(map(quoted, (*coordinates, *extra)))
        key = quoted(self._columns(self.name)[0])
        self.connection.execute(
            f"INSERT OR IGNORE INTO work.entries SELECT {key}, 1, {listed} FROM {THEIRS}.{quoted(self.name)}"
        )

    def _survivors(self, coordinates: int) -> Iterator[tuple[float, ...]]:
        cell = struct.Struct(f">q{coordinates}{'i' if self.whole_numbers else 'f'}")
        inner = {row[0] for row in self.connection.execute(f"SELECT DISTINCT parentnode FROM {self._shadow('parent')}")}
        leaves = {row[0] for row in self.connection.execute(f"SELECT DISTINCT nodeno FROM {self._shadow('rowid')}")}
        for number, data in self.connection.cursor().execute(f"SELECT nodeno, data FROM {self._shadow('node')}"):
            if not isinstance(data, bytes) or len(data) < 4 or (number in inner and number not in leaves):
                continue
            depth, cells = struct.unpack_from(">HH", data)
            if number == 1 and depth:
                continue
            for at in range(4, min(4 + cells * cell.size, len(data) - cell.size + 1), cell.size):
                yield cell.unpack_from(data, at)

    def _judge(self, hurt: list[str]) -> int:
        """Take out the entries that are no longer there, where that can be told; return how many are lost."""
        own, told = self.accounts.get(self.name), self.accounts.get(f"{self.name}_rowid")
        base = self.indexed_table()
        if own is not None and own.named is not None:
            return self._keep(self._named(own.named))
        if (own is None or own.whole) and (told is None or told.whole):
            return self._keep(f"SELECT rowid FROM {self._shadow('rowid')}")
        if base is not None:
            filled = f"AND o.{indexed} IS NOT NULL" if (indexed := self._indexed_column(base)) else ""
            self.connection.execute(
                f"DELETE FROM work.entries WHERE NOT EXISTS "
                f"(SELECT 1 FROM {base.where} o WHERE o.{base.key[0]} = entries.id {filled})"
            )
            return 0
        missing = self.connection.execute("SELECT count(*) FROM work.entries WHERE theirs").fetchone()[0]
        known = own.lost if own is not None else missing
        if f"{self.name}_node" not in hurt and (own is None or missing > known * (1 + SPARE) + 1):
            self.connection.execute("DELETE FROM work.entries WHERE theirs")
            return known
        if self.apart:
            return self.connection.execute("DELETE FROM work.entries WHERE theirs").rowcount
        return 0

    def _keep(self, ids: str) -> int:
        """Take out the entries whose ids the query does not name; return how many of those it names are lost."""
        self.connection.execute(f"DELETE FROM work.entries WHERE id NOT IN ({ids})")
        sql = f"SELECT count(*) FROM ({ids}) WHERE rowid NOT IN (SELECT id FROM work.entries)"
        return int(self.connection.execute(sql).fetchone()[0])

    def _named(self, named: frozenset[int]) -> str:
        """Enter the ids of all entries that there were, beside those that are there; return the query for them."""
        self.connection.execute("CREATE TABLE work.named_entries(id INTEGER PRIMARY KEY)")
        self.connection.execute(f"INSERT INTO work.named_entries SELECT rowid FROM {self._shadow('rowid')}")
        ids = ((one,) for one in named)
        self.connection.executemany("INSERT OR IGNORE INTO work.named_entries VALUES (?)", ids)
        return "SELECT id AS rowid FROM work.named_entries"

    def _indexed_column(self, base: shape.Shape) -> str | None:
        """Return the column of the table that this indexes, in SQL; None where the name does not tell."""
        name = quoted(self.name[len(f"rtree_{base.table}_") :])
        return name if name.lower() in {quoted(one).lower() for one in base.columns} else None

    def indexed_table(self) -> shape.Shape | None:
        """Return the table that this is an index of by the names of GeoPackage (`rtree_TABLE_COLUMN`)."""
        for table, sql in shape.tables(self.connection, OURS).items():
            if not shape.is_virtual(sql) and self.name.lower().startswith(f"rtree_{table.lower()}_"):
                found = shape.shape(self.connection, OURS, table)
                if found is not None and found.rowid:
                    return found
        return None

    def _write(self, coordinates: list[str], extra: list[str]) -> int:
        for word in SHADOWS:
            self.connection.execute(f"DELETE FROM {self._shadow(word)}")
        size = f"SELECT length(data) FROM {self._shadow('node', THEIRS)} WHERE nodeno = 1"
        self.connection.execute(f"INSERT INTO {self._shadow('node')} VALUES (1, zeroblob(({size})))")
        key = quoted(self._columns(self.name)[0])
        listed = ", ".join([key, *map(quoted, (*coordinates, *extra))])
        values = ", ".join(["id", *(f"c{n}" for n in range(len(coordinates))), *(f"x{n}" for n in range(len(extra)))])
        self.connection.execute(
            f"INSERT INTO {OURS}.{quoted(self.name)}({listed}) SELECT {values} FROM work.entries ORDER BY id"
        )
        return int(self.connection.execute("SELECT count(*) FROM work.entries WHERE theirs").fetchone()[0])
