"""How long the steps of a plan take: reckoned from what was timed, here or just now; else by a rule of thumb.

Nothing is read or measured here: the samples come from `pace_records`, and from the work that a plan did anyway.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

import msgspec

from toolkit.operations.plan import Basis, Step, Takes

FILE_WEIGHT = 64 << 10
"""How many bytes the opening, naming and syncing of one file is worth."""
TELLING = 16 << 20
"""From this weight on a sample tells a rate; below it, what it took is mostly what each run takes."""
FAR = 256.0
"""By this factor of weight a sample may be stretched before it is no more than a rule of thumb."""
MOST_SAMPLES = 3
LEAST = 0.1
"""Seconds: no step is said to take less."""
DOUBT = 3.0
"""A guess may be wrong by this factor, either way."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """Something that took `seconds` for `size` bytes in `items` files."""

    seconds: float
    size: int = 0
    items: int = 0
    by: Basis = "measured"

    @property
    def weight(self) -> int:
        """The amount: bytes, and what files are worth."""
        return self.size + self.items * FILE_WEIGHT


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """The rule of thumb of a slow server: seconds for anything at all, and bytes a second."""

    fixed: float
    rate: float


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds, and what they stand on."""

    seconds: float
    by: Basis


PACES = {
    "stage": Pace(fixed=0.5, rate=60e6),
    "copy": Pace(fixed=0.2, rate=120e6),
    "check": Pace(fixed=0.3, rate=60e6),
    "counts": Pace(fixed=0.3, rate=200e6),
    "quick": Pace(fixed=0.3, rate=150e6),
    "safety": Pace(fixed=0.8, rate=50e6),
    "place": Pace(fixed=0.3, rate=150e6),
    "names": Pace(fixed=0.3, rate=1e9),
    "write": Pace(fixed=0.3, rate=120e6),
    "backup": Pace(fixed=1.0, rate=40e6),
    "remove": Pace(fixed=0.2, rate=2e9),
}
"""By what is done. `stage` takes out of an archive, `copy` copies; `quick` is quick_check, `check` all checks."""


def reckon(kind: str, *, size: int = 0, items: int = 0, samples: Iterable[Sample] = ()) -> Estimate:
    """Return how long doing `kind` (a key of `PACES`) to so much takes.

    Of the samples those that were recorded count before those that were measured, the first of each before later ones;
    of at most `MOST_SAMPLES` the median. One that says too little of this amount is no more than a rule of thumb.
    """
    pace = PACES[kind]
    weight = size + items * FILE_WEIGHT
    stretched = [_stretched(sample, weight, pace) for sample in samples]
    for basis in ("recorded", "measured", "guess"):
        fitting = [one.seconds for one in stretched if one.by == basis][:MOST_SAMPLES]
        if fitting:
            return Estimate(seconds=max(statistics.median(fitting), LEAST), by=basis)
    return Estimate(seconds=max(pace.fixed + weight / pace.rate, LEAST), by="guess")


def _stretched(sample: Sample, weight: int, pace: Pace) -> Estimate:
    """Return what `sample` says of another weight, and whether that is more than a guess."""
    own = sample.weight
    if weight <= own:
        fixed = min(sample.seconds, pace.fixed)
        return Estimate(seconds=max(fixed, sample.seconds * weight / own if own else sample.seconds), by=sample.by)
    if own >= TELLING:
        by: Basis = sample.by if weight <= own * FAR else "guess"
        return Estimate(seconds=sample.seconds * weight / own, by=by)
    more = (weight - own) / pace.rate
    return Estimate(seconds=sample.seconds + more, by=sample.by if more <= max(sample.seconds, 1.0) else "guess")


def removing(count: int, *, size: int = 0, each: float = 0.03) -> Estimate:
    """Return how long removing, renaming or writing `count` things takes: `each` and what their `size` bytes need."""
    pace = PACES["remove"]
    return Estimate(seconds=max(pace.fixed + count * each + size / pace.rate, LEAST), by="guess")


def total(estimates: Iterable[Estimate | None]) -> Estimate | None:
    """Return the sum of those that are known, on the weakest thing that a third of it stands on; None for none."""
    known = [one for one in estimates if one is not None]
    seconds = sum(one.seconds for one in known)
    if not known:
        return None
    for basis in ("guess", "measured", "recorded"):
        if sum(one.seconds for one in known if one.by == basis) >= seconds / 3:
            return Estimate(seconds=seconds, by=basis)
    return Estimate(seconds=seconds, by="measured")


def timed(step: Step, estimate: Estimate | None) -> Step:
    """Return `step` with what it takes, in tenths of seconds; unchanged where that is not known."""
    if estimate is None:
        return step
    return msgspec.structs.replace(step, est_s=round(estimate.seconds, 1), est_by=estimate.by)


def of_step(step: Step) -> Estimate | None:
    """Return what the step says that it takes."""
    return None if step.est_s is None else Estimate(seconds=step.est_s, by=step.est_by)


def takes(steps: Sequence[Step], *, look: float | None = None, again: bool = False) -> Takes:
    """Return how long all `steps` take. `look` seconds went into the plan; with `again` it is made once more in it.

    What is stopped is down until it has started again.
    """
    found = {step.name: of_step(step) for step in steps}
    more = [Estimate(seconds=look, by="measured")] if again and look is not None and found else []
    whole = total([*found.values(), *more])
    down = [step for step in steps if step.offline]
    offline = total([of_step(step) for step in steps if step.offline or (down and step.name == "start")])
    return Takes(
        est_s=None if whole is None else round(max(whole.seconds, LEAST), 1),
        offline_s=None if offline is None else round(max(offline.seconds, LEAST), 1),
        look_s=None if look is None else round(max(look, LEAST), 1),
        by="" if whole is None else whole.by,
        unknown=tuple(name for name, one in found.items() if one is None),
    )
