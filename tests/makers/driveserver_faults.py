"""What can go wrong on the way to Drive, at any point that a test names.

    server.faults.add(status(503), "chunk", nth=2)             the second chunk gets a 503, once
    server.faults.add(lost(), "chunk", last=True)              the reply to the last chunk is lost
    server.faults.scatter(0.2, seed=1)                         a fifth of all requests fails, seeded

Operations: `token device about ids create start chunk query get media list update delete drives`; "" is any of
them but the signing in, which goes wrong by name only.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

SIGN_IN = ("token", "device")


@dataclass(frozen=True)
class Fault:
    """How a request fails.

    `refuse` answers with a status instead of doing it; `reset` drops the connection before; `cut` drops it in the
    middle of the body, the request's or the reply's; `stall` never answers; `lost` does it and drops the
    connection, `hang_up` closes it in good order; `muddled` does it and answers with a status; `expired` ends the
    access token first; `call` calls `action` when this share of a chunk has come, and drops the rest.
    """

    kind: str
    status: int = 0
    reason: str = ""
    retry_after: int | None = None
    after: float = 0.5
    action: Callable[[], None] | None = None


def status(code: int, reason: str = "", *, retry_after: int | None = None) -> Fault:
    """Refuse with a status, and do nothing."""
    return Fault("refuse", code, reason, retry_after)


def rate_limit() -> Fault:
    """Refuse as Drive does where requests come too fast."""
    return Fault("refuse", 403, "userRateLimitExceeded")


def reset() -> Fault:
    """Drop the connection before anything is done."""
    return Fault("reset")


def cut(after: float = 0.5) -> Fault:
    """Drop the connection when this share of the body has come, or has been sent."""
    return Fault("cut", after=after)


def stall() -> Fault:
    """Take the request and never answer."""
    return Fault("stall")


def lost() -> Fault:
    """Do it, and drop the connection instead of answering."""
    return Fault("lost")


def hang_up() -> Fault:
    """Do it, and close the connection without an answer, as a server does with one that was idle for long."""
    return Fault("hang_up")


def call(action: Callable[[], None], after: float = 0.5) -> Fault:
    """Call `action` when this share of a chunk has come, and drop the rest; at 1, when done, before the answer."""
    return Fault("call", after=after, action=action)


def muddled(code: int = 503) -> Fault:
    """Do it, and answer with a failure all the same."""
    return Fault("muddled", code)


def expired() -> Fault:
    """End the access token before the request is looked at."""
    return Fault("expired")


EVERY_KIND = (
    status(503),
    status(429),
    status(500),
    rate_limit(),
    reset(),
    cut(),
    lost(),
    hang_up(),
    muddled(),
    expired(),
)
"""All that a client must get over by itself; a stall too, which takes as long as its patience."""


@dataclass
class _Planned:
    fault: Fault
    operation: str
    nth: int
    times: int
    last: bool
    seen: int = 0


class Faults:
    """What is planned, and what has happened: `hits` counts faults by kind and operation."""

    def __init__(self) -> None:
        self.hits: Counter[tuple[str, str]] = Counter()
        self.requests: Counter[str] = Counter()
        self._planned: list[_Planned] = []
        self._random: random.Random | None = None
        self._rate = 0.0
        self._kinds: tuple[Fault, ...] = EVERY_KIND
        self._lock = threading.Lock()

    def add(self, fault: Fault, operation: str = "", *, nth: int = 1, times: int = 1, last: bool = False) -> None:
        """Let the `nth` request of `operation` from now on fail, and those after it, `times` altogether.

        With `last` only requests that end an upload count.
        """
        with self._lock:
            self._planned.append(_Planned(fault, operation, nth, times, last))

    def scatter(self, rate: float, *, seed: int, kinds: tuple[Fault, ...] = EVERY_KIND) -> None:
        """Let this share of all requests fail, in ways chosen from `kinds`."""
        with self._lock:
            self._random, self._rate, self._kinds = random.Random(seed), rate, kinds

    def clear(self) -> None:
        """Plan nothing any more, and forget what happened."""
        with self._lock:
            self._planned.clear()
            self._random = None
            self.hits.clear()
            self.requests.clear()

    def pick(self, operation: str, *, last: bool = False) -> Fault | None:
        """Return how this request fails, if it does."""
        with self._lock:
            self.requests[operation] += 1
            found = self._from_plan(operation, last=last) or self._by_chance(operation)
            if found is not None:
                self.hits[found.kind, operation] += 1
            return found

    def _from_plan(self, operation: str, *, last: bool) -> Fault | None:
        for one in self._planned:
            if one.operation not in ("", operation) or (not one.operation and operation in SIGN_IN):
                continue
            if one.last and not last:
                continue
            one.seen += 1
            if one.nth <= one.seen < one.nth + one.times:
                return one.fault
        return None

    def _by_chance(self, operation: str) -> Fault | None:
        if self._random is None or operation in SIGN_IN or self._random.random() >= self._rate:
            return None
        return self._random.choice(self._kinds)
