"""How sizes, durations, times, counts and bars are said: the same words in every face."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

BLOCKS = "▁▂▃▄▅▆▇█"
PLAIN = "_.-=+*%#"

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def size_text(size: int) -> str:
    """Return `size` bytes in decimal units, as disks are sold: `0 B`, `999 B`, `1.2 MB`, `412 MB`."""
    value, unit = float(abs(size)), 0
    while unit < len(_UNITS) - 1 and round(value, 0 if value >= 10 else 1) >= 1000:
        value /= 1000
        unit += 1
    sign = "-" if size < 0 else ""
    digits = 1 if unit and round(value, 1) < 10 else 0
    return f"{sign}{value:.{digits}f} {_UNITS[unit]}"


def rate_text(rate: float) -> str:
    """Return `rate` bytes a second: `2.1 MB/s`."""
    return f"{size_text(int(rate))}/s"


def duration_text(seconds: float) -> str:
    """Return a length of time with what matters of it: `0.3 s`, `50 s`, `4 min`, `1 h 07 min`, `3 d 2 h`."""
    if seconds < 0:
        return "-" + duration_text(-seconds)
    if round(seconds, 1) < 10:
        return f"{seconds:.1f} s" if seconds % 1 else f"{seconds:.0f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < 10 * _MINUTE and whole % _MINUTE:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    minutes = round(whole / _MINUTE)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(whole / _HOUR)
    return f"{hours // 24} d {hours % 24} h" if hours % 24 else f"{hours // 24} d"


def rough_text(seconds: float) -> str:
    """Return a length of time that nobody knows exactly, as people say it: `under 5 s`, `40 s`, `3 min`, `1 h 30 min`.

    In steps of 5 s below a minute, whole minutes below 10, then of 5 minutes, half an hour, whole hours and days.
    """
    if seconds <= 2.5:
        return "under 5 s"
    for unit, step, until in ((1, 5, _MINUTE), (_MINUTE, 1, 10), (_MINUTE, 5, 60), (_MINUTE, 30, 10 * 60)):
        amount = round(seconds / unit / step) * step
        if amount < until:
            return duration_text(amount * unit).replace(" 00 min", "")
    hours = round(seconds / _HOUR)
    return f"{hours} h" if hours < 48 else f"{round(hours / 24)} d"


def about_text(seconds: float) -> str:
    """Return an estimate in words: `under 5 s`, `about 40 s`, `about 3 min`."""
    text = rough_text(seconds)
    return text if text.startswith("under") else f"about {text}"


def age_text(when: datetime, now: datetime) -> str:
    """Return how long ago `when` was at `now`: `just now`, `4 min ago`, `26 h ago`, `3 d ago`; `in 2 h` for later.

    Whole units, cut, never rounded up: what is said to be 26 h old is not younger.
    """
    seconds = int((now - when).total_seconds())
    distance = abs(seconds)
    if distance < _MINUTE:
        return "just now"
    if distance < _HOUR:
        text = f"{distance // _MINUTE} min"
    elif distance < 2 * _DAY:
        text = f"{distance // _HOUR} h"
    else:
        text = f"{distance // _DAY} d"
    return f"{text} ago" if seconds > 0 else f"in {text}"


def time_text(when: datetime, now: datetime, *, zone: tzinfo | None = None) -> str:
    """Return `when` in `zone` (default: this machine's), as short as `now` allows.

    `03:01` today, `20 Nov 03:01` this year, else `2025-11-20 03:01`.
    """
    local, today = _local(when, zone), now.astimezone(zone)
    if local.date() == today.date():
        return f"{local:%H:%M}"
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    if local.year == today.year:
        return f"{local.day} {months[local.month - 1]} {local:%H:%M}"
    return f"{local:%Y-%m-%d %H:%M}"


def brief_time_text(when: datetime, now: datetime) -> str:
    """Return `when` here, for a column of twelve cells: as `time_text`, of other years only the day."""
    text = time_text(when, now)
    return text if len(text) <= 12 else text.partition(" ")[0]


def stamp_text(when: datetime, *, seconds: bool = False) -> str:
    """Return `when` in full, in this machine's zone, which it names: `2026-11-20 03:07 UTC`.

    What a person reads is in local time, and names the zone wherever no column or screen does; JSON is in UTC.
    """
    local = _local(when)
    return f"{local:%Y-%m-%d %H:%M:%S} {zone_text(local)}" if seconds else f"{minute_text(local)} {zone_text(local)}"


def minute_text(when: datetime) -> str:
    """Return `when` to the minute in this machine's zone, for a column whose head names the zone."""
    return f"{_local(when):%Y-%m-%d %H:%M}"


def _local(when: datetime, zone: tzinfo | None = None) -> datetime:
    """Return `when` in `zone` (default: this machine's); as it is at the ends of the years that there are."""
    try:
        return when.astimezone(zone)
    except (OverflowError, ValueError):
        return when


def clock_text(when: datetime) -> str:
    """Return the time of day of `when` in this machine's zone, which it names: `03:07:12 UTC`."""
    return f"{_local(when):%H:%M:%S} {zone_text(when)}"


def zone_text(when: datetime) -> str:
    """Return the name of this machine's zone at `when`: `CET`, `UTC`."""
    return _local(when).tzname() or "UTC"


def count_text(count: int, singular: str, plural: str | None = None) -> str:
    """Return `count` with its noun: `1 file`, `1,190 rows`."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def percent_text(done: int, total: int | None) -> str:
    """Return how much of `total` is `done`, cut so that `100%` means all; empty while the total is not known."""
    if total is None:
        return ""
    return f"{min(done * 100 // total, 100) if total > 0 else 100}%"


def bar(done: int, total: int | None, *, width: int = 12) -> str:
    """Return a bar of `width` cells between brackets, in ASCII: `[######......]`; full only when all is done."""
    filled = 0 if total is None else width if done >= total else max(done, 0) * width // total
    return f"[{'#' * filled}{'.' * (width - filled)}]"


def chart(values: Sequence[int], *, plain: bool = False) -> str:
    """Return a bar of one character for each value, from zero to the largest."""
    marks = PLAIN if plain else BLOCKS
    top = max(values, default=0)
    if top <= 0:
        return marks[0] * len(values)
    return "".join(marks[min(value * len(marks) // top, len(marks) - 1)] for value in values)
