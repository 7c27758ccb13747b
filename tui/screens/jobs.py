"""Jobs: what runs, waits, asks and ran, whoever started it; below, how far the one under the cursor is."""

from __future__ import annotations

import shlex
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from toolkit.errors import LifeboatError
from toolkit.events import Event
from toolkit.operations import jobs as operations
from toolkit.operations.eventlines import event_line, progress_text
from toolkit.operations.jobs import JobRow
from toolkit.operations.watch import Tail
from toolkit.wording import age_text, bar, count_text, duration_text, percent_text, time_text
from tui.act import Act
from tui.screens.frame import Frame
from tui.text import cut, ends, lines, put, rule
from tui.verbs import Verb
from tui.widgets.edges import ACTIVE, is_look, state_text, what
from tui.widgets.rows import Cell, Column, Listed, Row, Rows

TONES = {"failed": "bad", "interrupted": "bad", "asking": "warn", "warn": "warn", "cancelled": "dim", "ok": "ok"}
PROMISES = {
    "now": "can be cancelled safely now: what was begun is taken back",
    "after_step": "can be cancelled: it ends this step first, then takes back what was begun",
    "never": "too late to cancel: it goes on to the end, and can be undone then",
}
UNDOABLE = ("restore", "repair", "rescue", "delete", "undo")
ASKING_FIRST = ("restore", "repair", "rescue", "delete", "prune", "undo")
MOST_LINES = 200
MOST_MADE = 3
"""Paths that a job made which are named on the screen."""
LOOK_BACK = 1 << 20
"""Bytes of a journal, from its end, in which the last words of a job are looked for."""
SETTLE = Act(words=("jobs", "recover"), title="settle what was left half done", operation="recover")


