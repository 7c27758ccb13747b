"""How good a database is: rows by table, and which checks fail."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.sqlite import values, virtual
from toolkit.sqlite.collations import standing_in
from toolkit.sqlite.connect import CACHE_KIB, connect, quoted
from toolkit.sqlite.integrity import integrity
from toolkit.sqlite.pages.walk import walk
from toolkit.sqlite.salvage import counters
from toolkit.sqlite.translate import is_damage, primary_code


@dataclass(slots=True)
class Measure:
    """Rows by table (virtual ones too), names of what the schema holds, and a sentence on each check that fails."""

    rows: dict[str, int] = field(default_factory=dict)
    objects: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether every check passed."""
        return not self.failed

    @property
    def total(self) -> int:
        """Rows of all tables."""
        return sum(self.rows.values())


def measure(path: Path, *, full: bool = True, checked: bool = False, count: bool = False) -> Measure:
    """Check and count a private database in rollback mode; the check of full-text indexes may write to it.

    Without `full` by `quick_check`, which leaves the content of indexes out. Of what is damaged nothing but the first
    fault is found out, unless its rows are to be `count`ed. One whose tables are `checked` already is only counted.
    Damage is a result, never an exception.
    """
    found = Measure()
    try:
        with contextlib.closing(connect(path, "mode=rw")) as connection:
            checks = ("quick_check", "integrity_check") if full else ("quick_check",)
            _by_sqlite(connection, path, found, () if checked else checks, count=count)
    except (sqlite3.Error, UnicodeError) as error:  # a message can quote a name that is no UTF-8
        found.failed.append(str(error))
    return found


def _by_sqlite(
    connection: sqlite3.Connection, path: Path, found: Measure, checks: tuple[str, ...], *, count: bool
) -> None:
    connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
    for kind, name in connection.execute("SELECT type, name FROM sqlite_master ORDER BY type, name"):
        found.objects.append(f"{kind} {name}")
    found.failed += values.zeroed_statements(connection)
    for check in checks:
        try:
            lines = list(integrity(connection, check, 1).messages)
        except sqlite3.OperationalError as error:
            if primary_code(error) != sqlite3.SQLITE_ERROR:
                raise
            # a function of the application: then only the structure can be looked at
            lines = [finding.message for finding in itertools.islice(walk(path), 1)]
        if lines:
            found.failed += lines
            if len(checks) > 1 and not count:
                return
            break
    with standing_in(connection):
        for label in found.objects:
            kind, _, name = label.partition(" ")
            if kind == "table":
                try:
                    sql = f"SELECT count(*) FROM {quoted(name)}"  # noqa: S608
                    found.rows[name] = connection.execute(sql).fetchone()[0]
                except (sqlite3.Error, UnicodeError) as error:
                    if is_damage(error):
                        found.failed.append(f"the rows of {name} cannot be counted: {error}")
    found.failed += counters.wrong(connection)
    found.failed += _own_checks(connection)


def _own_checks(connection: sqlite3.Connection) -> list[str]:
    """Return what full-text and R-tree indexes say of themselves."""
    failed: list[str] = []
    connection.execute("BEGIN")
    for table in virtual.virtual_tables(connection):
        check_own = virtual.check_fts if table.module in virtual.FTS else virtual.check_rtree
        if table.module in (*virtual.FTS, *virtual.RTREE):
            try:
                wrong = check_own(connection, table)
            except sqlite3.Error as error:
                wrong = str(error) if is_damage(error) else None
            failed += [wrong] if wrong else []
    connection.execute("ROLLBACK")
    return failed
