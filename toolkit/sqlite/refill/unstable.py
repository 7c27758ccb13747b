"""Rows of tables whose rowids VACUUM may give anew (SQLite file format, section 2.3; "VACUUM" in the manual).

VACUUM keeps the order of the rows, so a gap is found in the reference by the rows on both of its sides, and the
rows between them are put in that order.
"""

# ruff: noqa: S608 -- names are quoted, values are bound

from __future__ import annotations

import sqlite3

from toolkit.sqlite.account import Gap
from toolkit.sqlite.refill.shape import Pair
from toolkit.sqlite.refill.wanted import Fate

NEAR = 50
"""Surviving rows on each side of a gap that are compared with the reference's rows of the same rowid."""

FEWEST = 3
"""Fewer rows with another content than these say nothing: they may have been changed since."""

ANCHORS = 8
"""Surviving rows on each side of a gap, the nearest of which that the reference has just once is its edge there."""


def is_stable(connection: sqlite3.Connection, pair: Pair, gap: Gap) -> bool:
    """Answer whether the rows around the gap have the rowids that they had in the reference."""
    if pair.ours.declared or not pair.ours.rowid:
        return True
    same = other = 0.0
    for edge in _edges(gap):
        found = connection.execute(
            f"SELECT total({pair.same_content('o', 'r')}), count(*) FROM ({_near(pair, edge, NEAR)}) s "
            f"CROSS JOIN {pair.ours.where} o ON o.{pair.ours.key[0]} = s.k "
            f"CROSS JOIN {pair.theirs.where} r ON {pair.same_key('o', 'r')}"
        ).fetchone()
        same, other = same + found[0], other + found[1] - found[0]
    return other < FEWEST or same > 3 * other


def _edges(gap: Gap) -> list[tuple[int, int]]:
    """Return the sides that the gap has: -1 and its surviving row before, 1 and that behind."""
    sides = ((-1, gap.after), (1, gap.before))
    return [(side, key) for side, key in sides if isinstance(key, int)]


def _near(pair: Pair, edge: tuple[int, int], most: int) -> str:
    side, key = edge
    name = pair.ours.key[0]
    return (
        f"SELECT {name} AS k FROM {pair.ours.where} WHERE {name} {'<=' if side < 0 else '>='} {key:d} "
        f"ORDER BY {name} {'DESC' if side < 0 else 'ASC'} LIMIT {most}"
    )


def collect(connection: sqlite3.Connection, pair: Pair, number: int, gap: Gap, named: frozenset[int] | None) -> bool:
    """Enter the reference's rows between the gap's edges, with the rowids that they get now.

    False, with nothing entered, where the edges cannot be found in the reference. Rows that are more than the
    gap has room for, or than an index names, are entered as doubtful: some were deleted, and which cannot be told. As
    VACUUM leaves no rowid out, rows that fill a gap from edge to edge are proven where both edges are in the reference.
    """
    anchors = _anchors(connection, pair, gap)
    between = ["1"]
    for side, _ in _edges(gap):
        if side not in anchors:
            return False
        between.append(f"r.{pair.theirs.key[0]} {'>' if side < 0 else '<'} {anchors[side][1]:d}")
    same = " AND ".join(f"a.c{n} IS r.{other} COLLATE BINARY" for n, (_, other) in enumerate(pair.contents))
    connection.execute("DROP TABLE IF EXISTS work.between_edges")
    connection.execute(
        f"CREATE TABLE work.between_edges AS SELECT r.{pair.theirs.key[0]} AS k0 FROM {pair.theirs.where} r "
        f"WHERE {' AND '.join(between)} AND NOT EXISTS (SELECT 1 FROM work.anchors a WHERE {same}) "
        f"ORDER BY r.{pair.theirs.key[0]}"
    )
    count = connection.execute("SELECT count(*) FROM work.between_edges").fetchone()[0]
    places = _places(gap, count, named)
    if places is None:
        connection.execute(
            f"INSERT OR IGNORE INTO {pair.wanted}(k0, gap, fate) "
            f"SELECT k0, {number}, {Fate.DOUBTFUL:d} FROM work.between_edges"
        )
        return True
    keys = connection.cursor().execute("SELECT k0 FROM work.between_edges ORDER BY rowid")
    after, before = gap.after, gap.before
    fills = isinstance(after, int) and isinstance(before, int) and before - after - 1 == count
    fills = fills and not any(distance for distance, _ in anchors.values())
    connection.executemany(
        f"INSERT OR IGNORE INTO {pair.wanted}(k0, place, gap, proven) VALUES (?, ?, {number}, {fills:d})",
        ((key, place) for (key,), place in zip(keys, places, strict=False)),
    )
    return True


def _places(gap: Gap, count: int, named: frozenset[int] | None) -> range | list[int] | None:
    """Return the rowids for `count` rows in the gap, None where they cannot all have been there."""
    after = gap.after if isinstance(gap.after, int) else None
    before = gap.before if isinstance(gap.before, int) else None
    if named is not None:
        inside = sorted(one for one in named if (after is None or one > after) and (before is None or one < before))
        return inside if len(inside) == count else None
    first = after + 1 if after is not None else (before or 1) - count
    last = first + count - 1
    return None if first < 1 or (before is not None and last >= before) else range(first, last + 1)


def _anchors(connection: sqlite3.Connection, pair: Pair, gap: Gap) -> dict[int, tuple[int, int]]:
    """Return by side how far the nearest surviving row is whose content the reference has just once, and its rowid."""
    names = [f"c{n}" for n in range(len(pair.contents))]
    connection.execute("DROP TABLE IF EXISTS work.anchors")
    connection.execute(f"CREATE TABLE work.anchors(side, distance{''.join(', ' + name for name in names)})")
    values = "".join(f", o.{mine}" for mine, _ in pair.contents)
    for edge in _edges(gap):
        connection.execute(
            f"INSERT INTO work.anchors SELECT {edge[0]}, abs(o.{pair.ours.key[0]} - {edge[1]}){values} "
            f"FROM ({_near(pair, edge, ANCHORS)}) s CROSS JOIN {pair.ours.where} o ON o.{pair.ours.key[0]} = s.k"
        )
    if not names:
        return {}
    connection.execute(f"CREATE INDEX work.anchors_by_content ON anchors({', '.join(names[:10])})")
    same = " AND ".join(
        f"a.{name} IS r.{other} COLLATE BINARY" for name, (_, other) in zip(names, pair.contents, strict=True)
    )
    rows = connection.execute(
        f"SELECT a.side, a.distance, min(r.{pair.theirs.key[0]}), count(*) FROM {pair.theirs.where} r "
        f"CROSS JOIN work.anchors a ON {same} GROUP BY a.side, a.distance ORDER BY a.distance DESC"
    )
    return {side: (distance, key) for side, distance, key, count in rows if count == 1}
