"""The account of a repair as reports, JSON and plans hold it: rows by table, ranges, what is lost in words."""

from __future__ import annotations

from typing import Any

import msgspec

from toolkit.display import display
from toolkit.operations.plan import Loss
from toolkit.sqlite.account import Account, Gap, TableAccount
from toolkit.wording import count_text

MOST_NAMED = 4
"""Tables that a sentence names before it says how many more there are."""


class GapRow(msgspec.Struct, frozen=True):
    """A stretch of keys in which rows may be missing: `after < key < before`; null is an open end.

    `rows` is how many of them it is about, null where nothing tells.
    """

    after: Any
    before: Any
    rows: int | None = None


class TableRow(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the rows of one table (DESIGN.md section 6), and the ranges of keys that were lost.

    `unproven` are rows of the backup of which nothing tells whether they were deleted since, by `unproven_ranges`: they
    are among the refilled, or where `apart` names a table of the result, in that one and among the doubtful.
    """

    read: int = 0
    carved: int = 0
    refilled: int = 0
    lost: int = 0
    doubtful: int = 0
    ranges: tuple[GapRow, ...] = ()
    unproven: int = 0
    unproven_ranges: tuple[GapRow, ...] = ()
    apart: str | None = None

    @property
    def there(self) -> int:
        """Rows that are in the result."""
        return self.read + self.carved + self.refilled


class CandidateRow(msgspec.Struct, frozen=True):
    """A way that the engine tried and did not keep."""

    strategy: str
    rows: dict[str, int]
    failed_checks: int
    reason: str


def tables_of(account: Account) -> dict[str, TableRow]:
    """Return the account of each table in the form of the JSON document."""
    return {name: _row(one) for name, one in sorted(account.tables.items())}


def _row(one: TableAccount) -> TableRow:
    return TableRow(
        read=one.read,
        carved=one.carved,
        refilled=one.refilled,
        lost=one.lost,
        doubtful=one.doubtful,
        ranges=_ranges(one.gaps),
        unproven=one.unproven,
        unproven_ranges=_ranges(one.doubted),
        apart=one.apart,
    )


def _ranges(gaps: tuple[Gap, ...]) -> tuple[GapRow, ...]:
    return tuple(GapRow(_key(gap.after), _key(gap.before), gap.rows) for gap in gaps)


def _key(key: object) -> Any:
    """Return a key as JSON has it: a number, or the values of a primary key."""
    if isinstance(key, tuple | list):
        return [_key(value) for value in key]
    if isinstance(key, bytes):
        return f"x'{key.hex()}'"
    return key


def candidates_of(account: Account) -> list[CandidateRow]:
    """Return the ways that were tried and not kept."""
    return [CandidateRow(one.strategy, dict(one.rows), one.failed_checks, one.reason) for one in account.candidates]


def missing(one: TableAccount | TableRow) -> int:
    """Return how many rows are known to be missing or are kept apart."""
    return one.lost + one.doubtful


def loss_of(account: Account) -> Loss:
    """Return what is lost, in a sentence and in rows by table."""
    rows = {name: missing(one) for name, one in account.tables.items() if missing(one)}
    return Loss(text=loss_text(account), rows=rows)


def loss_text(account: Account) -> str:
    """Return what is lost in one sentence; the empty string for nothing."""
    parts = []
    known = {name: missing(one) for name, one in account.tables.items() if missing(one)}
    if known:
        parts.append(f"{count_text(sum(known.values()), 'row')}: {_most_first(known)}")
    aged = {name: one.aged for name, one in account.tables.items() if one.aged}
    if aged:
        parts.append(f"perhaps changes made since the backup, in rows from it: {_listed(aged, sorted(aged))}")
    feared = [name for name, one in account.tables.items() if one.gaps and not missing(one)]
    if feared:
        shown = ", ".join(display(name) for name in sorted(feared)[:MOST_NAMED])
        parts.append(f"perhaps rows of {shown}{' and others' if len(feared) > MOST_NAMED else ''}")
    parts += _unproven_texts(account)
    if account.lost_objects:
        shown = ", ".join(display(name) for name in account.lost_objects[:MOST_NAMED])
        more = f" and {len(account.lost_objects) - MOST_NAMED} more" if len(account.lost_objects) > MOST_NAMED else ""
        parts.append(f"of the schema: {shown}{more}")
    if account.unplaced:
        rows = count_text(account.unplaced, "row")
        parts.append(f"{rows} that no table could be found for (in {account.unplaced_in})")
    if account.doubts:
        more = f" and {len(account.doubts) - MOST_NAMED} more" if len(account.doubts) > MOST_NAMED else ""
        parts.append(f"perhaps more: {', '.join(map(display, account.doubts[:MOST_NAMED]))}{more}")
    if account.faults:
        more = f" and {len(account.faults) - MOST_NAMED} more" if len(account.faults) > MOST_NAMED else ""
        parts.append(f"values that are damaged: {', '.join(map(display, account.faults[:MOST_NAMED]))}{more}")
    return "; ".join(parts)


def _most_first(rows: dict[str, int]) -> str:
    return _listed(rows, sorted(rows, key=lambda name: -rows[name]))


def _listed(rows: dict[str, int], names: list[str]) -> str:
    """Return how many rows it is of each table, in the order of `names`, as far as there is room for them."""
    shown = ", ".join(f"{rows[name]:,} of {display(name)}" for name in names[:MOST_NAMED])
    return f"{shown} and of {len(names) - MOST_NAMED} more tables" if len(names) > MOST_NAMED else shown


def _unproven_texts(account: Account) -> list[str]:
    """Return a sentence on the rows of a backup that nothing proves: those that were put, and those kept apart."""
    texts = []
    for apart, said in (
        (False, "what comes back from the backup may have been deleted since"),
        (True, "rows of the backup are in tables of their own, since nothing tells whether they were deleted"),
    ):
        counts = {
            name: one.unproven for name, one in account.tables.items() if one.unproven and bool(one.apart) is apart
        }
        if counts:
            texts.append(f"{said}: {_most_first(counts)}")
    return texts


def range_text(row: TableRow) -> str:
    """Return the ranges of keys that were lost, in words; the empty string for none."""
    shown = [_gap_text(gap) for gap in row.ranges[:MOST_NAMED]]
    more = f" and {len(row.ranges) - MOST_NAMED} more" if len(row.ranges) > MOST_NAMED else ""
    return f"{', '.join(shown)}{more}"


def _gap_text(gap: GapRow | Gap) -> str:
    if gap.after is None and gap.before is None:
        return "anywhere"
    if gap.after is None:
        return f"below {display(str(gap.before))}"
    if gap.before is None:
        return f"above {display(str(gap.after))}"
    return f"between {display(str(gap.after))} and {display(str(gap.before))}"
