"""Progress as it is said: at most four times a second, first and last always, never backwards, rate smoothed."""

from __future__ import annotations

import math

from toolkit.events import Advanced, Name, Unit

INTERVAL = 0.25
"""Seconds between two events at least."""

_MEMORY = 5.0
"""Seconds after which an old rate counts for a third."""


class Meter:
    """Decides which of many calls become events. Not safe for threads: `Job` holds its lock around it."""

    __slots__ = ("_complete", "_done", "_said_at", "_said_done", "_total", "item", "pending", "rate", "step", "unit")

    def __init__(self, step: str, unit: Unit, item: Name | None = None, total: int | None = None) -> None:
        self.step = step
        self.unit = unit
        self.item = item
        self.pending = False
        self.rate: float | None = None
        self._done = 0
        self._total = total
        self._said_at: float | None = None
        self._said_done = 0
        self._complete = False

    def update(self, done: int, total: int | None, now: float) -> Advanced | None:
        """Take a call at the time `now` in seconds, and return the event to say, if any."""
        steady = total is None or total == self._total
        self._done = max(self._done, done)
        self._total = self._total if total is None else total
        if self._total is not None and self._total < self._done:
            self._total = self._done
        self.pending = True
        if self._said_at is None or now - self._said_at >= INTERVAL:
            return self.flush(now)
        if steady and self._done == self._total and not self._complete:
            self._complete = True
            return self.flush(now)
        return None

    def flush(self, now: float) -> Advanced | None:
        """Return the event for what was not said yet, None when all was."""
        if not self.pending:
            return None
        self.pending = False
        if self._said_at is not None and now > self._said_at:
            span = now - self._said_at
            rate = (self._done - self._said_done) / span
            weight = 1.0 if self.rate is None else 1 - math.exp(-span / _MEMORY)
            self.rate = rate if self.rate is None else self.rate + weight * (rate - self.rate)
        if self._said_at is None or now > self._said_at:
            self._said_at, self._said_done = now, self._done
        eta = None
        if self.rate and self._total is not None:
            eta = math.ceil((self._total - self._done) / self.rate)
        rate_said = None if self.rate is None else round(self.rate, 1)
        return Advanced(
            step=self.step,
            done=self._done,
            total=self._total,
            unit=self.unit,
            item=self.item,
            rate=rate_said,
            eta_s=eta,
        )
