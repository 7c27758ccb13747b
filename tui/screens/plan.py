"""Look, then do: the plan of something destructive, made by a dry run, shown, confirmed, and then started as shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import msgspec
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from toolkit.errors import LifeboatError
from toolkit.operations.eventlines import progress_text
from toolkit.operations.jobs import JobRow
from toolkit.operations.pace_words import takes_text
from toolkit.operations.plan import Plan
from toolkit.operations.planned import Planned
from tui.act import Act, Started
from tui.screens.awaited import Awaited
from tui.screens.dialog import TypeName
from tui.screens.frame import Frame
from tui.screens.plantext import plan_lines
from tui.text import ends, line, lines, put, rule
from tui.verbs import Verb


class PlanScreen(Frame):
    """The plan of `act`, from its own `--dry-run`. Enter asks what the plan demands, then starts exactly this plan.

    `headline` names what is done to what; `question` is what the dialog says above the name that is typed. The
    command is given the plan's digest: should the target change meanwhile, it is refused and nothing is changed.
    """

    AUTO_FOCUS = "VerticalScroll"
    TITLE_LINE = "nothing is changed before you confirm"
    VERBS: ClassVar[tuple[Verb, ...]] = (
        Verb(
            name="do", key="enter", label="Do it", help="start what the plan says; asks for the name first", acts=True
        ),
        Verb(name="copy", key="y", label="Copy cmd", help="copy the command line that does the same"),
        Verb(name="again", key="R", label="Again", help="look again and make the plan anew"),
        Verb(name="back", key="q,escape,n", label="No", shown="q", help="leave it: nothing was changed"),
    )

    def __init__(self, act: Act, headline: str, question: str) -> None:
        super().__init__()
        self.act = act
        self.headline = headline
        self.question = question
        self.looking = Awaited(self)
        self.done_by = ""
        self._starting = False

    def body(self) -> ComposeResult:
        """Compose the headline and the text."""
        yield Static(id="headline")
        yield Static(id="rule", classes="rule")
        with VerticalScroll():
            yield Static(id="text")

    @property
    def found(self) -> Planned | None:
        """What the look said, once it is over."""
        return self.looking.found

    @property
    def plan(self) -> Plan | None:
        """The plan, once it is made."""
        return self.found.plan if self.found is not None else None

    @property
    def look(self) -> Act:
        """The command that makes the plan."""
        return msgspec.structs.replace(
            self.act, words=(*self.act.words, "--dry-run", "--json"), title=f"plan of {self.act.title}", confirm=()
        )

    @property
    def final(self) -> Act:
        """The command that does this plan and no other."""
        plan = self.plan
        if plan is None:
            return self.act
        words = ("--confirm", plan.confirm_word) if plan.confirm == "word" else ("--yes",)
        return msgspec.structs.replace(self.act, words=(*self.act.words, "--digest", plan.digest), confirm=words)

    def commands(self) -> Iterator[Act]:
        """Yield the command that does the same."""
        yield self.final if self.plan is not None else self.act

    def on_mount(self) -> None:
        """Begin to make the plan."""
        super().on_mount()
        self.do_again()

    def do_again(self) -> None:
        """Make the plan (again)."""
        self.looking.begin(self.look)
        self.facts()

    def on_unmount(self) -> None:
        """Have the look end: nobody waits for it any more."""
        self.looking.leave()

    def facts(self) -> None:
        """Show how far the plan is, or the plan."""
        self.looking.read()
        row = self.looking.row
        width = self.size.width
        state = f"started as job {self.done_by}" if self.done_by else "nothing has been changed yet"
        if self._starting:
            state = "it is being started"
        self.put("#headline", ends(put((f" {self.headline}", "bold")), put((f"{state} ", "$text-success")), width))
        self.put("#rule", Content(rule() * width))
        self.put("#text", lines(self._text(row, width)))
        self.edges()

    def _text(self, row: JobRow | None, width: int) -> Iterator[Content]:
        if self.found is None:
            yield Content("")
            yield put("  Looking, on copies only: the live files are read and never written.")
            if row is not None:
                yield Content("")
                yield put(("  " + (row.step or row.state), "bold"))
                yield put("  " + progress_text(row))
            return
        yield from self.outcome(self.found)
        yield from plan_lines(self.found, width - 1, command=self.ui.line(self.final), later=True)

    def outcome(self, found: Planned) -> Iterator[Content]:
        """Yield why there is no plan, where there is none."""
        if found.plan is not None:
            return
        yield Content("")
        if found.error is not None:
            yield put(("  No plan: ", "bold $text-error"), found.error.message)
            if found.error.subject:
                yield put(f"           {found.error.subject}")
            if found.error.hint:
                yield put(("  Next:    ", "bold"), found.error.hint)
        for note in found.notes:
            yield put("  " + note)
        for warning in found.warnings[:8]:
            yield put(("  Note: ", "bold $text-warning"), warning.message, "  ", warning.hint or "")
        yield put("  Nothing was changed.   ", ("R", "bold"), " look again   ", ("q", "bold"), " back")

    def against(self, verb: Verb) -> str:
        """Say why it cannot be started."""
        if verb.name == "do" and self.plan is None:
            return "there is no plan yet" if self.found is None else "there is nothing to do"
        if verb.name == "do" and self._starting:
            return "it is being started"
        if verb.name == "do" and self.done_by:
            return f"it was started, as job {self.done_by}"
        if verb.name == "again" and self.found is None:
            return "it is being looked at now"
        return super().against(verb)

    def do_do(self) -> None:
        """Ask for what the plan demands, and start it."""
        plan = self.plan
        if plan is None:
            return
        if plan.confirm == "word":
            takes = f"Takes {takes_text(plan, later=True)}"
            dialog = TypeName(self.question, plan.confirm_word, self.ui.line(self.final), (takes,))
            self.ui.push_screen(dialog, self._answered)
        else:
            self._answered(yes=True)

    def _answered(self, yes: bool | None) -> None:  # noqa: FBT001 - Textual passes it by place
        if yes:
            self._starting = True
            self.start(self.final, self._started, self._not_started)
            self.facts()

    def _not_started(self, _: LifeboatError) -> None:
        self._starting = False
        self.facts()

    def _started(self, started: Started) -> None:
        self.done_by, self._starting = started.job, False
        self.ui.run_worker(self._to_jobs(started.job))

    async def _to_jobs(self, job: str) -> None:
        if self.is_current:
            self.ui.pop_screen()
        await self.ui.show_job(job)


class RescueScreen(PlanScreen):
    """The plan of a rescue: every way out was made on copies and measured; another one can be taken."""

    MODE = ""
    VERBS: ClassVar[tuple[Verb, ...]] = (
        PlanScreen.VERBS[0],
        Verb(name="way", key="w", label="Other way", help="plan the next of the possible ways out"),
        *PlanScreen.VERBS[1:],
    )

    def __init__(self, path: str, *, host: str, way: str = "") -> None:
        name = path.rpartition("/")[2]
        words = ("rescue", path, *(("--way", way) if way else ()))
        act = Act(words=words, title=f"rescue {name}", operation="rescue", targets=(path,))
        super().__init__(act, f"Rescue {line(name)}", f"Replace {line(name)} on {line(host)} (live)")
        self._path = path

    def _ways(self) -> list[str]:
        if self.found is None:
            return []
        return [way.name for row in self.found.databases for way in row.ways if way.possible]

    def against(self, verb: Verb) -> str:
        """Say why there is no other way."""
        if verb.name == "way" and len(self._ways()) < 2:
            return "the ways out are not measured yet" if self.found is None else "there is no other way"
        return super().against(verb)

    def do_way(self) -> None:
        """Plan the next way."""
        ways = self._ways()
        taken = self.found.databases[0].way if self.found is not None and self.found.databases else ""
        following = ways[(ways.index(taken) + 1) % len(ways)] if taken in ways else ways[0]
        self.act = msgspec.structs.replace(self.act, words=("rescue", self._path, "--way", following))
        self.do_again()
