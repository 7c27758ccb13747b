"""What a repair says of itself: rows read, carved, refilled, lost or doubtful by table, and where the gaps are."""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from toolkit.sqlite.order import Order

Key = int | tuple[object, ...]
"""The place of a row in its table: the rowid, or for WITHOUT ROWID tables the values of the primary key."""

Unproven = Literal["in", "apart"]
"""Where a refill puts the rows of a backup of which nothing tells whether they were deleted since: in, or apart."""

Strategy = Literal["none", "sidecars", "header", "indexes", "virtual", "vacuum", "mend", "carve"]
"""The cures, mildest first: nothing was wrong; -wal, -journal settled; header or envelope mended; indexes rebuilt;
full-text or R-tree indexes rebuilt; written anew by VACUUM; page structure mended; cells carved from broken pages."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of keys whose pages were lost: rows with `after < key < before` may be missing; None is an open end.

    `rows` is how many are missing there, None where nothing tells.
    """

    after: Key | None
    before: Key | None
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Remains:
    """What is left of a damaged index over all rows: the keys of which it lacks none, and what it names in the gaps.

    Keys are those of `order.sort_key`, of the values of `columns` and the rowid behind them. `stretches` are (first,
    last), which rise; None is an open end. `entries` are by rowid.
    """

    columns: tuple[str, ...]
    orders: tuple[Order, ...]
    encoding: str
    stretches: tuple[tuple[tuple[object, ...] | None, tuple[object, ...] | None], ...]
    entries: Mapping[int, tuple[object, ...]]

    def covers(self, key: tuple[object, ...]) -> bool:
        """Answer whether the index would hold an entry with this key, if there were one."""
        at = bisect.bisect_right(self.stretches, key, key=lambda one: () if one[0] is None else one[0]) - 1
        return at >= 0 and ((last := self.stretches[at][1]) is None or key <= last)


@dataclass(frozen=True, slots=True)
class TableAccount:
    """Rows of one table: `read` by SQLite from sound or mended pages, `carved` from broken ones, `refilled`.

    `lost` are rows that are known to be missing (an index names them, or a backup had them in a gap); `doubtful` are
    rows found that fail the table's types or constraints and are kept apart. `gaps` are where rows may be
    missing beyond those that are known. `named` are the rowids in the gaps that a sound index of the whole table
    names, so exactly these rows existed; None where no index tells. `remains` is what is left of damaged ones.
    `aged` are rows refilled of which nothing tells whether they were changed since, as others of their table were.
    `unproven` are rows of the backup of which nothing tells whether they were deleted since, and `doubted` the gaps
    in which they lie, with their number: they were refilled, or are `doubtful` and in the table `apart`.
    """

    read: int = 0
    carved: int = 0
    refilled: int = 0
    lost: int = 0
    doubtful: int = 0
    gaps: tuple[Gap, ...] = ()
    named: frozenset[int] | None = None
    remains: tuple[Remains, ...] = ()
    aged: int = 0
    unproven: int = 0
    doubted: tuple[Gap, ...] = ()
    apart: str | None = None

    @property
    def whole(self) -> bool:
        """Whether nothing is known or feared to be missing, or to be an old version."""
        return not (self.lost or self.doubtful or self.gaps or self.aged or self.unproven)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way that was tried: its rows by table, how many checks of the result failed, and why it was not kept."""

    strategy: Strategy
    rows: dict[str, int]
    failed_checks: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The account of one repair. `strategy` is the cure that was kept, `reason` says why in a sentence.

    `kept_objects` and `lost_objects` are the tables, indexes, views and triggers of the schema, as `table users`.
    `unplaced` rows could be given to no table; they are in the table `unplaced_in` of the output.
    `said` are sentences about what was found and done, for the report. `doubts` say what may be missing or half done
    beyond what the tables tell, such as pages of a journal that are broken. `faults` are values that were damaged where
    they lie and stay as they are, such as texts that are not valid; of files over 16 MiB only in sound ones.
    `checked`: the very file of the output passed `quick_check`, and its indexes were filled or compared.
    """

    strategy: Strategy
    reason: str
    tables: dict[str, TableAccount]
    kept_objects: tuple[str, ...] = ()
    lost_objects: tuple[str, ...] = ()
    unplaced: int = 0
    unplaced_in: str = ""
    candidates: tuple[Candidate, ...] = ()
    said: tuple[str, ...] = field(default=())
    doubts: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    checked: bool = False

    @property
    def whole(self) -> bool:
        """Whether every row and object is there, as it was."""
        return self.complete and not self.faults

    @property
    def complete(self) -> bool:
        """Whether every row and object is there."""
        apart = self.lost_objects or self.unplaced or self.doubts
        return not apart and all(table.whole for table in self.tables.values())
