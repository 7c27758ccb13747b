"""How long a rescue takes, and for how long each way out keeps the application offline."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import msgspec

from toolkit.operations.application.services import Command, step_title
from toolkit.operations.pace import Estimate, total
from toolkit.operations.pace_records import History
from toolkit.operations.repairing import outputs
from toolkit.operations.repairing.plan import estimate_of
from toolkit.operations.rescuing.ways import Option, Patient
from toolkit.operations.restoring.replacing import smoke_title


class Times:
    """Reckons the steps of one rescue: by what was recorded here, else by what was timed while the ways were made.

    `live` says that something may write to the databases until it is stopped.
    """

    def __init__(
        self,
        history: History,
        profile: str,
        *,
        stop: Sequence[Command],
        start: Sequence[Command],
        aside: bool,
        live: bool,
    ) -> None:
        self._history, self._profile = history, profile
        self._stop, self._begun = stop, (*stop, *start)
        self._aside, self._live = aside, live

    def step(self, name: str, patients: Sequence[Patient]) -> Estimate | None:
        """Return how long the step `name` takes for all `patients`, each on the way that it takes; None: unknown."""
        if name in ("stop", "start"):
            return self._history.same(name, step_title(name, self._stop if name == "stop" else self._begun))
        if name == "smoke":
            return self._history.same("smoke", smoke_title(self._profile))
        return total([self._of(name, one, one.option) for one in patients if one.option is not None])

    def offline(self, patient: Patient, option: Option) -> Estimate | None:
        """Return for how long the application would be down on this way; None where nothing is stopped."""
        if not self._stop and not self._live:
            return None
        names = ("stage", "safety", "place", "check")
        around = (self.step(name, ()) for name, services in (("stop", self._stop), ("start", self._begun)) if services)
        return total([*(self._of(name, patient, option) for name in names), *around])

    def _of(self, name: str, patient: Patient, option: Option | None) -> Estimate | None:
        output = option.output if option is not None else None
        if output is None:
            return None
        size, mended = output.stat().st_size, next(filter(None, (one.mended for one in patient.options.values())), None)
        kept = outputs.size_of(patient.path) if name == "safety" else 0
        keeping: Literal["safety", "names"] = "names" if self._aside else "safety"
        found = estimate_of(name, self._history, size=size, kept=kept, keeping=keeping, mended=mended)
        return total([found, self._again(patient, option)]) if name == "stage" else found

    def _again(self, patient: Patient, option: Option | None) -> Estimate | None:
        """Return what mending once more takes, where the files will not be those of the plan once all is stopped.

        What SQLite has in its -wal goes into the database when the last one closes it.
        """
        mended = option.mended if option is not None else None
        if mended is None or not (self._live and _has_wal(patient.path)):
            return None
        seconds = mended.original.seconds + mended.seconds + mended.checking
        return Estimate(seconds=seconds, by="measured")


def _has_wal(path: str) -> bool:
    try:
        return os.path.getsize(f"{path}-wal") > 0
    except OSError:
        return False


def tell_ways(patients: Sequence[Patient], times: Times) -> None:
    """Write into every way out that is possible for how long it keeps the application offline."""
    for patient in patients:
        for name, option in patient.options.items():
            down = times.offline(patient, option) if option.way.possible else None
            if down is not None:
                way = msgspec.structs.replace(option.way, offline_s=round(down.seconds, 1), offline_by=down.by)
                patient.options[name] = replace(option, way=way)
