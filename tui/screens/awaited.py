"""A job that a screen starts to look at something: nothing is changed by it, and what it prints is shown there."""

from __future__ import annotations

from typing import Any

import msgspec

from toolkit.errors import LifeboatError
from toolkit.operations.jobs import JobRow
from toolkit.operations.planned import Planned, document_of, planned
from toolkit.operations.report import notice
from tui.act import Act, Started
from tui.screens.frame import Frame
from tui.widgets.edges import ACTIVE

LATER, OFTEN = 0.1, 100
"""Seconds between two looks for what a job that is over prints last, and how many looks."""


class Awaited:
    """The newest of the jobs that `screen` waits for; no earlier one is listened to, whichever ends first."""

    def __init__(self, screen: Frame) -> None:
        self._screen = screen
        self._number = 0
        self._waited = 0
        self.job = ""
        self.found: Planned | None = None
        """What it printed; an error of its own where it was not started, or printed nothing."""

    def begin(self, act: Act) -> None:
        """Look with `act`. Who looks no more need not be waited for: an earlier job is asked to end."""
        self.leave()
        number = self._number

        def started(one: Started) -> None:
            if number == self._number:
                self.job = one.job
                self._screen.facts()
            else:
                self._end(one.job)

        def failed(error: LifeboatError) -> None:
            if number == self._number:
                self.found = Planned(error=notice(error))
                self._screen.facts()

        ui = self._screen.ui
        ui.start(msgspec.structs.replace(act, looks=True), started, failed, wanted=lambda: not ui.is_left)

    def leave(self) -> None:
        """Take no answer any more, and ask the job to end that would give one."""
        row = self.row
        if self.job and self.found is None and (row is None or row.state in ACTIVE):
            self._end(self.job)
        self._number += 1
        self._waited = 0
        self.job, self.found = "", None

    def _end(self, job: str) -> None:
        ui = self._screen.ui
        if not (ui.is_left or ui.read_only):
            ui.start(Act(words=("jobs", "cancel", job), title="", job=False, looks=True))

    @property
    def row(self) -> JobRow | None:
        """The job, as it is known now."""
        return next((one for one in self._screen.ui.jobs if one.id == self.job), None) if self.job else None

    def read(self) -> Planned | None:
        """Return what the job printed, once it is over.

        A command ends its journal first and prints its document then: `facts` of the screen is called again.
        """
        row = self.row
        if self.found is None and row is not None and row.state not in ACTIVE:
            found = self._printed(row.id)
            self._waited += 1
            if found.lost and self._waited < OFTEN:
                self._screen.set_timer(LATER, self._screen.facts)
            else:
                self.found = found
        return self.found

    def _printed(self, job: str) -> Planned:
        try:
            return planned(self._screen.ui.session, job)
        except LifeboatError as error:  # its folder is gone
            return Planned(error=notice(error))

    @property
    def document(self) -> Any:
        """The whole document that it printed, None before."""
        return document_of(self._screen.ui.session, self.job) if self.job and self.found is not None else None
