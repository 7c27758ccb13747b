"""The restore wizard, step 4: the plan with all choices; Enter, and the name where a live database is replaced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import ClassVar

import msgspec
from textual import events
from textual.content import Content

from toolkit.operations.planned import Planned
from toolkit.operations.restoring.request import OnConflict
from tui.act import Act, Started
from tui.screens.frame import Frame
from tui.screens.plan import PlanScreen
from tui.text import put
from tui.verbs import Verb


class RestorePlanScreen(PlanScreen):
    """The plan that step 3 made. Exactly this plan is started: when the target changed since, it is refused."""

    VERBS: ClassVar[tuple[Verb, ...]] = (
        PlanScreen.VERBS[0],
        Verb(name="copy", key="y", label="Copy cmd", help="copy the command line that does the same"),
        Verb(name="again", key="R", label="Again", help="look at the target again: back to the clashes"),
        Verb(
            name="back", key="q,escape,n", label="Step back", shown="q", help="back to the clashes: nothing was changed"
        ),
    )

    def __init__(self, act: Act, found: Planned, choices: Mapping[str, OnConflict], host: str) -> None:
        words = act.words
        to = words[words.index("--to") + 1] if "--to" in words else ""
        where = f"into {to}" if to else "over the live data"
        super().__init__(act, f"Restore {words[1]}   step 4/4   {where}", f"Replace live data on {host}")
        self._made = found
        self._choices = Counter(one.value for one in choices.values())

    @property
    def final(self) -> Act:
        """The command that does this plan and no other: its file names the state that was seen."""
        plan = self._made.plan
        confirm: tuple[str, ...] = ()
        if plan is not None and plan.confirm == "word":
            confirm = ("--confirm", plan.confirm_word)
        elif plan is not None and plan.confirm == "key":
            confirm = ("--yes",)
        return msgspec.structs.replace(self.act, confirm=confirm)

    def on_mount(self, event: events.Mount | None = None) -> None:
        """Show the plan that is there; none is made here, as `PlanScreen` would."""
        if event is not None:
            event.prevent_default()
        self.looking.found = self._made
        Frame.on_mount(self)

    def do_again(self) -> None:
        """Go back to the clashes and look again."""
        from tui.screens.restore_clashes import RestoreClashes

        self.ui.pop_screen()
        if isinstance(self.ui.screen, RestoreClashes):
            self.ui.screen.do_again()

    def outcome(self, found: Planned) -> Iterator[Content]:
        """Yield what was decided."""
        yield from super().outcome(found)
        plan = found.plan
        if plan is not None:
            counts = plan.clashes
            chosen = "".join(f", {count:,} {word}" for word, count in sorted(self._choices.items()))
            yield put(f"  {counts.same:,} same: left alone, {counts.missing:,} missing: written{chosen}")
            asks = f"asks for the name {plan.confirm_word}" if plan.confirm == "word" else "starts it"
            yield put(("  Enter", "bold"), f" {asks}; ", ("q", "bold"), " is one step back")
            yield Content("")

    def _started(self, started: Started) -> None:
        self.done_by, self._starting = started.job, False
        self.ui.run_worker(self._leave_wizard(started.job))

    async def _leave_wizard(self, job: str) -> None:
        from tui.screens.restore import Step
        from tui.screens.restore_clashes import RestoreClashes

        while isinstance(self.ui.screen, Step | RestoreClashes | RestorePlanScreen):
            self.ui.pop_screen()
        await self.ui.show_job(job)
