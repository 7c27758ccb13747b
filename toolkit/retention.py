"""Which backups to keep: a pure function of (backups, rules, now) that says the reason for each.

The words that it counts by, `Kind` and `Scope`, are defined here because everything above needs them.
"""

from __future__ import annotations

import enum
from datetime import timedelta

import msgspec


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
    (`keep_*`) keep the newest backup of each of the last N hours, days, … that hold one, of any kind.
    `max_age` and `max_size` (bytes) drop what the other rules would keep, never the last good copy.
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
