"""Which backups to keep: a pure function of (backups, rules, now) that says the reason for each.

It looks at the backups of one profile. Nothing is dropped that is pinned, still being made, finished in
the future (the clock went back), the only copy of a damaged original, or the last good copy of a
database or file set; the rules choose among the rest. Good, unverified and damaged backups are counted
apart, so that a week of bad ones never pushes out a good one.

The words that it counts by, `Kind` and `Scope`, are defined here because everything above needs them.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from toolkit.errors import UsageError

KEEP_FAILED = 10
"""How many records of failed backups stay; they have no archive and cost nothing but attention."""


class Kind(enum.StrEnum):
    """Why a backup was taken."""

    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    MANUAL = "manual"
    EMERGENCY = "emergency"
    SAFETY = "safety"
    IMPORTED = "imported"


class Scope(enum.StrEnum):
    """What a backup holds."""

    FULL = "full"
    DATABASE = "database"
    FILES = "files"


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """How many to keep: by kind (counted apart for each scope), by calendar bucket, by age and total size.

    None means "no rule of this sort". A kind without a count keeps all of its backups. Calendar buckets
    (`keep_*`) keep the newest backup of each of the last N hours, days, … that hold one, of any kind
    but `safety`, for each scope. One rule that keeps is enough. `max_age` and `max_size` (bytes) drop
    what the other rules would keep, never the last good copy.
    """

    hourly: int | None = 12
    daily: int | None = 7
    weekly: int | None = 4
    monthly: int | None = 6
    manual: int | None = 10
    emergency: int | None = 3
    safety: int | None = 5
    imported: int | None = None
    keep_last: int | None = None
    keep_hourly: int | None = None
    keep_daily: int | None = None
    keep_weekly: int | None = None
    keep_monthly: int | None = None
    keep_yearly: int | None = None
    max_age: timedelta | None = None
    max_size: int | None = None


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """What retention needs to know of one backup.

    `finished` is aware (the start, for one that never finished), `size` the bytes on disk. `databases` and
    `sections` name what it holds a copy of: database paths and file sets. `status` is the manifest's word.
    """

    id: str
    kind: Kind
    scope: Scope
    finished: datetime
    size: int = 0
    good: bool = False
    damaged: bool = False
    pin: bool = False
    databases: frozenset[str] = frozenset()
    sections: frozenset[str] = frozenset()
    only_damaged_copy: bool = False
    status: str = "completed"

    @property
    def quality(self) -> str:
        """`good`, `damaged` or `unverified`."""
        return "good" if self.good else "damaged" if self.damaged else "unverified"

    @property
    def holdings(self) -> frozenset[tuple[str, str]]:
        """Everything that it holds a copy of."""
        return frozenset({("database", path) for path in self.databases} | {("files", name) for name in self.sections})


class Verdict(msgspec.Struct, frozen=True):
    """What becomes of a backup, and why, in words."""

    id: str
    keep: bool
    reason: str


_Reasons = dict[str, list[str]]
_BUCKETS: tuple[tuple[str, str, str], ...] = (
    ("keep_hourly", "hour", "%Y-%m-%d %H:00"),
    ("keep_daily", "day", "%Y-%m-%d"),
    ("keep_weekly", "week", "%G-W%V"),
    ("keep_monthly", "month", "%Y-%m"),
    ("keep_yearly", "year", "%Y"),
)
_WORST_FIRST = ("damaged", "unverified", "good")
_REGULAR = (Kind.HOURLY, Kind.DAILY, Kind.WEEKLY, Kind.MONTHLY, Kind.MANUAL)


def check(rules: Rules) -> None:
    """Raise `UsageError` for rules that make no sense: a negative number, or none that keeps anything.

    Rules are empty when every kind that a schedule or a hand makes has the count 0 and no `keep_*` is set.
    """
    for name, value in msgspec.structs.asdict(rules).items():
        if value is not None and (value < timedelta(0) if isinstance(value, timedelta) else value < 0):
            raise UsageError(f"the retention rule {name} is negative", hint="give 0 or more, or leave it out")
    counts = [getattr(rules, kind) for kind in _REGULAR]
    counts += [getattr(rules, name) or 0 for name in ("keep_last", *(bucket[0] for bucket in _BUCKETS))]
    if not any(count is None or count > 0 for count in counts):
        raise UsageError("the retention rules would keep nothing", hint="set at least one count, for example daily: 7")


def newest_first(backups: Iterable[Candidate]) -> list[Candidate]:
    """Return the backups in the order in which verdicts are given: newest first, then by id."""
    return sorted(sorted(backups, key=lambda backup: backup.id), key=lambda backup: backup.finished, reverse=True)


def last_copies(backups: Sequence[Candidate]) -> dict[str, list[str]]:
    """Return, by id, the names of what each backup holds the last copy of.

    For each database and file set this is the newest good copy. Safety sets never count as good: they
    hold what somebody wanted to be replaced. Where no copy is good, these are the newest undamaged one (or
    else the newest) and the newest safety set that was verified. Failed and unfinished backups hold nothing.
    """
    last: dict[str, list[str]] = defaultdict(list)
    done = [backup for backup in newest_first(backups) if backup.status not in ("failed", "creating")]
    for holding in sorted({holding for backup in done for holding in backup.holdings}):
        copies = [backup for backup in done if holding in backup.holdings]
        good = [backup for backup in copies if backup.good and backup.kind is not Kind.SAFETY]
        if good:
            last[good[0].id].append(f"last good copy of {holding[1]}")
            continue
        undamaged = [backup for backup in copies if not backup.damaged]
        verified = [backup for backup in copies if backup.good]
        for backup_id in dict.fromkeys(backup.id for backup in (*(undamaged or copies)[:1], *verified[:1])):
            last[backup_id].append(f"last copy of {holding[1]} (none is good)")
    return dict(last)


def _protect(backups: Sequence[Candidate], now: datetime) -> _Reasons:
    reasons: _Reasons = defaultdict(list)
    past = [backup for backup in backups if backup.finished <= now]
    last = last_copies(past)
    for backup in backups:
        if backup.status == "creating":
            reasons[backup.id].append("still being made")
        elif backup.pin:
            reasons[backup.id].append("pinned")
        if backup.status != "failed" and backup.finished > now:
            reasons[backup.id].append("finished in the future: the clock went back, not counted until then")
        if backup.only_damaged_copy:
            reasons[backup.id].append("only copy of a damaged original")
        reasons[backup.id] += last.get(backup.id, [])
    return reasons


def _grouped(backups: Iterable[Candidate], key: Callable[[Candidate], object]) -> list[list[Candidate]]:
    groups: dict[object, list[Candidate]] = defaultdict(list)
    for backup in backups:
        groups[key(backup)].append(backup)
    return list(groups.values())


def _count_kinds(counted: Sequence[Candidate], rules: Rules, keep: _Reasons, drop: _Reasons) -> None:
    for group in _grouped(counted, lambda backup: (backup.kind, backup.scope, backup.quality)):
        first = group[0]
        count: int | None = getattr(rules, first.kind)
        name = f"{first.kind} {first.scope}" + ("" if first.good else f", {first.quality}")
        for rank, backup in enumerate(group, 1):
            if count is None:
                keep[backup.id].append(f"{name}: all are kept")
            elif rank <= count:
                keep[backup.id].append(f"{name}: {rank} of {count}")
            else:
                drop[backup.id].append(f"{name}: {rank - 1} newer, {count} kept" if count else f"{name}: none are kept")


def _count_buckets(counted: Sequence[Candidate], rules: Rules, now: datetime, keep: _Reasons) -> None:
    plain = [backup for backup in counted if backup.kind is not Kind.SAFETY]
    for group in _grouped(plain, lambda backup: (backup.scope, backup.quality)):
        for rank, backup in enumerate(group[: rules.keep_last or 0], 1):
            keep[backup.id].append(f"last: {rank} of {rules.keep_last}")
        for rule, word, pattern in _BUCKETS:
            count: int = getattr(rules, rule) or 0
            seen: set[str] = set()
            for backup in group:
                bucket = backup.finished.astimezone(now.tzinfo).strftime(pattern)
                if bucket in seen or len(seen) == count:
                    continue
                seen.add(bucket)
                keep[backup.id].append(f"{word} {bucket}: {len(seen)} of {count}")


def _limit(
    backups: Sequence[Candidate],
    protected: _Reasons,
    keep: _Reasons,
    rules: Rules,
    now: datetime,
    at_most: int | None,
) -> _Reasons:
    """Return what `max_age`, `max_size` and `at_most` drop of what the rules keep: damaged first, then the oldest."""
    drop: _Reasons = defaultdict(list)
    free = [backup for backup in backups if keep[backup.id] and not protected[backup.id]]
    if rules.max_age is not None:
        for backup in free:
            if now - backup.finished > rules.max_age:
                drop[backup.id].append(f"older than {rules.max_age / timedelta(days=1):g} days (max_age)")
    if rules.max_size is not None:
        held = [backup for backup in backups if (keep[backup.id] or protected[backup.id]) and backup.id not in drop]
        total = sum(backup.size for backup in held)
        oldest_first = [backup for backup in reversed(free) if backup.id not in drop]
        for backup in sorted(oldest_first, key=lambda backup: _WORST_FIRST.index(backup.quality)):
            if total <= rules.max_size:
                break
            drop[backup.id].append(f"all together are over {rules.max_size:,} bytes (max_size)")
            total -= backup.size
    if at_most is not None:
        count = sum(1 for backup in backups if (keep[backup.id] or protected[backup.id]) and backup.id not in drop)
        oldest_first = [backup for backup in reversed(free) if backup.id not in drop]
        for backup in sorted(oldest_first, key=lambda backup: _WORST_FIRST.index(backup.quality))[
            : max(0, count - at_most)
        ]:
            drop[backup.id].append(f"{at_most} are kept there (keep)")
    return drop


def decide(
    backups: Sequence[Candidate], rules: Rules, now: datetime, *, at_most: int | None = None
) -> tuple[Verdict, ...]:
    """Say of each backup of one profile whether to keep it, and why; newest first.

    Calendar buckets are those of `now`'s time zone. Pinned backups, only copies of damaged originals and
    backups from the future are kept and not counted. Of failed records the newest `KEEP_FAILED` stay.
    Deciding again on what was kept drops nothing. `at_most` is a destination's `keep`: how many of all may stay
    there, of which nothing that is protected is dropped.

    Raises `UsageError` for rules that are empty or negative; nothing was decided then.
    """
    check(rules)
    ordered = newest_first(backups)
    protected = _protect(ordered, now)
    keep: _Reasons = defaultdict(list)
    drop: _Reasons = defaultdict(list)
    failed = [backup for backup in ordered if backup.status == "failed" and not backup.pin]
    for rank, backup in enumerate(failed, 1):
        if rank <= KEEP_FAILED:
            keep[backup.id].append(f"failed record: {rank} of {KEEP_FAILED}")
        else:
            drop[backup.id].append(f"failed record: {rank - 1} newer, {KEEP_FAILED} kept")
    counted = [
        backup
        for backup in ordered
        if backup.status not in ("failed", "creating")
        and not backup.pin
        and not backup.only_damaged_copy
        and backup.finished <= now
    ]
    _count_kinds(counted, rules, keep, drop)
    _count_buckets(counted, rules, now, keep)
    limited = _limit([backup for backup in ordered if backup.status != "failed"], protected, keep, rules, now, at_most)
    verdicts = []
    for backup in ordered:
        safe, wanted, unwanted = protected[backup.id], keep[backup.id], limited[backup.id]
        stays = bool(safe or (wanted and not unwanted))
        reasons = [*safe, *wanted] if stays else unwanted or drop[backup.id]
        verdicts.append(Verdict(backup.id, stays, "; ".join(reasons)))
    return tuple(verdicts)