class JobsScreen(Frame):
    """The jobs, those that are not over first."""

    MODE = "jobs"
    TITLE_LINE = "what runs and what ran; jobs go on without the screens"
    VERBS: ClassVar[tuple[Verb, ...]] = (
        Verb(name="open", key="enter", label="Log", help="the whole log of the job, with filter"),
        Verb(name="cancel", key="c", label="Cancel", help="ask the job to end; it takes back what it began", acts=True),
        Verb(name="retry", key="w", label="Retry", help="start the same command again", acts=True),
        Verb(name="undo", key="z", label="Undo", help="plan to put back what the job replaced"),
        Verb(name="answer", key="o", label="Answer", help="answer what the job asks", acts=True),
        Verb(name="settle", key="s", label="", help="settle now what killed runs left half done", acts=True),
        Verb(name="errors", key="e", label="Errors", help="only what failed, was interrupted or warns; again: all"),
    )

    def __init__(self) -> None:
        super().__init__()
        self._tail: Tail | None = None
        self._of = ""
        self._events: deque[Event] = deque(maxlen=MOST_LINES)
        self._errors = False

    def body(self) -> ComposeResult:
        """Compose the list, the line and the bar of one job, its last words."""
        yield Rows(
            (
                Column(name="job", title="JOB", width=8),
                Column(name="what", title="WHAT", width=22),
                Column(name="state", title="STATE", width=12),
                Column(name="progress", title="PROGRESS"),
                Column(name="when", title="WHEN", width=9),
            ),
            Listed(self._rows(), self.ui.session.now),
        )
        yield Static(id="rule", classes="rule")
        yield Static(id="detail")
        yield Static(id="tail")

    def more_columns(self) -> frozenset[str]:
        """Filters can also ask for who started it and how old it is."""
        return frozenset({"by", "age", "exit"})

    @property
    def job(self) -> JobRow | None:
        """The job under the cursor."""
        row = self.query_one(Rows).current
        return None if row is None else next((one for one in self.ui.jobs if one.id == row.key), None)

    def facts(self) -> None:
        """Show the jobs as they are now."""
        self.query_one(Rows).fill(self._rows(), self.ui.session.now, most=max(5, self.size.height // 2 - 3))
        self._detail()

    def on_rows_moved(self) -> None:
        """Show the job under the cursor."""
        self._detail()
        self.edges()

    def _rows(self) -> list[Row]:
        now = self.ui.session.now()
        shown = [one for one in self.ui.jobs if not self._errors or TONES.get(one.state) in ("bad", "warn")]
        shown.sort(key=lambda one: (one.state != "asking", one.state not in ACTIVE, -one.created.timestamp()))
        return [self._row(one, now) for one in shown]

    def _row(self, job: JobRow, now: datetime) -> Row:
        state = state_text(job)
        if job.state == "running" and job.step_n is not None:
            state = f"step {job.step_n}" + (f" of {job.step_of}" if job.step_of else "")
        said = _said(job)
        when = job.heard if job.state not in ACTIVE else job.created
        return Row(
            key=job.id,
            cells=(
                job.id,
                what(job),
                Cell(state, TONES.get(job.state, "")),
                said,
                Cell(_when(when or job.created, now), "dim"),
            ),
            values={
                "job": job.id,
                "what": what(job),
                "state": (job.state, state),
                "progress": said,
                "when": job.created,
                "age": job.created,
                "by": job.by,
                "exit": job.exit,
            },
        )

    # ---- the job under the cursor

    def _detail(self) -> None:
        width = self.size.width
        self.put("#rule", Content(rule() * width))
        job = self.job
        if job is None:
            said = lines(
                (
                    put((" Nothing has run yet.", "bold")),
                    put(" What you start, what cron does and what others do is listed here, and stays."),
                    Content(""),
                    put(("   2 b", "bold"), "   back up now       ", ("1", "bold"), "   what is looked after"),
                )
            )
            self.put("#detail", said if not self.ui.jobs else put(" Nothing to show: e shows all jobs again."))
            self.put("#tail", Content(""))
            return
        self._read(job)
        self.put("#detail", lines(cut(one, width) for one in self._head(job, width)))
        room = max(self.size.height - self.query_one(Rows).lines - self._height(job) - 5, 0)
        self.put("#tail", lines(cut(one, width) for one in self._words(room)))

    def _height(self, job: JobRow) -> int:
        return len(list(self._head(job, self.size.width)))

    def _head(self, job: JobRow, width: int) -> Iterator[Content]:
        now = self.ui.session.now()
        yield put((f" {job.id} {what(job)}", "bold"), f"   {job.step or job.summary or state_text(job)}")
        if job.state in ACTIVE:
            if progress_text(job):
                yield put("   " + progress_text(job, wide=24))
            promise = "asked to end; " + PROMISES.get(job.cancel, "") if job.state == "cancelling" else None
            yield ends(
                put((f" {promise or PROMISES.get(job.cancel, '')}", "$text-muted")),
                put(("goes on when you log out ", "$text-muted")),
                width,
            )
        if job.state == "asking" and job.question is not None:
            asked = f" asks: {job.question.kind} {job.question.subject}   ({' / '.join(job.question.choices)})"
            yield put((asked, "bold $text-warning"), "   ", ("o", "bold"), " answers")
        if job.state == "interrupted":
            yield put((" Its process is gone (killed, or the machine stopped).", "bold $text-error"))
            yield put(
                "   The next run settles what it left half done; ",
                ("s", "bold"),
                " does it now, ",
                ("w", "bold"),
                " starts it again.",
            )
        if job.error:
            yield put((f" {job.error}", "bold $text-error"))
        if job.hint:
            yield put(("   next: ", "bold"), job.hint)
        if job.undo:
            yield put(("   undo: ", "bold"), job.undo, "   ", ("z", "bold"), " plans it")
        for path in job.artifacts[:MOST_MADE]:
            yield put(("   made: ", "bold"), path)
        if len(job.artifacts) > MOST_MADE:
            yield put(f"         and {len(job.artifacts) - MOST_MADE:,} more: lifeboat jobs show {job.id}")
        took = duration_text(round(((job.heard or now) - job.created).total_seconds(), 1))
        ended = f"took {took}, exit {job.exit}" if job.exit is not None else f"since {age_text(job.created, now)}"
        ended += f", {count_text(job.warnings, 'warning')}" if job.warnings else ""
        yield put((f" by {job.by} on {job.host}   {ended}", "$text-muted"))
        yield put((f" {job.cli}", "$text-muted"))

    def _read(self, job: JobRow) -> None:
        if self._of != job.id or self._tail is None:
            self._of, self._events = job.id, deque(maxlen=MOST_LINES)
            try:
                self._tail = Tail(operations.directory_of(self.ui.session, job.id), last=LOOK_BACK)
            except LifeboatError:
                self._tail = None
                return
        self._events.extend(event for event in self._tail.more() if event_line(event))

    def _words(self, room: int) -> Iterator[Content]:
        for event in list(self._events)[-room:] if room else ():
            yield put((f"{event.ts.astimezone():%H:%M:%S}  ", "$text-muted"), event_line(event))

    # ---- verbs

    def against(self, verb: Verb) -> str:
        """Say why a verb cannot be used on the job under the cursor."""
        job = self.job
        if verb.name in ("open", "cancel", "retry", "undo", "answer") and job is None:
            return "there is no job here"
        if verb.name == "errors" and not self.ui.jobs:
            return "nothing has run yet"
        if job is not None:
            reason = _against(verb.name, job)
            if reason:
                return reason
        return super().against(verb)

    def commands(self) -> Iterator[Act]:
        """Yield the command that shows the job, then those of its verbs."""
        job = self.job
        if job is None:
            yield Act(words=("jobs", "list"), title="jobs")
            return
        yield Act(words=("jobs", "show", job.id, "--log"), title="job", job=False)
        yield SETTLE
        if not _against("cancel", job):
            yield self._cancel(job)
        if not _against("retry", job):
            yield Act(words=("jobs", "retry", job.id), title=f"retry {job.id}")
        if not _against("undo", job):
            yield _undo(job)

    def _cancel(self, job: JobRow) -> Act:
        return Act(words=("jobs", "cancel", job.id), title=f"cancel {job.id}", job=False)

    def do_open(self) -> None:
        """Open the whole log."""
        if self.job is not None:
            from tui.screens.log import LogScreen

            self.ui.push_screen(LogScreen(self.job.id))

    def do_cancel(self) -> None:
        """Ask once more, then ask the job to end."""
        from tui.screens.dialog import Confirm

        job = self.job
        if job is None:
            return
        act = self._cancel(job)
        question = Confirm(f"Cancel {what(job)}?", self.ui.line(act), (PROMISES.get(job.cancel, ""),))
        self.ui.push_screen(question, lambda yes: self.ui.start(act) if yes else None)

    def do_retry(self) -> None:
        """Start the same command again; what needs a plan shows it again first."""
        job = self.job
        if job is None:
            return
        try:
            words = tuple(operations.retried(self.ui.session, job.id))
        except LifeboatError as error:
            self.ui.say(f"{error.message}; {error.hint or ''}", severity="error")
            return
        words = plain(words)
        act = Act(words=words, title=what(job), operation=job.operation, targets=job.targets)
        if job.operation in ASKING_FIRST:
            from tui.screens.plan import PlanScreen, RescueScreen

            if job.operation == "rescue" and len(words) == 2 and words[1].startswith("/"):
                self.ui.push_screen(RescueScreen(words[1], host=self.ui.host))
            else:
                self.ui.push_screen(PlanScreen(act, f"Again: {what(job)}", f"{what(job)} on {self.ui.host}"))
        else:
            self.ui.start(act)

    def do_undo(self) -> None:
        """Plan to undo what the job did; the last change where it does not say how."""
        from tui.screens.plan import PlanScreen

        if self.job is None:
            return
        act = _undo(self.job)
        headline = f"Undo {what(self.job)}" if self.job.undo else "Undo the last change"
        self.ui.push_screen(PlanScreen(act, headline, f"Put back what was replaced on {self.ui.host}"))

    def do_answer(self) -> None:
        """Answer what the job asks."""
        from tui.screens.answer import Answer

        job = self.job
        if job is not None and job.question is not None:
            self.ui.push_screen(Answer(job.id, job.question), self._answered)

    def _answered(self, act: Act | None) -> None:
        if act is not None:
            self.ui.start(act)

    def do_settle(self) -> None:
        """Settle what killed runs left half done."""
        self.ui.start(SETTLE)

    def do_errors(self) -> None:
        """Show only what needs a look, or all again."""
        self._errors = not self._errors
        self.ui.say("only what failed, was interrupted or warns" if self._errors else "all jobs")
        self.facts()


def _undo(job: JobRow) -> Act:
    """Return the act that takes back what `job` did."""
    words = tuple(shlex.split(job.undo)[1:]) or ("undo",)
    return Act(words=words, title=f"undo of {what(job)}" if job.undo else "undo of the last change", operation="undo")


def plain(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words of a command without what confirmed it: a new plan is confirmed anew."""
    found: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in ("--confirm", "--digest"):
            skip = True
        elif word not in ("--yes", "-y", "--json", "--events"):
            found.append(word)
    return tuple(found)


def _against(verb: str, job: JobRow) -> str:
    active = job.state in ACTIVE
    if verb == "cancel":
        if not active:
            return f"the job is over: {job.state}"
        return "it was asked to end already" if job.state == "cancelling" else ""
    if verb == "retry" and active:
        return "the job is not over yet"
    if verb == "undo":
        if active:
            return "the job is not over yet: c cancels it, and takes back what it began"
        if is_look(job):
            return "it only made a plan, and changed nothing"
        return "" if job.operation in UNDOABLE else f"{job.operation} replaces nothing that could be undone"
    if verb == "answer" and job.question is None:
        return "the job asks nothing"
    return ""


def _said(job: JobRow) -> str:
    if job.state in ACTIVE:
        if job.question is not None:
            return f"{job.question.kind} {job.question.subject}"
        if job.total:
            return f"{bar(job.done or 0, job.total, width=12)} {percent_text(job.done or 0, job.total)}"
        return job.step
    return job.error or job.summary


def _when(when: datetime, now: datetime) -> str:
    return time_text(when, now) if (now - when).total_seconds() < 86400 // 2 else age_text(when, now)
