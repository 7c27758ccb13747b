"""How the times of a plan are said: the same words on the command line and on the screens."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.operations.pace import DOUBT
from toolkit.operations.plan import Basis, Plan, Step, Takes
from toolkit.wording import about_text, rough_text

_ENOUGH = 5.0
"""Seconds from which on it is worth telling that a look takes time."""


def step_text(step: Step) -> str:
    """Return what stands beside a step: `10 s`, `<5 s`; `2 min?` for a guess, `?` where nothing is known."""
    return short_text(step.est_s, step.est_by)


def short_text(seconds: float | None, by: Basis) -> str:
    """Return an estimate for a column: `10 s`, `<5 s`; `2 min?` for a guess, `?` where nothing is known."""
    if seconds is None:
        return "?"
    short = rough_text(seconds).replace("under ", "<")
    return f"{short}?" if by == "guess" and not _is_short(seconds) else short


def estimate_text(seconds: float | None, by: Basis) -> str:
    """Return `about 40 s`, for a guess its range: `15 s to 2 min`; `not known` for None."""
    if seconds is None:
        return "not known"
    if by != "guess":
        return about_text(seconds)
    if _is_short(seconds):
        return about_text(0)
    least, most = rough_text(seconds / DOUBT), rough_text(seconds * DOUBT)
    return f"up to {most}" if least.startswith("under") else f"{least} to {most}"


def _is_short(seconds: float) -> bool:
    """Say whether even a guess that is wrong means no time that matters."""
    return seconds * DOUBT <= _ENOUGH


def takes_text(plan: Plan, *, later: bool = False) -> str:
    """Return how long the plan takes, in one sentence; with `later` its confirmation makes it once more first.

    Empty for a plan that does nothing.
    """
    return _sentence(plan.takes, later=later) if plan.steps else ""


def _sentence(times: Takes, *, later: bool = False) -> str:
    if times.est_s is None:
        return "not known: nothing like it was done here before"
    seconds = times.est_s + (times.look_s or 0.0 if later else 0.0)
    text = estimate_text(seconds, times.by)
    if later and times.look_s is not None and times.look_s >= _ENOUGH:
        text += f", {rough_text(times.look_s)} of it to look again"
    if times.offline_s is not None:
        text += f"; offline {estimate_text(times.offline_s, times.by)}"
    if times.unknown:
        text += f", not counting {_listed(times.unknown)}"
    return f"{text} (a guess)" if times.by == "guess" and not _is_short(seconds) else text


def duration_sentence(times: Takes) -> str:
    """Return how long something takes that has no plan of steps."""
    return _sentence(times)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
