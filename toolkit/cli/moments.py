"""Points in time on the command line: a date, a date with a time, or an age such as `7d`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from toolkit.errors import LifeboatError


class MomentType(click.ParamType[datetime]):
    """`2026-11-20`, `2026-11-20T03:00` (this machine's time zone, or with one), or an age: `36h`, `7d`."""

    name = "when"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the aware moment in UTC that `value` means."""
        from toolkit.profile.units import parse_duration

        if isinstance(value, datetime):
            return value
        text = str(value).strip()
        try:
            return datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        try:
            age: timedelta = parse_duration(text)
            return datetime.now(UTC) - age
        except (LifeboatError, ValueError, OverflowError):
            self.fail(f"{text!r} is neither a date (2026-11-20, 2026-11-20T03:00) nor an age (36h, 7d)", param, ctx)


MOMENT = MomentType()
