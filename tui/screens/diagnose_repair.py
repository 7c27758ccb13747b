"""The plan of a repair: in its place or into a new file, with lost rows from a backup, or from none."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from toolkit.errors import LifeboatError
from toolkit.operations import timeline
from toolkit.operations.timeline import Point, TimelineReport
from toolkit.wording import age_text, count_text
from tui.act import Act
from tui.screens.form import Choose, choice
from tui.screens.plan import PlanScreen
from tui.text import line
from tui.verbs import Verb

MOST_BACKUPS = 50

_TURNED = {
    "in": choice("apart", "unproven apart", "rows that may be deleted since go to tables of their own"),
    "apart": choice("in", "unproven in", "rows that may be deleted since go to their tables"),
}
"""What turns the place of rows that nothing proves, by what it is now."""


class RepairScreen(PlanScreen):
    """The plan of `repair`: the work is done on copies; `e` chooses where lost rows come from, `o` where it goes."""

    MODE = ""
    VERBS: ClassVar[tuple[Verb, ...]] = (
        PlanScreen.VERBS[0],
        Verb(name="refill", key="e", label="Refill", help="choose where the rows come from whose pages are lost"),
        Verb(
            name="place", key="o", label="New file", help="to a new file, the original untouched; again: in its place"
        ),
        *PlanScreen.VERBS[1:],
    )

    def __init__(self, path: str, *, host: str) -> None:
        name = path.rpartition("/")[2]
        self._path = path
        self._refill = "latest"
        self._unproven = "in"
        self._in_place = True
        act = Act(words=self._words(), title=f"repair {name}", operation="repair", targets=(path,))
        super().__init__(act, f"Repair {line(name)}", f"Replace {line(name)} on {line(host)} (live)")

    def _words(self) -> tuple[str, ...]:
        place = ("--in-place",) if self._in_place else ()
        apart = ("--refill-unproven", "apart") if self._unproven == "apart" else ()
        return ("repair", self._path, *place, "--refill", self._refill, *apart)

    def _anew(self) -> None:
        self.act = msgspec.structs.replace(self.act, words=self._words())
        self.headline = f"Repair {line(self._path.rpartition('/')[2])}" + ("" if self._in_place else " into a new file")
        self.do_again()

    def do_place(self) -> None:
        """Turn between the database's own place and a new file in the vault's `recovery/`."""
        self._in_place = not self._in_place
        self._anew()

    def do_refill(self) -> None:
        """Ask where lost rows come from."""
        session, request = self.ui.session, timeline.TimelineRequest(target=self._path)

        def asked(report: TimelineReport) -> None:
            self._ask_refill([point for history in report.databases for point in history.points if not point.damaged])

        def failed(_: LifeboatError) -> None:  # there is no backup to offer
            self._ask_refill([])

        self.beside(lambda _: timeline.run(session, request), asked, failed)

    def _ask_refill(self, points: list[Point]) -> None:
        if not self.is_current:
            return
        now = self.ui.session.now()
        found = [
            choice("latest", "latest", "the newest good backup, where there is one"),
            choice("none", "none", "only what the damaged file still holds"),
        ]
        for point in sorted(points, key=lambda one: one.when, reverse=True)[:MOST_BACKUPS]:
            rows = count_text(point.rows, "row") if point.rows is not None else "rows not counted"
            found.append(choice(point.id, point.id, f"{point.kind}, {age_text(point.when, now)}, {rows}"))
        found.append(_TURNED[self._unproven])
        question = "Where shall rows come from whose pages are lost?"
        self.ui.push_screen(Choose(question, found, current=self._refill), self._refilled)

    def _refilled(self, answer: str | None) -> None:
        if answer in _TURNED:
            self._unproven = answer
            self._anew()
        elif answer is not None and answer != self._refill:
            self._refill = answer
            self._anew()
