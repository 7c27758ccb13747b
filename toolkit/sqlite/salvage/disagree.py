"""An index and its table have different values for the same row, one of which was damaged.

The entries of an index are sorted (SQLite file format, section 1.6). An entry that stands where its key belongs, while
the row's key would not, was not changed: so the row was. Where the two are a bit or two apart, a bit was flipped, and
the index still has the row's true value. A second index can say which of the two is right. Where they are further apart
one of them may be older: that is only said.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from toolkit.sqlite.connect import quoted
from toolkit.sqlite.order import known, sort_key
from toolkit.sqlite.salvage.shape import Index, Shape

MOST_ROWS = 200_000
"""Rows of a table up to which its indexes are heard."""

_BITS = 2
"""By how many bits two keys may differ of which one was damaged on the disk."""

_NOTHING = object()

Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Other:
    """What an index has for a row that has something else: its rowid, the columns that differ, the index's values."""

    rowid: int
    columns: tuple[str, ...]
    values: Key


@dataclass(slots=True)
class Heard:
    """What an index says of rows that its table has otherwise: where it is right, and where nothing tells."""

    right: list[Other] = field(default_factory=list)
    unsure: list[Other] = field(default_factory=list)


def hear(connection: sqlite3.Connection, shape: Shape, index: Index, encoding: str) -> Heard:
    """Compare an index whose pages are sound with its table. Raises `sqlite3.Error`."""
    places = [shape.positions.get(number, -1) for number in index.columns[: index.key_columns]]
    if index.partial or shape.without_rowid or not places or min(places) < 0 or not known(index.orders):
        return Heard()
    columns = tuple(shape.columns[place].name for place in places)
    listed, table = ",".join(map(quoted, columns)), quoted(shape.name)
    (count,) = connection.execute(f"SELECT count(*) FROM {table} NOT INDEXED").fetchone()  # noqa: S608
    if count > MOST_ROWS or any(shape.columns[place].generated or shape.columns[place].key for place in places):
        return Heard()
    rows = {
        row[0]: row[1:]
        for row in connection.execute(f"SELECT rowid, {listed} FROM {table} NOT INDEXED")  # noqa: S608
    }
    entries = connection.execute(f"SELECT rowid, {listed} FROM {table} INDEXED BY {quoted(index.name)}")  # noqa: S608
    heard, named = Heard(), entries.fetchall()
    confirmed = {rowid for rowid, *values in named if rows.get(rowid) == tuple(values)}
    for before, (rowid, *values), behind in _with_neighbours(named):
        entry, row = tuple(values), rows.get(rowid)
        if row is None or rowid in confirmed:  # a second entry of a row has the wrong rowid
            continue
        entry_fits, row_fits = (
            (before is None or _place(before, index, encoding) < place)
            and (behind is None or place < _place(behind, index, encoding))
            for place in (_place((rowid, *key), index, encoding) for key in (entry, row))
        )
        differ = [at for at, (ours, theirs) in enumerate(zip(entry, row, strict=True)) if ours != theirs]
        other = Other(rowid, tuple(columns[at] for at in differ), tuple(entry[at] for at in differ))
        if entry_fits and not row_fits and _bits_between(entry, row) <= _BITS:
            heard.right.append(other)
        elif entry_fits:
            heard.unsure.append(other)
    return heard


def left_unsure(heard: Mapping[str, Heard], shape: Shape, sound: Container[str]) -> dict[str, int]:
    """Return of how many rows each index says something else, of which no other index says who is right.

    That is one that is `sound` and has the same columns of a row: it agrees with the row, or mended it.
    """
    names = {column: shape.columns[place].name for column, place in shape.positions.items()}
    mended = {
        (one.rowid, column): value for told in heard.values() for one in told.right for column, value in _each(one)
    }
    found: dict[str, int] = {}
    for index, told in heard.items():
        witnesses = [
            ({names.get(number) for number in other.columns[: other.key_columns]}, _contested(heard.get(other.name)))
            for other in shape.indexes
            if other.name != index and other.name in sound and not other.partial
        ]
        left = sum(
            any(mended.get((one.rowid, column), _NOTHING) != value for column, value in _each(one))
            and not any(set(one.columns) <= held and one.rowid not in rows for held, rows in witnesses)
            for one in told.unsure
        )
        if left:
            found[index] = left
    return found


def _each(one: Other) -> Iterator[tuple[str, object]]:
    return zip(one.columns, one.values, strict=True)


def _contested(told: Heard | None) -> set[int]:
    return {one.rowid for one in (*told.right, *told.unsure)} if told is not None else set()


def _with_neighbours(
    entries: Sequence[tuple[int, *tuple[object, ...]]],
) -> Iterator[tuple[Key | None, tuple[int, *tuple[object, ...]], Key | None]]:
    for at, entry in enumerate(entries):
        yield entries[at - 1] if at else None, entry, entries[at + 1] if at + 1 < len(entries) else None


def _place(entry: Key, index: Index, encoding: str) -> tuple[object, ...]:
    rowid, *values = entry
    return sort_key([*values, rowid], index.orders[: len(values)], encoding)  # type: ignore[list-item]


def _bits_between(one: Key, other: Key) -> int:
    """Return in how many bits two keys differ; many where their types or lengths do."""
    total = 0
    for ours, theirs in zip(map(_bytes, one), map(_bytes, other), strict=True):
        if len(ours) != len(theirs):
            return 1 << 16
        total += sum((a ^ b).bit_count() for a, b in zip(ours, theirs, strict=True))
    return total


def _bytes(value: object) -> bytes:
    if isinstance(value, int):
        return b"int" + value.to_bytes(8, "big", signed=True)
    if isinstance(value, float):
        return b"real" + struct.pack(">d", value)
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    return value if isinstance(value, bytes) else b""
