"""The names of the tables in which a repaired database keeps what is kept apart from its own tables."""

from __future__ import annotations

from collections.abc import Iterable

TABLE = "lost_and_found"
"""Rows that belong to no table for certain, as SQLite's `.recover` calls them; `TABLE_name` are those of one table."""


def free_name(taken: Iterable[str], of: str = "") -> str:
    """Return the name of a new table for rows of the table `of` (of none), where a database has the names `taken`.

    One that was repaired before, or that `.recover` made, has such tables as its own.
    """
    first = f"{TABLE}_{of}" if of else TABLE
    there = {name.lower() for name in taken}
    number, found = 1, first
    while found.lower() in there:
        number += 1
        found = f"{first}_{number}"
    return found
