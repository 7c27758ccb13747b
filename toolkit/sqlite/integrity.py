"""What SQLite's own checks say of a database, also where a collation is missing: all but the order of its keys."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass

from toolkit.sqlite.collations import standing_in, tables, trees_of
from toolkit.sqlite.connect import quoted

_OF_ORDER = re.compile(
    r"(?:row \d+ (?:missing|values differ) from index|non-unique entry in index|row not in PRIMARY KEY order for) (.+)"
)
"""What `integrity_check` says when it looks for a key by comparing (SQLite's pragma.c): all but counts and pages."""

_OF_INDEX = re.compile(r"(?:row \d+ .*|wrong # of entries in|non-unique entry in) index (.+)")

_OF_VALUE = re.compile(r"NULL value in (.+)\.")
"""SQLite 3.40 says it of whole rows of a table WITHOUT ROWID, once one seemed to lie in the wrong place."""

_MANY = 200_000
"""Messages that are asked for where each row of an index can be one that is left out."""


@dataclass(frozen=True, slots=True)
class Integrity:
    """What a check says, nothing of a sound database; and what it could not judge, a sentence each."""

    messages: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()


def integrity(
    connection: sqlite3.Connection, check: str, limit: int, *, table: str = "", foreign: list[str] | None = None
) -> Integrity:
    """Make the `check` (`quick_check` or `integrity_check`) of the database or of one `table`.

    Returns at most `limit` messages, of a table those that SQLite gives unasked. `foreign` are the collations that are
    missing, where that is known. Raises `sqlite3.Error`.
    """
    with standing_in(connection, foreign) as trees:
        if table:
            return Integrity(_of_table(connection, check, table, trees))
        if not trees:
            return Integrity(_said(connection, check, str(limit)))
        said = _said(connection, check, str(_MANY))
        found = list(_judged(said, trees))
        if len(said) >= _MANY:  # it stopped there: the tables that it can judge, one by one
            for name in tables(connection):
                if not trees.keys() & trees_of(connection, name):
                    found += _said(connection, check, quoted(name))
        unjudged = tuple(
            f"the order of {name}: only its application has the collation {collation}"
            for name, collation in sorted(trees.items())
        )
        return Integrity(tuple(dict.fromkeys(found))[:limit], unjudged)


def _of_table(connection: sqlite3.Connection, check: str, table: str, trees: dict[str, str]) -> tuple[str, ...]:
    """Check one table; SQLite gives a hundred messages of it, which must not all be those that are left out."""
    own = trees_of(connection, table) if trees else set()
    if not trees.keys() & own:
        return _said(connection, check, quoted(table))
    found = _judged(_said(connection, "quick_check", quoted(table)), trees)
    if check == "quick_check":
        return found
    everything = _judged(_said(connection, check, str(_MANY)), trees)
    named = ((line, _OF_INDEX.match(line)) for line in everything)
    return found + tuple(line for line, index in named if index is not None and index[1] in own)


def _said(connection: sqlite3.Connection, check: str, argument: str) -> tuple[str, ...]:
    rows = connection.execute(f"PRAGMA {check}({argument})").fetchall()
    lines = tuple(line for row in rows for line in str(row[0]).splitlines())
    return () if lines == ("ok",) else lines


def _judged(lines: tuple[str, ...], trees: dict[str, str]) -> tuple[str, ...]:
    about = ((line, _OF_ORDER.match(line) or _OF_VALUE.match(line)) for line in lines)
    return tuple(line for line, found in about if found is None or found[1] not in trees)
