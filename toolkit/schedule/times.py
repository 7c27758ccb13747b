"""Times of a schedule: `03:00`, `sun 02:00`, `1 05:00`, or an interval; their runs in local time.

Clock changes are treated as Debian's cron does: a run in the hour that is skipped comes right after it, one in
the hour that is there twice comes once.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from toolkit.errors import UsageError

DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_AT = re.compile(r"(?:(?P<days>[a-z,-]+) |(?P<date>[0-9]{1,2}) )?(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})")
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_LONGEST_FOLD = timedelta(hours=3)
"""More than any zone sets its clocks back: Antarctica/Troll does by two hours."""


@dataclass(frozen=True, slots=True)
class At:
    """A time of day, on all days, on some weekdays (0 is Sunday) or on one day of the month."""

    hour: int
    minute: int
    weekdays: tuple[int, ...] = ()
    date: int | None = None

    @property
    def cron(self) -> str:
        """The five fields of crontab(5)."""
        days = ",".join(map(str, self.weekdays)) or "*"
        return f"{self.minute} {self.hour} {self.date or '*'} * {days}"

    @property
    def calendar(self) -> str:
        """The value of systemd.timer(5)'s OnCalendar=."""
        days = ",".join(DAYS[day].capitalize() for day in self.weekdays)
        date = f"{self.date:02}" if self.date else "*"
        return f"{days} *-*-{date} {self.hour:02}:{self.minute:02}:00".lstrip()

    def __str__(self) -> str:
        days = ",".join(DAYS[day] for day in self.weekdays) or (str(self.date) if self.date else "")
        return f"{days} {self.hour:02}:{self.minute:02}".lstrip()


@dataclass(frozen=True, slots=True)
class Every:
    """An interval. Where it divides an hour or a day it is counted from midnight, else from 1970 on."""

    span: timedelta

    @property
    def cron(self) -> str | None:
        """The five fields of crontab(5), None for an interval that these cannot say."""
        if self.span == _DAY:
            return "0 0 * * *"
        if self.span < _HOUR and not self.span % timedelta(minutes=1) and not _HOUR % self.span:
            minutes = self.span // timedelta(minutes=1)
            return "* * * * *" if minutes == 1 else f"*/{minutes} * * * *"
        if self.span < _DAY and not self.span % _HOUR and not _DAY % self.span:
            return "0 * * * *" if self.span == _HOUR else f"0 */{self.span // _HOUR} * * *"
        return None

    @property
    def calendar(self) -> str | None:
        """The value of OnCalendar=, None for an interval that it cannot say."""
        minutes = self.span // timedelta(minutes=1)
        if self.cron is None:
            return None
        if self.span == _DAY:
            return "*-*-* 00:00:00"
        if self.span >= _HOUR:
            hours = minutes // 60
            return "*-*-* *:00:00" if hours == 1 else f"*-*-* 00/{hours}:00:00"
        return f"*-*-* *:00/{minutes}:00"

    def __str__(self) -> str:
        from toolkit.profile.units import format_duration

        return f"every {format_duration(self.span)}"


When = At | Every


def span_of(when: When) -> timedelta:
    """Return the shortest time between two runs, or a day where that is longer."""
    return min(when.span, _DAY) if isinstance(when, Every) else _DAY


def parse_at(text: str) -> At:
    """Return the time that `text` means; raises `UsageError` with examples when it means none."""
    match = _AT.fullmatch(text.strip().lower())
    if match is not None:
        hour, minute, date = int(match["hour"]), int(match["minute"]), int(match["date"] or 1)
        weekdays = _weekdays(match["days"] or "")
        if hour < 24 and minute < 60 and 1 <= date <= 31 and weekdays is not None:
            return At(hour, minute, weekdays, date if match["date"] else None)
    raise UsageError(
        "this is no time", subject=text, hint='write "03:00", "sun 02:00", "mon,thu 04:30" or "1 05:00" (of the month)'
    )


def _weekdays(text: str) -> tuple[int, ...] | None:
    """Return the days of `mon,wed-fri`; None where that names no days."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            return None
        start = DAYS.index(first)
        length = (DAYS.index(last) - start) % 7 if dash else 0
        found |= {(start + step) % 7 for step in range(length + 1)}
    return tuple(sorted(found)) if found or not text else None


def local_zone(environ: Mapping[str, str]) -> tzinfo:
    """Return the time zone that cron uses here: that of `TZ`, else of /etc/localtime, else UTC."""
    name = environ.get("TZ", "").lstrip(":")
    if name:
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return UTC
    try:
        with open("/etc/localtime", "rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError):
        return UTC


def runs_after(when: When, moment: datetime, zone: tzinfo) -> Iterator[datetime]:
    """Yield the runs after `moment` (aware), soonest first, in the time of `zone`."""
    after = moment.astimezone(UTC)
    # From the second of two like hours cronsim goes on with those of the first.
    return (run for run in _runs(when, after, zone, back=False) if run.astimezone(UTC) > after)


def last_run(when: When, moment: datetime, zone: tzinfo) -> datetime:
    """Return the newest run that was due at `moment` (aware) or before, in UTC: what is taken from it is right."""
    until = moment.astimezone(UTC)
    # On its way back from within an hour that is there twice cronsim leaves the first of the two out: from behind it.
    runs = (run.astimezone(UTC) for run in _runs(when, until + _LONGEST_FOLD, zone, back=True))
    return next(run for run in runs if run <= until)


def period(when: When, moment: datetime, zone: tzinfo) -> timedelta:
    """Return the longest time between two of the next runs."""
    runs = list(itertools.islice(runs_after(when, moment, zone), 9))
    return max(later - earlier for earlier, later in itertools.pairwise(run.astimezone(UTC) for run in runs))


def _runs(when: When, moment: datetime, zone: tzinfo, *, back: bool) -> Iterator[datetime]:
    if when.cron is not None:
        from cronsim import CronSim

        yield from CronSim(when.cron, moment.astimezone(zone), reverse=back)
        return
    step = int(when.span.total_seconds())
    number = int(moment.timestamp()) // step
    if back and number * step >= moment.timestamp():
        number -= 1
    while True:
        number += 0 if back else 1
        yield datetime.fromtimestamp(number * step, zone)
        number -= 1 if back else 0
