"""Full-text indexes as whole units: rebuilt from their content, or taken from the reference where that is lost."""

# ruff: noqa: S608 -- names are quoted, values are bound

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import replace

from toolkit.sqlite.account import TableAccount
from toolkit.sqlite.connect import quoted
from toolkit.sqlite.refill import shape
from toolkit.sqlite.refill.match import Say
from toolkit.sqlite.refill.shape import OURS, THEIRS
from toolkit.sqlite.translate import is_damage, primary_code
from toolkit.sqlite.virtual import REBUILT, VirtualTable, content_of

EMPTY_STRUCTURE = "00" * 7
"""Record 10 of an empty index: a cookie of four bytes, no levels, no segments, nothing written (`fts5_index.c`)."""


class FullText:
    """One full-text index, and the accounts of its shadow tables."""

    def __init__(
        self, connection: sqlite3.Connection, table: VirtualTable, accounts: dict[str, TableAccount], say: Say
    ) -> None:
        self.connection = connection
        self.name = table.name
        self.module = table.module
        self.accounts = accounts
        self.say = say
        there = shape.tables(connection, OURS)
        self.content = content_of(there.get(table.name, ""), table.name)
        self.shadows = [name for word in REBUILT if (name := f"{table.name}_{word}") in there]

    def rebuild(self, filled: Collection[str]) -> dict[str, TableAccount]:
        """Rebuild the index when it was hurt or its content is among the tables `filled`; return its accounts."""
        hurt = [name for name in (self.name, *self.shadows) if name in self.accounts and not self.accounts[name].whole]
        if not hurt and (self.content or "").lower() not in filled:
            return {}
        if self.content is not None and self._rebuilt(emptied=bool(hurt) and self.module == "fts5"):
            return {name: _settled(self.accounts[name]) for name in hurt}
        return self._take_whole() if hurt else {}

    def _rebuilt(self, *, emptied: bool) -> bool:
        self.connection.execute("SAVEPOINT rebuild")
        try:
            if emptied:
                self._empty()
            name = quoted(self.name)
            self.connection.execute(f"INSERT INTO {OURS}.{name}({name}) VALUES ('rebuild')")
        except sqlite3.Error as error:
            if primary_code(error) != sqlite3.SQLITE_ERROR and not is_damage(error):
                raise
            self.connection.execute("ROLLBACK TO rebuild")
            self.say(f"the full-text index {self.name} could not be rebuilt ({error})")
            return False
        finally:
            self.connection.execute("RELEASE rebuild")
        return True

    def _empty(self) -> None:
        """Make an FTS5 index one that SQLite can open: without its structure record it has none to rebuild."""
        for word in ("data", "idx"):
            self.connection.execute(f"DELETE FROM {OURS}.{quoted(f'{self.name}_{word}')}")
        data, config = quoted(f"{self.name}_data"), quoted(f"{self.name}_config")
        self.connection.execute(f"INSERT INTO {OURS}.{data} VALUES (1, x''), (10, x'{EMPTY_STRUCTURE}')")
        self.connection.execute(f"INSERT OR IGNORE INTO {OURS}.{config} VALUES ('version', 4)")

    def _take_whole(self) -> dict[str, TableAccount]:
        """Put the reference's index in place of ours, shadow by shadow."""
        there = shape.tables(self.connection, THEIRS)
        own = [name for name in (*self.shadows, f"{self.name}_content", f"{self.name}_config") if name in there]
        ours = shape.tables(self.connection, OURS)
        changed = {}
        if not set(self.shadows) <= set(own):
            self.say(f"the backup has no full-text index {self.name} that could stand for the lost one")
            return {}
        for name in own:
            if name in ours:
                self.connection.execute(f"DELETE FROM {OURS}.{quoted(name)}")
                rows = self.connection.execute(
                    f"INSERT INTO {OURS}.{quoted(name)} SELECT * FROM {THEIRS}.{quoted(name)}"
                ).rowcount
                if name in self.accounts:
                    changed[name] = replace(_settled(self.accounts[name]), read=0, carved=0, refilled=rows)
        self.say(f"the full-text index {self.name} is that of the backup: what changed since is not in it")
        return changed


def _settled(account: TableAccount) -> TableAccount:
    return replace(account, lost=0, doubtful=0, gaps=(), named=None)
